//! Tables with typed columns.

use serde::{Deserialize, Serialize};

use super::Quantity;
use crate::tokens::Token;

/// A table with typed columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Table {
    /// Title of the figure.
    pub title: String,
    /// How to read it, in one sentence; null if there is nothing to say.
    pub note: Option<String>,
    /// The group in the experiment that it is about; null if it is about none in particular.
    pub group: Option<usize>,
    /// The columns, from left to right.
    pub columns: Vec<Column>,
    /// The rows, from top to bottom; each has one cell per column.
    pub rows: Vec<Row>,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Column {
    /// The column's heading.
    pub name: String,
    /// The kind of its values, which decides how they are drawn.
    pub quantity: Quantity,
    /// Whether its numbers may be drawn as bars; the ends of an interval may not.
    pub bars: bool,
}

impl Column {
    /// A column with this heading.
    pub fn new(name: &str, quantity: Quantity) -> Self {
        Self { name: name.to_owned(), quantity, bars: true }
    }

    /// The same without bars.
    pub fn plain(name: &str, quantity: Quantity) -> Self {
        Self { bars: false, ..Self::new(name, quantity) }
    }
}

/// A row of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Row {
    /// One cell per column.
    pub cells: Vec<Cell>,
    /// Why the row stands out; null if it does not.
    pub mark: Option<Mark>,
}

/// Why a row stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// The answer token's row.
    Answer,
    /// The distractor token's row.
    Distractor,
    /// The mean of the rows above.
    Mean,
    /// A check that passed.
    Passed,
    /// A check that failed.
    Failed,
}

/// A cell of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(untagged)]
pub enum Cell {
    /// A number in the column's quantity.
    Number(f64),
    /// Plain text.
    Text(String),
    /// A token.
    Token(Token),
    /// A document on the web.
    Link(Link),
    /// No value.
    Empty,
}

/// A document on the web.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Link {
    /// What it is called.
    pub text: String,
    /// Its address.
    pub link: String,
}
