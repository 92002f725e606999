//! Does this page agree with the notebook? The figures printed in the notebook that the first preset comes
//! from, recorded with GPT-2 small, beside the same figures computed here.

use patchlab_kernels::Tensor;
use serde::Deserialize;

use super::shared::attributed::{Attributed, attributed};
use super::shared::groups::usable;
use super::shared::likely;
use super::{Analyse, Findings, Job, settings};
use crate::error::{Error, Result};
use crate::figures::{Cell, Column, Part, Quantity, Row, Table};
use crate::host::ProgressUnit;
use crate::host::Work;
use crate::interventions::{self, Intervention, Scene};
use crate::metrics::{LogitStats, log_sum_exp, mean};
use crate::model::{Batch, Hooks};
use crate::names::Neuron;
use crate::presets::presets;
use crate::readback;
use crate::runs::{Direction, Runs};
use crate::site::{BlockSite, Site};

settings! {}

/// What the notebook prints, rounded as it prints it.
#[derive(Debug, Deserialize)]
struct Notebook {
    /// The prompt of its `test_prompt`, and the tokens listed there: token, logit, probability.
    prompt: String,
    top: Vec<(String, f64, f64)>,
    /// In the preset's order.
    groups: Vec<Recorded>,
    /// Cells of the first group's map of patched `mlp_out`.
    mlp: Vec<MlpCell>,
    /// The text of its neuron views, and each neuron's largest and smallest activation there.
    text: String,
    neurons: Vec<NeuronEnds>,
}

/// A group's figures.
#[derive(Debug, Deserialize)]
struct Recorded {
    /// Logit differences per prompt; empty where the printed output is truncated.
    prompts: Vec<f64>,
    mean: Option<f64>,
    /// The three largest head attributions.
    heads: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct MlpCell {
    layer: usize,
    position: usize,
    share: f64,
}

#[derive(Debug, Deserialize)]
struct NeuronEnds {
    layer: usize,
    neuron: usize,
    max: f64,
    min: f64,
}

/// A figure of the notebook, and the same figure computed here, if the model allows it.
struct Figure {
    what: String,
    notebook: f64,
    here: Option<f64>,
}

impl Analyse for Settings {
    const NAME: &'static str = "notebook-figures";
    const TITLE: &'static str = "The notebook's figures";
    const DESCRIPTION: &'static str = "Every figure that the notebook on contractions prints, beside the \
         same figure computed here with the notebook's own prompts. Only GPT-2 small can agree.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let notebook: Notebook = serde_json::from_str(include_str!("../../data/notebook.json"))
            .map_err(|error| Error::BuiltIn(error.to_string()))?;
        let experiment = presets()?.swap_remove(0).experiment;
        // The notebook's prompts, whatever experiment is open.
        let own = Job {
            model: job.model,
            tokenizer: job.tokenizer,
            reference: job.reference,
            experiment: &experiment,
            viewer: job.viewer,
        };
        let compute = is_gpt2_small(job);
        let mut figures = top(&own, &notebook, compute).await?;
        figures.extend(groups(&own, &notebook, compute).await?);
        figures.extend(mlp(&own, &notebook, compute).await?);
        figures.extend(neurons(&own, &notebook, compute).await?);
        Ok(Findings { parts: vec![Part::Table(table(&figures, compute))], problems: Vec::new() })
    }
}

/// Whether the open model has GPT-2 small's sizes. Another model of these sizes simply will not agree.
fn is_gpt2_small(job: &Job<'_>) -> bool {
    let c = &job.model.config;
    (c.n_layers, c.n_heads, c.d_model, c.d_mlp, c.d_vocab) == (12, 12, 768, 3072, 50257)
}

/// Logit and probability of each token that the notebook lists.
async fn top(job: &Job<'_>, notebook: &Notebook, compute: bool) -> Result<Vec<Figure>> {
    let mut logits = Vec::new();
    if compute {
        let batch = Batch::new(&[job.tokenizer.encode(&notebook.prompt, true)?])?;
        let normalized = job.model.forward(&batch, &mut Hooks::none())?; // [1, p, d]
        logits = likely::last_logits(job, normalized, &batch).await?;
    }
    let norm = log_sum_exp(&logits);
    let mut figures = Vec::new();
    for (token, logit, probability) in &notebook.top {
        // Each listed token is a single token.
        let id = job.tokenizer.encode(token, false)?.first().copied().unwrap_or_default();
        let found = logits.get(id as usize).copied().map(f64::from);
        let after = format!("{token:?} after {:?}", notebook.prompt);
        figures.push(Figure { what: format!("Logit of {after}"), notebook: *logit, here: found });
        figures.push(Figure {
            what: format!("Probability of {after}"),
            notebook: *probability,
            here: found.map(|logit| (logit - norm).exp()),
        });
    }
    Ok(figures)
}

