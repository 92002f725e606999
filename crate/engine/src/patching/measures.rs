//! From what patched runs say to what a patching map shows. Every measure follows from the same outcomes, so
//! that another can be chosen without running again.

use super::Direction;
use crate::metrics::{Outcome, mean};
use crate::report::{Measure, Quantity};
use crate::summary::Numbers;

/// Means of the clean and the corrupted logit differences that lie closer than this have no share of their
/// distance: 1e-4 of f32 noise in a logit would already be 1 % of it.
pub const SMALLEST_EFFECT: f64 = 0.01;

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

    /// The number for one prompt. Where it needs the whole vocabulary, the outcome has it.
    fn of(self, outcome: &Outcome) -> f64 {
        let vocabulary = |number: fn(&Outcome, f64, f64) -> f64| {
            outcome.vocabulary.map_or(f64::NAN, |v| number(outcome, v.log_sum_exp, v.rank))
        };
        match self {
            Kind::Normalized | Kind::LogitDifference => outcome.logit_difference(),
            Kind::Probability => vocabulary(|outcome, norm, _| (outcome.answer - norm).exp()),
            Kind::LogProbability => vocabulary(|outcome, norm, _| outcome.answer - norm),
            Kind::Rank => vocabulary(|_, _, rank| rank),
        }
    }
}

/// The measures of a patching map, the one shown first at the front.
pub fn measures(direction: Direction, vocabulary: bool) -> Vec<Measure> {
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

/// A group's unpatched runs.
#[derive(Debug, Clone, Default)]
pub struct Unpatched {
    /// What the clean prompts lead to.
    pub clean: Vec<Outcome>,
    /// What the corrupted prompts lead to.
    pub corrupted: Vec<Outcome>,
}

impl Unpatched {
    /// Mean logit differences, clean and corrupted.
    pub fn means(&self) -> [f64; 2] {
        [&self.clean, &self.corrupted].map(|outcomes| mean(&of(Kind::LogitDifference, outcomes)))
    }

    /// Whether there is a difference that patches can have a share of.
    pub fn has_effect(&self) -> bool {
        let [clean, corrupted] = self.means();
        (clean - corrupted).abs() >= SMALLEST_EFFECT
    }

    /// A map's numbers in each measure that has a meaning for the group, with the measure's index. `cells` are
    /// what each cell's run says after each prompt; none: not run yet.
    pub fn numbers(
        &self,
        direction: Direction,
        vocabulary: bool,
        cells: &[Option<Vec<Outcome>>],
    ) -> Vec<(usize, Numbers)> {
        let [clean, corrupted] = self.means();
        let kinds = Kind::all(vocabulary).iter().enumerate();
        let meaningful = kinds.filter(|(_, kind)| **kind != Kind::Normalized || self.has_effect());
        let numbers = |(measure, &kind): (usize, &Kind)| {
            // Normalised: what changed, as a share of the distance between the groups' means, so that the mean over
            // prompts is the notebook's normalised mean.
            let shown = |prompt: usize, number: f64| match (kind, direction) {
                (Kind::Normalized, Direction::Denoise) => {
                    (number - self.corrupted[prompt].logit_difference()) / (clean - corrupted)
                }
                (Kind::Normalized, Direction::Noise) => {
                    (number - self.clean[prompt].logit_difference()) / (clean - corrupted)
                }
                _ => number,
            };
            let prompt = |prompt: usize| {
                let cell = |cell: &Option<Vec<Outcome>>| {
                    cell.as_ref().map_or(f64::NAN, |outcomes| shown(prompt, kind.of(&outcomes[prompt])))
                };
                cells.iter().map(cell).collect()
            };
            let plain = |outcomes: &[Outcome]| {
                Some(outcomes.iter().zip(0..).map(|(outcome, i)| shown(i, kind.of(outcome))).collect())
            };
            let numbers = Numbers {
                prompts: (0..self.clean.len()).map(prompt).collect(),
                clean: plain(&self.clean),
                corrupted: plain(&self.corrupted),
            };
            (measure, numbers)
        };
        meaningful.map(numbers).collect()
    }
}

fn of(kind: Kind, outcomes: &[Outcome]) -> Vec<f64> {
    outcomes.iter().map(|outcome| kind.of(outcome)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(difference: f64) -> Outcome {
        Outcome { answer: difference, distractor: 0.0, vocabulary: None }
    }

    #[test]
    fn the_mean_of_the_normalised_prompts_is_the_normalised_mean() {
        let unpatched = Unpatched {
            clean: vec![outcome(3.0), outcome(5.0)],
            corrupted: vec![outcome(-1.0), outcome(1.0)],
        };
        let patched = vec![outcome(0.0), outcome(4.0)];
        for (direction, expected) in [(Direction::Denoise, 0.5), (Direction::Noise, -0.5)] {
            let numbers = unpatched.numbers(direction, false, &[Some(patched.clone()), None]);
            let (measure, normalized) = &numbers[0];
            assert_eq!(*measure, 0);
            let cell: Vec<f64> = normalized.prompts.iter().map(|prompt| prompt[0]).collect();
            assert!((mean(&cell) - expected).abs() < 1e-12, "{cell:?}");
            assert!(normalized.prompts[0][1].is_nan());
        }
    }

    #[test]
    fn without_an_effect_there_is_no_share_of_it() {
        let same = vec![outcome(1.0), outcome(2.0)];
        let unpatched = Unpatched { clean: same.clone(), corrupted: same };
        let numbers = unpatched.numbers(Direction::Denoise, false, &[None]);
        assert_eq!(numbers.iter().map(|(measure, _)| *measure).collect::<Vec<_>>(), [1]);
    }
}
