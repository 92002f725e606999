//! Numbers in rows and columns, per group and measure: heat maps and lines.

use serde::{Deserialize, Serialize};

use super::Quantity;
use crate::metrics::PerPrompt;

/// A number for each row and column, in one panel per group, all on a common scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Grid {
    /// Title of the figure.
    pub title: String,
    /// How to read it, in one sentence; null if there is nothing to say.
    pub note: Option<String>,
    /// The hook point within a layer that the cells refer to, by TransformerLens's name; null if they do not.
    pub site: Option<String>,
    /// The rows, from top to bottom.
    pub rows: Axis,
    /// The columns, from left to right.
    pub columns: Axis,
    /// The measures to choose from, the default one first. All follow from the same runs.
    pub measures: Vec<Measure>,
    /// The groups, and differences between them.
    pub panels: Vec<Panel>,
}

/// An axis of a [`Grid`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Axis {
    /// The axis's label.
    pub label: String,
    /// What its rows or columns are.
    pub counts: AxisKind,
    /// A label for each row or column: for layers, heads and neurons their index.
    pub ticks: Vec<String>,
}

/// What the rows or columns of an [`Axis`] are.
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
    /// Positions counted from each prompt's last token, likewise.
    PositionFromEnd,
    /// Roles of tokens, likewise.
    Role,
    /// Points of the residual stream, or what is written into it.
    Component,
    /// Edges of the model's graph, by EAP-IG's names: `a0.h1->a2.h3<q>`, `input->m0`, `m1->logits`.
    Edge,
    /// Something else.
    Other,
}

/// A quantity that a [`Grid`] or scatter plot can show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Measure {
    /// Stable, machine-readable name: `normalized`, `logit-diff`, ...
    pub name: String,
    /// Label of the colour scale.
    pub label: String,
    /// The kind of the numbers.
    pub quantity: Quantity,
    /// The ends of the scale; null for the largest magnitude or, without a middle, the extremes.
    pub range: Option<[f64; 2]>,
    /// The middle of a diverging colour scale; null for a sequential one.
    pub middle: Option<f64>,
}

/// One group's numbers, or the difference between two groups'.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Panel {
    /// The group's name, or the names of both.
    pub name: String,
    /// Index of the group in the experiment.
    pub group: usize,
    /// Index of the group that was subtracted; null if this is not a difference.
    pub minus: Option<usize>,
    /// The columns' labels, if each group has its own.
    pub ticks: Option<Vec<String>>,
    /// Where columns are positions: those at which the clean and the corrupted prompt of any case differ, ascending. Before
    /// the first, attention being causal, the two runs are the same.
    pub changed: Vec<usize>,
    /// Where columns are positions or roles: how many prompts have each; null if all have all. A mean is over those that have it.
    #[serde(default)]
    pub counts: Option<Vec<usize>>,
    /// Why shares of the distance between clean and corrupted say little here; null if they may be read as they are.
    pub caution: Option<String>,
    /// The prompts, in the order of [`Values::prompts`]. A difference has none.
    pub prompts: Vec<String>,
    /// The pair that each prompt belongs to, as an index into its group: both directions of a symmetric pair are drawn together
    /// where intervals are made.
    #[serde(default)]
    pub pairs: Vec<usize>,
    /// The numbers, by measure. A measure without a meaning for this group is missing.
    pub values: Vec<Values>,
}

/// A [`Panel`]'s numbers in one measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Values {
    /// The measure, as an index into [`Grid::measures`].
    pub measure: usize,
    /// The mean over the prompts that have a number, for each cell, row by row; null where none has, or not yet.
    pub mean: Vec<Option<f64>>,
    /// Lower ends of the means' 95 % bootstrap intervals; empty for a single pair, null where only one has a number.
    pub low: Vec<Option<f64>>,
    /// Upper ends of these intervals.
    pub high: Vec<Option<f64>>,
    /// The p-value of each mean, against 0: the share of assignments of signs to the pairs that give a mean at least as far from it.
    /// Empty: 0 says nothing in this measure, or there are too many cells.
    #[serde(default)]
    pub p: Vec<Option<f64>>,
    /// These p-values adjusted for the number of cells: the rate of false discoveries among the cells that have at most this one.
    #[serde(default)]
    pub adjusted: Vec<Option<f64>>,
    /// For each prompt, its number in each cell, row by row; null where the prompt has no such position or role.
    #[cfg_attr(feature = "typescript", ts(type = "(number | null)[][]"))]
    pub prompts: PerPrompt,
    /// Whether only some cells were asked for, so that one without a mean is no fault.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>", optional))]
    pub some: bool,
    /// The mean over the unpatched clean prompts, if the measure has one.
    pub clean: Option<f64>,
    /// The mean over the unpatched corrupted prompts, if the measure has one.
    pub corrupted: Option<f64>,
}