/// Each group's logit differences, their mean, and its largest head attributions.
async fn groups(job: &Job<'_>, notebook: &Notebook, compute: bool) -> Result<Vec<Figure>> {
    let found = if compute { attributed(job, false, &|direct| direct.heads()).await?.0 } else { Vec::new() };
    let mut figures = Vec::new();
    for (index, (group, recorded)) in job.experiment.groups.iter().zip(&notebook.groups).enumerate() {
        let found = found.get(index);
        let differences = found.map(|found| &found.logit_differences);
        let mut figure = |what: String, notebook: f64, here: Option<f64>| {
            figures.push(Figure { what: format!("{}: {what}", group.name), notebook, here });
        };
        for (prompt, (case, recorded)) in group.cases().iter().zip(&recorded.prompts).enumerate() {
            let here = differences.map(|differences| differences[prompt]);
            figure(format!("logit difference of {:?}", case.clean), *recorded, here);
        }
        if let Some(recorded) = recorded.mean {
            figure(
                "mean logit difference".to_owned(),
                recorded,
                differences.map(|differences| mean(differences)),
            );
        }
        let shares = found.map(largest_shares);
        for (rank, recorded) in recorded.heads.iter().enumerate() {
            let here = shares.as_ref().map(|shares| shares[rank]);
            figure(format!("head attribution, number {} from the top", rank + 1), *recorded, here);
        }
    }
    Ok(figures)
}

/// A group's mean head attributions, largest first.
fn largest_shares(group: &Attributed) -> Vec<f64> {
    let mut shares = group.means();
    shares.sort_by(|a, b| b.total_cmp(a));
    shares
}

/// The first group's cells of patched `mlp_out`, normalised.
async fn mlp(job: &Job<'_>, notebook: &Notebook, compute: bool) -> Result<Vec<Figure>> {
    let sites: Vec<Site> =
        notebook.mlp.iter().map(|cell| Site::Block(cell.layer, BlockSite::MlpOut)).collect();
    let (groups, _) = usable(job)?;
    let Some(group) = groups.first() else { return Ok(Vec::new()) };
    let runs = if compute { Some(Runs::record(job.model, &group.cases, false, &sites).await?) } else { None };
    let mut work = Work::new(job.viewer, "Patching", ProgressUnit::Patches, notebook.mlp.len());
    let mut figures = Vec::new();
    for cell in &notebook.mlp {
        let mut here = None;
        if let Some(runs) = &runs {
            let average = |stats: &LogitStats| mean(&stats.logit_differences(0));
            let (clean, corrupted) = (average(&runs.clean.stats), average(&runs.corrupted.stats));
            let site = Site::Block(cell.layer, BlockSite::MlpOut);
            let patch = Intervention::patch(site, None, Some(cell.position));
            let scene = Scene::of(job.model, runs, Direction::Denoise);
            let patched = interventions::run(&scene, &[patch], &Vec::new()).await?;
            here = Some((average(&patched.stats) - corrupted) / (clean - corrupted));
        }
        let id = group.cases[0].clean.get(cell.position);
        let token = id.map(|&id| job.tokenizer.token(id).text).unwrap_or_default();
        let what =
            format!("MLP patching, layer {} at {:?}", cell.layer, format!("{token}_{}", cell.position));
        figures.push(Figure { what, notebook: cell.share, here });
        work.done(1).await?;
    }
    Ok(figures)
}

/// The largest and the smallest activation of each neuron on the notebook's text.
async fn neurons(job: &Job<'_>, notebook: &Notebook, compute: bool) -> Result<Vec<Figure>> {
    let batch = Batch::new(&[job.tokenizer.encode(&notebook.text, true)?])?;
    let site = |ends: &NeuronEnds| Site::Block(ends.layer, BlockSite::MlpPost);
    let sites: Vec<Site> = if compute { notebook.neurons.iter().map(site).collect() } else { Vec::new() };
    let mut hooks = Hooks::new(Some(&sites), &[]);
    job.model.forward(&batch, &mut hooks)?;
    let cache = hooks.finish()?;
    let mut figures = Vec::new();
    for ends in &notebook.neurons {
        let mut found: Option<Vec<f64>> = None;
        if compute {
            let post: Tensor<3> = cache.tensor(site(ends))?; // [1, p, m]
            let [_, p, _] = post.dims();
            let values = readback::read(post.slice([0..1, 0..p, ends.neuron..ends.neuron + 1])).await?;
            found = Some(values.into_iter().map(f64::from).collect());
        }
        let end = |pick: fn(f64, f64) -> f64| found.clone().and_then(|found| found.into_iter().reduce(pick));
        let neuron = Neuron { layer: ends.layer, neuron: ends.neuron };
        let on = format!("activation on {:?}", notebook.text);
        let (largest, smallest) = (format!("{neuron}: largest {on}"), format!("{neuron}: smallest {on}"));
        figures.push(Figure { what: largest, notebook: ends.max, here: end(f64::max) });
        figures.push(Figure { what: smallest, notebook: ends.min, here: end(f64::min) });
    }
    Ok(figures)
}

fn table(figures: &[Figure], computed: bool) -> Table {
    let note = if computed {
        "The notebook prints four decimals, of some figures two to five."
    } else {
        "These figures were recorded with GPT-2 small: open it to have them computed here."
    };
    let cell = |number: Option<f64>| number.map_or(Cell::Empty, Cell::Number);
    let row = |figure: &Figure| Row {
        cells: vec![
            Cell::Text(figure.what.clone()),
            Cell::Number(figure.notebook),
            cell(figure.here),
            cell(figure.here.map(|here| (here - figure.notebook).abs())),
        ],
        mark: None,
    };
    Table {
        title: "The notebook's figures".to_owned(),
        note: Some(note.to_owned()),
        group: None,
        columns: vec![
            Column::new("Figure", Quantity::Text),
            Column::new("Notebook", Quantity::Activation),
            Column::new("Here", Quantity::Activation),
            Column::new("Off by", Quantity::Error),
        ],
        rows: figures.iter().map(row).collect(),
    }
}
