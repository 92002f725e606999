//! Can one neuron do it? `mlp.hook_post` of one neuron patched at all positions, for every neuron of the chosen
//! layers.

use super::neuron_attribution::TOP_K;
use super::shared::sweeps::{Columns, DIRECTION, Plan, probabilities, sweep};
use super::shared::top;
use super::{Analysis, Findings, Job, Range, Running, Setting};
use crate::error::{Error, Result};
use crate::names::{Neuron, layers};
use crate::report::Part;
use crate::site::BlockSite;

/// The catalogue's entry.
pub(super) static ANALYSIS: Analysis = Analysis {
    name: "neuron-patching",
    title: "Neuron patching",
    description: "One MLP neuron's activation put from one run into the other at all positions, for every neuron of \
                  the chosen layers. Spikes are neurons that matter by themselves.",
    settings: &[
        Setting {
            name: "layers",
            description: "The layers: all, or like 8 10 or 3-5.",
            range: Range::Text { default: "all" },
        },
        TOP_K,
        DIRECTION,
        // With every token's logit a sweep over all neurons takes several times as long.
        probabilities(false),
    ],
    run,
};

fn run<'a>(job: &'a Job<'a>) -> Running<'a> {
    Box::pin(patch(job))
}

async fn patch(job: &Job<'_>) -> Result<Findings> {
    let config = &job.model.config;
    let layers = layers(job.text("layers"), config.n_layers).map_err(|_| Error::Setting {
        name: "layers".to_owned(),
        message: format!(
            "{:?} names no layers of this model. Write `all`, or numbers from 0 to {} like `8 10` or `3-5`.",
            job.text("layers"),
            config.n_layers - 1
        ),
    })?;
    let plans = [Plan {
        title: "Patched neurons".to_owned(),
        note: "One neuron at all positions.".to_owned(),
        site: BlockSite::MlpPost,
        columns: Columns::Neurons,
        layers: layers.clone(),
    }];
    let (grids, problems) = sweep(job, &plans).await?;
    let name =
        |cell: usize| Neuron { layer: layers[cell / config.d_mlp], neuron: cell % config.d_mlp }.to_string();
    let tables: Vec<Part> = grids
        .iter()
        .flat_map(|grid| top::tables(grid, "Neuron", job.count("top_k"), name))
        .map(Part::Table)
        .collect();
    let maps = plans.iter().zip(grids).map(|(plan, grid)| plan.part(grid));
    Ok(Findings { parts: maps.chain(tables).collect(), problems })
}
