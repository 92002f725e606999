//! `patchlab bench`: what the engine's work takes, by the clock and by count. `cargo xtask bench` sets it beside others.

mod kernels;

use std::fmt;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use patchlab::graph::Graph;
use patchlab::host::ProgressUnit;
use patchlab::host::{Quiet, Work};
use patchlab::interventions::edges::EdgeSweep;
use patchlab::interventions::sweep::{Sweep, SweepSites};
use patchlab::interventions::{Intervention, Scene, Shortcut};
use patchlab::metrics::LogitStats;
use patchlab::model::{Batch, Hooks, Model, flops};
use patchlab::prompts::{PreparedCase, prepare};
use patchlab::readback;
use patchlab::runs::{Direction, Runs};
use patchlab::site::{BlockSite, Site};
use patchlab::{Experiment, Request, Session};
use serde::Serialize;
use serde_json::json;

/// What can be measured.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Workload {
    Forward,
    Experiment1,
    Neurons,
    Growth,
    Edges,
    Kernels,
}

/// One figure.
#[derive(Serialize)]
pub(crate) struct Row {
    /// What was run.
    name: String,
    /// Patches, each on all prompts; 0 for a forward pass.
    patches: usize,
    /// Counted operations of products of matrices.
    gflop: f64,
    /// Seconds of each repetition.
    seconds: Vec<f64>,
    /// Resident memory that it added at its peak, where the system says.
    peak_mb: Option<f64>,
}

impl Row {
    /// Prints it.
    fn told(self) -> Self {
        eprintln!("{self}");
        self
    }

    fn median(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { name, gflop, seconds, .. } = self;
        let (median, peak) = (self.median(), self.peak_mb.unwrap_or(f64::NAN));
        write!(f, "{name}: {median:.6} s (median of {}), {gflop:.1} GFLOP, ", seconds.len())?;
        write!(f, "{:.0} GFLOP/s, +{peak:.0} MB", gflop / median)
    }
}

/// Measures, and prints each figure when it is there.
pub(crate) async fn bench(session: &Session, workload: Workload, repeats: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    match workload {
        Workload::Forward => rows.push(forward(session.model(), repeats).await?.told()),
        Workload::Experiment1 => {
            let experiment = first_group()?;
            // The notebook's layers, 8 and 10 of twelve.
            let n_layers = session.model().config.n_layers;
            let [first, second] = [n_layers * 2 / 3, n_layers * 5 / 6].map(|layer| layer.to_string());
            for (analysis, key, value) in [
                ("residual-patching", "", ""),
                ("component-patching", "", ""),
                ("head-patching", "what", "z"),
                ("head-patching", "what", "v"),
                ("head-patching", "what", "pattern"),
                ("neuron-patching", "layers", &first),
                ("neuron-patching", "layers", &second),
            ] {
                rows.push(analysed(session, &experiment, analysis, (key, value), repeats).await?.told());
            }
        }
        Workload::Neurons => {
            let experiment = first_group()?;
            for layer in 0..session.model().config.n_layers {
                let layer = layer.to_string();
                let setting = ("layers", layer.as_str());
                rows.push(analysed(session, &experiment, "neuron-patching", setting, repeats).await?.told());
            }
        }
        Workload::Growth => {
            let all = session.model().config.n_layers * session.model().config.n_heads;
            let context = session.model().config.n_ctx;
            let some = all.min(24);
            let prompts = [1, 4, 16, 64].map(|prompts| (prompts, 8, some));
            let tokens = [16, 32, 64, 128, 256].map(|tokens| (8, tokens, some));
            let patches = [1, all / 4, all / 2, all].map(|patches| (8, 8, patches));
            let points = prompts.into_iter().chain(tokens).chain(patches);
            for (prompts, tokens, patches) in points.filter(|&(_, tokens, _)| tokens <= context) {
                rows.push(grown(session.model(), prompts, tokens, patches, repeats).await?.told());
            }
        }
        Workload::Edges => rows.push(edges(session, repeats).await?.told()),
        Workload::Kernels => rows = kernels::kernels(&session.model().device, repeats).await?,
    }
    Ok(rows)
}

/// The notebook's first group of prompts.
fn first_group() -> Result<Experiment> {
    let presets = patchlab::presets::presets()?;
    let mut experiment = presets.into_iter().next().context("there are no presets")?.experiment;
    experiment.groups.truncate(1);
    Ok(experiment)
}

/// A figure of the page, with the settings that the notebook's Experiment 1 has.
async fn analysed(
    session: &Session,
    experiment: &Experiment,
    analysis: &str,
    (key, value): (&str, &str),
    repeats: usize,
) -> Result<Row> {
    let mut settings = serde_json::Map::new();
    settings.insert("probabilities".to_owned(), json!("no"));
    if !key.is_empty() {
        settings.insert(key.to_owned(), json!(value));
    }
    let request = Request { analysis: analysis.to_owned(), experiment: experiment.clone(), settings };
    let config = &session.model().config;
    let patches = match (analysis, key) {
        ("residual-patching", _) => config.n_layers * 8,
        ("component-patching", _) => 2 * config.n_layers * 8,
        ("head-patching", _) => config.n_layers * config.n_heads,
        _ => config.d_mlp,
    };
    measure(format!("{analysis} {value}").trim(), patches, repeats, async || {
        session.run(&request, &Quiet).await?;
        Ok(())
    })
    .await
}

