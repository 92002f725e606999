//! Is a circuit complete, is every node of it needed, and is it better than chance?
//!
//! - Completeness (Wang et al. 2022, 3.4): a circuit that has everything does what the model does, also when nodes K are taken out of
//!   both: F(C \ K) = F(M \ K). A node is taken out with all edges from it.
//! - Minimality: taking a node out of the circuit changes what it does, perhaps only when another one is gone already.
//! - Chance: circuits of as many edges, chosen from the logits up by random scores, so that every edge leads somewhere.

mod completeness;
mod minimality;

use super::settings::{count, flag};
use super::shared::chosen::{Asked, BY, COUNT, Choice, Chosen, EDGES, PRUNE, SELECT, Select, THRESHOLD};
use super::shared::circuits::{ABLATION, Ablation, Faithfulness, Test};
use super::shared::edges::Method;
use super::shared::groups::{that_differ, usable};
use super::{Analyse, Findings, Job, settings};
use crate::bootstrap::next;
use crate::circuits::select::from_logits;
use crate::error::Result;
use crate::figures::{Cell, Column, Part, Quantity, Row, ScatterPanel, ScatterValues, Table};
use crate::graph::Graph;
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, mean};
use crate::portion::{Division, Sizes};

settings! {
    edges: String = EDGES,
    count: usize = COUNT,
    by: Method = BY,
    select: Select = SELECT,
    threshold: String = THRESHOLD,
    prune: bool = PRUNE,
    ablation: Ablation = ABLATION,
    /// How many random sets of the circuit's nodes, each node being in half of them, are taken out.
    subsets: usize = count(10, 0, 1000),
    /// How many nodes a greedy search takes out, each the one that moves circuit and model apart the most.
    greedy: usize = count(5, 0, 100),
    /// Whether nodes are also taken out when each of the others is gone: it finds those that stand in for each other. Not for circuits
    /// of more than 40 nodes.
    pairs: bool = flag(true),
    /// How many random circuits of as many edges.
    random: usize = count(50, 0, 10_000),
    /// Another number gives other random sets and circuits.
    seed: usize = count(0, 0, 1_000_000),
}

/// Every pair of more nodes takes too long.
const MOST_NODES: usize = 40;

/// How many circuits are run before progress is reported.
const AT_ONCE: usize = 64;

impl Analyse for Settings {
    const NAME: &'static str = "circuit-tests";
    const TITLE: &'static str = "Circuit under test";
    const DESCRIPTION: &'static str = "A circuit is put to the test. Complete: the same nodes are taken out of it and of the \
         model, and both do the same (points on the diagonal). Minimal: every node is needed, some only when another is gone. Better \
         than chance: random circuits of its size do less.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let graph = Graph::new(&job.model.config);
        let choice = self.choice(&graph)?;
        let (groups, mut problems) = usable(job)?;
        let groups = that_differ(groups, &mut problems);
        let groups = self.ablation.possible(job, groups, &mut problems);
        let groups: Vec<_> =
            groups.into_iter().filter(|(group, _)| job.portion.has_group(group.group)).collect();
        let total = groups.iter().map(|(group, _)| choice.steps_of(job, &graph, group)).sum();
        let mut scoring = Work::new(job.viewer, "Scoring edges", choice.unit(), total);
        scoring.done(0).await?;
        let (mut panels, mut tables, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for usable in &groups {
            let test = Test::new(job, &graph, usable, self.ablation).await?;
            let chosen = choice.of_group(&test, &mut scoring).await?;
            let group = &usable.0;
            let circuits = [Vec::new(), (0..graph.len()).collect(), chosen.members.clone()];
            let base = test.run_lists(&circuits, &scoring).await?;
            let Some(share) = Faithfulness::of(group, &base, &mut problems) else { continue };
            let nodes = nodes_of(&graph, &chosen);
            let mut work = Work::new(
                job.viewer,
                "Testing the circuit",
                ProgressUnit::Circuits,
                self.circuits(nodes.len()),
            );
            let complete = self.completeness(&test, &chosen, &nodes, &mut work).await?;
            names = complete.sets.iter().map(|set| set.name.clone()).collect();
            tables.push(complete.table(group, &graph, mean(base.row(2)) - mean(base.row(1))));
            panels.push(ScatterPanel {
                name: group.name.clone(),
                group: group.group,
                values: vec![ScatterValues { measure: 0, x: complete.model, y: complete.circuit }],
            });
            tables.push(self.minimality(&test, &chosen, &nodes, &base, &mut work).await?);
            if self.random > 0 {
                tables.push(self.against_chance(&test, &chosen, &base, &share, &mut work).await?);
            }
        }
        let scatter = (!panels.is_empty()).then(|| Part::Scatter(completeness::scatter(names, panels)));
        Ok(Findings {
            parts: scatter.into_iter().chain(tables.into_iter().map(Part::Table)).collect(),
            problems,
        })
    }

