//! From what patched runs say to what a patching map shows. Every measure follows from the same outcomes, so
//! that another can be chosen without running again.

use std::ops::Range;

use crate::figures::summary::Numbers;
use crate::figures::{Measure, Quantity};
use crate::metrics::{LogitStats, PerPrompt, mean};
use crate::patching::Direction;

/// Means of the clean and the corrupted logit differences that lie closer than this have no share of their
/// distance: 1e-4 of f32 noise in a logit would already be 1 % of it.
pub(in crate::analyses) const SMALLEST_EFFECT: f64 = 0.01;

/// What a patching map can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normalized,
    LogitDifference,
    Probability,
    LogProbability,
    Rank,
}

impl Kind {
    /// Those that need the answer's logits only, then those that need the whole vocabulary.
    fn all(vocabulary: bool) -> &'static [Kind] {
        use Kind::*;
        let all = &[Normalized, LogitDifference, Probability, LogProbability, Rank];
        if vocabulary { all } else { &all[..2] }
    }

    /// The number of a run and prompt. Where it needs the whole vocabulary, the readout had it.
    fn of(self, stats: &LogitStats, run: usize, prompt: usize) -> f64 {
        let answer = stats.answer.row(run)[prompt];
        let vocabulary = |number: fn(f64, f64, f64) -> f64| {
            stats.vocabulary.as_ref().map_or(f64::NAN, |vocabulary| {
                number(answer, vocabulary.log_sum_exp.row(run)[prompt], vocabulary.rank.row(run)[prompt])
            })
        };
        match self {
            Kind::Normalized | Kind::LogitDifference => stats.logit_difference(run, prompt),
            Kind::Probability => vocabulary(|answer, norm, _| (answer - norm).exp()),
            Kind::LogProbability => vocabulary(|answer, norm, _| answer - norm),
            Kind::Rank => vocabulary(|_, _, rank| rank),
        }
    }
}

/// The measures of a patching map, the one shown first at the front.
pub(in crate::analyses) fn measures(direction: Direction, vocabulary: bool) -> Vec<Measure> {
    let measure = |kind: &Kind| {
        let (name, label, quantity, range, middle) = match kind {
            Kind::Normalized => (
                "normalized",
                match direction {
                    Direction::Denoise => "share of the logit difference restored",
                    Direction::Noise => "change as a share of the logit difference",
                },
                Quantity::Share,
                Some([-1.0, 1.0]),
                Some(0.0),
            ),
            Kind::LogitDifference => {
                ("logit-diff", "logit difference", Quantity::LogitDifference, None, Some(0.0))
            }
            Kind::Probability => {
                ("probability", "probability of the answer", Quantity::Probability, Some([0.0, 1.0]), None)
            }
            Kind::LogProbability => {
                ("log-probability", "log-probability of the answer", Quantity::LogProbability, None, None)
            }
            Kind::Rank => ("rank", "rank of the answer", Quantity::Count, None, None),
        };
        Measure { name: name.to_owned(), label: label.to_owned(), quantity, range, middle }
    };
    Kind::all(vocabulary).iter().map(measure).collect()
}

/// A group's unpatched runs, of the prompts that have been run so far.
#[derive(Debug, Clone)]
pub(in crate::analyses) struct Unpatched {
    /// The clean prompts: one run.
    pub clean: LogitStats,
    /// The corrupted prompts: one run.
    pub corrupted: LogitStats,
    /// How many prompts have been run.
    pub prompts: usize,
}

impl Unpatched {
    /// Room for a group of this many prompts.
    pub(in crate::analyses) fn new(prompts: usize, vocabulary: bool) -> Self {
        let room = || LogitStats::new(1, prompts, vocabulary);
        Self { clean: room(), corrupted: room(), prompts: 0 }
    }

    /// Mean logit differences, clean and corrupted.
    pub(in crate::analyses) fn means(&self) -> [f64; 2] {
        let average = |stats| mean(&self.each(Kind::LogitDifference, stats, 0));
        [average(&self.clean), average(&self.corrupted)]
    }

