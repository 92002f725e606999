//! Attribution for every group: run the clean prompts and project onto the logit difference.

use patchlab_kernels::Tensor;

use super::groups::{asked_for, usable};
use crate::analyses::Job;
use crate::attribution::{AttributionSites, DirectLogitAttribution};
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{Axis, AxisKind, Grid, Measure, Panel, Quantity, Values};
use crate::host::ProgressUnit;
use crate::host::Work;
use crate::metrics::{PerPrompt, mean};
use crate::model::Config;
use crate::names::Head;
use crate::prompts::Problem;
use crate::prompts::{PreparedCase, PreparedGroup};
use crate::readback;
use crate::runs::{Readout, Run, parts};

/// Python that the cells of attributions need to run first.
pub(in crate::analyses) const PYTHON: &str = include_str!("../../../data/transformer-lens/attribution.py");

/// Progress label while attributions are computed.
const STAGE: &str = "Running the prompts";

/// A group with its attributions.
#[derive(Debug, Clone)]
pub(in crate::analyses) struct Attributed {
    pub group: PreparedGroup,
    /// Per cell, a number for each prompt.
    pub numbers: PerPrompt,
    /// The logit difference after each clean prompt.
    pub logit_differences: Vec<f64>,
}

/// What an attribution computes from a run: `[cells, prompts]`.
pub(in crate::analyses) type Projection<'a> = &'a dyn Fn(&DirectLogitAttribution<'_>) -> Result<Tensor<2>>;

/// Runs every group's clean prompts and projects them.
pub(in crate::analyses) async fn attributed(
    job: &Job<'_>,
    neurons: bool,
    projection: Projection<'_>,
) -> Result<(Vec<Attributed>, Vec<Problem>)> {
    let (groups, problems) = usable(job)?;
    let groups = asked_for(job, groups);
    let total = groups.iter().map(|group| group.cases.len()).sum();
    let mut work = Work::new(job.viewer, STAGE, ProgressUnit::Prompts, total);
    let mut all = Vec::new();
    for group in groups {
        all.push(of_group(job, group, neurons, projection, &mut work).await?);
    }
    Ok((all, problems))
}

/// Runs one group's clean prompts and projects them. `work` counts prompts.
pub(in crate::analyses) async fn of_group(
    job: &Job<'_>,
    group: PreparedGroup,
    neurons: bool,
    projection: Projection<'_>,
    work: &mut Work<'_>,
) -> Result<Attributed> {
    of_group_at(job, group, &|case| case.clean.len() - 1, neurons, projection, work).await
}

/// The same at one position of each prompt, as if it were the last.
pub(in crate::analyses) async fn of_group_at(
    job: &Job<'_>,
    group: PreparedGroup,
    at: &dyn Fn(&PreparedCase) -> usize,
    neurons: bool,
    projection: Projection<'_>,
    work: &mut Work<'_>,
) -> Result<Attributed> {
    let (mut numbers, mut logit_differences) = (PerPrompt::default(), Vec::new());
    let sites = AttributionSites { neurons, ..AttributionSites::default() };
    for cases in parts(&group.cases, job.model, &sites, 1) {
        let readout = Readout::new(job.model, cases, false);
        let clean: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
        let run = Run::record(job.model, &clean, &readout, &sites).await?;
        let positions = cases.iter().map(at).collect();
        let direct = DirectLogitAttribution::at(job.model, &run, readout.compared(), positions)?;
        let block = readback::read(projection(&direct)?).await?; // [cells, prompts]
        if logit_differences.is_empty() {
            numbers = PerPrompt::new(block.len() / cases.len(), group.cases.len());
        }
        numbers.set_columns(logit_differences.len(), &block);
        logit_differences.extend(run.stats.logit_differences(0));
        work.done(cases.len()).await?;
    }
    Ok(Attributed { group, numbers, logit_differences })
}

impl Attributed {
    /// Of heads: the one with the largest mean.
    pub(in crate::analyses) fn strongest(&self, n_heads: usize) -> Head {
        let means = self.means();
        let best = (0..means.len()).max_by(|&a, &b| means[a].total_cmp(&means[b])).unwrap_or_default();
        Head { layer: best / n_heads, head: best % n_heads }
    }

    /// The mean over prompts, per cell.
    pub(in crate::analyses) fn means(&self) -> Vec<f64> {
        (0..self.numbers.rows()).map(|cell| mean(self.numbers.row(cell))).collect()
    }
}

/// A figure of attributions: one panel per group.
pub(in crate::analyses) async fn grid(
    job: &Job<'_>,
    title: &str,
    note: &str,
    rows: Axis,
    columns: Axis,
    attributed: &[Attributed],
) -> Result<Grid> {
    let prompts = attributed.iter().map(|attributed| attributed.group.cases.len()).sum();
    let work = Work::finished(job.viewer, STAGE, ProgressUnit::Prompts, prompts);
    let mut panels = Vec::new();
    for Attributed { group, numbers, .. } in attributed {
        let values = Numbers::changes(numbers.clone()).summarise(0, &group.pairs(), &work).await?;
        panels.push(panel(group, vec![values]));
    }
    Ok(Grid {
        title: title.to_owned(),
        note: Some(note.to_owned()),
        site: None,
        rows,
        columns,
        measures: vec![Measure {
            name: "attribution".to_owned(),
            label: "contribution to the logit difference".to_owned(),
            quantity: Quantity::LogitDifference,
            range: None,
            middle: Some(0.0),
        }],
        panels,
    })
}

/// A group's panel of a map; where columns are positions, [`super::columns::Columns::on`] adds them.
pub(in crate::analyses) fn panel(group: &PreparedGroup, values: Vec<Values>) -> Panel {
    Panel {
        name: group.name.clone(),
        group: group.group,
        minus: None,
        ticks: None,
        changed: Vec::new(),
        counts: None,
        caution: None,
        prompts: group.cases.iter().map(|case| case.text.clone()).collect(),
        pairs: group.pairs(),
        values,
    }
}

/// An axis of layers.
pub(in crate::analyses) fn layer_axis(layers: &[usize]) -> Axis {
    Axis {
        label: "Layer".to_owned(),
        counts: AxisKind::Layer,
        ticks: layers.iter().map(usize::to_string).collect(),
    }
}

/// An axis of all heads, layer by layer.
pub(in crate::analyses) fn heads_axis(config: &Config) -> Axis {
    let heads = |layer: usize| (0..config.n_heads).map(move |head| Head { layer, head }.to_string());
    let ticks = (0..config.n_layers).flat_map(heads).collect();
    Axis { label: "Head".to_owned(), counts: AxisKind::LayerHead, ticks }
}

/// An axis of the heads or neurons of a layer.
pub(in crate::analyses) fn index_axis(counts: AxisKind, label: &str, count: usize) -> Axis {
    Axis { label: label.to_owned(), counts, ticks: (0..count).map(|i| i.to_string()).collect() }
}
