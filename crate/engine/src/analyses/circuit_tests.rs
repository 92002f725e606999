//! Is a circuit complete, is every node of it needed, and is it better than chance?
//!
//! - Completeness (Wang et al. 2022, 3.4): a circuit that has everything does what the model does, also when nodes K are taken out of
//!   both: F(C \ K) = F(M \ K). A node is taken out with all edges from it.
//! - Minimality: taking a node out of the circuit changes what it does, perhaps only when another one is gone already.
//! - Chance: circuits of as many edges, chosen from the logits up by random scores, so that every edge leads somewhere.

use super::settings::{count, flag};
use super::shared::circuits::{
    ABLATION, Ablation, Asked, BY, COUNT, Choice, Chosen, EDGES, Faithfulness, PRUNE, SELECT, Select,
    THRESHOLD, Test,
};
use super::shared::edges::Method;
use super::shared::groups::{that_differ, usable};
use super::{Analyse, Findings, Job, settings};
use crate::bootstrap::{Bootstrap, next};
use crate::circuits::select::from_logits;
use crate::error::Result;
use crate::figures::{
    Cell, Column, Measure, Part, Quantity, Row, Scatter, ScatterAxis, ScatterPanel, ScatterValues, Table,
};
use crate::graph::{Graph, Node};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, mean};
use crate::portion::{Division, Sizes};
use crate::prompts::PreparedGroup;

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

/// Nodes that are taken out together, by index.
struct Removed {
    name: String,
    nodes: Vec<usize>,
}

/// A circuit's logit difference without some nodes, and the model's, by set.
struct Completeness {
    sets: Vec<Removed>,
    circuit: Vec<f64>,
    model: Vec<f64>,
}

impl Analyse for Settings {
    const NAME: &'static str = "circuit-tests";
    const TITLE: &'static str = "Circuit under test";
    const DESCRIPTION: &'static str = "Whether a circuit is complete (without some of its nodes it does what the model does without \
         them), minimal (each node is needed, perhaps only when another is gone) and better than random circuits of its size.";

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
        let scatter = (!panels.is_empty()).then(|| Part::Scatter(scatter(names, panels)));
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

    /// What circuit and model do without some of the circuit's nodes.
    async fn completeness(
        &self,
        test: &Test<'_>,
        chosen: &Chosen,
        nodes: &[usize],
        work: &mut Work<'_>,
    ) -> Result<Completeness> {
        let graph = test.graph;
        let all: Vec<Node> = graph.nodes().collect();
        let those = |name: &str, is_of: &dyn Fn(Node) -> bool| Removed {
            name: name.to_owned(),
            nodes: nodes.iter().copied().filter(|&node| is_of(all[node])).collect(),
        };
        let mut sets = vec![
            those("nothing", &|_| false),
            those("all heads", &|node| matches!(node, Node::Head(..))),
            those("all MLPs", &|node| matches!(node, Node::Mlp(_))),
        ];
        for layer in 0..graph.n_layers() {
            let is_of = |node| matches!(node, Node::Head(own, _) | Node::Mlp(own) if own == layer);
            sets.push(those(&format!("layer {layer}"), &is_of));
        }
        let mut state = self.seed as u64;
        for set in 1..=self.subsets {
            let nodes = nodes.iter().copied().filter(|_| next(&mut state) >> 63 == 1).collect();
            sets.push(Removed { name: format!("random {set}"), nodes });
        }
        let (mut circuit, mut model) = self.apart(test, chosen, &sets, work).await?;
        let mut gone = Vec::new();
        for step in 1..=self.greedy.min(nodes.len()) {
            let left = nodes.iter().filter(|node| !gone.contains(*node));
            let more: Vec<Removed> = left
                .map(|&node| Removed {
                    name: format!("greedy {step}"),
                    nodes: gone.iter().copied().chain([node]).collect(),
                })
                .collect();
            let (circuits, models) = self.apart(test, chosen, &more, work).await?;
            let distance = |set: &usize| (circuits[*set] - models[*set]).abs();
            let Some(worst) = (0..more.len()).max_by(|a, b| distance(a).total_cmp(&distance(b))) else {
                break;
            };
            circuit.push(circuits[worst]);
            model.push(models[worst]);
            let worst = more.into_iter().nth(worst);
            gone = worst.as_ref().map(|set| set.nodes.clone()).unwrap_or_default();
            sets.extend(worst);
        }
        // Circuits of other groups may have more nodes: every group has a point for every set.
        for step in nodes.len() + 1..=self.greedy {
            sets.push(Removed { name: format!("greedy {step}"), nodes: gone.clone() });
            circuit.push(circuit.last().copied().unwrap_or(f64::NAN));
            model.push(model.last().copied().unwrap_or(f64::NAN));
        }
        Ok(Completeness { sets, circuit, model })
    }

