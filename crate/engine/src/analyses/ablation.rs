//! What does the clean run lose without it? A head, a layer's output or a neuron ablated in the clean run: set to zero, to its mean, or
//! to the corrupted prompt's (`get_ablation_scores` of ARENA; the measures of Wang et al. 2022 and of circuit papers since).

use super::settings::{choice, count, text};
use super::shared::ablated::{Becomes, VALUE, Where};
use super::shared::attributed::{index_axis, layer_axis, panel};
use super::shared::choices;
use super::shared::groups::usable;
use super::shared::likely;
use super::shared::sweeps::{self, probabilities};
use super::shared::top;
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{Axis, AxisKind, Grid, Measure, Panel, Part, Quantity};
use crate::host::{ProgressUnit, Work};
use crate::interventions::sweep::{Sweep, SweepSites};
use crate::interventions::{Intervention, Scene, Shortcut};
use crate::metrics::{LogitStats, PerPrompt, log_sum_exp};
use crate::model::hooks::SiteFilter;
use crate::names::{Head, Neuron};
use crate::prompts::PreparedGroup;
use crate::runs::{Readout, Run, Runs, parts};
use crate::site::{BlockSite, Site};

/// What is ablated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum What {
    Heads,
    Layers,
    Neurons,
}

settings! {
    /// What is ablated, one at a time: each head's output z, each layer's attn_out and mlp_out, or each neuron.
    what: What = choice::<What>("heads"),
    value: Becomes = VALUE,
    /// At all positions, or at the last one alone.
    position: Where = choice::<Where>("all"),
    /// Whose neurons: all layers, or like 8 10 or 3-5.
    layers: String = text("all"),
    /// How many of the largest and how many of the smallest are listed.
    top_k: usize = count(5, 1, 100),
    probabilities: bool = probabilities(true),
}

/// The measures, the default one first; those from the third on need the whole vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Change,
    LogitDifference,
    Divergence,
    Loss,
    Probability,
    Rank,
}

impl Kind {
    const ALL: [Kind; 6] =
        [Kind::Change, Kind::LogitDifference, Kind::Divergence, Kind::Loss, Kind::Probability, Kind::Rank];

    fn some(vocabulary: bool) -> &'static [Kind] {
        if vocabulary { &Self::ALL } else { &Self::ALL[..2] }
    }

    fn measure(self) -> Measure {
        let (name, label, quantity, range, middle) = match self {
            Kind::Change => {
                ("change", "change of the logit difference", Quantity::LogitDifference, None, Some(0.0))
            }
            Kind::LogitDifference => {
                ("logit-diff", "logit difference", Quantity::LogitDifference, None, Some(0.0))
            }
            Kind::Divergence => {
                ("kl", "KL divergence from the clean next tokens (nats)", Quantity::Loss, None, None)
            }
            Kind::Loss => {
                ("loss", "rise of the answer\u{2019}s cross-entropy (nats)", Quantity::Loss, None, Some(0.0))
            }
            Kind::Probability => {
                ("probability", "probability of the answer", Quantity::Probability, Some([0.0, 1.0]), None)
            }
            Kind::Rank => ("rank", "rank of the answer", Quantity::Count, None, None),
        };
        Measure { name: name.to_owned(), label: label.to_owned(), quantity, range, middle }
    }

    /// The number for one run and prompt, beside the clean run.
    fn of(self, stats: &LogitStats, clean: &LogitStats, run: usize, prompt: usize) -> f64 {
        let log_probability = |stats: &LogitStats, run: usize| {
            let norm = stats
                .vocabulary
                .as_ref()
                .map_or(f64::NAN, |vocabulary| vocabulary.log_sum_exp.row(run)[prompt]);
            stats.answer.row(run)[prompt] - norm
        };
        match self {
            Kind::Change => stats.logit_difference(run, prompt) - clean.logit_difference(0, prompt),
            Kind::LogitDifference => stats.logit_difference(run, prompt),
            Kind::Divergence => stats.divergence(clean, run, prompt),
            Kind::Loss => log_probability(clean, 0) - log_probability(stats, run),
            Kind::Probability => log_probability(stats, run).exp(),
            Kind::Rank => {
                stats.vocabulary.as_ref().map_or(f64::NAN, |vocabulary| vocabulary.rank.row(run)[prompt])
            }
        }
    }

    /// Whether the unablated run has this number, too.
    fn has_clean(self) -> bool {
        matches!(self, Kind::LogitDifference | Kind::Probability | Kind::Rank)
    }
}

