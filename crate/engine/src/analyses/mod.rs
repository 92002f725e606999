//! The analyses, one file each, and the list of them, from which the native command's help and the page's
//! forms are made.

mod settings;
mod shared;

use std::future::{Future, ready};
use std::pin::Pin;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::figures::Part;
use crate::host::{Host, Quiet};
use crate::model::Model;
use crate::portion::{Division, Portion, Sizes};
use crate::prompts::Problem;
use crate::reference::Reference;
use crate::tokens::Tokenizer;
use crate::truth::Truth;
pub(crate) use recorded::record;
use settings::{Declared, settings};
pub use settings::{Setting, SettingRange};
pub(crate) use shared::kept::KeptScores;

/// Builds the catalogue from modules that each implement an analysis on a struct `Settings`.
macro_rules! catalogue {
    ($($module:ident,)+) => {
        $(mod $module;)+

        /// Every analysis, in the order of the page.
        pub static ALL: &[Analysis] = &[$(Analysis::of::<$module::Settings>()),+];
    };
}

catalogue! {
    logit_diff,
    test_prompt,
    logit_lens,
    text_lens,
    layer_attribution,
    head_attribution,
    attention,
    source_attribution,
    score_decomposition,
    head_atlas,
    residual_patching,
    component_patching,
    head_patching,
    path_patching,
    edge_attribution,
    circuit,
    circuit_tests,
    ablation,
    self_repair,
    neuron_attribution,
    neuron_patching,
    neuron_on_text,
    token_loss,
    generate,
    patched_run,
    intervene,
    activations,
    checks,
    recorded,
}

/// An analysis, implemented on its settings.
trait Analyse: Declared + 'static {
    /// [`Analysis::name`].
    const NAME: &'static str;
    /// [`Analysis::title`].
    const TITLE: &'static str;
    /// [`Analysis::description`].
    const DESCRIPTION: &'static str;
    /// [`Analysis::python`].
    const PYTHON: Option<PythonCell> = None;

    /// Computes the figures.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value that the model or the experiment does not have, [`Error::Compute`],
    /// [`Error::Cancelled`].
    async fn run(&self, job: &Job<'_>) -> Result<Findings>;

    /// How it can be cut without changing a number. Layers only if it runs each layer's chunks by themselves
    /// ([`crate::interventions::sweep::Sweep::run_some`]).
    ///
    /// # Errors
    /// [`Error::Setting`] for layers that the model does not have.
    fn division(&self, _sizes: &Sizes) -> Result<Division> {
        Ok(Division::whole(1.0))
    }

    /// The figures that follow from finished ones and stand after them. A portion of some layers has none.
    fn derived(&self, _parts: &[Part]) -> Vec<Part> {
        Vec::new()
    }
}

/// An entry of the catalogue.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "AnalysisInfo"))]
pub struct Analysis {
    /// Name in requests and on the command line.
    pub name: &'static str,
    /// Title on the page.
    pub title: &'static str,
    /// What it shows and how to read it, in a sentence or two.
    pub description: &'static str,
    /// The settings, in the order of the form.
    pub settings: &'static [Setting],
    /// The notebook cell that repeats it with TransformerLens. None: it has none and is left out.
    #[serde(skip)]
    pub python: Option<PythonCell>,
    #[serde(skip)]
    run: for<'a> fn(Map<String, Value>, &'a Job<'a>) -> Running<'a>,
    #[serde(skip)]
    division: fn(&Map<String, Value>, &Sizes) -> Result<Division>,
    #[serde(skip)]
    derived: Derive,
}

/// A running analysis.
type Running<'a> = Pin<Box<dyn Future<Output = Result<Findings>> + 'a>>;

/// [`Analyse::derived`], of settings as they were given.
type Derive = fn(&Map<String, Value>, &[Part]) -> Result<Vec<Part>>;

/// A cell of the Jupyter notebook.
#[derive(Debug, Clone, Copy)]
pub struct PythonCell {
    /// The Python source.
    pub code: &'static str,
    /// Source that must run first and that several cells share.
    pub needs: Option<&'static str>,
}

/// The caller of an analysis, which besides progress may want previews of figures.
pub trait Viewer: Host {
    /// Whether to preview a figure now. Building a preview takes time, so this is asked first.
    fn wants_preview(&self) -> bool {
        false
    }

    /// Shows the current state of the report's part `index`.
    fn preview(&self, _index: usize, _part: &Part) {}

