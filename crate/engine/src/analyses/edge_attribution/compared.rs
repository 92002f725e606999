//! Estimates of edges beside their exact values.

use crate::figures::{
    Cell, Column, Grid, Measure, Panel, Quantity, Row, Scatter, ScatterAxis, ScatterPanel, ScatterValues,
    Table,
};
use crate::graph::{Graph, Node, Part, Reader, edge_name};
use crate::metrics::mean;

/// The edges that are compared, by index, the graph they are of, and how they are drawn.
pub(super) struct Compared<'a> {
    pub graph: &'a Graph,
    pub edges: &'a [usize],
    /// How the estimate is called.
    pub method: &'a str,
}

/// Which edges a row of the table is about.
struct Kind {
    name: &'static str,
    is_of: fn(Node, Reader) -> bool,
}

const KINDS: [Kind; 9] = [
    Kind { name: "all", is_of: |_, _| true },
    Kind { name: "into queries", is_of: |_, reader| matches!(reader, Reader::Head(_, _, Part::Q)) },
    Kind { name: "into keys", is_of: |_, reader| matches!(reader, Reader::Head(_, _, Part::K)) },
    Kind { name: "into values", is_of: |_, reader| matches!(reader, Reader::Head(_, _, Part::V)) },
    Kind { name: "into MLPs", is_of: |_, reader| matches!(reader, Reader::Mlp(_)) },
    Kind { name: "into the logits", is_of: |_, reader| matches!(reader, Reader::Logits) },
    Kind { name: "from the embeddings", is_of: |node, _| matches!(node, Node::Input) },
    Kind { name: "from heads", is_of: |node, _| matches!(node, Node::Head(..)) },
    Kind { name: "from MLPs", is_of: |node, _| matches!(node, Node::Mlp(_)) },
];

/// Fewer points say nothing of a correlation.
const FEWEST: usize = 4;

impl Compared<'_> {
    /// Exact values against estimates. The first two measures of the grid are the estimate and the exact value.
    pub(super) fn scatter(&self, grid: &Grid, measure: Measure) -> Scatter {
        let all: Vec<_> = self.graph.edges().collect();
        let layer = |edge: &usize| match all[*edge].1 {
            Reader::Head(layer, ..) | Reader::Mlp(layer) => layer,
            Reader::Logits => self.graph.n_layers() - 1,
        };
        let panels = grid.panels.iter().map(|panel| {
            let [estimated, exact] = self.numbers(panel);
            let values = vec![ScatterValues { measure: 0, x: exact, y: estimated }];
            ScatterPanel { name: panel.name.clone(), group: panel.group, values }
        });
        Scatter {
            title: "Estimates against exact values".to_owned(),
            note: Some(format!(
                "The {} edges whose estimates are largest. On the diagonal the estimate is right; coloured by the layer that reads.",
                self.edges.len()
            )),
            x: ScatterAxis { label: "exact".to_owned() },
            y: ScatterAxis { label: self.method.to_owned() },
            alike: true,
            measures: vec![measure],
            names: self.edges.iter().map(|&edge| edge_name(all[edge])).collect(),
            layers: self.edges.iter().map(layer).collect(),
            panels: panels.collect(),
        }
    }

    /// A panel's means, estimated and exact, of the compared edges.
    fn numbers(&self, panel: &Panel) -> [Vec<f64>; 2] {
        [0, 1].map(|measure| {
            let values = &panel.values[measure].mean;
            self.edges.iter().map(|&edge| values[edge].unwrap_or(f64::NAN)).collect()
        })
    }

    /// For each group, how well estimates and exact values agree, by kinds of edges.
    pub(super) fn tables(&self, grid: &Grid) -> Vec<Table> {
        let all: Vec<_> = self.graph.edges().collect();
        let table = |panel: &Panel| {
            let [estimated, exact] = self.numbers(panel);
            let row = |kind: &Kind| {
                let is_of = |place: &usize| {
                    let (node, reader) = all[self.edges[*place]];
                    (kind.is_of)(node, reader)
                };
                let places: Vec<usize> = (0..self.edges.len()).filter(is_of).collect();
                let of = |numbers: &[f64]| places.iter().map(|&place| numbers[place]).collect::<Vec<f64>>();
                let (ours, theirs) = (of(&estimated), of(&exact));
                let number = |number: Option<f64>| number.map_or(Cell::Empty, Cell::Number);
                let known = places.len() >= FEWEST;
                let cells = vec![
                    Cell::Text(kind.name.to_owned()),
                    Cell::Number(places.len() as f64),
                    number(known.then(|| pearson(&ours, &theirs)).flatten()),
                    number(known.then(|| pearson(&ranks(&ours), &ranks(&theirs))).flatten()),
                ];
                Row { cells, mark: None }
            };
            Table {
                title: format!("How well estimates agree, {}", panel.name),
                note: Some(
                    "Correlations of the mean estimates with the mean exact values, over edges: Pearson\u{2019}s, and Spearman\u{2019}s of \
                     their ranks."
                        .to_owned(),
                ),
                group: Some(panel.group),
                columns: vec![
                    Column::new("edges", Quantity::Text),
                    Column::plain("number", Quantity::Count),
                    Column::plain("Pearson", Quantity::Score),
                    Column::plain("Spearman", Quantity::Score),
                ],
                rows: KINDS.iter().map(row).collect(),
            }
        };
        grid.panels.iter().map(table).collect()
    }
}

/// Pearson's correlation. None where either does not vary.
fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let (mean_a, mean_b) = (mean(a), mean(b));
    let pairs = || a.iter().zip(b).map(|(a, b)| (a - mean_a, b - mean_b));
    let covariance: f64 = pairs().map(|(a, b)| a * b).sum();
    let [of_a, of_b]: [f64; 2] = [pairs().map(|(a, _)| a * a).sum(), pairs().map(|(_, b)| b * b).sum()];
    Some(covariance / (of_a * of_b).sqrt()).filter(|number| number.is_finite())
}

/// Ranks from 0; equal numbers share the mean of theirs.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut first = 0;
    for tied in order.chunk_by(|&a, &b| numbers[a] == numbers[b]) {
        let rank = first as f64 + (tied.len() - 1) as f64 / 2.0;
        tied.iter().for_each(|&index| ranks[index] = rank);
        first += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.pearsonr`, `spearmanr`
    #[test]
    fn correlations_are_scipys() {
        let (a, b) = ([1.0, 2.0, 2.0, 5.0, -3.0], [0.5, 2.5, 1.0, 1.0, -4.0]);
        let close = |found: Option<f64>, expected: f64| (found.expect("a number") - expected).abs() < 1e-12;
        assert!(close(pearson(&a, &b), PEARSON));
        assert!(close(pearson(&ranks(&a), &ranks(&b)), SPEARMAN));
        assert_eq!(ranks(&a), [1.0, 2.5, 2.5, 4.0, 0.0]);
        assert_eq!(pearson(&a, &[1.0; 5]), None);
    }

    const PEARSON: f64 = 0.813_279_454_839_747;
    const SPEARMAN: f64 = 0.763_157_894_736_842_1;
}
