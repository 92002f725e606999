//! What is read from a run's final logits: those of each prompt's answers and distractors and, if wanted, their probabilities and the
//! answer's rank in the whole vocabulary.

use patchlab_kernels::{Indices, Tensor};

use crate::answers::Compared;
use crate::metrics::{LogitStats, PromptStats, log_sum_exp};
use crate::model::vocabulary::ChosenTokens;
use crate::model::{Model, flops};
use crate::prompts::PreparedCase;

/// The tokens whose logits are read, on the device.
#[derive(Debug, Clone)]
pub struct Readout {
    /// The answers and distractors of each prompt.
    compared: Vec<Compared>,
    /// The first of each, `[prompts, 2]`: where there is one answer, it is not counted above itself.
    tokens: Indices<2>,
    /// The map to their mean logits.
    chosen: ChosenTokens,
    /// Whether probabilities and rank are wanted.
    vocabulary: bool,
    /// If they are, and some prompt has a set of tokens: the map to the logits of all of them.
    each: Option<Each>,
    /// The map to the mean logit under each prompt's distribution, which other runs are compared with.
    expected: Option<ChosenTokens>,
}

/// The map to the logits of every token of sets.
#[derive(Debug, Clone)]
struct Each {
    chosen: ChosenTokens,
    /// How many tokens are read for the answers and for the distractors of every prompt: as many as the largest set has.
    sizes: [usize; 2],
}

impl Each {
    fn new(model: &Model, compared: &[Compared]) -> Self {
        let sizes = [0, 1].map(|which| compared.iter().map(|sets| sets[which].len()).max().unwrap_or(1));
        // Smaller sets are filled with their first token, which is not read.
        let filled =
            |set: &Vec<u32>, size: usize| (0..size).map(|i| *set.get(i).unwrap_or(&set[0])).collect();
        let ids: Vec<Vec<u32>> = compared
            .iter()
            .map(|sets| [0, 1].map(|which| -> Vec<u32> { filled(&sets[which], sizes[which]) }).concat())
            .collect();
        Self { chosen: model.unembedding.choose_each(&ids), sizes }
    }

    fn count(&self) -> usize {
        self.sizes.iter().sum()
    }
}

impl Readout {
    /// Reads the answers and distractors of some cases.
    pub fn new(model: &Model, cases: &[PreparedCase], vocabulary: bool) -> Self {
        Self::of_tokens(model, cases.iter().map(|case| case.compared.clone()).collect(), vocabulary)
    }

    /// Reads these answers and distractors of each prompt.
    pub(crate) fn of_tokens(model: &Model, compared: Vec<Compared>, vocabulary: bool) -> Self {
        let sets = compared.iter().flatten().any(|set| set.len() > 1);
        Self {
            tokens: on_device(&compared, model),
            chosen: model.unembedding.choose(&compared),
            vocabulary,
            each: (vocabulary && sets).then(|| Each::new(model, &compared)),
            expected: None,
            compared,
        }
    }

    /// The same, and the mean logit under each prompt's distribution over the next tokens, from which Kullback and Leibler's
    /// divergence from it follows ([`LogitStats::divergence`]). The vocabulary is read then.
    #[must_use]
    pub(crate) fn compared_with(&self, model: &Model, distributions: &[Vec<f64>]) -> Self {
        let expected = Some(model.unembedding.choose_mean(distributions));
        Self { vocabulary: true, expected, ..self.clone() }
    }

    /// Restricted to these prompts, by index.
    #[must_use]
    pub fn only(&self, model: &Model, prompts: &[usize]) -> Self {
        if prompts.len() == self.compared.len() {
            return self.clone();
        }
        let compared: Vec<Compared> = prompts.iter().map(|&prompt| self.compared[prompt].clone()).collect();
        let indices = prompts.iter().map(|&prompt| prompt as i32).collect();
        let indices = Indices::new(indices, [prompts.len()], &model.device);
        let only = |chosen: &ChosenTokens| chosen.only(&indices);
        Self {
            tokens: on_device(&compared, model),
            compared,
            chosen: only(&self.chosen),
            vocabulary: self.vocabulary,
            each: self.each.as_ref().map(|each| Each { chosen: only(&each.chosen), ..each.clone() }),
            expected: self.expected.as_ref().map(only),
        }
    }

