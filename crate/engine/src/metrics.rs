//! Metrics computed from logits, on the host, in f64.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number per row and prompt, `[rows, prompts]`, row-major. A row is a patch, a cell of a map, or a run.
/// NaN: not computed yet, or the prompt has no such thing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PerPrompt {
    prompts: usize,
    numbers: Vec<f64>,
}

impl PerPrompt {
    /// `[rows, prompts]`, all NaN.
    pub fn new(rows: usize, prompts: usize) -> Self {
        Self { prompts, numbers: vec![f64::NAN; rows * prompts] }
    }

    /// From numbers `[rows, prompts]`, row-major.
    pub(crate) fn from_rows(prompts: usize, numbers: Vec<f64>) -> Self {
        debug_assert_eq!(numbers.len() % prompts.max(1), 0, "whole rows");
        Self { prompts, numbers }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.numbers.len() / self.prompts.max(1)
    }

    /// Number of prompts.
    pub fn prompts(&self) -> usize {
        self.prompts
    }

    /// All numbers, row-major.
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// A row's numbers, one per prompt.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.numbers[row * self.prompts..(row + 1) * self.prompts]
    }

    /// A row's numbers, one per prompt, to be changed.
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.numbers[row * self.prompts..(row + 1) * self.prompts]
    }

    /// A prompt's numbers, one per row.
    pub fn prompt(&self, prompt: usize) -> impl ExactSizeIterator<Item = f64> + '_ {
        (0..self.rows()).map(move |row| self.numbers[row * self.prompts + prompt])
    }

    /// With the prompts in another order: the new first is the one with index `order[0]`, and so on.
    #[must_use]
    pub(crate) fn ordered(&self, order: &[usize]) -> Self {
        let row = |row: usize| order.iter().map(move |&prompt| self.row(row)[prompt]);
        Self { prompts: order.len(), numbers: (0..self.rows()).flat_map(row).collect() }
    }

    /// Writes `block [rows, n]` into the columns `first..first + n`.
    pub(crate) fn set_columns(&mut self, first: usize, block: &[f32]) {
        let rows = self.rows().max(1);
        for (row, block) in block.chunks_exact((block.len() / rows).max(1)).enumerate() {
            let row = &mut self.row_mut(row)[first..first + block.len()];
            row.iter_mut().zip(block).for_each(|(number, &new)| *number = f64::from(new));
        }
    }
}

/// Serialised prompt by prompt, `[prompts][rows]`, the layout of reports.
impl Serialize for PerPrompt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Prompt<'a>(&'a PerPrompt, usize);
        impl Serialize for Prompt<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let number = |number: f64| Some(number).filter(|number| !number.is_nan());
                serializer.collect_seq(self.0.prompt(self.1).map(number))
            }
        }
        serializer.collect_seq((0..self.prompts).map(|prompt| Prompt(self, prompt)))
    }
}

impl<'de> Deserialize<'de> for PerPrompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let prompts = Vec::<Vec<Option<f64>>>::deserialize(deserializer)?;
        let rows = prompts.first().map_or(0, Vec::len);
        if prompts.iter().any(|prompt| prompt.len() != rows) {
            return Err(serde::de::Error::custom("all prompts must have the same number of values"));
        }
        let number = |row: usize| prompts.iter().map(move |prompt| prompt[row].unwrap_or(f64::NAN));
        let numbers = (0..rows).flat_map(number).collect();
        Ok(Self { prompts: prompts.len(), numbers })
    }
}

/// Final logits of runs, from which every metric follows without running again: `[runs, prompts]` each.
#[derive(Debug, Clone, PartialEq)]
pub struct LogitStats {
    /// The answer's logit; of a set of answers the mean.
    pub answer: PerPrompt,
    /// The distractor's, likewise.
    pub distractor: PerPrompt,
    /// Probabilities and rank. None if the readout left the rest of the vocabulary out.
    pub vocabulary: Option<VocabStats>,
}

