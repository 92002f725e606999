//! Reports: plain data in the vocabulary of charts, with labels, units and per-prompt values.
//!
//! Reports are the only results that leave the engine. The page draws them, the native command prints them
//! or writes them as JSON; both see the same document. TypeScript types are generated from these types
//! (`www/types/`, checked by a test).

mod attention;
mod dots;
mod grid;
mod merge;
mod scatter;
pub mod summary;
mod table;
mod tokens;

use serde::{Deserialize, Serialize};

pub use attention::{Attention, AttentionHead, AttentionPrompt};
pub use dots::{Dot, DotSeries, Dots};
pub use grid::{Axis, AxisKind, Grid, Measure, Panel, Values};
pub use scatter::{Scatter, ScatterAxis, ScatterPanel, ScatterValues};
pub use table::{Cell, Column, Link, Mark, Row, Table};
pub use tokens::{Guess, TextLens, TokenRow, TokenRows, TokenValues, ValuedRow};

use crate::prompts::Problem;

/// The result of one analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Report {
    /// Name of the analysis in the catalogue.
    pub analysis: String,
    /// Title of the analysis.
    pub title: String,
    /// The model's name, as shown in the header.
    pub model: String,
    /// The device it ran on.
    pub device: String,
    /// The figures, in reading order.
    pub parts: Vec<Part>,
    /// What could not be computed, and why. The rest of the report is valid.
    pub problems: Vec<Problem>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Part {
    /// A table with typed columns.
    Table(Table),
    /// One dot per prompt, and the mean, for each group.
    Dots(Dots),
    /// Prompts as tokens.
    Tokens(TokenRows),
    /// One number per row and column, as a heat map; a panel per group.
    Heat(Grid),
    /// One number per row and column, as one line per row; a panel per group.
    Line(Grid),
    /// A number for each edge of the model's graph, in a single row; a panel per group.
    Edges(Grid),
    /// Named points; a panel per group.
    Scatter(Scatter),
    /// Attention patterns or scores.
    Attention(Attention),
    /// The likeliest tokens at each layer and position.
    TextLens(TextLens),
    /// Texts whose tokens are coloured by a number.
    TokenValues(TokenValues),
}

impl Report {
    /// Whether every number of its figures is one ([`Part::is_finite`]).
    pub fn is_finite(&self) -> bool {
        self.parts.iter().all(Part::is_finite)
    }

    /// With a remark if some numbers are not finite.
    #[must_use]
    pub(crate) fn remarked(mut self, finite: bool) -> Self {
        self.problems.extend((!finite).then(|| Problem {
            place: None,
            code: "not-finite".to_owned(),
            message: "Some numbers are infinite or not numbers, and are shown as missing: an activation was too large for \
                      32 bits. Does this happen on every device? Then the checkpoint is damaged, or a patch too large."
                .to_owned(),
        }));
        self
    }
}

impl Part {
    /// Whether every number of the finished figure is one. Activations and attention scores may be infinite: scores are,
    /// where they are masked.
    pub(crate) fn is_finite(&self) -> bool {
        let all = |numbers: &[f64]| numbers.iter().all(|number| number.is_finite());
        match self {
            Part::Table(table) => table.rows.iter().flat_map(|row| row.cells.iter().zip(&table.columns)).all(
                |(cell, column)| {
                    !matches!(cell, Cell::Number(number) if !number.is_finite())
                        || column.quantity == Quantity::Activation
                },
            ),
            Part::Dots(dots) => {
                dots.series.iter().all(|series| series.points.iter().all(|dot| dot.value.is_finite()))
            }
            Part::Tokens(_) => true,
            // Where every cell is computed, one without a number has none that is finite.
            Part::Heat(grid) | Part::Line(grid) | Part::Edges(grid) => {
                let shown = |panel: &Panel, values: &Values| {
                    // A column that no prompt has is empty.
                    let empty = |cell: usize| {
                        panel.counts.as_ref().is_some_and(|counts| counts[cell % counts.len()] == 0)
                    };
                    values.some
                        || grid.measures[values.measure].quantity == Quantity::Activation
                        || values.mean.iter().enumerate().all(|(cell, mean)| mean.is_some() || empty(cell))
                };
                grid.panels.iter().all(|panel| panel.values.iter().all(|values| shown(panel, values)))
            }
            Part::Scatter(scatter) => scatter
                .panels
                .iter()
                .flat_map(|panel| &panel.values)
                .all(|values| all(&values.x) && all(&values.y)),
            Part::Attention(attention) => attention
                .prompts
                .iter()
                .flat_map(|prompt| &prompt.heads)
                .all(|head| head.rows.iter().all(|row| all(row))),
            Part::TextLens(lens) => {
                lens.cells.iter().flatten().flatten().all(|guess| guess.logit.is_finite())
            }
            Part::TokenValues(texts) => texts.rows.iter().all(|row| all(&row.values)),
        }
    }
}

/// The kind of a value, which decides how it is formatted and drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Plain text.
    Text,
    /// A token with its id.
    Token,
    /// A whole number: a rank, a position.
    Count,
    /// A logit, in nats, up to an additive constant per prompt.
    Logit,
    /// A difference of two logits, in nats.
    LogitDifference,
    /// A probability from 0 to 1.
    Probability,
    /// The natural logarithm of a probability, in nats.
    LogProbability,
    /// A share of an effect: 0 none, 1 all of it; values below 0 and above 1 are possible.
    Share,
    /// An attention weight from 0 to 1.
    Attention,
    /// An attention score before the softmax.
    Score,
    /// An activation.
    Activation,
    /// The loss of a token, in nats.
    Loss,
    /// The distance of a number from what it should be.
    Error,
}