    fn division(&self, _: &Sizes) -> Result<Division> {
        Ok(Division::by_group(1.5 * self.circuits(20) as f64))
    }
}

/// The nodes that write something in the circuit, by index.
fn nodes_of(graph: &Graph, chosen: &Chosen) -> Vec<usize> {
    let writers = writers(graph);
    let mut nodes: Vec<usize> = chosen.members.iter().map(|&edge| writers[edge]).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// What writes at each edge, by index.
fn writers(graph: &Graph) -> Vec<usize> {
    graph.edges().map(|(node, _)| graph.node_index(node)).collect()
}

impl Settings {
    fn choice(&self, graph: &Graph) -> Result<Choice> {
        let asked = Asked {
            edges: &self.edges,
            count: self.count,
            by: self.by,
            select: self.select,
            threshold: &self.threshold,
            prune: self.prune,
        };
        Choice::new(graph, &asked)
    }

    /// How many circuits are run, about: some sets of nodes may be empty.
    fn circuits(&self, nodes: usize) -> usize {
        let pairs = if self.pairs && nodes <= MOST_NODES { nodes * nodes.saturating_sub(1) / 2 } else { 0 };
        let greedy: usize = (0..self.greedy.min(nodes)).map(|gone| nodes - gone).sum();
        2 * (self.subsets + greedy) + nodes + pairs + self.random
    }

    /// The circuit beside random ones of its size.
    async fn against_chance(
        &self,
        test: &Test<'_>,
        chosen: &Chosen,
        base: &PerPrompt,
        share: &Faithfulness,
        work: &mut Work<'_>,
    ) -> Result<Table> {
        let (graph, size) = (test.graph, chosen.members.len());
        let mut state = (self.seed as u64) << 32;
        let mut random = || -> Vec<usize> {
            let scores: Vec<f64> = (0..graph.len()).map(|_| (next(&mut state) >> 11) as f64).collect();
            from_logits(graph, &scores).into_iter().take(size).collect()
        };
        let circuits: Vec<Vec<usize>> = (0..self.random).map(|_| random()).collect();
        let found = run(test, &circuits, work).await?;
        let mut shares: Vec<f64> =
            (0..found.rows()).map(|row| share.of_number(mean(found.row(row)))).collect();
        shares.sort_by(f64::total_cmp);
        let own = share.of_number(mean(base.row(2)));
        let at = |place: f64| shares[((shares.len() - 1) as f64 * place).round() as usize];
        let reach = shares.iter().filter(|share| **share >= own).count();
        let row = |name: &str, number: f64| Row {
            cells: vec![Cell::Text(name.to_owned()), Cell::Number(number)],
            mark: None,
        };
        Ok(Table {
            title: format!("Better than chance? {}", test.group.name),
            note: Some(format!(
                "Faithfulness, (F(C) - F(\u{2205})) / (F(M) - F(\u{2205})), of {} random circuits of {size} edges, each chosen from the \
                 logits up by random scores.",
                self.random
            )),
            group: Some(test.group.group),
            columns: vec![Column::new("", Quantity::Text), Column::new("faithfulness", Quantity::Share)],
            rows: vec![
                row("the circuit", own),
                row("random: median", at(0.5)),
                row("random: 95 % are below", at(0.95)),
                row("random: largest", at(1.0)),
                // The circuit counts as one of them.
                row(
                    "p: share of them that reach the circuit",
                    (reach + 1) as f64 / (shares.len() + 1) as f64,
                ),
            ],
        })
    }
}

/// The logit difference of each circuit and prompt.
async fn run(test: &Test<'_>, circuits: &[Vec<usize>], work: &mut Work<'_>) -> Result<PerPrompt> {
    let mut numbers = Vec::new();
    for some in circuits.chunks(AT_ONCE) {
        numbers.extend_from_slice(test.run_lists(some, work).await?.numbers());
        work.done(some.len()).await?;
    }
    Ok(PerPrompt::from_rows(test.group.cases.len(), numbers))
}
