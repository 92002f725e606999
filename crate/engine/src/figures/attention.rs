//! Attention patterns and scores.

use serde::{Deserialize, Serialize};

use super::Quantity;
use crate::tokens::Token;

/// Attention of some heads on some prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Attention {
    /// Title of the figure.
    pub title: String,
    /// How to read it, in one sentence; null if there is nothing to say.
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
    /// Index of the group in the experiment.
    pub group: usize,
    /// Index of the prompt among those of its group, as typed.
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
    /// Layer, from 0.
    pub layer: usize,
    /// Index within the layer, from 0.
    pub head: usize,
    /// Mean contribution to the group's logit difference, if heads were chosen by it.
    pub attribution: Option<f64>,
    /// For each destination position, the numbers of the source positions up to and including itself.
    pub rows: Vec<Vec<f64>>,
}
