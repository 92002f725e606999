//! The figures of circuits.

use super::{SHARES, sizes};
use crate::analyses::shared::attributed::panel;
use crate::analyses::shared::chosen::Chosen;
use crate::bootstrap::Bootstrap;
use crate::figures::summary::Numbers;
use crate::figures::{
    Axis, AxisKind, Cell, Column, Dot, DotSeries, Grid, Measure, Panel, Quantity, Row, Table,
};
use crate::graph::{Graph, edge_name};
use crate::metrics::{PerPrompt, mean};
use crate::prompts::{PreparedCase, PreparedGroup};

/// The picture of circuits, without panels. `scored`: its edges are chosen by scores.
pub(super) fn picture(graph: &Graph, scored: bool) -> Grid {
    let (name, label) =
        if scored { ("change", "change of the logit difference") } else { ("member", "in the circuit") };
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
            name: name.to_owned(),
            label: label.to_owned(),
            quantity: Quantity::LogitDifference,
            range: None,
            middle: Some(0.0),
        }],
        panels: Vec::new(),
    }
}

/// A group's panel of the picture: the scores of the circuit's edges. Columns of edges outside it are empty.
pub(super) fn members(graph: &Graph, group: &PreparedGroup, chosen: &Chosen) -> Panel {
    let mut values = Numbers::alone(PerPrompt::new(graph.len(), 0)).means(0);
    values.mean = vec![None; graph.len()];
    for &edge in &chosen.members {
        values.mean[edge] = Some(chosen.scores.as_ref().map_or(1.0, |scores| scores[edge]));
    }
    let is_in = |mean: &Option<f64>| if mean.is_some() { group.cases.len() } else { 0 };
    let counts = Some(values.mean.iter().map(is_in).collect());
    Panel { counts, prompts: Vec::new(), pairs: Vec::new(), ..panel(group, vec![values]) }
}

/// The curve of faithfulness over sizes, without panels.
pub(super) fn curve(graph: &Graph) -> Grid {
    Grid {
        title: "Faithfulness by number of edges".to_owned(),
        note: Some(
            "(F(C) - F(no edge)) / (F(all edges) - F(no edge)), F being the mean logit difference: 0 without any edge, 1 with all."
                .to_owned(),
        ),
        site: None,
        rows: Axis { label: String::new(), counts: AxisKind::Other, ticks: vec!["faithfulness".to_owned()] },
        columns: Axis {
            label: "Edges".to_owned(),
            counts: AxisKind::Component,
            ticks: sizes(graph).map(|size| size.to_string()).collect(),
        },
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

/// A dot for each of a group's prompts.
pub(super) fn series(group: &PreparedGroup, name: &str, values: &[f64]) -> DotSeries {
    let dot = |(case, &value): (&PreparedCase, &f64)| Dot { label: case.text.clone(), value };
    DotSeries {
        name: name.to_owned(),
        group: group.group,
        points: group.cases.iter().zip(values).map(dot).collect(),
        mean: mean(values),
        interval: Bootstrap::new(&group.pairs()).and_then(|mut bootstrap| bootstrap.interval(values)),
    }
}

/// What is left of the logit difference, and the usual forms of faithfulness. The first three rows of `found` are no edge, all, and the
/// circuit.
pub(super) fn table(group: &PreparedGroup, found: &PerPrompt, size: usize, points: &[f64]) -> Table {
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