/// The answer relative to the whole vocabulary: `[runs, prompts]` each.
#[derive(Debug, Clone, PartialEq)]
pub struct VocabStats {
    /// Log-sum-exp of all logits.
    pub log_sum_exp: PerPrompt,
    /// Rank of the answer: how many tokens have a larger logit. NaN for a set of answers.
    pub rank: PerPrompt,
    /// Log-sum-exp of the answers' logits: of a single answer its logit.
    pub answers: PerPrompt,
    /// Log-sum-exp of the distractors' logits.
    pub distractors: PerPrompt,
    /// The mean logit under the distribution that runs are compared with; NaN if there is none.
    pub expected: PerPrompt,
}

/// What is read from one run's final logits for one prompt: the fields of [`LogitStats`] and [`VocabStats`]; NaN where they were
/// not read.
#[derive(Debug, Clone, Copy)]
pub struct PromptStats {
    /// The answers' mean logit.
    pub answer: f64,
    /// The distractors'.
    pub distractor: f64,
    /// Log-sum-exp of all logits.
    pub log_sum_exp: f64,
    /// Rank of the answer.
    pub rank: f64,
    /// Log-sum-exp of the answers' logits.
    pub answers: f64,
    /// Log-sum-exp of the distractors' logits.
    pub distractors: f64,
    /// The mean logit under the distribution that runs are compared with.
    pub expected: f64,
}

impl LogitStats {
    /// All NaN. `vocabulary` adds [`VocabStats`].
    pub fn new(runs: usize, prompts: usize, vocabulary: bool) -> Self {
        let room = || PerPrompt::new(runs, prompts);
        let vocabulary = vocabulary.then(|| VocabStats {
            log_sum_exp: room(),
            rank: room(),
            answers: room(),
            distractors: room(),
            expected: room(),
        });
        Self { answer: room(), distractor: room(), vocabulary }
    }

    /// Kullback and Leibler's divergence of a run's next tokens from those of the run that it is compared with,
    /// `KL(base || run)` in nats: what the mean log-probability under the base run's distribution has lost. NaN if it was not
    /// read.
    pub fn divergence(&self, base: &LogitStats, run: usize, prompt: usize) -> f64 {
        let mean = |stats: &LogitStats, run: usize| {
            stats.of_vocabulary(|all| all.expected.row(run)[prompt] - all.log_sum_exp.row(run)[prompt])
        };
        mean(base, 0) - mean(self, run)
    }

    /// logit(answer) - logit(distractor), in nats (the notebook's `logits_to_ave_logit_diff`, of one prompt).
    pub fn logit_difference(&self, run: usize, prompt: usize) -> f64 {
        self.answer.row(run)[prompt] - self.distractor.row(run)[prompt]
    }

    /// The logit differences of a run, one per prompt.
    pub fn logit_differences(&self, run: usize) -> Vec<f64> {
        (0..self.answer.prompts()).map(|prompt| self.logit_difference(run, prompt)).collect()
    }

    /// The log-probability of the answers, of a set that of any of them. NaN if it was not read.
    pub fn log_probability(&self, run: usize, prompt: usize) -> f64 {
        self.of_vocabulary(|vocabulary| {
            vocabulary.answers.row(run)[prompt] - vocabulary.log_sum_exp.row(run)[prompt]
        })
    }

    /// The probability of the answers less that of the distractors. NaN if it was not read.
    pub fn probability_difference(&self, run: usize, prompt: usize) -> f64 {
        self.of_vocabulary(|vocabulary| {
            let norm = vocabulary.log_sum_exp.row(run)[prompt];
            (vocabulary.answers.row(run)[prompt] - norm).exp()
                - (vocabulary.distractors.row(run)[prompt] - norm).exp()
        })
    }

    /// Rank of the answer. NaN if it was not read, or for a set of answers.
    pub fn rank(&self, run: usize, prompt: usize) -> f64 {
        self.of_vocabulary(|vocabulary| vocabulary.rank.row(run)[prompt])
    }

    fn of_vocabulary(&self, number: impl FnOnce(&VocabStats) -> f64) -> f64 {
        self.vocabulary.as_ref().map_or(f64::NAN, number)
    }

