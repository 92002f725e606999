//! Patching maps for every group: which patches a map consists of, and how their logits become a figure.

use std::ops::Range;

use super::attributed::{heads_axis, index_axis, layer_axis, panel};
use super::columns::{Align, Columns};
use super::groups::{at_group, that_differ, usable};
use super::measures::{Unpatched, measures};
use super::placed::{Class, Lists, Placed};
use crate::analyses::Job;
use crate::analyses::settings::{Spec, choice, flag};
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{Axis, AxisKind, Grid, Panel, Part, Values};
use crate::host::{ProgressUnit, Work};
use crate::interventions::sweep::{Sweep, SweepSites};
use crate::interventions::{Intervention, Positions, Scene, Shortcut};
use crate::metrics::LogitStats;
use crate::prompts::{PreparedGroup, Problem};
use crate::runs::{Direction, Runs, parts};
use crate::site::{BlockSite, Site};

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
    /// What columns of positions stand for, in maps that have such.
    pub align: Align,
}

/// What the columns of a map are.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::analyses) enum Across {
    /// Positions or roles, one at a time.
    Positions,
    /// This axis.
    Given(Axis),
}

/// A patching map to compute.
#[derive(Debug, Clone)]
pub(in crate::analyses) struct PatchingMap {
    pub title: String,
    pub note: String,
    /// What is patched, or sends.
    pub site: BlockSite,
    pub rows: Axis,
    pub across: Across,
    /// The interventions of each cell, row by row. Across positions those of each row, which say [`Positions::Here`].
    pub lists: Vec<Vec<Intervention>>,
}

impl PatchingMap {
    /// One patch for each of some layers and parts of an activation.
    fn of_parts(site: BlockSite, layers: &[usize], parts: impl Fn(usize) -> Vec<Intervention>) -> Self {
        Self {
            title: String::new(),
            note: String::new(),
            site,
            rows: layer_axis(layers),
            across: Across::Positions,
            lists: layers.iter().flat_map(|&layer| parts(layer)).map(|one| vec![one]).collect(),
        }
    }

    /// An activation of each layer at one position at a time.
    pub(in crate::analyses) fn layers_by_position(job: &Job<'_>, site: BlockSite) -> Self {
        let layers: Vec<usize> = (0..job.model.config.n_layers).collect();
        Self::of_parts(site, &layers, |layer| {
            let patch = Intervention::patch(Site::Block(layer, site), None, None);
            vec![Intervention { position: Positions::Here, ..patch }]
        })
    }

    /// Each head at all positions.
    pub(in crate::analyses) fn heads(job: &Job<'_>, site: BlockSite) -> Self {
        let config = &job.model.config;
        let layers: Vec<usize> = (0..config.n_layers).collect();
        let patch = |layer, head| Intervention::patch(Site::Block(layer, site), Some(head), None);
        let map = Self::of_parts(site, &layers, |layer| {
            (0..config.n_heads).map(|head| patch(layer, head)).collect()
        });
        Self { across: Across::Given(index_axis(AxisKind::Head, "Head", config.n_heads)), ..map }
    }

    /// Each head at one position at a time.
    pub(in crate::analyses) fn heads_by_position(job: &Job<'_>, site: BlockSite) -> Self {
        let heads = Self::heads(job, site);
        let here = |list: &Vec<Intervention>| -> Vec<Intervention> {
            list.iter().map(|one| Intervention { position: Positions::Here, ..one.clone() }).collect()
        };
        Self {
            rows: heads_axis(&job.model.config),
            across: Across::Positions,
            lists: heads.lists.iter().map(here).collect(),
            ..heads
        }
    }

    /// Each neuron of some layers at all positions.
    pub(in crate::analyses) fn neurons(job: &Job<'_>, layers: &[usize]) -> Self {
        let (site, count) = (BlockSite::MlpPost, job.model.config.d_mlp);
        let patch = |layer, neuron| Intervention::patch(Site::Block(layer, site), Some(neuron), None);
        let map =
            Self::of_parts(site, layers, |layer| (0..count).map(|neuron| patch(layer, neuron)).collect());
        Self { across: Across::Given(index_axis(AxisKind::Neuron, "Neuron", count)), ..map }
    }

