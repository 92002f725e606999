//! Completeness: what a circuit and the model do without the same nodes.

use super::{Settings, run, writers};
use crate::analyses::shared::chosen::Chosen;
use crate::analyses::shared::circuits::Test;
use crate::bootstrap::next;
use crate::error::Result;
use crate::figures::{Cell, Column, Measure, Quantity, Row, Scatter, ScatterAxis, ScatterPanel, Table};
use crate::graph::{Graph, Node};
use crate::host::Work;
use crate::metrics::mean;
use crate::prompts::PreparedGroup;

/// Nodes that are taken out together, by index.
pub(super) struct Removed {
    pub name: String,
    nodes: Vec<usize>,
}

/// A circuit's logit difference without some nodes, and the model's, by set.
pub(super) struct Completeness {
    pub sets: Vec<Removed>,
    pub circuit: Vec<f64>,
    pub model: Vec<f64>,
}

impl Settings {
    /// What circuit and model do without some of the circuit's nodes.
    pub(super) async fn completeness(
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
}

impl Completeness {
    /// How far circuit and model are apart, set by set. `none`: F(C) - F(M).
    pub(super) fn table(&self, group: &PreparedGroup, graph: &Graph, none: f64) -> Table {
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

pub(super) fn scatter(names: Vec<String>, panels: Vec<ScatterPanel>) -> Scatter {
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
