//! Patching maps for every group: which patches a map consists of, and how their logits become a figure.

use std::ops::Range;

use super::attributed::{index_axis, layer_axis};
use super::groups::{at_group, of_one_length, that_differ, usable};
use super::measures::{Unpatched, measures};
use crate::analyses::Job;
use crate::analyses::settings::{Spec, choice, flag};
use crate::error::Result;
use crate::figures::{Axis, AxisKind, Grid, Panel, Part, Values};
use crate::host::{ProgressUnit, Work};
use crate::interventions::sweep::{Sweep, SweepSites};
use crate::interventions::{Intervention, Scene, Shortcut};
use crate::metrics::LogitStats;
use crate::names::Head;
use crate::prompts::{PreparedGroup, Problem};
use crate::runs::{Direction, Runs, parts};
use crate::site::{BlockSite, Site};
use crate::tokens::Token;

/// Python that the cells of patching need to run first.
pub(in crate::analyses) const PYTHON: &str = include_str!("../../../data/transformer-lens/patching.py");

/// The setting that picks denoising or noising.
pub(in crate::analyses) const DIRECTION: Spec<Direction> = choice::<Direction>("denoise").described(
    "denoise: clean activations into the corrupted run; noise: corrupted ones into the clean run.",
);

/// The setting that adds the measures for which the whole vocabulary is unembedded.
pub(in crate::analyses) const fn probabilities(default: bool) -> Spec<bool> {
    flag(default).described(
        "Also give the answer's probability, log-probability and rank. They need every token's logit.",
    )
}

/// How patches are run.
#[derive(Debug, Clone, Copy)]
pub(in crate::analyses) struct Options {
    /// Denoising or noising.
    pub direction: Direction,
    /// Whether to read log-sum-exp and rank, for which the whole vocabulary is unembedded.
    pub probabilities: bool,
}

/// What the columns of a map are. Rows are layers, or heads for `HeadsByPosition`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::analyses) enum Columns {
    /// One position at a time.
    Positions,
    /// One head at a time, at all positions.
    Heads,
    /// One head at one position.
    HeadsByPosition,
    /// One neuron at a time, at all positions.
    Neurons,
    /// Anything else.
    Given(Cells),
}

/// A map's axes, and the interventions of each cell, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::analyses) struct Cells {
    pub rows: Axis,
    pub columns: Axis,
    pub lists: Vec<Vec<Intervention>>,
}

/// A patching map to compute.
#[derive(Debug, Clone)]
pub(in crate::analyses) struct PatchingMap {
    pub title: String,
    pub note: String,
    /// What is patched, or sends.
    pub site: BlockSite,
    /// What one patch covers.
    pub columns: Columns,
    /// The layers that are patched, unless the cells are given.
    pub layers: Vec<usize>,
}

impl PatchingMap {
    fn needs_one_length(&self) -> bool {
        matches!(self.columns, Columns::Positions | Columns::HeadsByPosition)
    }

    /// The map's patches, row by row.
    fn patches(&self, job: &Job<'_>, positions: usize) -> Vec<Vec<Intervention>> {
        let config = &job.model.config;
        if let Columns::Given(cells) = &self.columns {
            return cells.lists.clone();
        }
        let row = |layer: usize| -> Vec<Vec<Intervention>> {
            let patch =
                |index, position| vec![Intervention::patch(Site::Block(layer, self.site), index, position)];
            match &self.columns {
                Columns::Given(_) => Vec::new(),
                Columns::Positions => (0..positions).map(|p| patch(None, Some(p))).collect(),
                Columns::Heads => (0..config.n_heads).map(|head| patch(Some(head), None)).collect(),
                Columns::Neurons => (0..config.d_mlp).map(|neuron| patch(Some(neuron), None)).collect(),
                Columns::HeadsByPosition => (0..config.n_heads)
                    .flat_map(|head| (0..positions).map(move |p| (head, p)))
                    .map(|(head, p)| patch(Some(head), Some(p)))
                    .collect(),
            }
        };
        self.layers.iter().flat_map(|&layer| row(layer)).collect()
    }

