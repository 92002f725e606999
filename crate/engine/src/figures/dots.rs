//! One value per prompt, as dots.

use serde::{Deserialize, Serialize};

use super::Quantity;

/// One dot per prompt, and the mean, for each group, on a common axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Dots {
    /// Title of the figure.
    pub title: String,
    /// How to read it, in one sentence; null if there is nothing to say.
    pub note: Option<String>,
    /// The axis's label.
    pub axis: String,
    /// The kind of the values.
    pub quantity: Quantity,
    /// The groups, from top to bottom.
    pub series: Vec<DotSeries>,
}

/// The dots of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct DotSeries {
    /// The group's name.
    pub name: String,
    /// Index of the group in the experiment.
    pub group: usize,
    /// One point per prompt.
    pub points: Vec<Dot>,
    /// Mean over the prompts.
    pub mean: f64,
    /// 95 % bootstrap interval of the mean; null for a single prompt.
    pub interval: Option<[f64; 2]>,
}

/// The value of one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Dot {
    /// Text of the prompt.
    pub label: String,
    /// Value, in [`Dots::quantity`].
    pub value: f64,
}
