//! Where in an experiment something stands.

use serde::{Deserialize, Serialize};

/// A text field of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// The clean prompt.
    Clean,
    /// The corrupted prompt.
    Corrupted,
    /// The answer.
    Answer,
    /// The distractor.
    Distractor,
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
