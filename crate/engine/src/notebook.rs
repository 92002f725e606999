//! Exports the study as a Jupyter notebook that repeats it in Python with TransformerLens.
//!
//! The cells are the files of `data/transformer-lens/`, verbatim. Everything that differs between notebooks
//! is in one cell at the top: the checkpoint, the experiment, the analyses' settings.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::analyses::{Analysis, PythonCell};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::graph::{Node, Reader};
use crate::names::{Neuron, words};

/// What the notebook should repeat.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct NotebookRequest {
    /// The checkpoint: a name on the Hugging Face hub, or a folder.
    pub model: String,
    /// The tokenizer, likewise.
    pub tokenizer: String,
    /// The prompts.
    pub experiment: Experiment,
    /// The analyses, in order. Those without a Python cell are listed in the notebook as left out.
    pub analyses: Vec<NotebookAnalysis>,
}

/// One analysis to repeat.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct NotebookAnalysis {
    /// Name in the catalogue.
    pub name: String,
    /// Settings; missing ones take their defaults.
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(type = "Record<string, string | number | boolean>", optional))]
    pub settings: Map<String, Value>,
}

/// The text of a cell's file.
macro_rules! cell {
    ($name:literal) => {
        include_str!(concat!("../data/transformer-lens/", $name, ".py"))
    };
}

/// The text of the `.ipynb` file.
///
/// # Errors
/// [`Error::UnknownAnalysis`], [`Error::Setting`].
pub fn notebook(request: &NotebookRequest) -> Result<String> {
    let mut settings = Map::new();
    let mut body = Vec::new();
    let mut built_on: Vec<&str> = Vec::new();
    let mut left_out = Vec::new();
    // Always included: patching is normalised by its means.
    let first = NotebookAnalysis { name: "logit-diff".to_owned(), settings: Map::new() };
    let others = request.analyses.iter().filter(|analysis| analysis.name != first.name);
    for NotebookAnalysis { name, settings: given } in std::iter::once(&first).chain(others) {
        let analysis = Analysis::find(name)?;
        let mut own = analysis.complete(given)?;
        let Some(PythonCell { code, needs }) = analysis.python else {
            left_out.push(analysis.title.to_owned());
            continue;
        };
        if let Some(which) = unrepeated(&own) {
            left_out.push(format!("{} {which}", analysis.title));
            continue;
        }
        match analysis.name {
            "neuron-on-text" => name_neuron(&mut own, &request.experiment)?,
            "circuit" => name_edges(&mut own),
            _ => {}
        }
        settings.insert(name.clone(), own.into());
        body.push(markdown(&format!("## {}\n\n{}", analysis.title, analysis.description)));
        if let Some(needs) = needs
            && !built_on.contains(&needs)
        {
            built_on.push(needs);
            body.push(code_cell(needs));
        }
        body.push(code_cell(code));
    }
    let mut cells = vec![markdown(&introduction(&left_out)), code_cell(&names(request, settings)?)];
    cells.push(code_cell(cell!("setup")));
    cells.push(code_cell(cell!("experiment")));
    cells.extend(body);
    let document = json!({
        "cells": cells,
        "metadata": {
            "kernelspec": { "display_name": "Python 3", "language": "python", "name": "python3" },
            "language_info": { "name": "python" },
        },
        "nbformat": 4,
        "nbformat_minor": 4,
    });
    serde_json::to_string_pretty(&document).map_err(|error| Error::BuiltIn(error.to_string()))
}

