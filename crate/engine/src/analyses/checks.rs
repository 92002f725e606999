//! Can this be trusted? Identities that hold exactly in exact arithmetic, measured on this device with this
//! model and these prompts.

use patchlab_kernels::Tensor;

use super::layer_attribution::BALANCE;
use super::shared::groups::{aligned, asked_for, at_group, usable};
use super::shared::measures::SMALLEST_EFFECT;
use super::{Analyse, Findings, Job, settings};
use crate::attribution::DirectLogitAttribution;
use crate::error::{Error, Result};
use crate::figures::{Cell, Column, Mark, Part, Quantity, Row, Table};
use crate::host::ProgressUnit;
use crate::host::{Quiet, Work};
use crate::interventions::sweep::{Ran, Sweep};
use crate::interventions::{self, Effect, Intervention, Scene, Shortcut, Value};
use crate::metrics::{LogitStats, mean};
use crate::model::hooks::SiteFilter;
use crate::portion::{Division, Sizes};
use crate::prompts::Problem;
use crate::prompts::{PreparedCase, PreparedGroup};
use crate::readback;
use crate::reference::Reference;
use crate::runs::{Direction, Readout, Run, Runs, parts};
use crate::site::{BlockSite, Site};

settings! {}

/// Patching everything must restore the clean run within this share of the effect.
const EVERYTHING: f64 = 1e-6;
/// The fast path must give the plain one's logits within this share of the largest.
const FAST: f64 = 1e-5;
/// Another implementation's values must agree within this: ten times the f32 noise of log-probabilities.
const REFERENCE: f64 = 1e-3;
/// Attention weights must sum to 1 within this: the rounding of a sum of a few hundred numbers.
const ROWS: f64 = 1e-5;

impl Analyse for Settings {
    const NAME: &'static str = "checks";
    const TITLE: &'static str = "Can this be trusted?";
    const DESCRIPTION: &'static str = "Identities that must hold, measured here and now: patching nothing \
         changes nothing, patching everything gives the clean run, parts sum to the whole, the fast path \
         is the plain one.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let (groups, mut problems) = usable(job)?;
        let groups = asked_for(job, aligned(groups, &mut problems));
        let mut work =
            Work::new(job.viewer, "Checking", ProgressUnit::Checks, (5 + Shortcut::ALL.len()) * groups.len());
        let mut tables = Vec::new();
        if let Some(reference) = job.reference {
            tables.push(Part::Table(against_reference(job, reference).await?));
        }
        for group in &groups {
            // One part of a group is as good a check as all of it.
            let Some(cases) = parts(&group.cases, job.model, &CheckedSites, 3).next() else { continue };
            let runs = Runs::record(job.model, cases, false, &CheckedSites).await?;
            tables.push(Part::Table(checks(job, group, &runs, &mut work, &mut problems).await?));
        }
        Ok(Findings { parts: tables, problems })
    }

    fn division(&self, _: &Sizes) -> Result<Division> {
        Ok(Division::by_group(75.0))
    }
}

/// Runs the reference's prompts and compares.
async fn against_reference(job: &Job<'_>, reference: &Reference) -> Result<Table> {
    let single = |text: &str| -> Result<u32> {
        let ids = job.tokenizer.encode(text, false)?;
        match ids[..] {
            [id] => Ok(id),
            _ => Err(Error::Reference(format!("{text:?} is not one token"))),
        }
    };
    let mut cases = Vec::new();
    for known in &reference.prompts {
        let prompt = job.tokenizer.encode(&known.prompt, true)?;
        cases.push(PreparedCase {
            text: known.prompt.clone(),
            clean: prompt.clone(),
            corrupted: prompt,
            roles: Vec::new(),
            compared: [vec![single(&known.answer)?], vec![single(&known.distractor)?]],
            pair: 0,
            index: cases.len(),
        });
    }
    let (mut differences, mut probabilities) = (Vec::new(), Vec::new());
    let mut known = reference.prompts.iter();
    for cases in parts(&cases, job.model, &Vec::new(), 1) {
        let readout = Readout::new(job.model, cases, true);
        let prompts: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
        let stats = Run::record(job.model, &prompts, &readout, &Vec::new()).await?.stats;
        for (prompt, known) in (0..cases.len()).zip(&mut known) {
            differences.push(stats.logit_difference(0, prompt) - known.logit_difference);
            probabilities.push(stats.log_probability(0, prompt) - known.log_probability);
        }
    }
    let (differences, probabilities) = (largest(differences), largest(probabilities));
    Ok(table(
        format!("Against {}", reference.source),
        None,
        vec![
            row("Logit differences are off by", differences, REFERENCE),
            row("Log-probabilities of the answers are off by", probabilities, REFERENCE),
        ],
    ))
}

/// Records what the checks read: all sites but those that no analysis patches or attributes to.
#[derive(Debug)]
struct CheckedSites;

impl SiteFilter for CheckedSites {
    fn includes(&self, site: Site) -> bool {
        !matches!(site, Site::Block(_, BlockSite::AttnScores | BlockSite::MlpPre))
    }
}

