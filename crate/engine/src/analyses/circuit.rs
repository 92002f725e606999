//! Does a circuit do the task by itself? Only its edges carry what the clean run writes; what is left of the logit difference says how
//! faithful it is.

use std::collections::BinaryHeap;

use super::settings::{choice, count, text};
use super::shared::attributed::panel;
use super::shared::edges::{Method, RUNS, Scoring};
use super::shared::groups::{asked_for, at_group, of_one_length, that_differ, usable};
use super::{Analyse, Findings, Job, settings};
use crate::bootstrap::Bootstrap;
use crate::circuit::{Circuits, outputs};
use crate::error::{Error, Result};
use crate::figures::summary::Numbers;
use crate::figures::{
    Axis, AxisKind, Cell, Column, Dot, DotSeries, Dots, Grid, Measure, Panel, Part, Quantity, Row, Table,
};
use crate::gradients::output_sites;
use crate::graph::{Graph, edge_name};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, mean};
use crate::names::words;
use crate::portion::{Division, Sizes};
use crate::prompts::{PreparedCase, PreparedGroup};
use crate::runs::{Direction, Runs, parts};
use crate::site::Site;

/// What stands in the place of a node's output where its edge is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum Ablation {
    Resample,
    Mean,
    Zero,
}

/// How edges are chosen by their scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum Select {
    Top,
    Greedy,
}

settings! {
    /// The circuit's edges by name, like input->m0 m0->a1.h3<v> a1.h3->logits. Empty: those with the largest scores.
    edges: String = text(""),
    /// How many edges, if none are named.
    count: usize = count(30, 0, 1_000_000),
    /// By which scores (see edge-attribution).
    by: Method = choice::<Method>("exact"),
    /// top: the largest magnitudes; greedy: from the logits up, so that every edge leads somewhere.
    select: Select = choice::<Select>("greedy"),
    /// What stands in the place of an edge that is missing: what the node writes on the corrupted prompt (resample), its mean over the
    /// group's clean prompts at each position, or nothing.
    ablation: Ablation = choice::<Ablation>("resample"),
}

/// Shares of all edges at which the curve is computed (MIB's).
const SHARES: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

