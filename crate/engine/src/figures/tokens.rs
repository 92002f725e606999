//! Prompts as tokens: plain, with predictions at each position, or coloured by a number.

use serde::{Deserialize, Serialize};

use super::Quantity;
use crate::tokens::Token;

/// Prompts as rows of tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct TokenRows {
    /// Title of the figure.
    pub title: String,
    /// The prompts.
    pub rows: Vec<TokenRow>,
}

/// One prompt as tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct TokenRow {
    /// What the prompt is: "clean", "corrupted", ...
    pub label: String,
    /// Its tokens, `<|endoftext|>` included where it is prepended.
    pub tokens: Vec<Token>,
}

/// The likeliest next tokens at each point of the residual stream and each position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct TextLens {
    /// Title of the figure.
    pub title: String,
    /// How to read it, in one sentence; null if there is nothing to say.
    pub note: Option<String>,
    /// The prompt, one column per token.
    pub columns: Vec<Token>,
    /// The points of the residual stream, from the first to the last: `0_pre`, `0_mid`, ...
    pub rows: Vec<String>,
    /// For each row, for each column, the likeliest tokens, likeliest first.
    pub cells: Vec<Vec<Vec<Guess>>>,
}

/// A predicted token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Guess {
    /// The token.
    pub token: Token,
    /// Logit, in nats.
    pub logit: f64,
    /// Probability, from 0 to 1.
    pub probability: f64,
}

/// Texts whose tokens are coloured by a number, as in Neuroscope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct TokenValues {
    /// Title of the figure.
    pub title: String,
    /// How to read it, in one sentence; null if there is nothing to say.
    pub note: Option<String>,
    /// The kind of the numbers.
    pub quantity: Quantity,
    /// The values drawn without colour and in full colour.
    pub range: [f64; 2],
    /// The texts.
    pub rows: Vec<ValuedRow>,
}

/// A text with a number per token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ValuedRow {
    /// Label of the text.
    pub label: String,
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// One number per token.
    pub values: Vec<f64>,
    /// The smallest number.
    pub min: f64,
    /// The largest number.
    pub max: f64,
}