    /// Stores what was read for one run and prompt.
    pub fn set(&mut self, run: usize, prompt: usize, read: &PromptStats) {
        let set = |array: &mut PerPrompt, number: f64| array.row_mut(run)[prompt] = number;
        set(&mut self.answer, read.answer);
        set(&mut self.distractor, read.distractor);
        if let Some(vocabulary) = &mut self.vocabulary {
            set(&mut vocabulary.log_sum_exp, read.log_sum_exp);
            set(&mut vocabulary.rank, read.rank);
            set(&mut vocabulary.answers, read.answers);
            set(&mut vocabulary.distractors, read.distractors);
            set(&mut vocabulary.expected, read.expected);
        }
    }

    /// Copies the only run of `other` into `run`, from prompt `first` on.
    pub(crate) fn set_run(&mut self, run: usize, first: usize, other: &LogitStats) {
        self.copy_run(run, first, other, 0);
    }

    /// Copies run `from` of `other` into `run`, from prompt `first` on.
    pub(crate) fn copy_run(&mut self, run: usize, first: usize, other: &LogitStats, from: usize) {
        let copy = |to: &mut PerPrompt, other: &PerPrompt| {
            to.row_mut(run)[first..first + other.prompts()].copy_from_slice(other.row(from));
        };
        copy(&mut self.answer, &other.answer);
        copy(&mut self.distractor, &other.distractor);
        if let (Some(to), Some(from)) = (&mut self.vocabulary, &other.vocabulary) {
            copy(&mut to.log_sum_exp, &from.log_sum_exp);
            copy(&mut to.rank, &from.rank);
            copy(&mut to.answers, &from.answers);
            copy(&mut to.distractors, &from.distractors);
            copy(&mut to.expected, &from.expected);
        }
    }
}

/// Log of the sum of exponentials: subtract it from logits to get log-probabilities.
pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let largest = f64::from(largest);
    largest + logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum::<f64>().ln()
}

/// Rank of token `id`: how many tokens have a larger logit, 0 for the most likely (`utils.test_prompt`). Tokens with equal
/// logits have the same rank, here and where a device counts ([`patchlab_kernels::vocabulary`]).
pub fn rank(logits: &[f32], id: usize) -> usize {
    let own = logits[id];
    logits.iter().filter(|&&logit| logit > own).count()
}

/// The ids of the `k` largest logits, largest first.
pub fn top_k(logits: &[f32], k: usize) -> Vec<usize> {
    let mut ids: Vec<usize> = (0..logits.len()).collect();
    let order = |&a: &usize, &b: &usize| logits[b].total_cmp(&logits[a]).then(a.cmp(&b));
    if k < ids.len() {
        ids.select_nth_unstable_by(k, order);
        ids.truncate(k);
    }
    ids.sort_unstable_by(order);
    ids
}

/// The arithmetic mean; NaN for an empty slice.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_sum_to_one_even_for_large_logits() {
        let logits = [1000.0, 999.0, 998.0];
        let norm = log_sum_exp(&logits);
        let total: f64 = logits.iter().map(|&logit| (f64::from(logit) - norm).exp()).sum();
        assert!((total - 1.0).abs() < 1e-12);
    }

    #[test]
    fn numbers_per_prompt_are_written_prompt_by_prompt_and_read_back() {
        let mut numbers = PerPrompt::new(2, 3);
        numbers.set_columns(0, &[1.0, 2.0, 4.0, 5.0]);
        numbers.set_columns(2, &[3.0, 6.0]);
        assert_eq!(numbers.row(1), [4.0, 5.0, 6.0]);
        let text = serde_json::to_string(&numbers).expect("JSON");
        assert_eq!(text, "[[1.0,4.0],[2.0,5.0],[3.0,6.0]]");
        assert_eq!(serde_json::from_str::<PerPrompt>(&text).expect("JSON"), numbers);
        assert!(serde_json::from_str::<PerPrompt>("[[1.0],[]]").is_err());
    }

    #[test]
    fn ranks_and_top_agree() {
        let logits = [0.5, 2.0, -1.0, 2.0];
        assert_eq!(top_k(&logits, 3), [1, 3, 0]);
        let ranks: Vec<usize> = top_k(&logits, 4).into_iter().map(|id| rank(&logits, id)).collect();
        assert_eq!(ranks, [0, 0, 2, 3], "equal logits have equal ranks");
    }
}