    /// The map's grid, without panels.
    fn empty(&self, job: &Job<'_>, options: Options) -> Grid {
        let config = &job.model.config;
        let positions = || Axis {
            label: "Position".to_owned(),
            counts: AxisKind::Position,
            ticks: Vec::new(), // each panel has its own
        };
        let (rows, columns) = match &self.columns {
            Columns::Given(cells) => (cells.rows.clone(), cells.columns.clone()),
            Columns::Positions => (layer_axis(&self.layers), positions()),
            Columns::Heads => (layer_axis(&self.layers), index_axis(AxisKind::Head, "Head", config.n_heads)),
            Columns::Neurons => {
                (layer_axis(&self.layers), index_axis(AxisKind::Neuron, "Neuron", config.d_mlp))
            }
            Columns::HeadsByPosition => {
                let name = |layer, head| Head { layer, head }.to_string();
                let layer = |&layer: &usize| (0..config.n_heads).map(move |head| name(layer, head));
                let ticks = self.layers.iter().flat_map(layer).collect();
                let heads = Axis { label: "Head".to_owned(), counts: AxisKind::LayerHead, ticks };
                (heads, positions())
            }
        };
        Grid {
            title: self.title.clone(),
            note: Some(self.note.clone()),
            site: Some(self.site.name().to_owned()),
            rows,
            columns,
            measures: measures(options.direction, options.probabilities),
            panels: Vec::new(),
        }
    }

    /// A group's panel with these numbers.
    fn panel(&self, job: &Job<'_>, group: &PreparedGroup, values: Vec<Values>) -> Panel {
        Panel {
            name: group.name.clone(),
            group: group.group,
            minus: None,
            ticks: self.needs_one_length().then(|| ticks(job, &group.cases[0].clean)),
            changed: if self.needs_one_length() { changed(group) } else { Vec::new() },
            caution: None,
            prompts: group.cases.iter().map(|case| case.text.clone()).collect(),
            values,
        }
    }

    /// The figure: lines for neurons, a heat map for everything else.
    pub(in crate::analyses) fn part(&self, grid: Grid) -> Part {
        if self.columns == Columns::Neurons { Part::Line(grid) } else { Part::Heat(grid) }
    }
}

/// Computes the maps: one panel per usable group, all maps of a group in one sweep.
pub(in crate::analyses) async fn sweep(
    job: &Job<'_>,
    maps: &[PatchingMap],
    options: Options,
) -> Result<(Vec<Grid>, Vec<Problem>)> {
    let (groups, mut problems) = usable(job)?;
    let mut groups = that_differ(groups, &mut problems);
    if maps.iter().any(PatchingMap::needs_one_length) {
        groups = of_one_length(groups, &mut problems);
    }
    let of_map =
        |map: &PatchingMap, group: &PreparedGroup| map.patches(job, group.cases[0].clean.len()).len();
    let sites = sites_of(job, maps);
    let patches = |group: &PreparedGroup| {
        let patches: usize = maps.iter().map(|map| of_map(map, group)).sum();
        patches * parts(&group.cases, job.model, &sites, BOTH).count()
    };
    let total = groups.iter().map(patches).sum();
    let mut work = Work::new(job.viewer, "Patching", ProgressUnit::Patches, total);
    work.done(0).await?;

    let mut grids: Vec<Grid> = maps.iter().map(|map| map.empty(job, options)).collect();
    for group in &groups {
        let mut group_maps = GroupMaps::new(job, maps, group, options);
        group_maps.run(&grids, &mut work).await?;
        if !group_maps.unpatched.has_effect() {
            let [clean, corrupted] = group_maps.unpatched.means();
            problems.push(at_group(
                group,
                "no-effect",
                format!(
                    "The mean logit differences of the clean ({clean:.4}) and the corrupted prompts \
                     ({corrupted:.4}) are too close to tell what share a patch has: logit differences are \
                     shown as they are. Does this model do the task on these prompts?"
                ),
            ));
        }
        for (index, grid) in grids.iter_mut().enumerate() {
            let panel = group_maps.panel(index, &work).await?;
            grid.panels.push(panel);
        }
    }
    Ok((grids, problems))
}

/// Runs that are recorded together: clean and corrupted.
const BOTH: u64 = 2;

/// What runs must have recorded for these maps.
fn sites_of(job: &Job<'_>, maps: &[PatchingMap]) -> SweepSites {
    let sites = |map: &PatchingMap| -> Vec<Site> {
        match &map.columns {
            Columns::Given(cells) => cells.lists.iter().flatten().flat_map(Intervention::sites).collect(),
            _ => map.layers.iter().map(|&layer| Site::Block(layer, map.site)).collect(),
        }
    };
    SweepSites::new(maps.iter().flat_map(sites), job.model.config.n_layers)
}

