//! The experiment document: named groups of prompt pairs, as typed by a person.
//!
//! The page imports and exports this document, the native command reads it from a file. Its schema is
//! written down in `docs/experiment.md`. Nothing here knows tokens or models.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Groups of prompt pairs, and how they are tokenized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The groups, in the order shown.
    pub groups: Vec<Group>,
    /// Whether `<|endoftext|>` is put before every prompt, TransformerLens's `prepend_bos`.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>", optional))]
    pub prepend_bos: bool,
}

/// Prompt pairs that share a hypothesis, e.g. the notebook's "'re they".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The name shown above the group's figures.
    pub name: String,
    /// Whether each pair is used in both directions: prompts 2k and 2k+1 corrupt each other.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>", optional))]
    pub symmetric: bool,
    /// The pairs, in the order shown.
    pub pairs: Vec<Pair>,
}

/// A prompt, its corrupted twin, and the two next tokens that are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The prompt on which the model should say `answer`.
    pub clean: String,
    /// The prompt on which it should not: as many tokens as `clean`.
    pub corrupted: String,
    /// The right next token, exactly as typed: no space is ever added.
    pub answer: String,
    /// The next token it is compared with, exactly as typed.
    pub distractor: String,
}

/// One prompt to run, with its corruption: what a symmetric pair yields twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case<'a> {
    /// The prompt.
    pub clean: &'a str,
    /// The prompt that corrupts it.
    pub corrupted: &'a str,
    /// The right next token for `clean`.
    pub answer: &'a str,
    /// The right next token for `corrupted`.
    pub distractor: &'a str,
    /// The pair in the group's list that this case comes from.
    pub pair: usize,
    /// Whether this is the pair's second direction: its `clean` is the pair's `corrupted`.
    pub swapped: bool,
}

/// A text field of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// [`Pair::clean`].
    Clean,
    /// [`Pair::corrupted`].
    Corrupted,
    /// [`Pair::answer`].
    Answer,
    /// [`Pair::distractor`].
    Distractor,
}

impl Field {
    /// The field's text in `pair`.
    pub fn of(self, pair: &Pair) -> &str {
        match self {
            Field::Clean => &pair.clean,
            Field::Corrupted => &pair.corrupted,
            Field::Answer => &pair.answer,
            Field::Distractor => &pair.distractor,
        }
    }

    /// All four, in the order shown.
    pub const ALL: [Field; 4] = [Field::Clean, Field::Corrupted, Field::Answer, Field::Distractor];
}

/// Where in an experiment something stands. Groups and pairs count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Place {
    /// The group.
    pub group: usize,
    /// The pair within the group; none: the group as a whole.
    pub pair: Option<usize>,
    /// The field of the pair; none: the pair as a whole.
    pub field: Option<Field>,
}

fn yes() -> bool {
    true
}

impl Experiment {
    /// Reads the document from JSON text.
    ///
    /// # Errors
    /// [`Error::Document`] if the text is not JSON or not of the documented shape.
    pub fn from_json(text: &str) -> Result<Self> {
        // An unknown field is told by its name, which may be of any length.
        serde_json::from_str(text).map_err(|error| Error::Document(format!("{:.300}", error.to_string())))
    }
}

impl Group {
    /// The prompts to run, in the notebook's order: with symmetric pairs, case 2k is pair k as written and
    /// case 2k+1 is pair k with clean and corrupted, answer and distractor exchanged.
    pub fn cases(&self) -> Vec<Case<'_>> {
        let mut cases = Vec::new();
        for (pair, p) in self.pairs.iter().enumerate() {
            let case = Case {
                clean: &p.clean,
                corrupted: &p.corrupted,
                answer: &p.answer,
                distractor: &p.distractor,
                pair,
                swapped: false,
            };
            cases.push(case);
            if self.symmetric {
                cases.push(Case {
                    clean: case.corrupted,
                    corrupted: case.clean,
                    answer: case.distractor,
                    distractor: case.answer,
                    pair,
                    swapped: true,
                });
            }
        }
        cases
    }
}
