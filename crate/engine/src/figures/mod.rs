//! What an analysis hands to its reader: plain data in chart words, with labels, units and per-prompt values.
//!
//! Reports are the only results that leave the engine. The page draws them, the native command prints them
//! and writes them as JSON; both see the same document. TypeScript types are generated from these types
//! (`www/types/`, checked by a test).

mod attention;
mod dots;
mod grid;
mod scatter;
pub mod summary;
mod table;
mod tokens;

use serde::{Deserialize, Serialize};

pub use attention::{Attention, AttentionHead, AttentionPrompt};
pub use dots::{Dot, DotSeries, Dots};
pub use grid::{Axis, AxisKind, Grid, Measure, Panel, Values};
pub use scatter::{Scatter, ScatterAxis, ScatterPanel, ScatterValues};
pub use table::{Cell, Column, Mark, Row, Table};
pub use tokens::{Guess, TextLens, TokenRow, TokenRows, TokenValues, ValuedRow};

use crate::prompts::Problem;

/// The result of one analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Report {
    /// The analysis's name in the catalogue.
    pub analysis: String,
    /// A heading.
    pub title: String,
    /// The model's name, as shown in the header.
    pub model: String,
    /// The device it ran on.
    pub device: String,
    /// The figures, in reading order.
    pub parts: Vec<Part>,
    /// What could not be computed, and why. The rest of the report stands.
    pub problems: Vec<Problem>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Part {
    /// Rows and columns.
    Table(Table),
    /// One dot per prompt and the mean, per group.
    Dots(Dots),
    /// Prompts as tokens.
    Tokens(TokenRows),
    /// One number per row and column, as a heat map; a panel per group.
    Heat(Grid),
    /// One number per row and column, as one line per row; a panel per group.
    Line(Grid),
    /// Points with names; a panel per group.
    Scatter(Scatter),
    /// What heads attend to.
    Attention(Attention),
    /// The likeliest tokens at each layer and position.
    TextLens(TextLens),
    /// Texts whose tokens are coloured by a number.
    TokenValues(TokenValues),
}

/// What a number or a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Words.
    Text,
    /// A token, drawn with visible spaces and its id.
    Token,
    /// A whole number: a rank, a position.
    Count,
    /// A logit, in nats, up to an additive constant per prompt.
    Logit,
    /// A difference of two logits, in nats; drawn as a bar around 0.
    LogitDifference,
    /// A probability from 0 to 1; drawn as a bar.
    Probability,
    /// The natural logarithm of a probability, in nats.
    LogProbability,
    /// A share of an effect: 0 nothing, 1 all of it; below 0 and above 1 are possible.
    Share,
    /// An attention weight from 0 to 1.
    Attention,
    /// An attention score before the softmax.
    Score,
    /// An activation.
    Activation,
    /// How far a number is from what it should be.
    Error,
}
