//! What an activation becomes when it is ablated, and where.

use super::groups::{of_one_length, that_differ};
use crate::analyses::settings::{Spec, choice};
use crate::interventions::{Effect, Intervention, Positions, PromptSet, Value};
use crate::prompts::{PreparedGroup, Problem};
use crate::site::Site;

/// What it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::analyses) enum Becomes {
    Zero,
    Mean,
    Resample,
}

/// Where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::analyses) enum Where {
    All,
    Last,
}

/// The setting that picks a [`Becomes`].
pub(in crate::analyses) const VALUE: Spec<Becomes> = choice::<Becomes>("zero").described(
    "What it becomes: zero; its mean over the group\u{2019}s clean prompts, at each position; or what it is on the corrupted \
     prompt (resample).",
);

impl Where {
    /// As interventions say it.
    pub(in crate::analyses) fn positions(self) -> Positions {
        match self {
            Where::All => Positions::All,
            Where::Last => Positions::Last,
        }
    }
}

impl Becomes {
    fn value(self) -> Value {
        match self {
            Becomes::Zero => Value::Zero,
            Becomes::Mean => Value::Mean(PromptSet::Clean),
            Becomes::Resample => Value::Other,
        }
    }

    /// The groups on which it can be done.
    pub(in crate::analyses) fn possible(
        self,
        groups: Vec<PreparedGroup>,
        problems: &mut Vec<Problem>,
    ) -> Vec<PreparedGroup> {
        match self {
            Becomes::Zero => groups,
            Becomes::Mean => of_one_length(groups, problems),
            Becomes::Resample => that_differ(groups, problems),
        }
    }

    /// What is done, as a sentence of a note.
    pub(in crate::analyses) fn says(self, place: Where) -> String {
        let becomes = match self {
            Becomes::Zero => {
                "set to zero. Value biases are folded into b_O, as TransformerLens does, so that a zeroed z leaves them"
            }
            Becomes::Mean => "set to its mean over the group\u{2019}s clean prompts, at each position",
            Becomes::Resample => "set to what it is on the corrupted prompt",
        };
        let place = match place {
            Where::All => "at all positions",
            Where::Last => "at the last position",
        };
        format!("In the clean run, {place}: {becomes}.")
    }

    /// The ablation of a part of an activation.
    pub(in crate::analyses) fn of(self, site: Site, index: Option<usize>, place: Where) -> Intervention {
        Intervention {
            position: place.positions(),
            effect: Effect::Replace(self.value()),
            ..Intervention::patch(site, index, None)
        }
    }
}