impl Analyse for Settings {
    const NAME: &'static str = "ablation";
    const TITLE: &'static str = "Ablation";
    const DESCRIPTION: &'static str = "What the clean run loses without one head, layer or neuron: it is set to zero, to its \
         mean, or to what it is on the corrupted prompt, and everything after it is computed again.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/ablation.py"),
        needs: Some(sweeps::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let map = Map::new(self, job)?;
        let (mut groups, mut problems) = usable(job)?;
        groups = self.value.possible(groups, &mut problems);
        let total = groups
            .iter()
            .map(|group| map.lists.len() * parts(&group.cases, job.model, &map.sites, BOTH).count())
            .sum();
        let mut work = Work::new(job.viewer, "Ablating", ProgressUnit::Patches, total);
        work.done(0).await?;
        let mut grid = map.empty();
        for group in &groups {
            let panel = map.panel(job, group, &grid, &mut work).await?;
            grid.panels.push(panel);
        }
        let tables = match map.what {
            What::Layers => Vec::new(),
            _ => top::tables(
                &grid,
                if map.what == What::Heads { "Head" } else { "Neuron" },
                self.top_k,
                |cell| map.name(cell),
            ),
        };
        let parts = [map.part(grid)].into_iter().chain(tables.into_iter().map(Part::Table)).collect();
        Ok(Findings { parts, problems })
    }
}

/// Runs that are recorded together: clean and corrupted.
const BOTH: u64 = 2;

/// What a sweep needs, and the last LayerNorm's output, from which the clean distribution follows.
#[derive(Debug)]
struct Sites(SweepSites);

impl SiteFilter for Sites {
    fn includes(&self, site: Site) -> bool {
        site == Site::FinalNormalized || self.0.includes(site)
    }
}

/// The map of ablations: what is ablated in each cell.
struct Map {
    what: What,
    note: String,
    layers: Vec<usize>,
    /// Heads, or neurons, of a layer.
    columns: usize,
    n_layers: usize,
    lists: Vec<Vec<Intervention>>,
    sites: Sites,
    vocabulary: bool,
}

