//! Recorded values: what other programs computed with the real weights, as facts to compare with (docs/recorded.md).
//!
//! An item names an analysis and its inputs, the place of its report where the values stand, and the values. So what is
//! compared is what the page shows, and a new analysis needs no code here.

mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::figures::{Part, Quantity};
use crate::model::Config;

/// The files of recorded values that a page or a folder has: `recorded/index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The file's name, beside the list.
    pub file: String,
    /// The model that it is about.
    pub model: Shape,
}

/// A model, by its sizes: two models of the same sizes are told apart by their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// The model's name, for display.
    pub name: String,
    /// Number of layers.
    pub n_layers: usize,
    /// Heads per layer.
    pub n_heads: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Neurons per layer.
    pub d_mlp: usize,
    /// Tokens in the vocabulary.
    pub d_vocab: usize,
}

impl Shape {
    /// Whether a model has these sizes.
    pub fn fits(&self, config: &Config) -> bool {
        [self.n_layers, self.n_heads, self.d_model, self.d_mlp, self.d_vocab]
            == [config.n_layers, config.n_heads, config.d_model, config.d_mlp, config.d_vocab]
    }
}

/// A file of recorded values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The model that computed them.
    pub model: Shape,
    /// Where they were published, by the name that items use.
    pub sources: BTreeMap<String, Origin>,
    /// The experiments, by the name that items use.
    pub experiments: BTreeMap<String, Experiment>,
    /// The figures.
    pub items: Vec<Item>,
}

/// Where values were published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The project and the document.
    pub name: String,
    /// Its address; null if it has none.
    pub link: Option<String>,
    /// The licence under which it was published, by its SPDX name; null if it has none.
    pub licence: Option<String>,
}

/// Values of one figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What they are.
    pub title: String,
    /// Where they are from, as a key of [`Recorded::sources`].
    pub source: String,
    /// The analysis that computes them.
    pub analysis: String,
    /// Its prompts, as a key of [`Recorded::experiments`].
    pub experiment: String,
    /// Its settings; missing ones take their defaults.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
    /// Where they stand in its report.
    pub read: Read,
    /// Decimals that were recorded. None: the values are whole numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u32>,
    /// The values, in the order in which [`Read`] finds them; null for one that was not recorded.
    pub values: Vec<Option<f64>>,
}

/// Where values stand in a report. Of several parts of a kind the first is read, where nothing else is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Read {
    /// The means of a heat map or of lines, row by row.
    Grid {
        /// The part, by its index in the report.
        part: usize,
        /// The measure's name; the first one if it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        measure: Option<String>,
        /// The group, by its index in the experiment.
        #[serde(default)]
        group: usize,
        /// These cells alone, by their index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cells: Option<Vec<usize>>,
        /// The largest ones alone, the largest first, as many as were recorded.
        #[serde(default)]
        largest: bool,
    },
    /// A value for each prompt of a group.
    Dots {
        /// The group, by its index in the experiment.
        #[serde(default)]
        group: usize,
        /// Their mean instead.
        #[serde(default)]
        mean: bool,
    },
    /// A value for each token of a text.
    TokenValues {
        /// Their mean instead, without the first one, which is of a token that nothing predicts.
        #[serde(default)]
        mean: bool,
        /// The smallest and the largest instead.
        #[serde(default)]
        ends: bool,
    },
    /// A column of a table of next tokens.
    Tokens {
        /// The column's heading.
        column: String,
        /// The tokens, by their ids.
        tokens: Vec<u32>,
    },
    /// The probabilities of tokens at each point of the residual stream and each position.
    Guesses {
        /// The first point.
        #[serde(default)]
        from: usize,
        /// The step from one point to the next.
        every: usize,
        /// As many tokens for each point and position, by their ids.
        tokens: Vec<u32>,
    },
    /// The id of the likeliest next token at each position of a text.
    Likeliest,
    /// Attention weights of heads, destination by destination, each with its sources up to itself.
    Attention,
}

/// A value of a report, with words for where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// What it is of: `L9H9`, a token, a prompt.
    pub(crate) place: String,
    /// The value; NaN if the report does not have it.
    pub(crate) value: f64,
}

impl Recorded {
    /// Reads a file of recorded values.
    ///
    /// # Errors
    /// [`Error::Recorded`] if the text is not JSON of this shape, or an item names what is not there.
    pub fn from_json(text: &str) -> Result<Self> {
        let read: Self = serde_json::from_str(text)
            .map_err(|error| Error::Recorded(format!("{:.300}", error.to_string())))?;
        for item in &read.items {
            let missing = |what: &str, name: &str| {
                Error::Recorded(format!("{:?}: there is no {what} {name:?}", item.title))
            };
            if !read.sources.contains_key(&item.source) {
                return Err(missing("source", &item.source));
            }
            if !read.experiments.contains_key(&item.experiment) {
                return Err(missing("experiment", &item.experiment));
            }
        }
        Ok(read)
    }
}

impl Item {
    /// Finds the values in the parts of the analysis's report, in the order of [`Item::values`], and what they are.
    ///
    /// # Errors
    /// [`Error::Recorded`] if the report has no such place, or another number of values there.
    pub(crate) fn find(&self, parts: &[Part]) -> Result<(Quantity, Vec<Found>)> {
        let Some((quantity, mut found)) = self.read.find(parts) else {
            return Err(Error::Recorded(format!("{:?}: `{}` has no such figure", self.title, self.analysis)));
        };
        if matches!(self.read, Read::Grid { largest: true, .. }) {
            found.truncate(self.values.len());
        }
        if found.len() != self.values.len() {
            let message = format!(
                "{:?}: {} values were recorded, and `{}` has {} there",
                self.title,
                self.values.len(),
                self.analysis,
                found.len()
            );
            return Err(Error::Recorded(message));
        }
        Ok((quantity, found))
    }
}
