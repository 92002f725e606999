//! Attribution for every group: run the clean prompts, project, gather.

use burn::tensor::Tensor;

use super::groups::usable;
use crate::analyses::Job;
use crate::attribution::{AttributionSites, DirectLogitAttribution};
use crate::error::Result;
use crate::host::Work;
use crate::metrics::{Outcome, mean};
use crate::prompts::PreparedGroup;
use crate::readback;
use crate::report::{Axis, AxisKind, Grid, Measure, Panel, Problem, ProgressUnit, Quantity};
use crate::runs::{Readout, Run, parts};
use crate::summary::Numbers;

/// What the Python cells of attributions need first.
pub(in crate::analyses) const PYTHON: &str = include_str!("../../../data/transformer-lens/attribution.py");

/// A group with its attributions.
#[derive(Debug)]
pub(in crate::analyses) struct Attributed {
    /// The group.
    pub group: PreparedGroup,
    /// For each prompt one number per cell.
    pub prompts: Vec<Vec<f64>>,
    /// What the clean prompts lead to.
    pub outcomes: Vec<Outcome>,
}

/// What an attribution computes of a run: `[cells, prompts]`.
pub(in crate::analyses) type Projection<'a> = &'a dyn Fn(&DirectLogitAttribution<'_>) -> Result<Tensor<2>>;

/// Runs every group's clean prompts and projects them.
pub(in crate::analyses) async fn attributed(
    job: &Job<'_>,
    neurons: bool,
    projection: Projection<'_>,
) -> Result<(Vec<Attributed>, Vec<Problem>)> {
    let (groups, problems) = usable(job)?;
    let total = groups.iter().map(|group| group.cases.len()).sum();
    let mut work = Work::new(job.host, "Running the prompts", ProgressUnit::Prompts, total);
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
    let (mut prompts, mut outcomes) = (Vec::new(), Vec::new());
    for cases in parts(&group.cases, &job.model.config) {
        let readout = Readout::new(job.model, cases, false);
        let clean: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
        let run = Run::record(job.model, &clean, &readout, &AttributionSites { neurons }).await?;
        let direct = DirectLogitAttribution::new(job.model, &run, readout.pairs())?;
        let numbers = readback::read(projection(&direct)?).await?; // [cells, prompts]
        let column =
            |prompt: usize| numbers.chunks_exact(cases.len()).map(move |cell| f64::from(cell[prompt]));
        prompts.extend((0..cases.len()).map(|prompt| column(prompt).collect()));
        outcomes.extend(run.outcomes);
        work.done(cases.len()).await?;
    }
    Ok(Attributed { group, prompts, outcomes })
}

impl Attributed {
    /// The mean over the prompts for each cell.
    pub(in crate::analyses) fn means(&self) -> Vec<f64> {
        let cells = self.prompts.first().map_or(0, Vec::len);
        let cell = |cell: usize| mean(&self.prompts.iter().map(|prompt| prompt[cell]).collect::<Vec<_>>());
        (0..cells).map(cell).collect()
    }
}

/// A figure of attributions: one panel per group.
pub(in crate::analyses) fn grid(
    title: &str,
    note: &str,
    rows: Axis,
    columns: Axis,
    attributed: &[Attributed],
) -> Grid {
    let panel = |attributed: &Attributed| Panel {
        name: attributed.group.name.clone(),
        group: attributed.group.group,
        minus: None,
        ticks: None,
        prompts: attributed.group.cases.iter().map(|case| case.text.clone()).collect(),
        values: vec![
            Numbers { prompts: attributed.prompts.clone(), ..Numbers::default() }.summarise(0, true),
        ],
    };
    Grid {
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
        panels: attributed.iter().map(panel).collect(),
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

/// An axis that counts heads or neurons of a layer.
pub(in crate::analyses) fn unit_axis(counts: AxisKind, label: &str, count: usize) -> Axis {
    Axis { label: label.to_owned(), counts, ticks: (0..count).map(|i| i.to_string()).collect() }
}
