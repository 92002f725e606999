//! What heads attend to.

use serde::{Deserialize, Serialize};

use super::Quantity;
use crate::tokens::Token;

/// Attention of some heads on some prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Attention {
    /// A heading.
    pub title: String,
    /// One sentence on how to read it, or nothing.
    pub note: Option<String>,
    /// Attention weights, or the scores before the softmax.
    pub quantity: Quantity,
    /// The prompts.
    pub prompts: Vec<AttentionPrompt>,
}

/// Attention of some heads on one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct AttentionPrompt {
    /// The group's index in the experiment.
    pub group: usize,
    /// The prompt's index among those of its group, as typed.
    pub prompt: usize,
    /// The group's name and the prompt.
    pub label: String,
    /// The prompt's tokens.
    pub tokens: Vec<Token>,
    /// The heads, in the order shown.
    pub heads: Vec<AttentionHead>,
}

/// Attention of one head on one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct AttentionHead {
    /// `L7H11`.
    pub name: String,
    /// Its layer.
    pub layer: usize,
    /// Its index in the layer.
    pub head: usize,
    /// Its mean contribution to the group's logit difference, where heads were chosen by it.
    pub attribution: Option<f64>,
    /// For each destination position, a number for each source position up to and including itself.
    pub rows: Vec<Vec<f64>>,
}
