//! `patchlab shard`, `run --shard` and `merge`: a study on several machines (docs/shards.md). There is no scheduler here: whoever
//! starts the shards may start them in any order, again, or twice at once.

mod files;
mod origin;

use std::path::Path;
use std::thread::available_parallelism;

use anyhow::{Context as _, Result};
use patchlab::model::Config;
use patchlab::portion::Sizes;
use patchlab::shards::{Asked, Computed, GPT2_SMALL, Plan};

use crate::arguments::{MergeArguments, RunArguments, ShardArguments};
use crate::catalogue::{self, Selection};
use crate::{Terminal, deliver, experiment, folder, open};
use files::{PlanFile, ShardFile, collect};
use origin::Origin;

/// Cuts a study and writes the plan.
pub(crate) fn shard(arguments: &ShardArguments) -> Result<()> {
    let mut experiment = experiment(Some(&arguments.experiment))?;
    experiment.prepend_bos &= !arguments.no_bos;
    let requests = catalogue::requests(&arguments.analysis, &arguments.settings, &experiment)?;
    let asked =
        requests.into_iter().map(|request| Asked { analysis: request.analysis, settings: request.settings });
    let sizes = arguments.model.as_deref().map(sizes).transpose()?;
    let list = arguments.analysis == Selection::All;
    let threads =
        arguments.threads.map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from);
    let cut = (arguments.shards, threads);
    let plan = Plan::new(experiment, asked.collect(), list, cut, sizes)?;
    let units: usize = plan.shards.iter().map(Vec::len).sum();
    let path = PlanFile::new(plan)?.write(&arguments.out)?;
    eprintln!("{}: {} shards, {units} units of work", path.display(), arguments.shards);
    Ok(())
}

/// What a model's config.json says of its sizes.
fn sizes(model: &Path) -> Result<Sizes> {
    let path = model.join("config.json");
    let config = Config::from_json(&folder::text_of(&path)?).with_context(|| path.display().to_string())?;
    let Config { n_layers, n_heads, d_mlp, .. } = config;
    Ok(Sizes { n_layers, n_heads, d_mlp, ..GPT2_SMALL })
}

/// Computes a shard and writes its file beside the plan.
pub(crate) fn run(plan_path: &Path, shard: usize, arguments: &RunArguments) -> Result<()> {
    let file = PlanFile::read(plan_path)?;
    let units = file.units(shard)?;
    let viewer = Terminal { recorded: arguments.recorded.as_deref() };
    let (origin, computed) = pollster::block_on(async {
        let session = open(&arguments.model).await?;
        session.set_threads(file.plan.threads);
        let origin = Origin::of(&session, &arguments.model.folder).await?;
        let mut computed = Vec::new();
        for unit in units {
            let request = file.plan.request(unit)?;
            let report = session.run_portion(&request, &unit.portion, &viewer).await?;
            computed.push(Computed::new(unit.clone(), report));
        }
        anyhow::Ok((origin, computed))
    })?;
    let path = ShardFile { plan: file.fingerprint.clone(), shard, origin }.write(plan_path, &computed)?;
    eprintln!("{}: {} units of work", path.display(), computed.len());
    Ok(())
}

/// Puts a plan's shards together.
pub(crate) fn merge(arguments: &MergeArguments) -> Result<()> {
    let file = PlanFile::read(&arguments.plan)?;
    let reports = file.plan.merge(collect(&arguments.plan, &file)?)?;
    deliver(&reports, file.plan.list, arguments.json.as_deref())
}

#[cfg(test)]
mod tests;
