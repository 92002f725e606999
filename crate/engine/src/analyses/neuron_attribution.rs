//! Which neurons write it? Each neuron's output through the run's final LayerNorm scale
//! (`stack_neuron_results`).

use super::shared::attributed::{attributed, grid, layer_axis, unit_axis};
use super::shared::top;
use super::{Analysis, Findings, Job, Range, Running, Setting};
use crate::error::Result;
use crate::names::Neuron;
use crate::report::{AxisKind, Part};

/// The catalogue's entry.
pub(super) static ANALYSIS: Analysis = Analysis {
    name: "neuron-attribution",
    title: "Neuron attribution",
    description: "What each MLP neuron adds to the logit difference directly, without what later layers make of it.",
    settings: &[TOP_K],
    run,
};

/// How many neurons the table lists.
pub(super) const TOP_K: Setting = Setting {
    name: "top_k",
    description: "How many neurons the table lists at either end.",
    range: Range::Count { default: 10, min: 1, max: 1000 },
};

fn run<'a>(job: &'a Job<'a>) -> Running<'a> {
    Box::pin(attribute(job))
}

async fn attribute(job: &Job<'_>) -> Result<Findings> {
    let (all, problems) = attributed(job, true, &|direct| direct.neurons()).await?;
    let (n_layers, d_mlp) = (job.model.config.n_layers, job.model.config.d_mlp);
    let layers: Vec<usize> = (0..n_layers).collect();
    let mut figure = grid(
        "Neuron attribution",
        "Each neuron's output at the last position, through the run's final LayerNorm scale.",
        layer_axis(&layers),
        unit_axis(AxisKind::Neuron, "Neuron", d_mlp),
        &all,
    );
    figure.site = Some("mlp.hook_post".to_owned());
    let name = |cell: usize| Neuron { layer: cell / d_mlp, neuron: cell % d_mlp }.to_string();
    let tables = top::tables(&figure, "Neuron", job.count("top_k"), name);
    let parts = [Part::Line(figure)].into_iter().chain(tables.into_iter().map(Part::Table)).collect();
    Ok(Findings { parts, problems })
}