impl Analyse for Settings {
    const NAME: &'static str = "circuit";
    const TITLE: &'static str = "Circuit";
    const DESCRIPTION: &'static str = "What is left of the logit difference if only some edges carry what the clean run writes, and \
         every other what stands in its place: how faithful a circuit is, and how many edges it takes.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let graph = Graph::new(&job.model.config);
        let named = self.named(&graph)?;
        let (groups, mut problems) = usable(job)?;
        let mut groups = that_differ(groups, &mut problems);
        if self.ablation == Ablation::Mean {
            groups = of_one_length(groups, &mut problems);
        }
        let groups = asked_for(job, groups);
        let scoring = Scoring { method: self.by, direction: Direction::Noise, steps: 5, pattern: false };
        let of_group = |group| if named.is_some() { 0 } else { scoring.steps_of(job, &graph, group) };
        let total = groups.iter().map(of_group).sum();
        let mut work = Work::new(job.viewer, "Scoring edges", ProgressUnit::Patches, total);
        work.done(0).await?;
        let (mut picture, mut curve) = (self.picture(&graph), self.curve(&graph));
        let (mut dots, mut tables) = (Vec::new(), Vec::new());
        for group in &groups {
            let scores = match &named {
                Some(_) => None,
                None => Some(scoring.of_group(job, &graph, group, &mut work, &mut |_| {}).await?),
            };
            let order = match (&named, &scores) {
                (Some(edges), _) => edges.clone(),
                (None, Some(scores)) => {
                    let means: Vec<f64> = (0..graph.len()).map(|edge| mean(scores.row(edge))).collect();
                    self.order(&graph, &means)
                }
                (None, None) => Vec::new(),
            };
            let size = if named.is_some() { order.len() } else { self.count.min(graph.len()) };
            let sizes: Vec<usize> = SHARES.map(|share| (share * graph.len() as f64).ceil() as usize).to_vec();
            let mut circuits =
                vec![Vec::new(), (0..graph.len()).collect(), order[..size.min(order.len())].to_vec()];
            if named.is_none() {
                circuits.extend(sizes.iter().map(|&size| order[..size.min(order.len())].to_vec()));
            }
            let found = self.logit_differences(job, &graph, group, &circuits, &work).await?;
            let (empty, full) = (mean(found.row(0)), mean(found.row(1)));
            if (full - empty).abs() < SMALLEST {
                problems.push(at_group(
                    group,
                    "no-effect",
                    format!(
                        "The logit difference of the whole model ({full:.4}) and without any edge ({empty:.4}) are too close to tell \
                         how faithful a circuit is."
                    ),
                ));
                continue;
            }
            let share = |row: usize| {
                found.row(row).iter().map(|number| (number - empty) / (full - empty)).collect::<Vec<f64>>()
            };
            let points: Vec<f64> = (3..circuits.len()).map(|row| mean(&share(row))).collect();
            dots.push(series(group, found.row(2)));
            tables.push(Part::Table(table(group, &found, size, &points)));
            if named.is_none() {
                let rows: Vec<f64> = (3..circuits.len()).flat_map(share).collect();
                let numbers = Numbers::alone(PerPrompt::from_rows(found.prompts(), rows));
                curve.panels.push(panel(group, vec![numbers.summarise(0, &group.pairs(), &work).await?]));
            }
            let members = &circuits[2];
            let score = |edge: usize| scores.as_ref().map_or(1.0, |scores| mean(scores.row(edge)));
            let mut values = Numbers::alone(PerPrompt::new(graph.len(), 0)).means(0);
            values.mean = vec![None; graph.len()];
            for &edge in members {
                values.mean[edge] = Some(score(edge));
            }
            // Columns of edges outside the circuit are empty.
            let is_in = |mean: &Option<f64>| if mean.is_some() { group.cases.len() } else { 0 };
            let counts = Some(values.mean.iter().map(is_in).collect());
            let shown = panel(group, vec![values]);
            picture.panels.push(Panel { counts, prompts: Vec::new(), pairs: Vec::new(), ..shown });
        }
        let curve = (!curve.panels.is_empty()).then_some(Part::Line(curve));
        let picture = (!picture.panels.is_empty()).then_some(Part::Edges(picture));
        let dots = (!dots.is_empty()).then(|| {
            Part::Dots(Dots {
                title: "Logit difference of the circuit, per prompt".to_owned(),
                note: Some("One dot per prompt; the bar is the group\u{2019}s mean.".to_owned()),
                axis: "logit(answer) \u{2212} logit(distractor)".to_owned(),
                quantity: Quantity::LogitDifference,
                series: dots,
            })
        });
        Ok(Findings { parts: picture.into_iter().chain(curve).chain(dots).chain(tables).collect(), problems })
    }

    fn division(&self, _: &Sizes) -> Result<Division> {
        Ok(Division::by_group(30.0))
    }
}

/// Logit differences that are closer than this tell nothing of what lies between.
const SMALLEST: f64 = 0.01;

impl Settings {
    /// The edges that are named. None: they are chosen by scores.
    fn named(&self, graph: &Graph) -> Result<Option<Vec<usize>>> {
        if self.edges.trim().is_empty() {
            return Ok(None);
        }
        let find = |name: &str| {
            graph.edge(name).ok_or_else(|| Error::Setting {
                name: "edges".to_owned(),
                message: format!(
                    "{name:.40?} is no edge of this model. Edges look like input->m0, m0->a1.h3<v> or a1.h3->logits: from what \
                     writes to what reads after it."
                ),
            })
        };
        let mut edges = words(&self.edges).map(find).collect::<Result<Vec<usize>>>()?;
        edges.sort_unstable();
        edges.dedup();
        Ok(Some(edges))
    }

