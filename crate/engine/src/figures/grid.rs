//! Numbers in rows and columns, for each group, in each measure: heat maps and lines.

use serde::{Deserialize, Serialize};

use super::Quantity;
use crate::metrics::PerPrompt;

/// A number for each row and column, in one panel per group, all on one scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Grid {
    /// A heading.
    pub title: String,
    /// One sentence on how to read it, or nothing.
    pub note: Option<String>,
    /// The hook point within a layer that a cell is about, as TransformerLens names it, if it is about one.
    pub site: Option<String>,
    /// What the rows are, from top to bottom.
    pub rows: Axis,
    /// What the columns are, from left to right.
    pub columns: Axis,
    /// What the numbers can be, the one shown first at the front. All follow from the same runs.
    pub measures: Vec<Measure>,
    /// The groups, and differences between them.
    pub panels: Vec<Panel>,
}

/// An axis of a [`Grid`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Axis {
    /// What stands beside it.
    pub label: String,
    /// What it counts.
    pub counts: AxisKind,
    /// A label for each row or column. Layers, heads and neurons are labelled by their numbers.
    pub ticks: Vec<String>,
}

/// What an [`Axis`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum AxisKind {
    /// Layers.
    Layer,
    /// Heads of one layer.
    Head,
    /// Heads of all layers, layer by layer: `L0H0, L0H1, ...`
    LayerHead,
    /// Neurons of one layer.
    Neuron,
    /// Positions in the prompt. Each panel has its own ticks.
    Position,
    /// Points of the residual stream, or what is written into it.
    Component,
    /// Something else.
    Other,
}

/// What the numbers of a [`Grid`] can be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Measure {
    /// A short stable name: `normalized`, `logit-diff`, ...
    pub name: String,
    /// What stands beside the colour scale.
    pub label: String,
    /// What the numbers are.
    pub quantity: Quantity,
    /// The ends of the scale; none: the largest magnitude, or for a measure without a middle the extremes.
    pub range: Option<[f64; 2]>,
    /// The number in the middle of a scale of two colours; none: a scale of one colour.
    pub middle: Option<f64>,
}

/// One group's numbers, or the difference between two groups'.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Panel {
    /// The group's name, or the names of both.
    pub name: String,
    /// The group's index in the experiment.
    pub group: usize,
    /// The group that was subtracted, if this is a difference.
    pub minus: Option<usize>,
    /// The columns' labels, where each group has its own.
    pub ticks: Option<Vec<String>>,
    /// The prompts, in the order of [`Values::prompts`]. A difference has none.
    pub prompts: Vec<String>,
    /// The numbers, by measure. A measure that has no meaning for this group is missing.
    pub values: Vec<Values>,
}

/// A [`Panel`]'s numbers in one measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Values {
    /// The measure, as an index into [`Grid::measures`].
    pub measure: usize,
    /// The mean over the prompts for each cell, row by row; null: not computed yet.
    pub mean: Vec<Option<f64>>,
    /// The lower ends of the means' 95 % bootstrap intervals; empty for a single prompt.
    pub low: Vec<f64>,
    /// The upper ends.
    pub high: Vec<f64>,
    /// For each prompt its number in each cell, row by row.
    #[cfg_attr(feature = "typescript", ts(type = "number[][]"))]
    pub prompts: PerPrompt,
    /// The mean over the unpatched clean prompts, where the measure has one.
    pub clean: Option<f64>,
    /// The mean over the unpatched corrupted prompts, where the measure has one.
    pub corrupted: Option<f64>,
}
