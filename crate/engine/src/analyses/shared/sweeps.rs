//! Patching maps for every group: which cells a map has, and from outcomes to the figure.

use super::attributed::{layer_axis, unit_axis};
use super::groups::{at_group, of_one_length, that_differ, usable};
use crate::analyses::Job;
use crate::analyses::settings::{Spec, choice, flag};
use crate::error::Result;
use crate::host::Work;
use crate::metrics::Outcome;
use crate::names::Head;
use crate::patching::measures::{Unpatched, measures};
use crate::patching::sweep::{CHUNK_BYTES, Sweep, SweepSites};
use crate::patching::{Direction, Patch};
use crate::prompts::PreparedGroup;
use crate::report::{Axis, AxisKind, Grid, Panel, Part, Problem, ProgressUnit};
use crate::runs::{Runs, parts};
use crate::site::BlockSite;

/// What the Python cells of patching need first.
pub(in crate::analyses) const PYTHON: &str = include_str!("../../../data/transformer-lens/patching.py");

/// Which way to patch.
pub(in crate::analyses) const DIRECTION: Spec = choice::<Direction>("denoise")
    .described("denoise: clean activations into the corrupted run; noise: corrupted ones into the clean run.");

/// Whether the whole vocabulary takes part.
pub(in crate::analyses) const fn probabilities(default: bool) -> Spec {
    flag(default)
        .described("Also give the answer's probability, log-probability and rank. They need every token's logit.")
}

/// What the columns of a map are; rows are layers, or with `HeadsByPosition` heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::analyses) enum Columns {
    /// One position at a time.
    Positions,
    /// One head at a time, at all positions.
    Heads,
    /// One head at one position.
    HeadsByPosition,
    /// One neuron at a time, at all positions.
    Neurons,
}

/// A map to be made.
#[derive(Debug, Clone)]
pub(in crate::analyses) struct Plan {
    /// Its heading.
    pub title: String,
    /// How to read it.
    pub note: String,
    /// What is patched.
    pub site: BlockSite,
    /// What is patched at a time.
    pub columns: Columns,
    /// In which layers.
    pub layers: Vec<usize>,
}

impl Plan {
    fn needs_one_length(&self) -> bool {
        matches!(self.columns, Columns::Positions | Columns::HeadsByPosition)
    }

    /// The map's cells, row by row.
    fn cells(&self, job: &Job<'_>, positions: usize) -> Vec<Patch> {
        let (config, site) = (&job.model.config, self.site);
        let row = |layer: usize| -> Vec<Patch> {
            match self.columns {
                Columns::Positions => (0..positions)
                    .map(|p| Patch { site, layer, head_or_neuron: None, position: Some(p) })
                    .collect(),
                Columns::Heads | Columns::Neurons => {
                    let units = if self.columns == Columns::Heads { config.n_heads } else { config.d_mlp };
                    (0..units)
                        .map(|unit| Patch { site, layer, head_or_neuron: Some(unit), position: None })
                        .collect()
                }
                Columns::HeadsByPosition => (0..config.n_heads)
                    .flat_map(|head| {
                        (0..positions).map(move |p| Patch {
                            site,
                            layer,
                            head_or_neuron: Some(head),
                            position: Some(p),
                        })
                    })
                    .collect(),
            }
        };
        self.layers.iter().flat_map(|&layer| row(layer)).collect()
    }

    /// The map without panels.
    fn empty(&self, job: &Job<'_>, direction: Direction, probabilities: bool) -> Grid {
        let config = &job.model.config;
        let positions = || Axis {
            label: "Position".to_owned(),
            counts: AxisKind::Position,
            ticks: Vec::new(), // each panel has its own
        };
        let (rows, columns) = match self.columns {
            Columns::Positions => (layer_axis(&self.layers), positions()),
            Columns::Heads => (layer_axis(&self.layers), unit_axis(AxisKind::Head, "Head", config.n_heads)),
            Columns::Neurons => {
                (layer_axis(&self.layers), unit_axis(AxisKind::Neuron, "Neuron", config.d_mlp))
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
            measures: measures(direction, probabilities),
            panels: Vec::new(),
        }
    }

    /// The figure: lines for neurons, a heat map for everything else.
    pub(in crate::analyses) fn part(&self, grid: Grid) -> Part {
        if self.columns == Columns::Neurons { Part::Line(grid) } else { Part::Heat(grid) }
    }
}

/// Makes the maps, one panel for each group that can have one, all of a group's maps in one sweep.
pub(in crate::analyses) async fn sweep(
    job: &Job<'_>,
    plans: &[Plan],
    direction: Direction,
    probabilities: bool,
) -> Result<(Vec<Grid>, Vec<Problem>)> {
    let (groups, mut problems) = usable(job)?;
    let mut groups = that_differ(groups, &mut problems);
    if plans.iter().any(Plan::needs_one_length) {
        groups = of_one_length(groups, &mut problems);
    }
    let cells = |plan: &Plan, group: &PreparedGroup| plan.cells(job, group.cases[0].clean.len());
    let patches = |group: &PreparedGroup| {
        let cells: usize = plans.iter().map(|plan| cells(plan, group).len()).sum();
        cells * parts(&group.cases, &job.model.config).count()
    };
    let total = groups.iter().map(patches).sum();
    let mut work = Work::new(job.host, "Patching", ProgressUnit::Patches, total);
    work.done(0).await?;

    let mut grids: Vec<Grid> = plans.iter().map(|plan| plan.empty(job, direction, probabilities)).collect();
    for group in &groups {
        let mut maps = Maps::new(job, plans, group, direction, probabilities);
        maps.run(&grids, &mut work).await?;
        if !maps.unpatched.has_effect() {
            let [clean, corrupted] = maps.unpatched.means();
            problems.push(at_group(
                group,
                "no-effect",
                format!(
                    "The mean logit differences of the clean ({clean:.4}) and the corrupted prompts \
                     ({corrupted:.4}) are too close to tell what share a patch has: logit differences are shown as \
                     they are. Does this model do the task on these prompts?"
                ),
            ));
        }
        for (index, grid) in grids.iter_mut().enumerate() {
            let panel = maps.panel(index, true);
            grid.panels.push(panel);
        }
    }
    Ok((grids, problems))
}

/// One group's maps in the making.
struct Maps<'a> {
    job: &'a Job<'a>,
    plans: &'a [Plan],
    group: &'a PreparedGroup,
    direction: Direction,
    probabilities: bool,
    /// The cells of all maps, one map after the other.
    cells: Vec<Patch>,
    /// Where each map's cells begin, and where the last one's end.
    bounds: Vec<usize>,
    /// What each cell's run says after each prompt that was run so far.
    outcomes: Vec<Vec<Outcome>>,
    unpatched: Unpatched,
}