    /// All edges that can be chosen, best first.
    fn order(&self, graph: &Graph, scores: &[f64]) -> Vec<usize> {
        let size = |edge: usize| scores[edge].abs();
        if self.select == Select::Top {
            let mut order: Vec<usize> = (0..graph.len()).collect();
            order.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
            return order;
        }
        // From the logits up: an edge can be chosen once its reader leads to them.
        let all: Vec<_> = graph.edges().collect();
        let mut readers_of = vec![Vec::new(); graph.nodes().len()];
        for reader in graph.readers() {
            if let Some(node) = reader.node() {
                readers_of[graph.node_index(node)].push(reader);
            }
        }
        // Magnitudes are ordered like their bits.
        let candidate = |edge: usize| (size(edge).to_bits(), std::cmp::Reverse(edge));
        let mut open: BinaryHeap<_> = graph.edges_of(crate::graph::Reader::Logits).map(candidate).collect();
        let mut joined = vec![false; readers_of.len()];
        let mut order = Vec::new();
        while let Some((_, std::cmp::Reverse(edge))) = open.pop() {
            order.push(edge);
            let node = graph.node_index(all[edge].0);
            if !std::mem::replace(&mut joined[node], true) {
                open.extend(
                    readers_of[node].iter().flat_map(|&reader| graph.edges_of(reader)).map(candidate),
                );
            }
        }
        order
    }

    /// The logit difference of each circuit and prompt.
    async fn logit_differences(
        &self,
        job: &Job<'_>,
        graph: &Graph,
        group: &PreparedGroup,
        circuits: &[Vec<usize>],
        work: &Work<'_>,
    ) -> Result<PerPrompt> {
        let layers = job.model.config.n_layers;
        let sites: Vec<Site> = output_sites(layers).into_iter().chain([Site::PosEmbed]).collect();
        let mut found = PerPrompt::new(circuits.len(), group.cases.len());
        let means = self.means(job, group, &sites).await?;
        let mut first = 0;
        for cases in parts(&group.cases, job.model, &sites, RUNS) {
            let runs = Runs::record(job.model, cases, false, &sites).await?;
            let instead = match self.ablation {
                Ablation::Resample => outputs(job.model, &runs.corrupted)?,
                Ablation::Zero => {
                    let clean = outputs(job.model, &runs.clean)?;
                    clean.zeros(clean.dims())
                }
                Ablation::Mean => {
                    let [nodes, _, p, d] = means.as_ref().map_or([0; 4], patchlab_kernels::Tensor::dims);
                    let one = means.clone().unwrap_or_else(|| unreachable!("computed for means"));
                    one.expand([nodes, cases.len(), p, d])
                }
            };
            let run = Circuits {
                model: job.model,
                graph,
                clean: &runs.clean,
                readout: &runs.readout,
                instead: &instead,
            };
            for (circuit, edges) in circuits.iter().enumerate() {
                let mut is_in = vec![false; graph.len()];
                edges.iter().for_each(|&edge| is_in[edge] = true);
                let stats = run.run(&is_in).await?;
                let row = &mut found.row_mut(circuit)[first..first + cases.len()];
                row.copy_from_slice(&stats.logit_differences(0));
                work.check().await?;
            }
            first += cases.len();
        }
        Ok(found)
    }

    /// The mean of what each node writes on the group's clean prompts, `[nodes, 1, p, d]`.
    async fn means(
        &self,
        job: &Job<'_>,
        group: &PreparedGroup,
        sites: &Vec<Site>,
    ) -> Result<Option<patchlab_kernels::Tensor<4>>> {
        if self.ablation != Ablation::Mean {
            return Ok(None);
        }
        let mut sum: Option<patchlab_kernels::Tensor<4>> = None;
        for cases in parts(&group.cases, job.model, sites, RUNS) {
            let runs = Runs::record(job.model, cases, false, sites).await?;
            let part = outputs(job.model, &runs.clean)?.sum_dim(1); // [nodes, 1, p, d]
            sum = Some(match sum {
                Some(sum) => sum + part,
                None => part,
            });
        }
        Ok(sum.map(|sum| sum * (1.0 / group.cases.len() as f32)))
    }

    /// The picture of the circuit, without panels.
    fn picture(&self, graph: &Graph) -> Grid {
        let measure =
            if self.edges.trim().is_empty() { "change of the logit difference" } else { "in the circuit" };
        Grid {
            title: "The circuit".to_owned(),
            note: Some("Its edges; of those chosen by their scores, how strong each is.".to_owned()),
            site: None,
            rows: Axis { label: String::new(), counts: AxisKind::Other, ticks: vec![String::new()] },
            columns: Axis {
                label: "Edge".to_owned(),
                counts: AxisKind::Edge,
                ticks: graph.edges().map(edge_name).collect(),
            },
            measures: vec![Measure {
                name: if self.edges.trim().is_empty() { "change" } else { "member" }.to_owned(),
                label: measure.to_owned(),
                quantity: Quantity::LogitDifference,
                range: None,
                middle: Some(0.0),
            }],
            panels: Vec::new(),
        }
    }

