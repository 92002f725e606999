//! What a run's final logits say of a prompt: the numbers that every map of runs offers.

use crate::figures::{Measure, Quantity};
use crate::metrics::LogitStats;

/// A number for each run and prompt. Of a set of tokens a logit is the mean, a probability the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::analyses) enum Metric {
    /// logit(answer) - logit(distractor).
    LogitDifference,
    /// Probability of the answer less the distractor's.
    ProbabilityDifference,
    /// Of the answer.
    Probability,
    /// Of the answer.
    LogProbability,
    /// KL(clean run || run) over the next tokens.
    Divergence,
    /// How many tokens are likelier than the answer; a set of answers has none.
    Rank,
}

impl Metric {
    /// Those that need every token's logit.
    pub(in crate::analyses) const OF_VOCABULARY: [Metric; 5] = [
        Metric::Probability,
        Metric::ProbabilityDifference,
        Metric::LogProbability,
        Metric::Divergence,
        Metric::Rank,
    ];

    /// The number, beside the clean run that the divergence is from.
    pub(in crate::analyses) fn of(
        self,
        stats: &LogitStats,
        clean: &LogitStats,
        run: usize,
        prompt: usize,
    ) -> f64 {
        match self {
            Metric::LogitDifference => stats.logit_difference(run, prompt),
            Metric::ProbabilityDifference => stats.probability_difference(run, prompt),
            Metric::Probability => stats.log_probability(run, prompt).exp(),
            Metric::LogProbability => stats.log_probability(run, prompt),
            Metric::Divergence => stats.divergence(clean, run, prompt),
            Metric::Rank => stats.rank(run, prompt),
        }
    }

    /// Whether it means something for the first prompts of a group.
    pub(in crate::analyses) fn is_defined(self, clean: &LogitStats, prompts: usize) -> bool {
        self != Metric::Rank || (0..prompts).all(|prompt| !clean.rank(0, prompt).is_nan())
    }

    /// How it is named and drawn.
    pub(in crate::analyses) fn measure(self) -> Measure {
        let (name, label, quantity, range, middle) = match self {
            Metric::LogitDifference => {
                ("logit-diff", "logit difference", Quantity::LogitDifference, None, Some(0.0))
            }
            Metric::ProbabilityDifference => (
                "probability-diff",
                "probability of the answer less the distractor\u{2019}s",
                Quantity::Probability,
                Some([-1.0, 1.0]),
                Some(0.0),
            ),
            Metric::Probability => {
                ("probability", "probability of the answer", Quantity::Probability, Some([0.0, 1.0]), None)
            }
            Metric::LogProbability => {
                ("log-probability", "log-probability of the answer", Quantity::LogProbability, None, None)
            }
            Metric::Divergence => {
                ("kl", "KL divergence from the clean next tokens (nats)", Quantity::Loss, None, None)
            }
            Metric::Rank => ("rank", "rank of the answer", Quantity::Count, None, None),
        };
        Measure { name: name.to_owned(), label: label.to_owned(), quantity, range, middle }
    }
}
