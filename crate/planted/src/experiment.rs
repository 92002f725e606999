//! The experiment that comes with a plant (docs/experiment.md).

use serde::Serialize;

/// Groups of prompt pairs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Experiment {
    pub(crate) groups: Vec<Group>,
    pub(crate) prepend_bos: bool,
}

/// Prompt pairs of one task.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) symmetric: bool,
    pub(crate) roles: Vec<Role>,
    pub(crate) pairs: Vec<Pair>,
}

/// A clean and a corrupted prompt of as many tokens, and the tokens compared.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pair {
    pub(crate) clean: String,
    pub(crate) corrupted: String,
    pub(crate) answer: String,
    pub(crate) distractor: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<Role>,
}

/// A name for a token, which is found by its place: the prompts of a pair have other words there.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    pub(crate) at: &'static str,
    pub(crate) offset: i32,
}

impl Role {
    /// The token so many after the text's first.
    pub(crate) fn after_first(name: &'static str, offset: usize) -> Self {
        Self { name, at: "first", offset: offset as i32 }
    }

    /// The last token.
    pub(crate) fn end() -> Self {
        Self { name: "end", at: "last", offset: 0 }
    }
}

impl Experiment {
    /// A single group whose pairs are used in one direction: with both, noising and denoising could not be told apart.
    pub(crate) fn one_way(name: &str, roles: Vec<Role>, pairs: Vec<Pair>) -> Self {
        Self {
            groups: vec![Group { name: name.to_owned(), symmetric: false, roles, pairs }],
            prepend_bos: true,
        }
    }
}