async fn checks(
    job: &Job<'_>,
    group: &PreparedGroup,
    runs: &Runs<'_>,
    work: &mut Work<'_>,
    problems: &mut Vec<Problem>,
) -> Result<Table> {
    let mut rows =
        vec![row("Patching nothing changes the logit difference by", nothing(job, runs).await?, 0.0)];
    work.done(1).await?;
    match everything(job, runs).await? {
        Some(error) => {
            rows.push(row("Patching resid_pre everywhere misses the clean run by", error, EVERYTHING));
        }
        None => problems.push(at_group(
            group,
            "no-effect",
            "Clean and corrupted means are too close to check that patching everything restores the clean \
             one."
                .to_owned(),
        )),
    }
    work.done(1).await?;
    for (shortcut, lists) in ways(job, runs) {
        let allowed = if shortcut.is_some() { Shortcut::ALL } else { &[] };
        let (error, ran) = fast(job, runs, allowed, &lists).await?;
        let (how, count) = match shortcut {
            None => ("of interventions at every hook point", ran.resumed),
            Some(shortcut) => {
                (shortcut.describe(), ran.shortcuts.get(&shortcut).copied().unwrap_or_default())
            }
        };
        let what =
            format!("The fast path\u{2019}s logits {how} ({count} of {} runs) are off by", lists.len());
        rows.push(row(&what, error, FAST));
        work.done(1).await?;
    }
    let [layers, heads_and_neurons] = sums(job, runs).await?;
    rows.push(row("Layers and biases miss the logit difference by", layers, BALANCE));
    rows.push(row("Heads, neurons and biases miss the logit difference by", heads_and_neurons, BALANCE));
    work.done(1).await?;
    rows.push(row("Attention rows miss a sum of 1 by", attention(job, runs).await?, ROWS));
    work.done(1).await?;
    Ok(table(group.name.clone(), Some(group.group), rows))
}

fn table(title: String, group: Option<usize>, rows: Vec<Row>) -> Table {
    Table {
        title,
        note: Some("The largest error over prompts, layers and cells.".to_owned()),
        group,
        columns: vec![
            Column::new("Check", Quantity::Text),
            Column::new("Error", Quantity::Error),
            Column::new("Allowed", Quantity::Error),
        ],
        rows,
    }
}

fn row(what: &str, error: f64, allowed: f64) -> Row {
    Row {
        cells: vec![Cell::Text(what.to_owned()), Cell::Number(error), Cell::Number(allowed)],
        // Written so that NaN fails.
        mark: Some(if error <= allowed { Mark::Passed } else { Mark::Failed }),
    }
}

fn largest(errors: impl IntoIterator<Item = f64>) -> f64 {
    // NaN counts as the worst.
    errors
        .into_iter()
        .map(f64::abs)
        .fold(0.0, |worst, error| if error > worst || error.is_nan() { error } else { worst })
}

/// A layer's whole residual stream becomes the other run's.
fn stream(layer: usize) -> Intervention {
    Intervention::patch(Site::Block(layer, BlockSite::ResidPre), None, None)
}

/// Patches the corrupted run with its own activations. Returns the largest change of a logit difference. What is
/// recorded decides which operations run as one, so the same is recorded: then not a bit may change.
async fn nothing(job: &Job<'_>, runs: &Runs<'_>) -> Result<f64> {
    let scene = Scene::of(job.model, runs, Direction::Denoise);
    let base = scene.base;
    let mut worst = Vec::new();
    for layer in 0..job.model.config.n_layers {
        let own = Intervention { effect: Effect::Replace(Value::Own), ..stream(layer) };
        let same = interventions::run(&scene, &[own], &CheckedSites).await?;
        let (same, base) = (same.stats.logit_differences(0), base.stats.logit_differences(0));
        worst.push(largest(same.into_iter().zip(base).map(|(a, b)| a - b)));
    }
    Ok(largest(worst))
}

/// Patches the clean run's residual stream into the corrupted run at all positions. Returns by how much this
/// misses the clean run; None if there is no effect to restore.
async fn everything(job: &Job<'_>, runs: &Runs<'_>) -> Result<Option<f64>> {
    let [clean, corrupted] = [&runs.clean, &runs.corrupted].map(|run| mean(&run.stats.logit_differences(0)));
    if (clean - corrupted).abs() < SMALLEST_EFFECT {
        return Ok(None);
    }
    let mut worst = Vec::new();
    for layer in 0..job.model.config.n_layers {
        let scene = Scene::of(job.model, runs, Direction::Denoise);
        let patched = interventions::run(&scene, &[stream(layer)], &Vec::new()).await?.stats;
        worst.push((mean(&patched.logit_differences(0)) - corrupted) / (clean - corrupted) - 1.0);
    }
    Ok(Some(largest(worst)))
}

