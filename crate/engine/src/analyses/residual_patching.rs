//! Where does the information sit? The residual stream patched at one layer and position
//! (`get_act_patch_resid_pre`, `_mid`, `_post`).

use super::shared::sweeps::{Columns, DIRECTION, Plan, probabilities, sweep};
use super::{Analysis, Findings, Job, Range, Running, Setting};
use crate::error::Result;
use crate::site::BlockSite;

/// The catalogue's entry.
pub(super) static ANALYSIS: Analysis = Analysis {
    name: "residual-patching",
    title: "Residual stream patching",
    description: "One run's residual stream put into the other at one layer and position. The blue path is where the \
                  information travels from the changed word to the answer.",
    settings: &[
        Setting {
            name: "site",
            description: "Before the layer, between its attention and its MLP, or after it.",
            range: Range::Choice { default: "resid_pre", options: &["resid_pre", "resid_mid", "resid_post"] },
        },
        DIRECTION,
        probabilities(true),
    ],
    run,
};

fn run<'a>(job: &'a Job<'a>) -> Running<'a> {
    Box::pin(patch(job))
}

async fn patch(job: &Job<'_>) -> Result<Findings> {
    let site = match job.text("site") {
        "resid_mid" => BlockSite::ResidMid,
        "resid_post" => BlockSite::ResidPost,
        _ => BlockSite::ResidPre,
    };
    let plans = [Plan {
        title: format!("Patched residual stream ({})", job.text("site")),
        note: "The residual stream of one layer at one position.".to_owned(),
        site,
        columns: Columns::Positions,
        layers: (0..job.model.config.n_layers).collect(),
    }];
    let (grids, problems) = sweep(job, &plans).await?;
    Ok(Findings { parts: plans.iter().zip(grids).map(|(plan, grid)| plan.part(grid)).collect(), problems })
}