    /// The mean logit differences of the circuit and of the model without each set.
    async fn apart(
        &self,
        test: &Test<'_>,
        chosen: &Chosen,
        sets: &[Removed],
        work: &mut Work<'_>,
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        let everything: Vec<usize> = (0..test.graph.len()).collect();
        let writers = writers(test.graph);
        let without = |edges: &[usize], set: &Removed| -> Vec<usize> {
            edges.iter().copied().filter(|&edge| !set.nodes.contains(&writers[edge])).collect()
        };
        let ours = sets.iter().map(|set| without(&chosen.members, set));
        let theirs = sets.iter().map(|set| without(&everything, set));
        let found = run(test, &ours.chain(theirs).collect::<Vec<_>>(), work).await?;
        let mut means: Vec<f64> = (0..found.rows()).map(|row| mean(found.row(row))).collect();
        let model = means.split_off(sets.len());
        Ok((means, model))
    }

    /// What the circuit loses without each of its nodes.
    async fn minimality(
        &self,
        test: &Test<'_>,
        chosen: &Chosen,
        nodes: &[usize],
        base: &PerPrompt,
        work: &mut Work<'_>,
    ) -> Result<Table> {
        let writers = writers(test.graph);
        let without = |gone: &[usize]| -> Vec<usize> {
            chosen.members.iter().copied().filter(|&edge| !gone.contains(&writers[edge])).collect()
        };
        let pairs = self.pairs && nodes.len() <= MOST_NODES;
        let mut gone: Vec<Vec<usize>> = nodes.iter().map(|&node| vec![node]).collect();
        if pairs {
            for (index, &one) in nodes.iter().enumerate() {
                gone.extend(nodes[index + 1..].iter().map(|&other| vec![one, other]));
            }
        }
        let circuits: Vec<Vec<usize>> = gone.iter().map(|gone| without(gone)).collect();
        let found = run(test, &circuits, work).await?;
        let whole = mean(base.row(1)).abs();
        let all: Vec<Node> = test.graph.nodes().collect();
        let mut bootstrap = Bootstrap::new(&test.group.pairs());
        let mut rows: Vec<(f64, Row)> = Vec::new();
        for (place, &node) in nodes.iter().enumerate() {
            let change = |row: usize, from: &[f64]| -> Vec<f64> {
                found.row(row).iter().zip(from).map(|(after, before)| after - before).collect()
            };
            let alone = change(place, base.row(2));
            let ends = bootstrap.as_mut().and_then(|bootstrap| bootstrap.interval(&alone));
            let bound = |end: usize| ends.map_or(Cell::Empty, |ends| Cell::Number(ends[end]));
            // After each other node: what is left without both, less what is left without the other.
            let after = gone.iter().enumerate().skip(nodes.len()).filter(|(_, gone)| gone.contains(&node));
            let after = after.filter_map(|(row, gone)| {
                let other = gone.iter().position(|own| *own != node).map(|place| gone[place])?;
                let without = nodes.iter().position(|own| *own == other)?;
                Some((mean(&change(row, found.row(without))), other))
            });
            let most = after.max_by(|(a, _), (b, _)| a.abs().total_cmp(&b.abs()));
            let mut cells = vec![
                Cell::Text(all[node].to_string()),
                Cell::Number(mean(&alone)),
                bound(0),
                bound(1),
                Cell::Number(mean(&alone).abs() / whole),
            ];
            if pairs {
                cells.push(most.map_or(Cell::Empty, |(_, other)| Cell::Text(all[other].to_string())));
                cells.push(most.map_or(Cell::Empty, |(change, _)| Cell::Number(change)));
            }
            let size = most.map_or(0.0, |(change, _)| change.abs()).max(mean(&alone).abs());
            rows.push((size, Row { cells, mark: None }));
        }
        rows.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let change = |name| Column::plain(name, Quantity::LogitDifference);
        let mut columns = vec![
            Column::new("node", Quantity::Text),
            Column::new("F(C \\ v) \u{2212} F(C)", Quantity::LogitDifference),
            change("95 % interval, from"),
            change("to"),
            Column::plain("of |F(M)|", Quantity::Share),
        ];
        if pairs {
            columns.push(Column::new("most after", Quantity::Text));
            columns.push(change("F(C \\ u, v) \u{2212} F(C \\ u)"));
        }
        Ok(Table {
            title: format!("Is every node needed? {}", test.group.name),
            note: Some(
                "What the circuit\u{2019}s logit difference changes by without each node v: alone, and after the one other node u of the \
                 circuit that makes it matter most. A node near 0 in both is not needed."
                    .to_owned(),
            ),
            group: Some(test.group.group),
            columns,
            rows: rows.into_iter().map(|(_, row)| row).collect(),
        })
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

impl Completeness {
    /// How far circuit and model are apart, set by set. `none`: F(C) - F(M).
    fn table(&self, group: &PreparedGroup, graph: &Graph, none: f64) -> Table {
        let all: Vec<Node> = graph.nodes().collect();
        let row = |(set, (circuit, model)): (&Removed, (&f64, &f64))| {
            let names: Vec<String> = set.nodes.iter().map(|&node| all[node].to_string()).collect();
            Row {
                cells: vec![
                    Cell::Text(set.name.clone()),
                    Cell::Text(names.join(" ")),
                    Cell::Number(*circuit),
                    Cell::Number(*model),
                    Cell::Number(circuit - model),
                ],
                mark: None,
            }
        };
        let sets = self.sets.iter().zip(self.circuit.iter().zip(&self.model));
        Table {
            title: format!("Is it complete? {}", group.name),
            note: Some(format!(
                "The mean logit difference of the circuit and of the model without the same nodes. A complete circuit differs by as \
                 little as without removing any ({none:.4})."
            )),
            group: Some(group.group),
            columns: vec![
                Column::new("removed", Quantity::Text),
                Column::new("nodes", Quantity::Text),
                Column::new("F(C \\ K)", Quantity::LogitDifference),
                Column::new("F(M \\ K)", Quantity::LogitDifference),
                Column::new("difference", Quantity::LogitDifference),
            ],
            rows: sets.map(row).collect(),
        }
    }
}

fn scatter(names: Vec<String>, panels: Vec<ScatterPanel>) -> Scatter {
    Scatter {
        title: "Circuit and model without the same nodes".to_owned(),
        note: Some(
            "A point for each set of nodes K that is taken out of both. A complete circuit has all points on the diagonal.".to_owned(),
        ),
        x: ScatterAxis { label: "model without K".to_owned() },
        y: ScatterAxis { label: "circuit without K".to_owned() },
        alike: true,
        measures: vec![Measure {
            name: "logit-diff".to_owned(),
            label: "mean logit difference".to_owned(),
            quantity: Quantity::LogitDifference,
            range: None,
            middle: Some(0.0),
        }],
        layers: Vec::new(),
        names,
        panels,
    }
}