/// Lists for each way in which a sweep computes: resumed passes with an intervention at every hook point of the middle layer,
/// and each shortcut; at all positions and at the last one that differs.
fn ways(job: &Job<'_>, runs: &Runs<'_>) -> Vec<(Option<Shortcut>, Vec<Vec<Intervention>>)> {
    let config = &job.model.config;
    let layer = config.n_layers / 2;
    let differing =
        |case: &PreparedCase| (0..case.clean.len()).rfind(|&p| case.clean[p] != case.corrupted[p]);
    let position = runs.cases.iter().filter_map(differing).min();
    let patch = |layer: usize, site: BlockSite, index: Option<usize>, position: Option<usize>| {
        vec![Intervention::patch(Site::Block(layer, site), index, position)]
    };
    let patches = |layer: usize, sites: &[BlockSite], index: Option<usize>| -> Vec<Vec<Intervention>> {
        let patch = |(site, position)| patch(layer, site, index, position);
        sites.iter().flat_map(|&site| [None, position].map(|position| (site, position))).map(patch).collect()
    };
    let sites: Vec<BlockSite> = BlockSite::ALL
        .iter()
        .copied()
        .filter(|&site| CheckedSites.includes(Site::Block(layer, site)))
        .collect();
    // Neurons whose next attention is computed with them have a pass for themselves.
    let mut ways = vec![(None, patches(layer, &sites, None))];
    for &shortcut in Shortcut::ALL {
        use BlockSite::*;
        let lists = match shortcut {
            Shortcut::Output => patches(layer, &[AttnOut, MlpOut], None),
            Shortcut::Head => patches(layer, &[Z], Some(0)),
            Shortcut::Attention => patches(layer, &[Q, K, V, Pattern], Some(0)),
            Shortcut::Neuron => patches(config.n_layers - 1, &[MlpPost], Some(0)),
            Shortcut::AfterNeuron => (0..config.d_mlp.min(8))
                .map(|neuron| patch(layer.saturating_sub(1), MlpPost, Some(neuron), None))
                .collect(),
        };
        ways.push((Some(shortcut), lists));
    }
    ways
}

/// Runs lists, by the sweep and by their definition. Returns the largest error of the two logits, and how they were run.
async fn fast(
    job: &Job<'_>,
    runs: &Runs<'_>,
    shortcuts: &[Shortcut],
    lists: &[Vec<Intervention>],
) -> Result<(f64, Ran)> {
    let prompts = runs.cases.len();
    let mut found = LogitStats::new(lists.len(), prompts, false);
    let scene = Scene::of(job.model, runs, Direction::Denoise);
    let sweep = Sweep { scene, lists, shortcuts, work: job.model.budget.work() };
    let mut work = Work::new(&Quiet, "", ProgressUnit::Patches, lists.len());
    let ran = sweep.run(&mut work, &mut found, 0, &mut |_, _| {}).await?;
    let mut worst = Vec::new();
    for (index, list) in lists.iter().enumerate() {
        let slow = interventions::run(&scene, list, &Vec::new()).await?.stats;
        let error = |prompt: usize| {
            let [slow, found] = [(&slow, 0), (&found, index)]
                .map(|(stats, run)| [stats.answer.row(run)[prompt], stats.distractor.row(run)[prompt]]);
            let size = slow[0].abs().max(slow[1].abs()).max(1.0);
            largest([(found[0] - slow[0]) / size, (found[1] - slow[1]) / size])
        };
        worst.push(largest((0..prompts).map(error)));
    }
    Ok((largest(worst), ran))
}

/// By how much layers, and heads and neurons, miss the logit difference, relative to it if it is above 1.
async fn sums(job: &Job<'_>, runs: &Runs<'_>) -> Result<[f64; 2]> {
    let direct = DirectLogitAttribution::new(job.model, &runs.clean, runs.readout.compared())?;
    let prompts = runs.cases.len();
    let total = |parts: Vec<Tensor<2>>| Tensor::cat(parts, 0).sum_dim(0); // [1, b]
    let layers = direct.layers()?; // [components, b]
    let embeddings = layers.clone().slice([0..2, 0..prompts]); // [2, b]
    let by_layer = total(vec![layers, direct.unembedding_bias()]);
    let by_head_and_neuron = total(vec![
        embeddings,
        direct.heads()?,
        direct.neurons()?,
        direct.biases()?,
        direct.unembedding_bias(),
    ]);
    let sums = readback::Reads::default().with(by_layer).with(by_head_and_neuron).fetch().await?;
    let whole = runs.clean.stats.logit_differences(0);
    let error = |sums: &Vec<f32>| {
        let pairs = sums.iter().zip(&whole);
        largest(pairs.map(|(&sum, whole)| (f64::from(sum) - whole) / whole.abs().max(1.0)))
    };
    Ok([error(&sums[0]), error(&sums[1])])
}

/// The largest distance of a row of attention weights from a sum of 1.
async fn attention(job: &Job<'_>, runs: &Runs<'_>) -> Result<f64> {
    let mut reads = readback::Reads::default();
    for layer in 0..job.model.config.n_layers {
        let pattern: Tensor<4> = runs.clean.cache.tensor(Site::Block(layer, BlockSite::Pattern))?;
        reads = reads.with((pattern.sum_dim(3) - 1.0).abs().max());
    }
    Ok(largest(reads.fetch().await?.into_iter().flatten().map(f64::from)))
}
