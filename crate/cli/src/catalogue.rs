//! The engine's list of analyses, as the command line shows it and picks from it. Nothing else in this program reads it.

use anyhow::{Context as _, Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use patchlab::analyses::{ALL, Analysis, Setting, SettingRange};
use patchlab::notebook::NotebookAnalysis;
use patchlab::{Experiment, Request};

/// What `run --analysis` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    All,
    One(String),
}

/// Reads a [`Selection`].
pub(crate) fn selection() -> impl TypedValueParser<Value = Selection> {
    PossibleValuesParser::new(ALL.iter().map(|analysis| analysis.name).chain(["all"]))
        .map(|name| if name == "all" { Selection::All } else { Selection::One(name) })
}

/// The analyses and their settings, in words.
pub(crate) fn help() -> String {
    let setting = |setting: &Setting| {
        format!("      {}: {} [{}]\n", setting.name, setting.description, range(&setting.range))
    };
    let analysis = |analysis: &Analysis| {
        let settings: String = analysis.settings.iter().map(setting).collect();
        format!("  {}\n      {}\n{settings}", analysis.name, analysis.description)
    };
    format!("Analyses:\n{}", ALL.iter().map(analysis).collect::<Vec<_>>().join("\n"))
}

/// The allowed values of a setting, in words.
fn range(range: &SettingRange) -> String {
    match range {
        SettingRange::Text { default: "" } => "text, empty by default".to_owned(),
        SettingRange::Text { default } => format!("text, default {default}"),
        SettingRange::Count { default, min, max } => format!("{min} to {max}, default {default}"),
        SettingRange::Choice { default, options } => format!("{}; default {default}", options.join(", ")),
        SettingRange::Flag { default } => {
            format!("yes or no, default {}", if *default { "yes" } else { "no" })
        }
    }
}

/// One request for each analysis selected, with those of the `KEY=VALUE` settings that are its own.
pub(crate) fn requests(
    selection: &Selection,
    settings: &[String],
    experiment: &Experiment,
) -> Result<Vec<Request>> {
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|text| text.split_once('=').with_context(|| format!("--set {text}: write KEY=VALUE")))
        .collect::<Result<_>>()?;
    let request = |name: &str, settings: &[(&str, &str)]| Request {
        analysis: name.to_owned(),
        experiment: experiment.clone(),
        settings: settings.iter().map(|&(key, value)| (key.to_owned(), value.into())).collect(),
    };
    if let Selection::One(name) = selection {
        // It is given every setting, so that it refuses those it does not have.
        return Ok(vec![request(name, &settings)]);
    }
    let has = |analysis: &Analysis, key: &str| analysis.settings.iter().any(|setting| setting.name == key);
    if let Some((key, _)) = settings.iter().find(|(key, _)| !ALL.iter().any(|analysis| has(analysis, key))) {
        bail!("--set {key}: no analysis has this setting");
    }
    let own = |analysis: &Analysis| {
        let own: Vec<_> = settings.iter().filter(|(key, _)| has(analysis, key)).copied().collect();
        request(analysis.name, &own)
    };
    Ok(ALL.iter().map(own).collect())
}

/// The analyses that a notebook repeats: those named, in the catalogue's order, or all.
pub(crate) fn for_notebook(names: &[String]) -> Vec<NotebookAnalysis> {
    ALL.iter()
        .filter(|analysis| names.iter().any(|name| name == "all" || name == analysis.name))
        .map(|analysis| NotebookAnalysis { name: analysis.name.to_owned(), settings: serde_json::Map::new() })
        .collect()
}
