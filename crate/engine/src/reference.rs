//! Reference values from another implementation, shipped beside a model's weights. The page compares its own
//! results with them on the visitor's device.

use serde::Deserialize;

use crate::error::{Error, Result};

/// `reference.json` beside a model's weights.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// What produced the numbers, and in which precision.
    pub source: String,
    /// The values, prompt by prompt.
    pub prompts: Vec<ReferencePrompt>,
}

/// Reference values for one prompt, run with `<|endoftext|>` prepended.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferencePrompt {
    /// The prompt, without `<|endoftext|>`.
    pub prompt: String,
    /// A next token, exactly as typed.
    pub answer: String,
    /// The next token it is compared with, exactly as typed.
    pub distractor: String,
    /// The answer's log-probability, in nats.
    pub log_probability: f64,
    /// logit(answer) - logit(distractor), in nats.
    pub logit_difference: f64,
}

impl Reference {
    /// Reads `reference.json`.
    ///
    /// # Errors
    /// [`Error::Reference`] if the text is not JSON of this shape.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::Reference(format!("{:.300}", error.to_string())))
    }
}
