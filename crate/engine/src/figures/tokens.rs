//! Prompts as tokens: plain, with what is predicted at each, and coloured by a number.

use serde::{Deserialize, Serialize};

use super::Quantity;
use crate::tokens::Token;

/// Prompts as rows of tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct TokenRows {
    /// A heading.
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
    /// A heading.
    pub title: String,
    /// One sentence on how to read it, or nothing.
    pub note: Option<String>,
    /// The prompt, one column per token.
    pub columns: Vec<Token>,
    /// The points of the residual stream, from the first to the last: `0_pre`, `0_mid`, ...
    pub rows: Vec<String>,
    /// For each row, for each column, the likeliest tokens, likeliest first.
    pub cells: Vec<Vec<Vec<Guess>>>,
}

/// A token that is predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Guess {
    /// The token.
    pub token: Token,
    /// Its logit.
    pub logit: f64,
    /// Its probability.
    pub probability: f64,
}

/// Texts whose tokens are coloured by a number, as Neuroscope does it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct TokenValues {
    /// A heading.
    pub title: String,
    /// One sentence on how to read it, or nothing.
    pub note: Option<String>,
    /// What the numbers are.
    pub quantity: Quantity,
    /// The numbers that get no colour and the full colour.
    pub range: [f64; 2],
    /// The texts.
    pub rows: Vec<ValuedRow>,
}

/// A text with a number per token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ValuedRow {
    /// What the text is.
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
