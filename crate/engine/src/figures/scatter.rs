//! Points with names.

use serde::{Deserialize, Serialize};

use super::Measure;

/// Points with names, coloured by layer, in one panel per group, all on one scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Scatter {
    /// A heading.
    pub title: String,
    /// One sentence on how to read it, or nothing.
    pub note: Option<String>,
    /// The horizontal axis.
    pub x: ScatterAxis,
    /// The vertical axis.
    pub y: ScatterAxis,
    /// What the numbers can be; the one shown first at the front.
    pub measures: Vec<Measure>,
    /// Each point's name: `L7H11`.
    pub names: Vec<String>,
    /// Each point's layer.
    pub layers: Vec<usize>,
    /// The groups.
    pub panels: Vec<ScatterPanel>,
}

/// An axis of a [`Scatter`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ScatterAxis {
    /// What stands beside it.
    pub label: String,
}

/// One group's points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ScatterPanel {
    /// The group's name.
    pub name: String,
    /// The group's index in the experiment; for a comparison of groups, the one on the vertical axis.
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
