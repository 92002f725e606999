//! Which edges of the model's graph matter? Each is replaced alone, exactly, or its effect is estimated by gradients.

mod compared;

use super::settings::{Spec, choice, count};
use super::shared::attributed::{index_axis, layer_axis, panel};
use super::shared::edges::{self, Method, STEPS, Scoring};
use super::shared::groups::{asked_for, that_differ, usable};
use super::shared::{planted, top};
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::circuits::select::by_size;
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{Axis, AxisKind, Grid, Measure, Part, Quantity, Values};
use crate::gradients::by_node;
use crate::graph::{Graph, Node, edge_name};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, mean};
use crate::portion::{Division, Sizes};
use crate::prompts::PreparedGroup;
use crate::runs::Direction;

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
    steps: usize = count(STEPS, 1, 100),
    /// Whether gradients go through attention patterns, or these are held constant.
    attention: Attention = choice::<Attention>("gradient"),
    /// Of estimates: how many edges, the largest first, are replaced exactly as well, and compared.
    exact: usize = count(0, 0, 1_000_000),
    /// How many of the largest and how many of the smallest are listed.
    top_k: usize = count(10, 1, 100),
}

impl Analyse for Settings {
    const NAME: &'static str = "edge-attribution";
    const TITLE: &'static str = "Edges";
    const DESCRIPTION: &'static str = "What the logit difference loses if one reader (a head\u{2019}s queries, keys or values, an MLP, \
         or the logits) gets what one node wrote from the other run, everything else being as it was: every edge of the model, \
         one at a time.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../../data/transformer-lens/edge_attribution.py"),
        needs: Some(edges::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let graph = Graph::new(&job.model.config);
        let (groups, mut problems) = usable(job)?;
        let groups = asked_for(job, that_differ(groups, &mut problems));
        let scoring = self.scoring();
        let total = groups.iter().map(|group| scoring.steps_of(job, &graph, group)).sum();
        let mut work = Work::new(job.viewer, "Replacing edges", scoring.unit(), total);
        work.done(0).await?;
        let mut edges = self.edges(&graph);
        let mut heads = self.heads(job);
        let mut scores = Vec::new();
        let mut planted = Vec::new();
        for group in &groups {
            let mut show = |scores: &PerPrompt| {
                if job.viewer.wants_preview() {
                    let mut edges = edges.clone();
                    edges.panels.push(panel(group, vec![Numbers::alone(scores.clone()).means(0)]));
                    job.viewer.preview(0, &Part::Edges(edges));
                }
            };
            let found = scoring.of_group(job, &graph, group, &mut work, &mut show).await?;
            let nodes = by_node(&graph, &found);
            planted.push(planted::score(job, &graph, group, None, Some(&means(&found))));
            edges.panels.push(panel(group, vec![summarised(0, group, found.clone(), &work).await?]));
            heads
                .panels
                .push(panel(group, vec![summarised(0, group, of_heads(&graph, &nodes), &work).await?]));
            scores.push(found);
        }
        let largest = if scoring.is_exact() { Vec::new() } else { largest(&scores, self.exact) };
        self.fill_in(job, &graph, &groups, &largest, &mut edges).await?;
        let names = edges.columns.ticks.clone();
        let tables = top::tables(&edges, "Edge", self.top_k, |cell| names[cell].clone());
        let (mut scatter, mut correlations) = (None, Vec::new());
        if !largest.is_empty() {
            let method = self.method.name();
            let compared = compared::Compared { graph: &graph, edges: &largest, method };
            scatter = Some(Part::Scatter(compared.scatter(&edges, change())));
            correlations = compared.tables(&edges);
        }
        let figures = [Part::Edges(edges), Part::Heat(heads)].into_iter().chain(scatter);
        // A group's tables follow one another, as in a study that is put together from shards.
        let tables = tables.into_iter().map(Part::Table).zip(planted);
        let tables = tables.flat_map(|(table, planted)| [Some(table), planted]).flatten();
        let parts = figures.chain(correlations.into_iter().map(Part::Table)).chain(tables).collect();
        Ok(Findings { parts, problems })
    }

