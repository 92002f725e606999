//! Minimality: what a circuit loses without each of its nodes.

use super::{MOST_NODES, Settings, run, writers};
use crate::analyses::shared::chosen::Chosen;
use crate::analyses::shared::circuits::Test;
use crate::bootstrap::Bootstrap;
use crate::error::Result;
use crate::figures::{Cell, Column, Quantity, Row, Table};
use crate::graph::Node;
use crate::host::Work;
use crate::metrics::{PerPrompt, mean};

impl Settings {
    /// What the circuit loses without each of its nodes.
    pub(super) async fn minimality(
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
}