impl<'a> Maps<'a> {
    fn new(job: &'a Job<'a>, plans: &'a [Plan], group: &'a PreparedGroup, direction: Direction, probabilities: bool) -> Self {
        let mut cells = Vec::new();
        let mut bounds = vec![0];
        for plan in plans {
            cells.extend(plan.cells(job, group.cases[0].clean.len()));
            bounds.push(cells.len());
        }
        let outcomes = vec![Vec::new(); cells.len()];
        Self { job, plans, group, direction, probabilities, cells, bounds, outcomes, unpatched: Unpatched::default() }
    }

    /// Runs all cells. `grids` have the panels of the groups before.
    async fn run(&mut self, grids: &[Grid], work: &mut Work<'_>) -> Result<()> {
        let (job, model) = (self.job, self.job.model);
        let sites: Vec<BlockSite> = self.plans.iter().map(|plan| plan.site).collect();
        let sites = SweepSites::new(&sites, &model.config);
        let cells = self.cells.clone();
        for cases in parts(&self.group.cases, &model.config) {
            let runs = Runs::record(model, cases, self.probabilities, &sites).await?;
            self.unpatched.clean.extend(&runs.clean.outcomes);
            self.unpatched.corrupted.extend(&runs.corrupted.outcomes);
            let sweep = Sweep {
                model,
                runs: &runs,
                direction: self.direction,
                patches: &cells,
                chunk_bytes: CHUNK_BYTES,
            };
            let mut keep = |indices: &[usize], outcomes: Vec<Vec<Outcome>>| {
                for (&index, outcomes) in indices.iter().zip(outcomes) {
                    self.outcomes[index].extend(outcomes);
                }
                if job.host.wants_preview() {
                    self.preview(grids, indices);
                }
            };
            sweep.run(work, &mut keep).await?;
        }
        Ok(())
    }

    /// Shows the maps that a chunk added to, as far as they have come.
    fn preview(&self, grids: &[Grid], chunk: &[usize]) {
        for (index, (plan, grid)) in self.plans.iter().zip(grids).enumerate() {
            let bounds = self.bounds[index]..self.bounds[index + 1];
            if chunk.iter().any(|cell| bounds.contains(cell)) {
                let mut grid = grid.clone();
                grid.panels.push(self.panel(index, false));
                self.job.host.preview(index, &plan.part(grid));
            }
        }
    }

    /// The group's panel of one map.
    fn panel(&self, index: usize, finished: bool) -> Panel {
        let run = self.unpatched.clean.len();
        let whole = |outcomes: &Vec<Outcome>| (outcomes.len() == run).then(|| outcomes.clone());
        let cells: Vec<Option<Vec<Outcome>>> =
            self.outcomes[self.bounds[index]..self.bounds[index + 1]].iter().map(whole).collect();
        let numbers = self.unpatched.numbers(self.direction, self.probabilities, &cells);
        let summarise =
            |(measure, numbers): (usize, crate::summary::Numbers)| numbers.summarise(measure, finished);
        let cases = &self.group.cases;
        Panel {
            name: self.group.name.clone(),
            group: self.group.group,
            minus: None,
            ticks: self.plans[index].needs_one_length().then(|| ticks(self.job, &cases[0].clean)),
            prompts: cases.iter().map(|case| case.text.clone()).collect(),
            values: numbers.into_iter().map(summarise).collect(),
        }
    }
}

/// Labels of positions, as the notebook has them: `{token}_{position}`.
pub(in crate::analyses) fn ticks(job: &Job<'_>, ids: &[u32]) -> Vec<String> {
    let label = |(position, token): (usize, crate::report::Token)| format!("{}_{position}", token.text);
    job.tokenizer.tokens(ids).into_iter().enumerate().map(label).collect()
}
