//! Which edges of the model's graph matter? Each is replaced alone, exactly, or its effect is estimated by gradients.

use super::settings::{Spec, choice, count};
use super::shared::attributed::{index_axis, layer_axis, panel};
use super::shared::groups::{asked_for, that_differ, usable};
use super::shared::top;
use super::{Analyse, Findings, Job, settings};
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{Axis, AxisKind, Grid, Measure, Panel, Part, Quantity};
use crate::gradients::{Backward, Rules, by_node, differences, gradient_sites, output_sites};
use crate::graph::{Graph, Node, edge_name};
use crate::host::{ProgressUnit, Work};
use crate::interventions::Scene;
use crate::interventions::edges::EdgeSweep;
use crate::metrics::{LogitStats, PerPrompt};
use crate::portion::{Division, Sizes};
use crate::prompts::{PreparedCase, PreparedGroup};
use crate::runs::{Direction, Runs, parts};
use crate::site::Site;

/// How an edge's effect is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum Method {
    Exact,
    Eap,
    EapIg,
    Relp,
}

/// What the pass back does at attention patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum Attention {
    Gradient,
    Constant,
}

const DIRECTION: Spec<Direction> = choice::<Direction>("noise").described(
    "noise: what a node writes in the corrupted run into the clean run; denoise: the other way round.",
);

settings! {
    /// exact: each edge is replaced alone, and everything after its reader is computed again. Estimates by gradients: eap, on the run
    /// that is changed; eap-ig, the mean over steps between the two prompts; relp, with LayerNorms' divisors and activation factors
    /// held.
    method: Method = choice::<Method>("exact"),
    direction: Direction = DIRECTION,
    /// Steps of eap-ig, from the other prompt's embeddings towards those of the run that is changed, which are left out.
    steps: usize = count(5, 1, 100),
    /// Whether gradients go through attention patterns, or these are held constant.
    attention: Attention = choice::<Attention>("gradient"),
    /// How many of the largest and how many of the smallest are listed.
    top_k: usize = count(10, 1, 100),
}

impl Analyse for Settings {
    const NAME: &'static str = "edge-attribution";
    const TITLE: &'static str = "Edges";
    const DESCRIPTION: &'static str = "What the logit difference loses if one reader (a head\u{2019}s queries, keys or values, an MLP, \
         or the logits) gets what one node wrote from the other run, everything else being as it was: every edge of the model, \
         one at a time.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let graph = Graph::new(&job.model.config);
        let (groups, mut problems) = usable(job)?;
        let groups = asked_for(job, that_differ(groups, &mut problems));
        let total = groups.iter().map(|group| self.steps_of(job, &graph, group)).sum();
        let unit = if self.method == Method::Exact { ProgressUnit::Patches } else { ProgressUnit::Prompts };
        let mut work = Work::new(job.viewer, "Replacing edges", unit, total);
        work.done(0).await?;
        let mut edges = self.edges(&graph);
        let mut heads = self.heads(job);
        for group in &groups {
            let found = self.scores(job, &graph, group, &edges, &mut work).await?;
            let nodes = by_node(&graph, &found);
            edges.panels.push(summarised(group, found, &work).await?);
            heads.panels.push(summarised(group, of_heads(&graph, &nodes), &work).await?);
        }
        let names = edges.columns.ticks.clone();
        let tables = top::tables(&edges, "Edge", self.top_k, |cell| names[cell].clone());
        let figures = [Part::Edges(edges), Part::Heat(heads)];
        let parts = figures.into_iter().chain(tables.into_iter().map(Part::Table)).collect();
        Ok(Findings { parts, problems })
    }

    fn division(&self, sizes: &Sizes) -> Result<Division> {
        let passes = match self.method {
            // Its readers times the nodes before them, a quarter of a pass each.
            Method::Exact => 0.25 * 1.5 * ((sizes.n_layers * sizes.n_heads) as f64).powi(2),
            Method::EapIg => 3.0 * self.steps as f64,
            Method::Eap | Method::Relp => 3.0,
        };
        Ok(Division::by_group(passes))
    }
}

