//! The map of ablations, and its runs.

use super::{Kind, Settings, What};
use crate::analyses::Job;
use crate::analyses::shared::ablated::{Becomes, Means, Where};
use crate::analyses::shared::attributed::{heads_axis, index_axis, layer_axis, panel};
use crate::analyses::shared::choices;
use crate::analyses::shared::columns::Align;
use crate::analyses::shared::placed::{Class, Placed};
use crate::analyses::shared::sweeps::in_portion;
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{Axis, AxisKind, Grid, Panel, Part, Values};
use crate::host::Work;
use crate::interventions::sweep::{Sweep, SweepSites};
use crate::interventions::{Effect, Intervention, Scene, Shortcut, Value};
use crate::metrics::{LogitStats, PerPrompt};
use crate::runs::{Readout, Run, parts};
use crate::site::{BlockSite, Site};

/// Runs that are recorded together: clean and corrupted.
const BOTH: u64 = 2;

/// The map of ablations: what is ablated in each cell.
pub(super) struct Map {
    pub(super) what: What,
    pub(super) value: Becomes,
    pub(super) by_position: bool,
    pub(super) note: String,
    pub(super) layers: Vec<usize>,
    /// Heads, or neurons, of a layer.
    pub(super) columns: usize,
    pub(super) n_layers: usize,
    /// All heads, as an axis.
    pub(super) heads: Axis,
    pub(super) lists: Vec<Vec<Intervention>>,
    pub(super) sites: SweepSites,
    pub(super) vocabulary: bool,
}

impl Map {
    pub(super) fn new(settings: &Settings, job: &Job<'_>) -> Result<Self> {
        let config = &job.model.config;
        let by_position = settings.position == Where::Each;
        if by_position && settings.what == What::Neurons {
            return Err(choices::refused(
                "position",
                "neurons are ablated at all positions or at the last; heads and layers at each, too."
                    .to_owned(),
            ));
        }
        let all: Vec<usize> = (0..config.n_layers).collect();
        let layers = if settings.what == What::Neurons {
            choices::layers(&settings.layers, config.n_layers)?
        } else {
            all
        };
        let columns = if settings.what == What::Neurons { config.d_mlp } else { config.n_heads };
        let ablate = |layer: usize, site: BlockSite, index: Option<usize>| {
            vec![settings.value.of(Site::Block(layer, site), index, settings.position)]
        };
        let each = |site: BlockSite| -> Vec<Vec<Intervention>> {
            let row = |&layer: &usize| (0..columns).map(move |index| (layer, index));
            layers.iter().flat_map(row).map(|(layer, index)| ablate(layer, site, Some(index))).collect()
        };
        let lists: Vec<Vec<Intervention>> = match settings.what {
            What::Heads => each(BlockSite::Z),
            What::Neurons => each(BlockSite::MlpPost),
            What::Layers => [BlockSite::AttnOut, BlockSite::MlpOut]
                .into_iter()
                .flat_map(|site| layers.iter().map(move |&layer| (layer, site)))
                .map(|(layer, site)| ablate(layer, site, None))
                .collect(),
        };
        let sites = SweepSites::new(lists.iter().flatten().flat_map(Intervention::sites), config.n_layers);
        Ok(Self {
            what: settings.what,
            value: settings.value,
            by_position,
            note: settings.value.says(settings.position),
            layers,
            columns,
            n_layers: config.n_layers,
            heads: heads_axis(config),
            lists,
            sites,
            vocabulary: settings.probabilities,
        })
    }

    /// How many runs a group takes.
    pub(super) fn runs(&self, job: &Job<'_>, placed: &Placed<'_>) -> usize {
        let asked = |class: &Class| class.lists.iter().filter(|list| in_portion(job, list)).count();
        let of_class =
            |class: &Class| asked(class) * parts(&class.cases, job.model, &self.sites, BOTH).count();
        placed.classes.iter().map(of_class).sum()
    }

    /// The grid, without panels.
    pub(super) fn empty(&self, align: Align) -> Grid {
        let (title, site, rows, columns) = match self.what {
            What::Heads => (
                "Ablated heads",
                Some("attn.hook_z"),
                layer_axis(&self.layers),
                index_axis(AxisKind::Head, "Head", self.columns),
            ),
            What::Neurons => (
                "Ablated neurons",
                Some("mlp.hook_post"),
                layer_axis(&self.layers),
                index_axis(AxisKind::Neuron, "Neuron", self.columns),
            ),
            What::Layers => {
                let ticks = ["attn_out", "mlp_out"].map(str::to_owned).to_vec();
                let rows = Axis { label: String::new(), counts: AxisKind::Other, ticks };
                ("Ablated layers", None, rows, index_axis(AxisKind::Layer, "Layer", self.n_layers))
            }
        };
        let (rows, columns) = match self.what {
            _ if !self.by_position => (rows, columns),
            What::Layers => {
                let layer = |name: &'static str| move |layer: &usize| format!("{layer}_{name}");
                let ticks = ["attn_out", "mlp_out"].into_iter();
                let ticks = ticks.flat_map(|name| self.layers.iter().map(layer(name))).collect();
                (Axis { label: "Layer".to_owned(), counts: AxisKind::Component, ticks }, align.axis())
            }
            _ => (self.heads.clone(), align.axis()),
        };
        Grid {
            title: title.to_owned(),
            note: Some(self.note.clone()),
            site: site.map(str::to_owned),
            rows,
            columns,
            measures: Kind::some(self.vocabulary).map(Kind::measure).collect(),
            panels: Vec::new(),
        }
    }