/// A setting with a value for which the cells have no code, in words: what is by role, or at other positions in each prompt; passes
/// back that hold something constant; circuits that are chosen or pruned.
fn unrepeated(settings: &Map<String, Value>) -> Option<String> {
    let repeats = |name: &str, value: &str| match name {
        "align" => !matches!(value, "role" | "end"),
        "at" => value == "last",
        "by" => value != "role",
        "position" => value != "each",
        "method" => value != "relp",
        "attention" => value != "constant",
        "ablation" => value != "mean-by-role",
        "edges" => members(value).is_some(),
        "prune" => value != "true",
        _ => true,
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut settings = settings.iter().map(|(name, value)| (name.as_str(), text(value)));
    let (name, value) = settings.find(|(name, value)| !repeats(name, value))?;
    Some(match name {
        "edges" => "unless its edges are named one by one".to_owned(),
        _ => format!("with {name}={value}"),
    })
}

fn introduction(left_out: &[String]) -> String {
    let mut text =
        "# A study made with Patchlab\n\nThis notebook repeats it with TransformerLens 2.18. The next \
                    cell holds everything that can be changed: the checkpoint, the prompts and the settings. \
                    Numbers are kept in `RESULTS`."
            .to_owned();
    if !left_out.is_empty() {
        text.push_str(&format!("\n\nNot repeated here: {}.", left_out.join(", ")));
    }
    text
}

/// The cell with everything that differs between notebooks.
fn names(request: &NotebookRequest, settings: Map<String, Value>) -> Result<String> {
    let document = |error: serde_json::Error| Error::BuiltIn(error.to_string());
    // JSON in a JSON string literal, which is a valid Python literal, too.
    let quoted = |value: &Value| -> Result<String> {
        let text = serde_json::to_string(value).map_err(document)?;
        serde_json::to_string(&text).map_err(document)
    };
    let experiment = serde_json::to_value(&request.experiment).map_err(document)?;
    Ok(format!(
        "import json\n\nMODEL = {}  # a name on the Hugging Face hub, or a folder\nTOKENIZER = {}\n\
         EXPERIMENT = json.loads({})\nSETTINGS = json.loads({})\n",
        Value::from(request.model.as_str()),
        Value::from(request.tokenizer.as_str()),
        quoted(&experiment)?,
        quoted(&settings.into())?,
    ))
}

/// Adds the neuron as two numbers, and the default text if none is given.
fn name_neuron(settings: &mut Map<String, Value>, experiment: &Experiment) -> Result<()> {
    let name = settings.get("neuron").and_then(Value::as_str).unwrap_or_default();
    let neuron: Neuron = name.parse().map_err(|_| Error::Setting {
        name: "neuron".to_owned(),
        message: format!("{name:?} is not a neuron. Write it like L8N2744."),
    })?;
    let given = settings.get("text").and_then(Value::as_str).filter(|text| !text.is_empty());
    let texts = given.map_or_else(|| experiment.first_prompts(), |text| vec![text.to_owned()]);
    settings.insert("texts".to_owned(), texts.into());
    settings.insert("layer".to_owned(), neuron.layer.into());
    settings.insert("index".to_owned(), neuron.neuron.into());
    Ok(())
}

/// Puts the circuit's edges, one by one, in the place of the text that names them.
fn name_edges(settings: &mut Map<String, Value>) {
    let edges = settings.remove("edges");
    let edges = edges.as_ref().and_then(Value::as_str).and_then(members).unwrap_or_default();
    settings.insert("members".to_owned(), edges.into());
}

/// The edges that a text names one by one. None: it names none, or it takes the model's graph to read it (`*`, lists, files).
fn members(edges: &str) -> Option<Vec<&str>> {
    let is_edge = |edge: &&str| {
        let ends = edge.split_once("->");
        ends.is_some_and(|(node, reader)| node.parse::<Node>().is_ok() && reader.parse::<Reader>().is_ok())
    };
    let edges: Vec<&str> = words(edges).collect();
    (!edges.is_empty() && edges.iter().all(is_edge)).then_some(edges)
}

fn markdown(text: &str) -> Value {
    json!({ "cell_type": "markdown", "metadata": {}, "source": text })
}

fn code_cell(code: &str) -> Value {
    json!({
        "cell_type": "code",
        "execution_count": null,
        "metadata": {},
        "outputs": [],
        "source": code.trim_end(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyses::ALL;

    fn request(names: &[&str]) -> NotebookRequest {
        let analysis = |name: &&str| NotebookAnalysis { name: (*name).to_owned(), settings: Map::new() };
        NotebookRequest {
            model: "openai-community/gpt2".to_owned(),
            tokenizer: "openai-community/gpt2".to_owned(),
            experiment: crate::presets::presets().expect("built in").swap_remove(0).experiment,
            analyses: names.iter().map(analysis).collect(),
        }
    }

    fn set(request: &mut NotebookRequest, name: &str, setting: &str, value: &str) {
        let analysis =
            request.analyses.iter_mut().find(|analysis| analysis.name == name).expect("it is in it");
        analysis.settings.insert(setting.to_owned(), value.into());
    }

    /// What the first cell gives this name.
    fn named(request: &NotebookRequest, name: &str) -> String {
        let text = notebook(request).expect("a notebook");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let names = document["cells"][1]["source"].as_str().expect("code");
        let literal = names
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = json.loads(")?.strip_suffix(')'));
        serde_json::from_str(literal.expect("one line")).expect("a string")
    }

    #[test]
    fn every_cell_belongs_to_an_analysis_and_what_it_builds_on_comes_once() {
        let all: Vec<&str> =
            ALL.iter().filter(|analysis| analysis.python.is_some()).map(|analysis| analysis.name).collect();
        let mut request = request(&all);
        set(&mut request, "circuit", "edges", "input->m0 m0->logits");
        let text = notebook(&request).expect("a notebook");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let code =
            document["cells"].as_array().expect("cells").iter().filter(|cell| cell["cell_type"] == "code");
        // Names, setup and experiment; one cell per analysis; the three shared cells.
        assert_eq!(code.count(), 3 + all.len() + 3);
    }

    #[test]
    fn analyses_without_a_cell_are_named_and_unknown_ones_refused() {
        let text = notebook(&request(&["test-prompt"])).expect("a notebook");
        assert!(text.contains("Not repeated here: Test a prompt."));
        assert!(notebook(&request(&["nonsense"])).is_err());
    }

    #[test]
    fn what_is_by_role_is_named_and_left_out() {
        let mut by_role = request(&["residual-patching"]);
        set(&mut by_role, "residual-patching", "align", "role");
        let text = notebook(&by_role).expect("a notebook");
        assert!(text.contains("Not repeated here: Residual stream patching with align=role."), "{text:.400}");
        assert!(!notebook(&request(&["residual-patching"])).expect("a notebook").contains("Not repeated"));
    }

    #[test]
    fn edges_are_repeated_by_gradients_and_exactly() {
        let left_out = |setting: &str, value: &str| {
            let mut request = request(&["edge-attribution"]);
            set(&mut request, "edge-attribution", setting, value);
            let text = notebook(&request).expect("a notebook");
            text.contains(&format!("Not repeated here: Edges with {setting}={value}."))
        };
        assert!(["exact", "eap", "eap-ig"].iter().all(|method| !left_out("method", method)));
        assert!(left_out("method", "relp") && left_out("attention", "constant"));
    }

    #[test]
    fn a_circuit_is_repeated_if_its_edges_are_named_one_by_one() {
        for (setting, value, says) in [
            ("edges", "", "unless its edges are named one by one"),
            ("edges", "m0->logits a0.*->logits", "unless its edges are named one by one"),
            ("edges", "a0.h1->a1.h0", "unless its edges are named one by one"),
            ("ablation", "mean-by-role", "with ablation=mean-by-role"),
        ] {
            let mut circuit = request(&["circuit"]);
            set(&mut circuit, "circuit", "edges", "m0->logits");
            set(&mut circuit, "circuit", setting, value);
            let text = notebook(&circuit).expect("a notebook");
            assert!(text.contains(&format!("Not repeated here: Circuit {says}.")), "{text:.400}");
        }
        let mut circuit = request(&["circuit"]);
        set(&mut circuit, "circuit", "edges", " input->m0\nm0->a1.h0<v>; m0->logits");
        let settings: Value = serde_json::from_str(&named(&circuit, "SETTINGS")).expect("JSON");
        assert_eq!(settings["circuit"]["members"], json!(["input->m0", "m0->a1.h0<v>", "m0->logits"]));
        circuit.analyses[0].settings.insert("prune".to_owned(), true.into());
        assert!(
            notebook(&circuit).expect("a notebook").contains("Not repeated here: Circuit with prune=true.")
        );
    }

    #[test]
    fn prompts_cannot_break_out_of_their_string() {
        let mut request = request(&[]);
        request.experiment.groups[0].name = "\"\"\"'''\\ \n) + 1".to_owned();
        let experiment = Experiment::from_json(&named(&request, "EXPERIMENT")).expect("the experiment");
        assert_eq!(experiment, request.experiment);
    }
}
