//! Tables.

use serde::{Deserialize, Serialize};

use super::Quantity;
use crate::tokens::Token;

/// A table with typed columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Table {
    /// A heading.
    pub title: String,
    /// One sentence on how to read it, or nothing.
    pub note: Option<String>,
    /// The columns, from left to right.
    pub columns: Vec<Column>,
    /// The rows, from top to bottom; each has one cell per column.
    pub rows: Vec<Row>,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// What its cells are, which decides how they are drawn.
    pub quantity: Quantity,
}

impl Column {
    /// A column of this name.
    pub fn new(name: &str, quantity: Quantity) -> Self {
        Self { name: name.to_owned(), quantity }
    }
}

/// A row of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Row {
    /// One cell per column.
    pub cells: Vec<Cell>,
    /// Why the row stands out, or nothing.
    pub mark: Option<Mark>,
}

/// Why a row stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It is the answer's.
    Answer,
    /// It is the distractor's.
    Distractor,
    /// It is the mean of the rows above it.
    Mean,
    /// It is a check that passed.
    Passed,
    /// It is a check that failed.
    Failed,
}

/// A cell of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(untagged)]
pub enum Cell {
    /// A number in the column's quantity.
    Number(f64),
    /// Words.
    Text(String),
    /// A token.
    Token(Token),
    /// Nothing to say here.
    Empty,
}
