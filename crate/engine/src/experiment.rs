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
    /// Names for some tokens of its prompts, in the order shown. A pair's own come on top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>", optional))]
    pub roles: Vec<Role>,
    /// The pairs, in the order shown.
    pub pairs: Vec<Pair>,
}

/// A prompt, its corrupted counterpart, and the two next tokens that are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The prompt that `answer` continues correctly.
    pub clean: String,
    /// The prompt that `distractor` continues correctly. Empty: there is none, and what compares two prompts leaves the pair out.
    #[serde(default)]
    pub corrupted: String,
    /// The right next token, exactly as typed: no space is ever added.
    pub answer: String,
    /// The next token it is compared with, exactly as typed.
    pub distractor: String,
    /// Further next tokens that are right. With `answer` they are a set: logits are its mean, probabilities its sum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>", optional))]
    pub more_answers: Vec<String>,
    /// Further next tokens that it is compared with, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>", optional))]
    pub more_distractors: Vec<String>,
    /// Roles of this pair: those of the group's with the same name are replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>", optional))]
    pub roles: Vec<Role>,
}

/// A name for some of a prompt's tokens, and how they are found in it (docs/experiment.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The name: S1, IO, end, ...
    pub name: String,
    /// What is looked for.
    pub at: Anchor,
    /// Which occurrence, from 1; negative counts from the last.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>", optional))]
    pub nth: i32,
    /// Instead of what was found, the single token so many after its end, or before its start if negative.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>", optional))]
    pub offset: i32,
}

/// What a [`Role`] looks for in a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Anchor {
    /// The text's first token.
    First,
    /// The last token.
    Last,
    /// Neighbouring tokens in which clean and corrupted prompt differ.
    Changed,
    /// The answer, as a whole word.
    Answer,
    /// The distractor, as a whole word.
    Distractor,
    /// This text, as a whole word.
    Text(String),
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
    /// The pair's own roles.
    pub roles: &'a [Role],
    /// Index of the pair in the group.
    pub pair: usize,
    /// Whether this is the pair's second direction: its `clean` is the pair's `corrupted`.
    pub swapped: bool,
}

pub(crate) fn yes() -> bool {
    true
}

fn one() -> i32 {
    1
}

fn is_one(number: &i32) -> bool {
    *number == 1
}

fn is_zero(number: &i32) -> bool {
    *number == 0
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
    /// The names of all roles: the group's in their order, then those that only pairs have.
    pub fn role_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for role in self.roles.iter().chain(self.pairs.iter().flat_map(|pair| &pair.roles)) {
            if !names.contains(&role.name.as_str()) {
                names.push(&role.name);
            }
        }
        names
    }

    /// The prompts to run, in the notebook's order: with symmetric pairs, case 2k is pair k as written and
    /// case 2k+1 is pair k with clean and corrupted, answer and distractor exchanged. A pair without a corrupted prompt is one case.
    pub fn cases(&self) -> Vec<Case<'_>> {
        let mut cases = Vec::new();
        for (pair, p) in self.pairs.iter().enumerate() {
            let case = Case {
                clean: &p.clean,
                corrupted: &p.corrupted,
                answer: &p.answer,
                distractor: &p.distractor,
                roles: &p.roles,
                pair,
                swapped: false,
            };
            cases.push(case);
            if self.symmetric && !p.corrupted.is_empty() {
                cases.push(Case {
                    clean: case.corrupted,
                    corrupted: case.clean,
                    answer: case.distractor,
                    distractor: case.answer,
                    swapped: true,
                    ..case
                });
            }
        }
        cases
    }
}