impl Map {
    fn new(settings: &Settings, job: &Job<'_>) -> Result<Self> {
        let config = &job.model.config;
        let all: Vec<usize> = (0..config.n_layers).collect();
        let layers =
            if settings.what == What::Neurons { choices::layers(&settings.layers, config)? } else { all };
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
            note: settings.value.says(settings.position),
            layers,
            columns,
            n_layers: config.n_layers,
            lists,
            sites: Sites(sites),
            vocabulary: settings.probabilities,
        })
    }

    /// The name of what a cell ablates.
    fn name(&self, cell: usize) -> String {
        let (layer, index) = (self.layers[cell / self.columns], cell % self.columns);
        match self.what {
            What::Neurons => Neuron { layer, neuron: index }.to_string(),
            _ => Head { layer, head: index }.to_string(),
        }
    }

    /// The grid, without panels.
    fn empty(&self) -> Grid {
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
        Grid {
            title: title.to_owned(),
            note: Some(self.note.clone()),
            site: site.map(str::to_owned),
            rows,
            columns,
            measures: Kind::some(self.vocabulary).iter().map(|kind| kind.measure()).collect(),
            panels: Vec::new(),
        }
    }

    /// The figure: lines for neurons, a heat map for everything else.
    fn part(&self, grid: Grid) -> Part {
        if self.what == What::Neurons { Part::Line(grid) } else { Part::Heat(grid) }
    }

    /// Runs a group's ablations. `grid` has the panels of earlier groups, for previews.
    async fn panel(
        &self,
        job: &Job<'_>,
        group: &PreparedGroup,
        grid: &Grid,
        work: &mut Work<'_>,
    ) -> Result<Panel> {
        let (model, prompts) = (job.model, group.cases.len());
        let room = |runs: usize| {
            let stats = LogitStats::new(runs, prompts, self.vocabulary);
            if self.vocabulary { stats.with_expected() } else { stats }
        };
        let (mut clean, mut stats) = (room(1), room(self.lists.len()));
        let mut first = 0;
        for cases in parts(&group.cases, model, &self.sites, BOTH) {
            let runs = Runs::record(model, cases, self.vocabulary, &self.sites).await?;
            let mut base = runs.clean.clone();
            let mut readout = runs.readout.clone();
            if self.vocabulary {
                readout = readout.compared_with(model, &distributions(job, &base).await?);
                base.stats = again(job, &base, &readout).await?;
            }
            clean.set_run(0, first, &base.stats);
            let done = first + cases.len();
            let sweep = Sweep {
                scene: Scene {
                    model,
                    base: &base,
                    other: &runs.corrupted,
                    readout: &readout,
                    groups: std::slice::from_ref(group),
                    prompts: &[],
                },
                lists: &self.lists,
                shortcuts: Shortcut::ALL,
                work: model.budget.work(),
            };
            let known = clean.clone();
            let mut show = |stats: &LogitStats, _: &[usize]| {
                if job.viewer.wants_preview() {
                    let numbers = self.numbers(stats, &known, done);
                    let values = numbers.iter().map(|(measure, numbers)| numbers.means(*measure)).collect();
                    let mut grid = grid.clone();
                    grid.panels.push(panel(group, values));
                    job.viewer.preview(0, &self.part(grid));
                }
            };
            sweep.run(work, &mut stats, first, &mut show).await?;
            first = done;
        }
        let mut values = Vec::new();
        for (measure, numbers) in self.numbers(&stats, &clean, prompts) {
            values.push(numbers.summarise(measure, work).await?);
        }
        Ok(panel(group, values))
    }

    /// The index and the numbers of each measure, for the first prompts.
    fn numbers(&self, stats: &LogitStats, clean: &LogitStats, prompts: usize) -> Vec<(usize, Numbers)> {
        let of = |(measure, kind): (usize, &Kind)| {
            let each = |stats: &LogitStats, run: usize| -> Vec<f64> {
                (0..prompts).map(|prompt| kind.of(stats, clean, run, prompt)).collect()
            };
            let rows = (0..self.lists.len()).flat_map(|run| each(stats, run)).collect();
            let values = PerPrompt::from_rows(prompts, rows);
            (measure, Numbers { values, clean: kind.has_clean().then(|| each(clean, 0)), corrupted: None })
        };
        Kind::some(self.vocabulary).iter().enumerate().map(of).collect()
    }
}

/// The probability of each next token after each prompt of a run.
async fn distributions(job: &Job<'_>, run: &Run) -> Result<Vec<Vec<f64>>> {
    let last = job.model.last(run.cache.tensor(Site::FinalNormalized)?, &run.batch); // [b, d]
    let mut found = Vec::new();
    likely::each(job, last, |_, logits| {
        let norm = log_sum_exp(&logits);
        found.push(logits.into_iter().map(|logit| (f64::from(logit) - norm).exp()).collect());
    })
    .await?;
    Ok(found)
}

/// What another readout reads of a run.
async fn again(job: &Job<'_>, run: &Run, readout: &Readout) -> Result<LogitStats> {
    let last = job.model.last(run.cache.tensor(Site::FinalNormalized)?, &run.batch); // [b, d]
    Ok(readout.stats(&crate::readback::read(readout.of(job.model, last)).await?))
}