/// One group's maps while they are being computed.
struct GroupMaps<'a> {
    job: &'a Job<'a>,
    maps: &'a [PatchingMap],
    group: &'a PreparedGroup,
    options: Options,
    /// The patches of all maps, one map after the other.
    patches: Vec<Vec<Intervention>>,
    /// Each map's range of `patches`.
    ranges: Vec<Range<usize>>,
    /// The final logits of each patched run.
    stats: LogitStats,
    unpatched: Unpatched,
}

impl<'a> GroupMaps<'a> {
    fn new(job: &'a Job<'a>, maps: &'a [PatchingMap], group: &'a PreparedGroup, options: Options) -> Self {
        let mut patches = Vec::new();
        let mut ranges = Vec::new();
        for map in maps {
            let first = patches.len();
            patches.extend(map.patches(job, group.cases[0].clean.len()));
            ranges.push(first..patches.len());
        }
        let prompts = group.cases.len();
        let stats = LogitStats::new(patches.len(), prompts, options.probabilities);
        let unpatched = Unpatched::new(prompts, options.probabilities);
        Self { job, maps, group, options, patches, ranges, stats, unpatched }
    }

    /// Runs all patches. `grids` hold the panels of earlier groups, for previews.
    async fn run(&mut self, grids: &[Grid], work: &mut Work<'_>) -> Result<()> {
        let (job, model, options) = (self.job, self.job.model, self.options);
        let sites = sites_of(job, self.maps);
        for cases in parts(&self.group.cases, model, &sites, BOTH) {
            let runs = Runs::record(model, cases, options.probabilities, &sites).await?;
            let first = self.unpatched.prompts;
            self.unpatched.clean.set_run(0, first, &runs.clean.stats);
            self.unpatched.corrupted.set_run(0, first, &runs.corrupted.stats);
            self.unpatched.prompts += cases.len();
            let sweep = Sweep {
                scene: Scene::of(model, &runs, options.direction),
                lists: &self.patches,
                shortcuts: Shortcut::ALL,
                work: model.budget.work(),
            };
            let Self { maps, group, ranges, unpatched, .. } = &*self;
            let (maps, group, ranges, unpatched) = (*maps, *group, ranges.clone(), unpatched.clone());
            let mut show = |stats: &LogitStats, chunk: &[usize]| {
                if !job.viewer.wants_preview() {
                    return;
                }
                for (index, (map, grid)) in maps.iter().zip(grids).enumerate() {
                    let range = &ranges[index];
                    if chunk.iter().any(|patch| range.contains(patch)) {
                        let numbers = unpatched.numbers(options.direction, stats, range.clone());
                        let values = numbers.iter().map(|(measure, numbers)| numbers.means(*measure));
                        let mut grid = grid.clone();
                        grid.panels.push(map.panel(job, group, values.collect()));
                        job.viewer.preview(index, &map.part(grid));
                    }
                }
            };
            sweep.run(work, &mut self.stats, first, &mut show).await?;
        }
        Ok(())
    }

    /// The group's panel of one map.
    async fn panel(&self, index: usize, work: &Work<'_>) -> Result<Panel> {
        let mut values = Vec::new();
        let range = self.ranges[index].clone();
        for (measure, numbers) in self.unpatched.numbers(self.options.direction, &self.stats, range) {
            values.push(numbers.summarise(measure, work).await?);
        }
        let panel = self.maps[index].panel(self.job, self.group, values);
        Ok(Panel { caution: self.unpatched.caution(), ..panel })
    }
}

/// The positions at which the clean and the corrupted prompt of any case differ.
pub(in crate::analyses) fn changed(group: &PreparedGroup) -> Vec<usize> {
    let differs = |position: &usize| {
        group.cases.iter().any(|case| case.clean.get(*position) != case.corrupted.get(*position))
    };
    let longest = group.cases.iter().map(|case| case.clean.len()).max().unwrap_or(0);
    (0..longest).filter(differs).collect()
}

/// Position labels as in the notebook: `{token}_{position}`.
pub(in crate::analyses) fn ticks(job: &Job<'_>, ids: &[u32]) -> Vec<String> {
    let label = |(position, token): (usize, Token)| format!("{}_{position}", token.text);
    job.tokenizer.tokens(ids).into_iter().enumerate().map(label).collect()
}
