//! The analyses: one file each, and the one list of them.
//!
//! The list is the catalogue from which the native command's help and the page's forms are made.

mod activations;
mod attention;
mod checks;
mod component_patching;
mod head_attribution;
mod head_patching;
mod layer_attribution;
mod logit_diff;
mod logit_lens;
mod neuron_attribution;
mod neuron_on_text;
mod neuron_patching;
mod notebook_figures;
mod patched_run;
mod residual_patching;
mod shared;
mod test_prompt;
mod text_lens;

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::host::Host;
use crate::model::Model;
use crate::reference::Reference;
use crate::report::{Part, Problem};
use crate::tokens::Tokenizer;

/// Every analysis, in the order of the page.
pub const ALL: &[&Analysis] = &[
    &logit_diff::ANALYSIS,
    &test_prompt::ANALYSIS,
    &logit_lens::ANALYSIS,
    &text_lens::ANALYSIS,
    &layer_attribution::ANALYSIS,
    &head_attribution::ANALYSIS,
    &attention::ANALYSIS,
    &residual_patching::ANALYSIS,
    &component_patching::ANALYSIS,
    &head_patching::ANALYSIS,
    &neuron_attribution::ANALYSIS,
    &neuron_patching::ANALYSIS,
    &neuron_on_text::ANALYSIS,
    &patched_run::ANALYSIS,
    &activations::ANALYSIS,
    &checks::ANALYSIS,
    &notebook_figures::ANALYSIS,
];

/// An entry of the catalogue.
#[derive(Debug)]
pub struct Analysis {
    /// Its name in requests and on the command line.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What it shows and how to read it, in a sentence or two.
    pub description: &'static str,
    /// What can be set.
    pub settings: &'static [Setting],
    /// Does it.
    pub run: for<'a> fn(&'a Job<'a>) -> Running<'a>,
}

/// An analysis at work.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Findings>> + 'a>>;

/// What an analysis works on.
pub struct Job<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// What another implementation says about it, if that came along.
    pub reference: Option<&'a Reference>,
    /// The prompts.
    pub experiment: &'a Experiment,
    /// A value for every setting of the analysis.
    pub settings: Map<String, Value>,
    /// Whom to tell.
    pub host: &'a dyn Host,
}

/// What an analysis found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Figures, in reading order.
    pub parts: Vec<Part>,
    /// What could not be computed, and why.
    pub problems: Vec<Problem>,
}

/// Something the user can set.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Setting {
    /// Its name in requests and on the command line.
    pub name: &'static str,
    /// What it means.
    pub description: &'static str,
    /// What it may be.
    pub range: Range,
}

/// What a setting may be.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Range {
    /// A text.
    Text {
        /// What it is if left out.
        default: &'static str,
    },
    /// A whole number.
    Count {
        /// What it is if left out.
        default: u32,
        /// The smallest allowed.
        min: u32,
        /// The largest allowed.
        max: u32,
    },
    /// One of a few words.
    Choice {
        /// What it is if left out: the first is not always the default.
        default: &'static str,
        /// What it may be.
        options: &'static [&'static str],
    },
    /// Yes or no.
    Flag {
        /// What it is if left out.
        default: bool,
    },
}

/// An entry of the catalogue, as data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct AnalysisInfo {
    /// [`Analysis::name`].
    pub name: &'static str,
    /// [`Analysis::title`].
    pub title: &'static str,
    /// [`Analysis::description`].
    pub description: &'static str,
    /// [`Analysis::settings`].
    pub settings: &'static [Setting],
}

/// The catalogue, as data.
pub fn catalogue() -> Vec<AnalysisInfo> {
    let info = |a: &Analysis| AnalysisInfo {
        name: a.name,
        title: a.title,
        description: a.description,
        settings: a.settings,
    };
    ALL.iter().map(|analysis| info(analysis)).collect()
}

