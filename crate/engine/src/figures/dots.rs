//! One value per prompt, as dots.

use serde::{Deserialize, Serialize};

use super::Quantity;

/// One dot per prompt and the mean, per group, on one axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Dots {
    /// A heading.
    pub title: String,
    /// One sentence on how to read it, or nothing.
    pub note: Option<String>,
    /// The axis's label.
    pub axis: String,
    /// What the values are.
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
    /// The group's index in the experiment.
    pub group: usize,
    /// One point per prompt.
    pub points: Vec<Dot>,
    /// The mean over the prompts.
    pub mean: f64,
    /// The mean's 95 % bootstrap interval; none for a single prompt.
    pub interval: Option<[f64; 2]>,
}

/// The value of one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Dot {
    /// The prompt.
    pub label: String,
    /// Its value, in the [`Dots::quantity`].
    pub value: f64,
}
