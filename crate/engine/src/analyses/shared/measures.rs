//! From the final logits of patched runs to the measures of a patching map. Every measure follows from the
//! same logits, so that the page can switch between them without running again.

use std::ops::Range;

use super::metric::Metric;
use crate::figures::summary::Numbers;
use crate::figures::{Measure, Quantity};
use crate::metrics::{LogitStats, PerPrompt, mean};
use crate::runs::Direction;

/// If the mean clean and corrupted logit differences are closer than this, nothing is normalised: 1e-4 of f32
/// noise in a logit would already be 1 % of the distance.
pub(in crate::analyses) const SMALLEST_EFFECT: f64 = 0.01;

/// Means that are closer than this many logits call for caution: a patch's share of so short a distance may be
/// noise (docs/quantities.md).
const CLOSE: f64 = 0.5;

/// A measure of a patching map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MeasureKind {
    /// The change of the logit difference as a share of the distance between clean and corrupted.
    Normalized,
    Plain(Metric),
}

impl MeasureKind {
    /// Those that need only the logits of answer and distractor, then those that need the whole vocabulary.
    fn all(vocabulary: bool) -> impl Iterator<Item = MeasureKind> {
        let more = Metric::OF_VOCABULARY.into_iter().filter(move |_| vocabulary);
        [MeasureKind::Normalized]
            .into_iter()
            .chain([Metric::LogitDifference].into_iter().chain(more).map(MeasureKind::Plain))
    }
}

/// The measures of a patching map, the default one first.
pub(in crate::analyses) fn measures(direction: Direction, vocabulary: bool) -> Vec<Measure> {
    let normalized = match direction {
        Direction::Denoise => "share of the logit difference restored",
        Direction::Noise => "change as a share of the logit difference",
    };
    let measure = |kind: MeasureKind| match kind {
        MeasureKind::Normalized => Measure {
            name: "normalized".to_owned(),
            label: normalized.to_owned(),
            quantity: Quantity::Share,
            range: Some([-1.0, 1.0]),
            middle: Some(0.0),
        },
        MeasureKind::Plain(metric) => metric.measure(),
    };
    MeasureKind::all(vocabulary).map(measure).collect()
}

/// A group's unpatched runs, for the prompts that have been run so far.
#[derive(Debug, Clone)]
pub(in crate::analyses) struct Unpatched {
    /// The clean prompts: one run.
    pub clean: LogitStats,
    /// The corrupted prompts: one run.
    pub corrupted: LogitStats,
    /// How many prompts have been run so far.
    pub prompts: usize,
}

impl Unpatched {
    /// For a group of this many prompts, none of them run yet.
    pub(in crate::analyses) fn new(prompts: usize, vocabulary: bool) -> Self {
        let room = || LogitStats::new(1, prompts, vocabulary);
        Self { clean: room(), corrupted: room(), prompts: 0 }
    }

    /// The mean logit differences, clean and corrupted.
    pub(in crate::analyses) fn means(&self) -> [f64; 2] {
        let average = |stats| mean(&self.each(Metric::LogitDifference, stats, 0));
        [average(&self.clean), average(&self.corrupted)]
    }

    /// Whether clean and corrupted differ enough to normalise by the distance.
    pub(in crate::analyses) fn has_effect(&self) -> bool {
        let [clean, corrupted] = self.means();
        (clean - corrupted).abs() >= SMALLEST_EFFECT
    }

    /// Why shares of the distance between clean and corrupted say little: the model does not do the task, or the two
    /// lie close together, in logits or beside the spread of the prompts.
    pub(in crate::analyses) fn caution(&self) -> Option<String> {
        if !self.has_effect() {
            return None;
        }
        let each = |stats| self.each(Metric::LogitDifference, stats, 0);
        caution(&each(&self.clean), &each(&self.corrupted))
    }