    /// With title and note.
    #[must_use]
    pub(in crate::analyses) fn titled(self, title: &str, note: &str) -> Self {
        Self { title: title.to_owned(), note: note.to_owned(), ..self }
    }

    fn by_position(&self) -> bool {
        self.across == Across::Positions
    }

    fn lists(&self) -> Lists<'_> {
        Lists { lists: &self.lists, by_position: self.by_position() }
    }

    /// The map's grid, without panels.
    fn empty(&self, options: Options) -> Grid {
        let columns = match &self.across {
            Across::Given(axis) => axis.clone(),
            Across::Positions => options.align.axis(),
        };
        Grid {
            title: self.title.clone(),
            note: Some(self.note.clone()),
            site: Some(self.site.name().to_owned()),
            rows: self.rows.clone(),
            columns,
            measures: measures(options.direction, options.probabilities),
            panels: Vec::new(),
        }
    }

    /// A group's panel with these numbers.
    fn panel(&self, placed: &Placed<'_>, values: Vec<Values>) -> Panel {
        let panel = panel(placed.group, values);
        if self.by_position() { placed.columns.on(placed.group, panel) } else { panel }
    }

    /// The figure: lines for neurons, a heat map for everything else.
    pub(in crate::analyses) fn part(&self, grid: Grid) -> Part {
        if grid.columns.counts == AxisKind::Neuron { Part::Line(grid) } else { Part::Heat(grid) }
    }
}

/// Computes the maps: one panel per usable group, all maps of a group in one sweep.
pub(in crate::analyses) async fn sweep(
    job: &Job<'_>,
    maps: &[PatchingMap],
    options: Options,
) -> Result<(Vec<Grid>, Vec<Problem>)> {
    let (groups, mut problems) = usable(job)?;
    let groups = that_differ(groups, &mut problems);
    let options = Options { align: options.align.settled(&groups), ..options };
    let groups: Vec<(PreparedGroup, Columns)> = if maps.iter().any(PatchingMap::by_position) {
        options.align.of_groups(job, groups, &mut problems)
    } else {
        groups.into_iter().map(|group| (group.clone(), Columns::none(&group))).collect()
    };
    let asked = groups.iter().filter(|(group, _)| job.portion.has_group(group.group));
    let groups: Vec<&(PreparedGroup, Columns)> = asked.collect();
    let total = groups.iter().map(|(group, columns)| patches(job, maps, &placed(maps, group, columns))).sum();
    let mut work = Work::new(job.viewer, "Patching", ProgressUnit::Patches, total);
    work.done(0).await?;

    let mut grids: Vec<Grid> = maps.iter().map(|map| map.empty(options)).collect();
    for (group, columns) in groups {
        let mut group_maps = GroupMaps::new(job, maps, placed(maps, group, columns), options);
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
    let acting = maps.iter().flat_map(|map| map.lists.iter().flatten().flat_map(Intervention::sites));
    SweepSites::new(acting, job.model.config.n_layers)
}

/// The maps, placed on a group's prompts.
fn placed<'a>(maps: &[PatchingMap], group: &'a PreparedGroup, columns: &'a Columns) -> Placed<'a> {
    Placed::new(group, columns, &maps.iter().map(PatchingMap::lists).collect::<Vec<_>>())
}

/// How many patches of a group are run.
fn patches(job: &Job<'_>, maps: &[PatchingMap], placed: &Placed<'_>) -> usize {
    let sites = sites_of(job, maps);
    let asked = |class: &Class| class.lists.iter().filter(|list| in_portion(job, list)).count();
    let of_class = |class: &Class| asked(class) * parts(&class.cases, job.model, &sites, BOTH).count();
    placed.classes.iter().map(of_class).sum()
}

/// Whether what a list does first is in a layer of the job's portion.
pub(in crate::analyses) fn in_portion(job: &Job<'_>, list: &[Intervention]) -> bool {
    match list.first().map(|one| one.site) {
        Some(Site::Block(layer, _)) => job.portion.has_layer(layer),
        _ => true,
    }
}

/// One group's maps while they are being computed. Prompts stand in the order in which they are run.
struct GroupMaps<'a> {
    job: &'a Job<'a>,
    maps: &'a [PatchingMap],
    placed: Placed<'a>,
    options: Options,
    /// Each map's range of cells.
    ranges: Vec<Range<usize>>,
    /// The final logits of each patched run.
    stats: LogitStats,
    unpatched: Unpatched,
}