    /// The curve of faithfulness over sizes, without panels.
    fn curve(&self, graph: &Graph) -> Grid {
        let ticks = SHARES.map(|share| ((share * graph.len() as f64).ceil() as usize).to_string()).to_vec();
        Grid {
            title: "Faithfulness by number of edges".to_owned(),
            note: Some(
                "(F(C) - F(no edge)) / (F(all edges) - F(no edge)), F being the mean logit difference: 0 without any edge, 1 with all."
                    .to_owned(),
            ),
            site: None,
            rows: Axis { label: String::new(), counts: AxisKind::Other, ticks: vec!["faithfulness".to_owned()] },
            columns: Axis { label: "Edges".to_owned(), counts: AxisKind::Component, ticks },
            measures: vec![Measure {
                name: "faithfulness".to_owned(),
                label: "faithfulness".to_owned(),
                quantity: Quantity::Share,
                range: None,
                middle: Some(0.0),
            }],
            panels: Vec::new(),
        }
    }
}

/// A group's dots.
fn series(group: &PreparedGroup, values: &[f64]) -> DotSeries {
    let dot = |(case, &value): (&PreparedCase, &f64)| Dot { label: case.text.clone(), value };
    DotSeries {
        name: group.name.clone(),
        group: group.group,
        points: group.cases.iter().zip(values).map(dot).collect(),
        mean: mean(values),
        interval: Bootstrap::new(&group.pairs()).and_then(|mut bootstrap| bootstrap.interval(values)),
    }
}

/// What is left of the logit difference, and the usual forms of faithfulness. The first three rows of `found` are no edge, all, and the
/// circuit.
fn table(group: &PreparedGroup, found: &PerPrompt, size: usize, points: &[f64]) -> Table {
    let mut bootstrap = Bootstrap::new(&group.pairs());
    let mut measured = |name: &str, row: usize| {
        let numbers = found.row(row);
        let ends = bootstrap.as_mut().and_then(|bootstrap| bootstrap.interval(numbers));
        let bound = |end: usize| ends.map_or(Cell::Empty, |ends| Cell::Number(ends[end]));
        Row {
            cells: vec![Cell::Text(name.to_owned()), Cell::Number(mean(numbers)), bound(0), bound(1)],
            mark: None,
        }
    };
    let mut rows = vec![
        measured("F(M): all edges", 1),
        measured("F(\u{2205}): no edge", 0),
        measured(&format!("F(C): the circuit, {size} edges"), 2),
    ];
    let [empty, full, circuit] = [0, 1, 2].map(|row| mean(found.row(row)));
    let mut derived = |name: &str, number: f64| {
        rows.push(Row {
            cells: vec![Cell::Text(name.to_owned()), Cell::Number(number), Cell::Empty, Cell::Empty],
            mark: None,
        });
    };
    derived("(F(C) - F(\u{2205})) / (F(M) - F(\u{2205}))", (circuit - empty) / (full - empty));
    derived("F(C) / F(M)", circuit / full);
    derived("|F(M) - F(C)|", (full - circuit).abs());
    if !points.is_empty() {
        derived("area under the curve (CPR)", area(points, |point| point));
        derived("area between the curve and 1 (CMD)", area(points, |point| (1.0 - point).abs()));
    }
    Table {
        title: format!("How faithful it is, {}", group.name),
        note: Some(
            "F is the mean logit difference; areas are over the share of edges, by trapezoids.".to_owned(),
        ),
        group: Some(group.group),
        columns: vec![
            Column::new("", Quantity::Text),
            Column::new("mean", Quantity::LogitDifference),
            Column::plain("95 % interval, from", Quantity::LogitDifference),
            Column::plain("to", Quantity::LogitDifference),
        ],
        rows,
    }
}

/// The area over the shares of edges, by trapezoids (MIB's).
fn area(points: &[f64], height: impl Fn(f64) -> f64) -> f64 {
    let sides = SHARES.windows(2).zip(points.windows(2));
    sides.map(|(x, y)| (x[1] - x[0]) * (height(y[0]) + height(y[1])) / 2.0).sum()
}