/// A group's panel of changes.
async fn summarised(group: &PreparedGroup, scores: PerPrompt, work: &Work<'_>) -> Result<Panel> {
    let values = Numbers::changes(scores).summarise(0, &group.pairs(), work).await?;
    Ok(panel(group, vec![values]))
}

/// The rows of nodes that are heads, in the order of heads.
fn of_heads(graph: &Graph, nodes: &PerPrompt) -> PerPrompt {
    let heads = graph.nodes().filter(|node| matches!(node, Node::Head(..)));
    let rows = heads.flat_map(|node| nodes.row(graph.node_index(node)).to_vec()).collect();
    PerPrompt::from_rows(nodes.prompts(), rows)
}

impl Settings {
    fn is_exact(&self) -> bool {
        self.method == Method::Exact
    }

    /// What is counted while a group is computed.
    fn steps_of(&self, job: &Job<'_>, graph: &Graph, group: &PreparedGroup) -> usize {
        match self.method {
            Method::Exact => {
                // In each part, edges of prompts that start to differ at the same position are run together.
                let of_part = |cases: &[PreparedCase]| {
                    let start = |case: &PreparedCase| {
                        case.clean
                            .iter()
                            .zip(&case.corrupted)
                            .position(|(clean, corrupted)| clean != corrupted)
                    };
                    let mut starts: Vec<usize> = cases.iter().filter_map(start).collect();
                    starts.sort_unstable();
                    starts.dedup();
                    starts.len()
                };
                self.parts_of(job, group).map(of_part).sum::<usize>() * graph.len()
            }
            _ => group.cases.len(),
        }
    }