/// Eight prompts of eight tokens, with every token's logit after the last.
async fn forward(model: &Model, repeats: usize) -> Result<Row> {
    let batch = Batch::new(&ids(8, 8, model, 0))?;
    measure("forward pass, 8 prompts x 8 tokens", 0, repeats, async || {
        let normalized = model.forward(&batch, &mut Hooks::none())?;
        for logits in model.unembedding.logits(model.last(normalized, &batch)) {
            readback::read(logits).await?;
        }
        Ok(())
    })
    .await
}

/// Some heads' z, of all layers alike, on generated prompts that differ at their second token.
async fn grown(model: &Model, prompts: usize, tokens: usize, patches: usize, repeats: usize) -> Result<Row> {
    let (clean, corrupted) = (ids(prompts, tokens, model, 0), ids(prompts, tokens, model, 1));
    let case = |(index, (clean, corrupted)): (usize, (Vec<u32>, Vec<u32>))| PreparedCase {
        text: String::new(),
        clean,
        corrupted,
        roles: Vec::new(),
        compared: [vec![1], vec![2]],
        pair: index,
        index,
    };
    let cases: Vec<PreparedCase> = clean.into_iter().zip(corrupted).enumerate().map(case).collect();
    let z = |layer| Site::Block(layer, BlockSite::Z);
    let layers = 0..model.config.n_layers;
    let cells: Vec<Vec<Intervention>> = layers
        .clone()
        .flat_map(|layer| (0..model.config.n_heads).map(move |head| (layer, head)))
        .map(|(layer, head)| vec![Intervention::patch(z(layer), Some(head), None)])
        .collect();
    let lists: Vec<_> = (0..patches).map(|index| cells[index * cells.len() / patches].clone()).collect();
    let name = format!("{patches} heads' z, {prompts} prompts x {tokens} tokens");
    measure(&name, lists.len(), repeats, async || {
        let sites = SweepSites::new(layers.clone().map(z), model.config.n_layers);
        for part in patchlab::runs::parts(&cases, model, &sites, 2) {
            let runs = Runs::record(model, part, false, &sites).await?;
            let scene = Scene::of(model, &runs, Direction::Denoise);
            let work = model.budget.work();
            let sweep = Sweep { scene, lists: &lists, shortcuts: Shortcut::ALL, work };
            let mut stats = LogitStats::new(lists.len(), part.len(), false);
            let mut work = Work::new(&Quiet, "", ProgressUnit::Patches, lists.len());
            sweep.run(&mut work, &mut stats, 0, &mut |_, _| {}).await?;
        }
        Ok(())
    })
    .await
}

/// Of how many nodes one is taken, for a sample of edges.
const EVERY: usize = 40;

/// The edges from some nodes to all that read them, each replaced alone on the first group.
async fn edges(session: &Session, repeats: usize) -> Result<Row> {
    let model = session.model();
    let graph = Graph::new(&model.config);
    let (groups, _) = prepare(&first_group()?, session.tokenizer(), model.config.n_ctx)?;
    let cases = &groups.first().context("the first group can be run")?.cases;
    let wanted: Vec<bool> =
        graph.edges().map(|(node, _)| graph.node_index(node) % EVERY == EVERY / 2).collect();
    let count = wanted.iter().filter(|wanted| **wanted).count();
    measure(&format!("{count} edges of {}", graph.len()), count, repeats, async || {
        let runs = Runs::record(model, cases, false, &EdgeSweep::sites(model.config.n_layers)).await?;
        let scene = Scene::of(model, &runs, Direction::Noise);
        let sweep = EdgeSweep { scene, graph: &graph, wanted: Some(&wanted), work: model.budget.work() };
        let mut stats = LogitStats::new(graph.len(), cases.len(), false);
        let mut work = Work::new(&Quiet, "", ProgressUnit::Patches, count);
        sweep.run(&mut work, &mut stats, 0, &mut |_, _| {}).await
    })
    .await
}

/// Made-up prompts; those of another `variant` differ at the second token.
fn ids(prompts: usize, tokens: usize, model: &Model, variant: usize) -> Vec<Vec<u32>> {
    let id = |prompt: usize, token: usize| {
        let changed = if token == 1 { 7 * variant } else { 0 };
        ((1009 * prompt + 31 * token + changed) % model.config.d_vocab) as u32
    };
    (0..prompts).map(|prompt| (0..tokens).map(|token| id(prompt, token)).collect()).collect()
}

/// Runs `work` once to warm up, unless that would double a single repetition, and then counts and times it.
async fn measure(
    name: &str,
    patches: usize,
    repeats: usize,
    work: impl AsyncFn() -> Result<(), patchlab::Error>,
) -> Result<Row> {
    if repeats > 1 {
        work().await?;
    }
    let before = memory::reset_peak();
    let (mut seconds, mut gflop) = (Vec::new(), 0.0);
    for _ in 0..repeats.max(1) {
        flops::take();
        let start = Instant::now();
        work().await?;
        seconds.push(start.elapsed().as_secs_f64());
        gflop = flops::take() as f64 / 1e9;
    }
    let peak_mb = before.and_then(|before| Some((memory::peak()?.saturating_sub(before)) as f64 / 1e6));
    let row = Row { name: name.to_owned(), patches, gflop, seconds, peak_mb };
    Ok(row)
}

/// Resident memory of this process, as Linux tells it.
mod memory {
    use std::fs;

    /// Forgets the peak so far; the bytes in use now.
    pub(crate) fn reset_peak() -> Option<u64> {
        fs::write("/proc/self/clear_refs", "5").ok()?;
        line("VmRSS:")
    }

    /// The peak since then, in bytes.
    pub(crate) fn peak() -> Option<u64> {
        line("VmHWM:")
    }

    fn line(name: &str) -> Option<u64> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(1024 * line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?)
    }
}
