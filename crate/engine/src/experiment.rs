//! The experiment document: named groups of prompt pairs, as typed by a person.
//!
//! The page imports and exports this document; the native command reads it from a file. Its schema is
//! documented in `docs/experiment.md`. Nothing here knows about tokens or models.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::place::Field;

/// Groups of prompt pairs, and how they are tokenized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The groups, in the order shown.
    pub groups: Vec<Group>,
    /// Whether to prepend `<|endoftext|>` to every prompt (TransformerLens's `prepend_bos`).
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

/// A prompt, its corrupted counterpart, and the two next tokens that are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The prompt that `answer` continues correctly.
    pub clean: String,
    /// The prompt that `distractor` continues correctly; it must have as many tokens as `clean`.
    pub corrupted: String,
    /// The right next token, exactly as typed: no space is ever added.
    pub answer: String,
    /// The next token it is compared with, exactly as typed.
    pub distractor: String,
}

/// One prompt to run, with its corruption. A symmetric pair yields two.
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
    /// Index of the pair in the group.
    pub pair: usize,
    /// Whether this is the pair's second direction: its `clean` is the pair's `corrupted`.
    pub swapped: bool,
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
        // The message quotes unknown field names, which may be of any length.
        serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| Error::Document(format!("{:.300}", error.to_string())))
    }
}

impl Pair {
    /// The text of a field.
    pub fn field(&self, field: Field) -> &str {
        match field {
            Field::Clean => &self.clean,
            Field::Corrupted => &self.corrupted,
            Field::Answer => &self.answer,
            Field::Distractor => &self.distractor,
        }
    }
}

/// How many of the first group's prompts a neuron is looked at on if no text is given.
const FIRST_PROMPTS: usize = 8;

impl Experiment {
    /// The first group's first prompts.
    pub fn first_prompts(&self) -> Vec<String> {
        let cases = self.groups.first().map(Group::cases).unwrap_or_default();
        cases.iter().take(FIRST_PROMPTS).map(|case| case.clean.to_owned()).collect()
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