/// The analysis of this name.
///
/// # Errors
/// [`Error::UnknownAnalysis`].
pub fn find(name: &str) -> Result<&'static Analysis> {
    ALL.iter().copied().find(|analysis| analysis.name == name).ok_or_else(|| Error::UnknownAnalysis {
        name: name.to_owned(),
        known: ALL.iter().map(|analysis| analysis.name).collect::<Vec<_>>().join(", "),
    })
}

/// Completes `given` with defaults and checks it against the analysis's ranges.
///
/// # Errors
/// [`Error::Setting`] for a name the analysis does not have and a value outside its range.
pub fn settings(analysis: &Analysis, given: &Map<String, Value>) -> Result<Map<String, Value>> {
    let refuse = |name: &str, message: String| Err(Error::Setting { name: name.to_owned(), message });
    let names: Vec<&str> = analysis.settings.iter().map(|setting| setting.name).collect();
    if let Some(name) = given.keys().find(|name| !names.contains(&name.as_str())) {
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return refuse(name, format!("`{}` has no such setting. It has: {known}.", analysis.name));
    }
    let mut complete = Map::new();
    for Setting { name, range, .. } in analysis.settings {
        let value = match (range, given.get(*name)) {
            (Range::Text { default }, None) => Value::from(*default),
            (Range::Count { default, .. }, None) => Value::from(*default),
            (Range::Choice { default, .. }, None) => Value::from(*default),
            (Range::Flag { default }, None) => Value::from(*default),
            (Range::Text { .. }, Some(Value::String(text))) => Value::from(text.as_str()),
            (Range::Text { .. }, Some(other)) => return refuse(name, format!("{other} is no text.")),
            (Range::Count { min, max, .. }, Some(value)) => {
                // A number typed on the command line arrives as text.
                let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
                match number {
                    Some(n) if (u64::from(*min)..=u64::from(*max)).contains(&n) => Value::from(n),
                    _ => return refuse(name, format!("{value} is not a whole number from {min} to {max}.")),
                }
            }
            (Range::Choice { options, .. }, Some(value)) => {
                match value.as_str().filter(|text| options.contains(text)) {
                    Some(text) => Value::from(text),
                    None => return refuse(name, format!("{value} is none of {}.", options.join(", "))),
                }
            }
            // Yes and no typed on the command line arrive as text.
            (Range::Flag { .. }, Some(value)) => match (value.as_bool(), value.as_str()) {
                (Some(flag), _) => Value::from(flag),
                (_, Some("true" | "yes")) => Value::from(true),
                (_, Some("false" | "no")) => Value::from(false),
                _ => return refuse(name, format!("{value} is neither yes nor no.")),
            },
        };
        complete.insert((*name).to_owned(), value);
    }
    Ok(complete)
}

impl Job<'_> {
    /// The value of a text setting or a choice.
    pub fn text(&self, name: &str) -> &str {
        self.settings.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The value of a flag.
    pub fn flag(&self, name: &str) -> bool {
        self.settings.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// The value of a count setting.
    pub fn count(&self, name: &str) -> usize {
        self.settings.get(name).and_then(Value::as_u64).unwrap_or_default() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for analysis in ALL {
            assert!(std::ptr::eq(find(analysis.name).expect("it is in the list"), *analysis));
        }
        assert!(find("logit-dif").is_err());
    }

    #[test]
    fn settings_are_completed_and_checked() {
        let analysis = find("test-prompt").expect("it is in the list");
        let given = |json: &str| serde_json::from_str::<Map<String, Value>>(json).expect("JSON");
        let complete = settings(analysis, &given(r#"{"prompt":"a"}"#)).expect("good settings");
        assert_eq!(complete["top_k"], 10);
        for bad in [r#"{"top_k":0}"#, r#"{"top_k":"many"}"#, r#"{"promt":"a"}"#, r#"{"prompt":1}"#] {
            assert!(settings(analysis, &given(bad)).is_err(), "{bad}");
        }
    }
}