    fn division(&self, sizes: &Sizes) -> Result<Division> {
        let passes = match self.method {
            // Its readers times the nodes before them, a quarter of a pass each.
            Method::Exact => 0.25 * 1.5 * ((sizes.n_layers * sizes.n_heads) as f64).powi(2),
            Method::EapIg => 3.0 * self.steps as f64,
            Method::Eap | Method::Relp => 3.0,
        };
        // Which edges are compared is decided over all groups.
        if self.exact > 0 && !self.scoring().is_exact() {
            return Ok(Division::whole(passes));
        }
        Ok(Division::by_group(passes))
    }
}

/// The changes of a group, in a measure.
async fn summarised(
    measure: usize,
    group: &PreparedGroup,
    scores: PerPrompt,
    work: &Work<'_>,
) -> Result<Values> {
    Numbers::changes(scores).summarise(measure, &group.pairs(), work).await
}

/// The mean score of each edge.
fn means(scores: &PerPrompt) -> Vec<f64> {
    (0..scores.rows()).map(|edge| mean(scores.row(edge))).collect()
}

/// The `count` edges with the largest mean score in any group, in the graph's order.
fn largest(groups: &[PerPrompt], count: usize) -> Vec<usize> {
    let size = |edge: usize| groups.iter().map(|scores| mean(scores.row(edge)).abs()).fold(0.0, f64::max);
    let sizes: Vec<f64> = (0..groups.first().map_or(0, PerPrompt::rows)).map(size).collect();
    let mut edges = by_size(&sizes);
    edges.truncate(count);
    edges.sort_unstable();
    edges
}

/// The rows of nodes that are heads, in the order of heads.
fn of_heads(graph: &Graph, nodes: &PerPrompt) -> PerPrompt {
    let heads = graph.nodes().filter(|node| matches!(node, Node::Head(..)));
    let rows = heads.flat_map(|node| nodes.row(graph.node_index(node)).to_vec()).collect();
    PerPrompt::from_rows(nodes.prompts(), rows)
}

impl Settings {
    /// Adds the exact values of some edges as a second measure.
    async fn fill_in(
        &self,
        job: &Job<'_>,
        graph: &Graph,
        groups: &[PreparedGroup],
        some: &[usize],
        edges: &mut Grid,
    ) -> Result<()> {
        if some.is_empty() {
            return Ok(());
        }
        let scoring = self.scoring();
        let total = groups.iter().map(|group| scoring.steps_of_some(job, some.len(), group)).sum();
        let mut work = Work::new(job.viewer, "Replacing edges", ProgressUnit::Patches, total);
        work.done(0).await?;
        edges.measures.push(change());
        for (group, panel) in groups.iter().zip(&mut edges.panels) {
            let exact = scoring.exact_of_some(job, graph, group, some, &mut work).await?;
            panel.values.push(Values { some: true, ..summarised(1, group, exact, &work).await? });
        }
        Ok(())
    }

    fn scoring(&self) -> Scoring {
        Scoring {
            method: self.method,
            direction: self.direction,
            steps: self.steps,
            pattern: self.attention == Attention::Constant,
        }
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
            measures: vec![self.measure()],
            panels: Vec::new(),
        }
    }

    /// What the scores are: exact changes, or estimates of them.
    fn measure(&self) -> Measure {
        if self.scoring().is_exact() {
            return change();
        }
        Measure {
            name: "estimate".to_owned(),
            label: "estimated change of the logit difference".to_owned(),
            ..change()
        }
    }

    /// The figure of heads, without panels.
    fn heads(&self, job: &Job<'_>) -> Grid {
        let config = &job.model.config;
        let note = if self.scoring().is_exact() {
            "The sum of a head\u{2019}s outgoing edges: not what replacing the head does, where its readers depend on each other."
        } else {
            "The sum of a head\u{2019}s outgoing edges, which by gradients is the estimate for the head itself (attribution patching)."
        };
        Grid {
            title: "Outgoing edges of each head, summed".to_owned(),
            note: Some(note.to_owned()),
            site: None,
            rows: layer_axis(&(0..config.n_layers).collect::<Vec<_>>()),
            columns: index_axis(AxisKind::Head, "Head", config.n_heads),
            measures: vec![self.measure()],
            panels: Vec::new(),
        }
    }
}

fn change() -> Measure {
    Measure {
        name: "change".to_owned(),
        label: "change of the logit difference".to_owned(),
        quantity: Quantity::LogitDifference,
        range: None,
        middle: Some(0.0),
    }
}
