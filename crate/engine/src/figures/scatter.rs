//! Scatter plots of heads.

use serde::{Deserialize, Serialize};

use super::Measure;

/// Named points, coloured by their layers, in one panel per group, all on the same scales.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Scatter {
    /// Title of the figure.
    pub title: String,
    /// How to read it, in one sentence; null if there is nothing to say.
    pub note: Option<String>,
    /// The horizontal axis.
    pub x: ScatterAxis,
    /// The vertical axis.
    pub y: ScatterAxis,
    /// Whether both axes count the same: then they have one scale, and a diagonal.
    pub alike: bool,
    /// The measures to choose from, the default one first.
    pub measures: Vec<Measure>,
    /// The name of each point: `L7H11`.
    pub names: Vec<String>,
    /// Each point's layer; empty if they are of none.
    pub layers: Vec<usize>,
    /// The groups.
    pub panels: Vec<ScatterPanel>,
}

/// An axis of a [`Scatter`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ScatterAxis {
    /// The axis's label.
    pub label: String,
}

/// One group's points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ScatterPanel {
    /// The group's name.
    pub name: String,
    /// Index of the group in the experiment; for a comparison of groups, the one on the vertical axis.
    pub group: usize,
    /// The coordinates, by measure.
    pub values: Vec<ScatterValues>,
}

/// Coordinates in one measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ScatterValues {
    /// The measure, as an index into [`Scatter::measures`].
    pub measure: usize,
    /// Each point's horizontal coordinate.
    pub x: Vec<f64>,
    /// Each point's vertical coordinate.
    pub y: Vec<f64>,
}