    /// Whether there is a difference that patches can have a share of.
    pub(in crate::analyses) fn has_effect(&self) -> bool {
        let [clean, corrupted] = self.means();
        (clean - corrupted).abs() >= SMALLEST_EFFECT
    }

    /// The numbers of patches, a range of the rows of `stats`, in each measure that has a meaning for the group, with the
    /// measure's index. Patches that were not run on every prompt so far are NaN there.
    pub(in crate::analyses) fn numbers(
        &self,
        direction: Direction,
        stats: &LogitStats,
        patches: Range<usize>,
    ) -> Vec<(usize, Numbers)> {
        let [clean, corrupted] = self.means();
        let effect = clean - corrupted;
        let base = match direction {
            Direction::Denoise => self.each(Kind::LogitDifference, &self.corrupted, 0),
            Direction::Noise => self.each(Kind::LogitDifference, &self.clean, 0),
        };
        let kinds = Kind::all(stats.vocabulary.is_some()).iter().enumerate();
        let meaningful = kinds.filter(|(_, kind)| **kind != Kind::Normalized || self.has_effect());
        let numbers = |(measure, &kind): (usize, &Kind)| {
            // Normalised: what changed, as a share of the distance between the groups' means, so that the mean over
            // prompts is the notebook's normalised mean.
            let shown = |stats: &LogitStats, run: usize| -> Vec<f64> {
                let mut numbers = self.each(kind, stats, run);
                if kind == Kind::Normalized {
                    numbers
                        .iter_mut()
                        .zip(&base)
                        .for_each(|(number, base)| *number = (*number - base) / effect);
                }
                numbers
            };
            let rows = patches.clone().flat_map(|patch| shown(stats, patch)).collect();
            let numbers = Numbers {
                values: PerPrompt::from_rows(self.prompts, rows),
                clean: Some(shown(&self.clean, 0)),
                corrupted: Some(shown(&self.corrupted, 0)),
            };
            (measure, numbers)
        };
        meaningful.map(numbers).collect()
    }

    /// The numbers of a run, one for each prompt that has been run.
    fn each(&self, kind: Kind, stats: &LogitStats, run: usize) -> Vec<f64> {
        (0..self.prompts).map(|prompt| kind.of(stats, run, prompt)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of prompts that end in these logit differences, a run for each row.
    fn stats(rows: &[&[f64]]) -> LogitStats {
        let mut stats = LogitStats::new(rows.len(), rows[0].len(), false);
        for (run, row) in rows.iter().enumerate() {
            for (prompt, &difference) in row.iter().enumerate() {
                stats.set(run, prompt, &[difference as f32, 0.0]);
            }
        }
        stats
    }

    #[test]
    fn the_mean_of_the_normalised_prompts_is_the_normalised_mean() {
        let unpatched =
            Unpatched { clean: stats(&[&[3.0, 5.0]]), corrupted: stats(&[&[-1.0, 1.0]]), prompts: 2 };
        let patched = stats(&[&[0.0, 4.0], &[f64::NAN, f64::NAN]]);
        for (direction, expected) in [(Direction::Denoise, 0.5), (Direction::Noise, -0.5)] {
            let numbers = unpatched.numbers(direction, &patched, 0..2);
            let (measure, normalized) = &numbers[0];
            assert_eq!(*measure, 0);
            let row = normalized.values.row(0);
            assert!((mean(row) - expected).abs() < 1e-12, "{row:?}");
            assert!(normalized.values.row(1).iter().all(|number| number.is_nan()));
        }
    }

    #[test]
    fn without_an_effect_there_is_no_share_of_it() {
        let same = stats(&[&[1.0, 2.0]]);
        let unpatched = Unpatched { clean: same.clone(), corrupted: same.clone(), prompts: 2 };
        let numbers = unpatched.numbers(Direction::Denoise, &same, 0..1);
        assert_eq!(numbers.iter().map(|(measure, _)| *measure).collect::<Vec<_>>(), [1]);
    }
}