    /// A group's prompts in parts that fit the memory budget: what every node writes is held beside the two runs.
    fn parts_of<'a>(
        &self,
        job: &'a Job<'_>,
        group: &'a PreparedGroup,
    ) -> impl Iterator<Item = &'a [PreparedCase]> + use<'a> {
        parts(&group.cases, job.model, &self.sites(job), RUNS).collect::<Vec<_>>().into_iter()
    }

    fn sites(&self, job: &Job<'_>) -> Vec<Site> {
        let layers = job.model.config.n_layers;
        if self.is_exact() {
            return EdgeSweep::sites(layers);
        }
        let mut sites = [output_sites(layers), gradient_sites(layers)].concat();
        sites.sort_unstable();
        sites.dedup();
        sites
    }

    /// The score of every edge and prompt of a group.
    async fn scores(
        &self,
        job: &Job<'_>,
        graph: &Graph,
        group: &PreparedGroup,
        edges: &Grid,
        work: &mut Work<'_>,
    ) -> Result<PerPrompt> {
        let sites = self.sites(job);
        let mut scores = PerPrompt::new(graph.len(), group.cases.len());
        let mut first = 0;
        for cases in self.parts_of(job, group) {
            let runs = Runs::record(job.model, cases, false, &sites).await?;
            let scene = Scene::of(job.model, &runs, self.direction);
            let base = scene.base.stats.logit_differences(0);
            let mut show = |stats: &LogitStats, added: &[usize]| {
                for &edge in added {
                    let row = scores.row_mut(edge)[first..].iter_mut();
                    row.zip(&base).enumerate().for_each(|(prompt, (score, base))| {
                        *score = stats.logit_difference(edge, prompt) - base;
                    });
                }
                if job.viewer.wants_preview() {
                    let mut edges = edges.clone();
                    edges.panels.push(panel(group, vec![Numbers::alone(scores.clone()).means(0)]));
                    job.viewer.preview(0, &Part::Edges(edges));
                }
            };
            if self.is_exact() {
                let sweep = EdgeSweep { scene, graph, work: job.model.budget.work() };
                let mut stats = LogitStats::new(graph.len(), cases.len(), false);
                sweep.run(work, &mut stats, 0, &mut show).await?;
                // Prompts that are the same on both sides were not run: nothing changes there.
                show(&stats, &(0..graph.len()).collect::<Vec<_>>());
            } else {
                let estimated = self.estimated(job, graph, &scene).await?;
                for edge in 0..graph.len() {
                    scores.row_mut(edge)[first..first + cases.len()].copy_from_slice(estimated.row(edge));
                }
                work.done(cases.len()).await?;
            }
            first += cases.len();
        }
        Ok(scores)
    }

    /// Scores by gradients.
    async fn estimated(&self, job: &Job<'_>, graph: &Graph, scene: &Scene<'_>) -> Result<PerPrompt> {
        let Scene { model, base, other, readout, .. } = *scene;
        let backward = Backward {
            model,
            graph,
            rules: Rules {
                relevance: self.method == Method::Relp,
                pattern: self.attention == Attention::Constant,
            },
            compared: readout.compared(),
            differences: &differences(model, base, other)?,
        };
        if self.method != Method::EapIg {
            return backward.scores(&base.cache, &base.batch).await;
        }
        let sites = gradient_sites(job.model.config.n_layers);
        let mut sums = vec![0.0; graph.len() * base.batch.prompts()];
        for step in 0..self.steps {
            let between = backward.between([other, base], step as f32 / self.steps as f32, &sites)?;
            let scores = backward.scores(&between, &base.batch).await?;
            sums.iter_mut().zip(scores.numbers()).for_each(|(sum, score)| *sum += score);
        }
        let mean = sums.into_iter().map(|sum| sum / self.steps as f64).collect();
        Ok(PerPrompt::from_rows(base.batch.prompts(), mean))
    }

    /// The figure of edges, without panels.
    fn edges(&self, graph: &Graph) -> Grid {
        let (title, note) = match self.method {
            Method::Exact => (
                "Edges, exact",
                "The change of the logit difference when a reader gets what one node wrote in the other run, everything else being \
                 as it was, and everything after the reader is computed again.",
            ),
            Method::Eap => (
                "Edges, estimated (EAP)",
                "An estimate to first order, from the gradient on the run that is changed. It misses what saturates: compare with \
                 exact.",
            ),
            Method::EapIg => (
                "Edges, estimated (EAP-IG)",
                "An estimate from the mean gradient between the two prompts\u{2019} embeddings.",
            ),
            Method::Relp => (
                "Edges, estimated (RelP)",
                "An estimate from a pass back in which LayerNorms\u{2019} divisors and activation factors are held.",
            ),
        };
        let ticks = graph.edges().map(edge_name).collect();
        Grid {
            title: title.to_owned(),
            note: Some(note.to_owned()),
            site: None,
            rows: Axis { label: String::new(), counts: AxisKind::Other, ticks: vec![String::new()] },
            columns: Axis { label: "Edge".to_owned(), counts: AxisKind::Edge, ticks },
            measures: vec![change()],
            panels: Vec::new(),
        }
    }

    /// The figure of heads, without panels.
    fn heads(&self, job: &Job<'_>) -> Grid {
        let config = &job.model.config;
        let note = if self.is_exact() {
            "The sum of a head\u{2019}s outgoing edges: not what replacing the head does, where its readers depend on each other."
        } else {
            "The sum of a head\u{2019}s outgoing edges, which by gradients is the estimate for the head itself (attribution patching)."
        };
        Grid {
            title: "Outgoing edges of each head, summed".to_owned(),
            note: Some(note.to_owned()),
            site: Some("attn.hook_result".to_owned()),
            rows: layer_axis(&(0..config.n_layers).collect::<Vec<_>>()),
            columns: index_axis(AxisKind::Head, "Head", config.n_heads),
            measures: vec![change()],
            panels: Vec::new(),
        }
    }
}

/// So many runs' activations are held: both runs', and what every node writes.
const RUNS: u64 = 4;

fn change() -> Measure {
    Measure {
        name: "change".to_owned(),
        label: "change of the logit difference".to_owned(),
        quantity: Quantity::LogitDifference,
        range: None,
        middle: Some(0.0),
    }
}
