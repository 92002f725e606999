//! Which heads write it? Each head's output through the run's final LayerNorm scale (`stack_head_results`).

use super::shared::attributed::{attributed, grid, layer_axis, unit_axis};
use super::{Analysis, Findings, Job, Running};
use crate::error::Result;
use crate::report::{AxisKind, Part};

/// The catalogue's entry.
pub(super) static ANALYSIS: Analysis = Analysis {
    name: "head-attribution",
    title: "Head attribution",
    description: "What each attention head adds to the logit difference. Blue heads write the answer, red ones the \
                  distractor.",
    settings: &[],
    run,
};

fn run<'a>(job: &'a Job<'a>) -> Running<'a> {
    Box::pin(attribute(job))
}

async fn attribute(job: &Job<'_>) -> Result<Findings> {
    let (all, problems) = attributed(job, false, &|direct| direct.heads()).await?;
    let layers: Vec<usize> = (0..job.model.config.n_layers).collect();
    let mut figure = grid(
        "Head attribution",
        "Each head's output at the last position, through the run's final LayerNorm scale.",
        layer_axis(&layers),
        unit_axis(AxisKind::Head, "Head", job.model.config.n_heads),
        &all,
    );
    figure.site = Some("attn.hook_z".to_owned());
    Ok(Findings { parts: vec![Part::Heat(figure)], problems })
}