    /// The index and the numbers of each measure, for the patches in a range of rows of `stats`. Measures
    /// without a meaning for the group are left out. Patches that have not been run on every prompt so far
    /// are NaN.
    pub(in crate::analyses) fn numbers(
        &self,
        direction: Direction,
        stats: &LogitStats,
        patches: Range<usize>,
    ) -> Vec<(usize, Numbers)> {
        let [clean, corrupted] = self.means();
        let effect = clean - corrupted;
        let base = match direction {
            Direction::Denoise => self.each(Metric::LogitDifference, &self.corrupted, 0),
            Direction::Noise => self.each(Metric::LogitDifference, &self.clean, 0),
        };
        let meaningful = |kind: MeasureKind| match kind {
            MeasureKind::Normalized => self.has_effect(),
            MeasureKind::Plain(metric) => metric.is_defined(&self.clean, self.prompts),
        };
        let kinds = MeasureKind::all(stats.vocabulary.is_some()).enumerate();
        let numbers = |(measure, kind): (usize, MeasureKind)| {
            // Normalised: the change as a share of the distance between the groups' means, so that the mean
            // over prompts is the notebook's normalised mean.
            let shown = |stats: &LogitStats, run: usize| -> Vec<f64> {
                match kind {
                    MeasureKind::Plain(metric) => self.each(metric, stats, run),
                    MeasureKind::Normalized => {
                        let own = self.each(Metric::LogitDifference, stats, run);
                        own.iter().zip(&base).map(|(number, base)| (number - base) / effect).collect()
                    }
                }
            };
            let rows = patches.clone().flat_map(|patch| shown(stats, patch)).collect();
            let numbers = Numbers {
                values: PerPrompt::from_rows(self.prompts, rows),
                clean: Some(shown(&self.clean, 0)),
                corrupted: Some(shown(&self.corrupted, 0)),
                present: None,
                tested: kind == MeasureKind::Normalized,
            };
            (measure, numbers)
        };
        kinds.filter(|(_, kind)| meaningful(*kind)).map(numbers).collect()
    }

    /// The numbers of a run, one per prompt run so far.
    fn each(&self, metric: Metric, stats: &LogitStats, run: usize) -> Vec<f64> {
        (0..self.prompts).map(|prompt| metric.of(stats, &self.clean, run, prompt)).collect()
    }
}

/// The caution that logit differences of clean and corrupted prompts call for ([`Unpatched::caution`]).
fn caution(cleans: &[f64], corrupteds: &[f64]) -> Option<String> {
    let apart: Vec<f64> = cleans.iter().zip(corrupteds).map(|(a, b)| a - b).collect();
    let (clean, corrupted) = (mean(cleans), mean(corrupteds));
    let distance = clean - corrupted;
    if clean < 0.0 {
        return Some(format!(
            "On the clean prompts the model prefers the distractor (mean logit difference {clean:.2}): it does not \
                 do the task that this map would explain."
        ));
    }
    if distance < 0.0 {
        return Some(format!(
            "The answer is likelier on the corrupted prompts ({corrupted:.2}) than on the clean ones ({clean:.2}): \
                 the map shows the opposite of the task."
        ));
    }
    let spread = standard_deviation(&apart);
    if distance < CLOSE {
        return Some(format!(
            "Clean ({clean:.2}) and corrupted ({corrupted:.2}) lie only {distance:.2} logits apart: what looks like \
                 an effect may be noise."
        ));
    }
    (spread > distance).then(|| {
        format!(
            "Clean and corrupted lie {distance:.2} logits apart, but the prompts differ by more than that \
                 (standard deviation {spread:.2}): look at single prompts before trusting the mean."
        )
    })
}

/// Of a sample; 0 for fewer than two numbers.
fn standard_deviation(numbers: &[f64]) -> f64 {
    if numbers.len() < 2 {
        return 0.0;
    }
    let middle = mean(numbers);
    let squares: f64 = numbers.iter().map(|number| (number - middle).powi(2)).sum();
    (squares / (numbers.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs with these logit differences, one run per row.
    fn stats(rows: &[&[f64]]) -> LogitStats {
        let mut stats = LogitStats::new(rows.len(), rows[0].len(), false);
        for (run, row) in rows.iter().enumerate() {
            for (prompt, &difference) in row.iter().enumerate() {
                stats.answer.row_mut(run)[prompt] = difference;
                stats.distractor.row_mut(run)[prompt] = 0.0;
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

    #[test]
    fn shares_of_a_doubtful_distance_call_for_caution() {
        let says = |clean: &[f64], corrupted: &[f64]| super::caution(clean, corrupted).unwrap_or_default();
        assert_eq!(says(&[5.5, 5.6], &[-5.5, -5.6]), "");
        assert!(says(&[-2.3, -2.2], &[2.3, 2.2]).contains("prefers the distractor"));
        assert!(says(&[1.0, 1.2], &[2.0, 2.2]).contains("the opposite of the task"));
        assert!(says(&[5.75, 5.75], &[5.32, 5.32]).contains("only 0.43 logits apart"));
        assert!(
            says(&[6.0, 0.5], &[0.0, 0.0]).contains("differ by more than that"),
            "3.25 apart, deviation 3.89"
        );
        assert_eq!(says(&[0.5], &[0.0]), "", "at the bound, and of one prompt");
    }
}