    /// The figure: lines for neurons, a heat map for everything else.
    pub(super) fn part(&self, grid: Grid) -> Part {
        if self.what == What::Neurons { Part::Line(grid) } else { Part::Heat(grid) }
    }

    /// Gives each cell the mean over the tokens that its column means in the group's clean prompts.
    pub(super) async fn put_means(&self, job: &Job<'_>, placed: &mut Placed<'_>) -> Result<()> {
        let sites: Vec<Site> = self.lists.iter().flatten().map(|one| one.site).collect();
        let means = Means::of(job, placed.group, placed.columns, sites).await?;
        let columns = placed.columns.len();
        for class in &mut placed.classes {
            for (cell, one) in class.cells.iter().zip(class.lists.iter_mut().flatten()) {
                one.effect = Effect::Replace(Value::Tensor(means.at(one, cell % columns, &job.model.config)));
            }
        }
        Ok(())
    }

    /// Runs a group's ablations. `grid` has the panels of earlier groups, for previews.
    pub(super) async fn panel(
        &self,
        job: &Job<'_>,
        placed: &Placed<'_>,
        grid: &Grid,
        work: &mut Work<'_>,
    ) -> Result<Panel> {
        let (model, group) = (job.model, placed.group);
        let room = |runs: usize, prompts: usize| LogitStats::new(runs, prompts, self.vocabulary);
        let prompts = group.cases.len();
        let (mut clean, mut stats) = (room(1, prompts), room(placed.cells, prompts));
        let mut first = 0;
        for class in &placed.classes {
            for cases in parts(&class.cases, model, &self.sites, BOTH) {
                let mut readout = Readout::new(model, cases, self.vocabulary);
                let clean_ids: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
                let mut base = Run::record(model, &clean_ids, &readout, &self.sites).await?;
                let other = match self.value {
                    Becomes::Resample => {
                        let ids: Vec<Vec<u32>> = cases.iter().map(|case| case.corrupted.clone()).collect();
                        Some(Run::record(model, &ids, &readout, &self.sites).await?)
                    }
                    Becomes::Zero | Becomes::Mean => None,
                };
                if self.vocabulary {
                    readout = base.compared_with_itself(model, &readout).await?;
                }
                clean.set_run(0, first, &base.stats);
                let done = first + cases.len();
                let sweep = Sweep {
                    scene: Scene {
                        model,
                        base: &base,
                        other: other.as_ref().unwrap_or(&base),
                        readout: &readout,
                        groups: std::slice::from_ref(group),
                        prompts: &[],
                    },
                    lists: &class.lists,
                    shortcuts: Shortcut::ALL,
                    work: model.budget.work(),
                };
                let mut show = |found: &LogitStats, chunk: &[usize]| {
                    for &list in chunk {
                        stats.copy_run(class.cells[list], first, found, list);
                    }
                    if job.viewer.wants_preview() {
                        let numbers = self.numbers(&stats, &clean, placed, done);
                        let values =
                            numbers.iter().map(|(measure, numbers)| numbers.means(*measure)).collect();
                        let mut grid = grid.clone();
                        grid.panels.push(self.on(placed, values));
                        job.viewer.preview(0, &self.part(grid));
                    }
                };
                let mut found = room(class.lists.len(), cases.len());
                let wanted = |list: usize| in_portion(job, &class.lists[list]);
                sweep.run_some(&wanted, work, &mut found, 0, &mut show).await?;
                first = done;
            }
        }
        let mut values = Vec::new();
        for (measure, numbers) in self.numbers(&stats, &clean, placed, prompts) {
            let numbers = placed.in_order(numbers);
            values.push(numbers.summarise(measure, &group.pairs(), work).await?);
        }
        Ok(self.on(placed, values))
    }

    /// A group's panel.
    fn on(&self, placed: &Placed<'_>, values: Vec<Values>) -> Panel {
        let panel = panel(placed.group, values);
        if self.by_position { placed.columns.on(placed.group, panel) } else { panel }
    }

    /// The index and the numbers of each measure, for the prompts that were run first.
    fn numbers(
        &self,
        stats: &LogitStats,
        clean: &LogitStats,
        placed: &Placed<'_>,
        prompts: usize,
    ) -> Vec<(usize, Numbers)> {
        let present = self.by_position.then(|| placed.columns.present_in(&placed.first(prompts)));
        let of = |(measure, kind): (usize, Kind)| {
            let each = |stats: &LogitStats, run: usize| -> Vec<f64> {
                (0..prompts).map(|prompt| kind.of(stats, clean, run, prompt)).collect()
            };
            let rows = (0..placed.cells).flat_map(|run| each(stats, run)).collect();
            let values = PerPrompt::from_rows(prompts, rows);
            let clean = kind.has_clean().then(|| each(clean, 0));
            let tested = matches!(kind, Kind::Change | Kind::Loss);
            (measure, Numbers { values, clean, corrupted: None, present: present.clone(), tested })
        };
        let kinds = Kind::some(self.vocabulary).enumerate();
        kinds.filter(|(_, kind)| kind.is_defined(clean, prompts)).map(of).collect()
    }
}
