//! Attention or MLP? Each layer's `attn_out` and `mlp_out` patched at one position (`get_act_patch_attn_out`,
//! `get_act_patch_mlp_out`).

use super::shared::sweeps::{Columns, DIRECTION, Plan, probabilities, sweep};
use super::{Analysis, Findings, Job, Running};
use crate::error::Result;
use crate::site::BlockSite;

/// The catalogue's entry.
pub(super) static ANALYSIS: Analysis = Analysis {
    name: "component-patching",
    title: "Attention and MLP patching",
    description: "What one layer's attention, or its MLP, writes at one position, put from one run into the other.",
    settings: &[DIRECTION, probabilities(true)],
    run,
};

fn run<'a>(job: &'a Job<'a>) -> Running<'a> {
    Box::pin(patch(job))
}

async fn patch(job: &Job<'_>) -> Result<Findings> {
    let plan = |title: &str, note: &str, site| Plan {
        title: title.to_owned(),
        note: note.to_owned(),
        site,
        columns: Columns::Positions,
        layers: (0..job.model.config.n_layers).collect(),
    };
    let plans = [
        plan(
            "Patched attention output",
            "The output of one layer's attention at one position.",
            BlockSite::AttnOut,
        ),
        plan("Patched MLP output", "The output of one layer's MLP at one position.", BlockSite::MlpOut),
    ];
    let (grids, problems) = sweep(job, &plans).await?;
    Ok(Findings { parts: plans.iter().zip(grids).map(|(plan, grid)| plan.part(grid)).collect(), problems })
}