    /// Answers and distractors of each prompt.
    pub fn compared(&self) -> &[Compared] {
        &self.compared
    }

    /// Numbers per row of [`Self::of`].
    pub(crate) fn width(&self) -> usize {
        let vocabulary = if self.vocabulary { 4 } else { 3 };
        vocabulary + usize::from(self.expected.is_some()) + self.each.as_ref().map_or(0, |each| each.count())
    }

    /// From the final LayerNorm's output to the numbers that [`Self::unpack`] reads, `normalized [n, d] -> [n, width]`: the mean logits
    /// of answers and distractors; the mean logit over the vocabulary, or log-sum-exp and rank; the mean logit under a distribution; the
    /// logits of each token of sets. With more rows than prompts the prompts are cycled.
    pub fn of(&self, model: &Model, normalized: Tensor<2>) -> Tensor<2> {
        let chosen = self.chosen.of(normalized.clone()); // [n, 3]
        if !self.vocabulary {
            return chosen;
        }
        let ([n, d], unembedding) = (normalized.dims(), &model.unembedding);
        flops::matmul(n, d, model.config.d_vocab);
        let expected = self.expected.as_ref().map(|map| map.of(normalized.clone()).slice([0..n, 0..1])); // [n, 1]
        let each =
            self.each.as_ref().map(|each| each.chosen.of(normalized.clone()).slice([0..n, 0..each.count()])); // [n, count]
        let h = unembedding.scaled(normalized); // [n, d]
        let numbers = patchlab_kernels::vocabulary(h, unembedding.vocab.blocks(), chosen, &self.tokens); // [n, 4]
        if expected.is_none() && each.is_none() {
            return numbers;
        }
        Tensor::cat([numbers].into_iter().chain(expected).chain(each).collect(), 1)
    }

    /// What a row of [`Self::of`] says of one of its prompts.
    pub(crate) fn unpack(&self, prompt: usize, row: &[f32]) -> PromptStats {
        let [answer, distractor] = [row[0], row[1]].map(f64::from);
        let mut read = PromptStats {
            answer,
            distractor,
            log_sum_exp: f64::NAN,
            rank: f64::NAN,
            answers: answer,
            distractors: distractor,
            expected: f64::NAN,
        };
        if !self.vocabulary {
            return read;
        }
        read.log_sum_exp = f64::from(row[2]);
        let mut rest = &row[4..];
        if self.expected.is_some() {
            read.expected = f64::from(rest[0]);
            rest = &rest[1..];
        }
        let sets = &self.compared[prompt];
        if let Some(each) = &self.each {
            read.answers = log_sum_exp(&rest[..sets[0].len()]);
            read.distractors = log_sum_exp(&rest[each.sizes[0]..][..sets[1].len()]);
        }
        if sets[0].len() == 1 {
            read.rank = f64::from(row[3]);
        }
        read
    }

    /// Unpacks the numbers of [`Self::of`] for one run.
    pub fn stats(&self, numbers: &[f32]) -> LogitStats {
        let mut stats = LogitStats::new(1, self.compared.len(), self.vocabulary);
        for (prompt, numbers) in numbers.chunks_exact(self.width()).enumerate() {
            stats.set(0, prompt, &self.unpack(prompt, numbers));
        }
        stats
    }
}

/// The first token of each set, `[prompts, 2]`.
fn on_device(compared: &[Compared], model: &Model) -> Indices<2> {
    let ids = compared.iter().flatten().map(|set| set[0] as i32).collect();
    Indices::new(ids, [compared.len(), 2], &model.device)
}