impl<'a> GroupMaps<'a> {
    fn new(job: &'a Job<'a>, maps: &'a [PatchingMap], placed: Placed<'a>, options: Options) -> Self {
        let mut ranges = Vec::new();
        let mut count = 0;
        for map in maps {
            let cells = map.lists().count(placed.columns);
            ranges.push(count..count + cells);
            count += cells;
        }
        let prompts = placed.group.cases.len();
        Self {
            job,
            maps,
            placed,
            options,
            ranges,
            stats: LogitStats::new(count, prompts, options.probabilities),
            unpatched: Unpatched::new(prompts, options.probabilities),
        }
    }

    /// Runs all patches. `grids` hold the panels of earlier groups, for previews.
    async fn run(&mut self, grids: &[Grid], work: &mut Work<'_>) -> Result<()> {
        let Self { job, maps, placed, options, ranges, stats, unpatched } = self;
        let (model, sites) = (job.model, sites_of(job, maps));
        for class in &placed.classes {
            for cases in parts(&class.cases, model, &sites, BOTH) {
                let runs = Runs::record(model, cases, options.probabilities, &sites).await?;
                let first = unpatched.prompts;
                unpatched.clean.set_run(0, first, &runs.clean.stats);
                unpatched.corrupted.set_run(0, first, &runs.corrupted.stats);
                unpatched.prompts += cases.len();
                let sweep = Sweep {
                    scene: Scene::of(model, &runs, options.direction),
                    lists: &class.lists,
                    shortcuts: Shortcut::ALL,
                    work: model.budget.work(),
                };
                let mut show = |found: &LogitStats, chunk: &[usize]| {
                    for &list in chunk {
                        stats.copy_run(class.cells[list], first, found, list);
                    }
                    if !job.viewer.wants_preview() {
                        return;
                    }
                    for (index, (map, grid)) in maps.iter().zip(grids).enumerate() {
                        let range = &ranges[index];
                        if chunk.iter().any(|&list| range.contains(&class.cells[list])) {
                            let numbers = numbers(map, placed, unpatched, *options, stats, range.clone());
                            let values = numbers.iter().map(|(measure, numbers)| numbers.means(*measure));
                            let mut grid = grid.clone();
                            grid.panels.push(map.panel(placed, values.collect()));
                            job.viewer.preview(index, &map.part(grid));
                        }
                    }
                };
                let mut found = LogitStats::new(class.lists.len(), cases.len(), options.probabilities);
                let wanted = |list: usize| in_portion(job, &class.lists[list]);
                sweep.run_some(&wanted, work, &mut found, 0, &mut show).await?;
            }
        }
        Ok(())
    }

    /// The group's panel of one map.
    async fn panel(&self, index: usize, work: &Work<'_>) -> Result<Panel> {
        let mut values = Vec::new();
        let (map, range) = (&self.maps[index], self.ranges[index].clone());
        let Self { placed, unpatched, options, stats, .. } = self;
        for (measure, numbers) in numbers(map, placed, unpatched, *options, stats, range) {
            let numbers = self.placed.in_order(numbers);
            values.push(numbers.summarise(measure, &self.placed.group.pairs(), work).await?);
        }
        let panel = map.panel(&self.placed, values);
        Ok(Panel { caution: self.unpatched.caution(), ..panel })
    }
}

/// The index and the numbers of each measure of a map, for the prompts that have been run so far.
fn numbers(
    map: &PatchingMap,
    placed: &Placed<'_>,
    unpatched: &Unpatched,
    options: Options,
    stats: &LogitStats,
    cells: Range<usize>,
) -> Vec<(usize, Numbers)> {
    let present = map.by_position().then(|| placed.columns.present_in(&placed.first(unpatched.prompts)));
    let all = unpatched.numbers(options.direction, stats, cells).into_iter();
    all.map(|(measure, numbers)| (measure, Numbers { present: present.clone(), ..numbers })).collect()
}
