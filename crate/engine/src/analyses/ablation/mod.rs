//! What does the clean run lose without it? A head, a layer's output or a neuron ablated in the clean run: set to zero, to its mean, or
//! to the corrupted prompt's (`get_ablation_scores` of ARENA; the measures of Wang et al. 2022 and of circuit papers since).

mod map;

use map::Map;

use super::settings::{choice, count, text};
use super::shared::ablated::{Becomes, VALUE, Where};
use super::shared::choices;
use super::shared::columns::{ALIGN, Align, Columns};
use super::shared::groups::usable;
use super::shared::placed::{Lists, Placed};
use super::shared::sweeps::{self, probabilities};
use super::shared::top;
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::analyses::shared::metric::Metric;
use crate::error::Result;
use crate::figures::{Measure, Part, Quantity};
use crate::host::{ProgressUnit, Work};
use crate::metrics::LogitStats;
use crate::names::Head;
use crate::portion::{Division, Sizes};
use crate::prompts::PreparedGroup;

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
    /// At all positions, at the last one alone, or at each position or role in turn.
    position: Where = choice::<Where>("all"),
    align: Align = ALIGN,
    /// Whose neurons: all layers, or like 8 10 or 3-5.
    layers: String = text("all"),
    /// How many of the largest and how many of the smallest are listed.
    top_k: usize = count(5, 1, 100),
    probabilities: bool = probabilities(true),
}

/// A measure of a map of ablations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of the logit difference, from the clean run's.
    Change,
    /// Rise of the answer's cross-entropy.
    Loss,
    Plain(Metric),
}

impl Kind {
    /// The default one first.
    fn some(vocabulary: bool) -> impl Iterator<Item = Kind> {
        let more = [Kind::Loss].into_iter().chain(Metric::OF_VOCABULARY.map(Kind::Plain));
        let two = [Kind::Change, Kind::Plain(Metric::LogitDifference)];
        two.into_iter().chain(more.filter(move |_| vocabulary))
    }

    fn measure(self) -> Measure {
        let (name, label, quantity) = match self {
            Kind::Change => ("change", "change of the logit difference", Quantity::LogitDifference),
            Kind::Loss => ("loss", "rise of the answer\u{2019}s cross-entropy (nats)", Quantity::Loss),
            Kind::Plain(metric) => return metric.measure(),
        };
        Measure { name: name.to_owned(), label: label.to_owned(), quantity, range: None, middle: Some(0.0) }
    }

    /// The number for one run and prompt, beside the clean run.
    fn of(self, stats: &LogitStats, clean: &LogitStats, run: usize, prompt: usize) -> f64 {
        match self {
            Kind::Change => stats.logit_difference(run, prompt) - clean.logit_difference(0, prompt),
            Kind::Loss => clean.log_probability(0, prompt) - stats.log_probability(run, prompt),
            Kind::Plain(metric) => metric.of(stats, clean, run, prompt),
        }
    }

    /// Whether the unablated run has this number, too.
    fn has_clean(self) -> bool {
        matches!(self, Kind::Plain(metric) if metric != Metric::Divergence)
    }

    /// Whether it means something for the first prompts of a group.
    fn is_defined(self, clean: &LogitStats, prompts: usize) -> bool {
        !matches!(self, Kind::Plain(metric) if !metric.is_defined(clean, prompts))
    }
}

impl Analyse for Settings {
    const NAME: &'static str = "ablation";
    const TITLE: &'static str = "Ablation";
    const DESCRIPTION: &'static str = "What the clean run loses without one head, layer or neuron: it is set to zero, to its \
         mean, or to what it is on the corrupted prompt, and everything after it is computed again.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../../data/transformer-lens/ablation.py"),
        needs: Some(sweeps::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let map = Map::new(self, job)?;
        let (groups, mut problems) = usable(job)?;
        let groups = self.value.possible(groups, self.position, &mut problems);
        let align = self.align.settled(&groups);
        let groups: Vec<(PreparedGroup, Columns)> = if map.by_position {
            align.of_groups(job, groups, &mut problems)
        } else {
            groups.into_iter().map(|group| (group.clone(), Columns::none(&group))).collect()
        };
        let asked = groups.iter().filter(|(group, _)| job.portion.has_group(group.group));
        let lists = [Lists { lists: &map.lists, by_position: map.by_position }];
        let placed = asked.map(|(group, columns)| Placed::new(group, columns, &lists));
        let mut placed: Vec<Placed<'_>> = placed.collect();
        let total = placed.iter().map(|placed| map.runs(job, placed)).sum();
        let mut work = Work::new(job.viewer, "Ablating", ProgressUnit::Patches, total);
        work.done(0).await?;
        let mut grid = map.empty(align);
        for placed in &mut placed {
            if map.by_position && map.value == Becomes::Mean {
                map.put_means(job, placed).await?;
            }
            let panel = map.panel(job, placed, &grid, &mut work).await?;
            grid.panels.push(panel);
        }
        let heads = (map.what == What::Heads && !map.by_position).then(|| {
            let name = |cell: usize| Head { layer: cell / map.columns, head: cell % map.columns }.to_string();
            top::tables(&grid, "Head", self.top_k, name)
        });
        let mut parts = vec![map.part(grid)];
        parts.extend(heads.into_iter().flatten().map(Part::Table));
        if job.portion.layers.is_none() {
            parts.extend(self.derived(&parts));
        }
        Ok(Findings { parts, problems })
    }

    fn division(&self, sizes: &Sizes) -> Result<Division> {
        if self.what == What::Neurons {
            let layers = choices::layers(&self.layers, sizes.n_layers)?;
            let passes = Sizes::neurons(layers.len() * sizes.d_mlp, self.probabilities);
            return Ok(Division { layers, ..Division::by_group(passes) });
        }
        let ablated = if self.what == What::Heads { sizes.heads() } else { 2 * sizes.n_layers };
        let places = if self.position == Where::Each { sizes.positions } else { 1 };
        Ok(Division::by_group(Sizes::patches(ablated * places, self.probabilities)))
    }

    fn derived(&self, parts: &[Part]) -> Vec<Part> {
        top::of_neurons(parts, self.top_k)
    }
}
