//! Places in an experiment document, for messages.

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

/// A place in an experiment document. Groups and pairs count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Place {
    /// Index of the group.
    pub group: usize,
    /// Index of the pair within the group; null for the group as a whole.
    pub pair: Option<usize>,
    /// The field of the pair; null for the pair as a whole.
    pub field: Option<Field>,
}