    /// Reads one of the files that come along and that few calls need, by its path: `recorded/index.json`. None: nothing
    /// comes along.
    fn file<'a>(&'a self, _path: &'a str) -> Reading<'a> {
        Box::pin(ready(Ok(None)))
    }
}

impl Viewer for Quiet {}

/// A file of [`Viewer::file`] that is being read.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Option<String>>> + 'a>>;

/// The inputs of an analysis.
pub(crate) struct Job<'a> {
    pub(crate) model: &'a Model,
    pub(crate) tokenizer: &'a Tokenizer,
    /// Values of another implementation, if the model came with some.
    pub(crate) reference: Option<&'a Reference>,
    /// What is known of the model's circuit, if one was planted in it.
    pub(crate) truth: Option<&'a Truth>,
    /// Scores of edges that were computed before.
    pub(crate) kept: &'a KeptScores,
    pub(crate) experiment: &'a Experiment,
    pub(crate) viewer: &'a dyn Viewer,
    /// What of it is computed. Analyses that are not cut need not look.
    pub(crate) portion: &'a Portion,
}

/// The result of an analysis.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Figures, in reading order.
    pub(crate) parts: Vec<Part>,
    /// What could not be computed, and why.
    pub(crate) problems: Vec<Problem>,
}

impl Analysis {
    const fn of<A: Analyse>() -> Self {
        Self {
            name: A::NAME,
            title: A::TITLE,
            description: A::DESCRIPTION,
            settings: A::LIST,
            python: A::PYTHON,
            run: |settings, job| Box::pin(async move { A::read(&settings)?.run(job).await }),
            division: |settings, sizes| A::read(settings)?.division(sizes),
            derived: |settings, parts| Ok(A::read(settings)?.derived(parts)),
        }
    }

    /// The analysis of this name.
    ///
    /// # Errors
    /// [`Error::UnknownAnalysis`].
    pub fn find(name: &str) -> Result<&'static Analysis> {
        ALL.iter().find(|analysis| analysis.name == name).ok_or_else(|| Error::UnknownAnalysis {
            name: name.to_owned(),
            known: ALL.iter().map(|analysis| analysis.name).collect::<Vec<_>>().join(", "),
        })
    }

    /// Fills in defaults and checks `given` against the settings' ranges.
    ///
    /// # Errors
    /// [`Error::Setting`] for an unknown name or a value outside its range.
    pub fn complete(&self, given: &Map<String, Value>) -> Result<Map<String, Value>> {
        settings::complete(self.name, self.settings, given)
    }

    /// Runs the analysis.
    ///
    /// # Errors
    /// As [`Self::complete`]; [`Error::Compute`], [`Error::Cancelled`].
    pub(crate) async fn run(&self, given: &Map<String, Value>, job: &Job<'_>) -> Result<Findings> {
        (self.run)(self.complete(given)?, job).await
    }

    /// How a request with these settings can be cut.
    ///
    /// # Errors
    /// As [`Self::complete`]; [`Error::Setting`] for layers that a model of these sizes does not have.
    pub fn division(&self, given: &Map<String, Value>, sizes: &Sizes) -> Result<Division> {
        (self.division)(&self.complete(given)?, sizes)
    }

    /// The figures that a portion of some layers lacks, from the others.
    ///
    /// # Errors
    /// As [`Self::complete`].
    pub(crate) fn derived(&self, given: &Map<String, Value>, parts: &[Part]) -> Result<Vec<Part>> {
        (self.derived)(&self.complete(given)?, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for analysis in ALL {
            assert!(std::ptr::eq(Analysis::find(analysis.name).expect("it is in the list"), analysis));
        }
        assert!(Analysis::find("logit-dif").is_err());
    }

    #[test]
    fn every_default_is_allowed() {
        for analysis in ALL {
            let defaults = analysis.complete(&Map::new()).expect("defaults");
            assert_eq!(analysis.complete(&defaults).expect("allowed"), defaults, "{}", analysis.name);
        }
    }

    #[test]
    fn settings_are_completed_and_checked() {
        let analysis = Analysis::find("test-prompt").expect("it is in the list");
        let given = |json: &str| serde_json::from_str::<Map<String, Value>>(json).expect("JSON");
        let complete = analysis.complete(&given(r#"{"prompt":"a"}"#)).expect("good settings");
        assert_eq!(complete["top_k"], 10);
        for bad in [r#"{"top_k":0}"#, r#"{"top_k":"many"}"#, r#"{"promt":"a"}"#, r#"{"prompt":1}"#] {
            assert!(analysis.complete(&given(bad)).is_err(), "{bad}");
        }
    }
}
