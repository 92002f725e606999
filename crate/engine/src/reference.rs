//! What another implementation says about a model, shipped beside its weights: the page compares itself with it on
//! the visitor's own device.

use serde::Deserialize;

use crate::error::{Error, Result};

/// `reference.json` beside a model's weights.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// What made the numbers, and how precisely.
    pub source: String,
    /// The numbers, prompt by prompt.
    pub prompts: Vec<ReferencePrompt>,
}

/// What is known of one prompt, run with `<|endoftext|>` before it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferencePrompt {
    /// The prompt.
    pub prompt: String,
    /// A next token, exactly as typed.
    pub answer: String,
    /// Another.
    pub distractor: String,
    /// The answer's log-probability.
    pub log_probability: f64,
    /// logit(answer) - logit(distractor).
    pub logit_difference: f64,
}

impl Reference {
    /// Reads `reference.json`.
    ///
    /// # Errors
    /// [`Error::Document`] if the text is not JSON of this shape.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::Document(format!("reference.json: {:.300}", error.to_string())))
    }
}
