//! The largest and the smallest cells of a map, as a table.

use crate::figures::{Cell, Column, Grid, Panel, Quantity, Row, Table, Values};

/// For each panel, a table of the `k` largest and the `k` smallest numbers in the default measure.
pub(in crate::analyses) fn tables(
    grid: &Grid,
    what: &str,
    k: usize,
    name: impl Fn(usize) -> String,
) -> Vec<Table> {
    let table = |panel: &Panel| {
        let values = panel.values.first()?;
        Some(table(grid, panel, values, what, k, &name))
    };
    grid.panels.iter().filter_map(table).collect()
}

fn table(
    grid: &Grid,
    panel: &Panel,
    values: &Values,
    what: &str,
    k: usize,
    name: &impl Fn(usize) -> String,
) -> Table {
    let number = |cell: usize| values.mean[cell].unwrap_or(f64::NAN);
    let mut order: Vec<usize> = (0..values.mean.len()).collect();
    order.sort_by(|&a, &b| number(b).total_cmp(&number(a)));
    // If there are few cells, each is listed only once.
    let largest = order.iter().take(k);
    let smallest = order.iter().skip(order.len().saturating_sub(k).max(k));
    let bound = |ends: &[f64], cell: usize| ends.get(cell).map_or(Cell::Empty, |&end| Cell::Number(end));
    let row = |&cell: &usize| Row {
        cells: vec![
            Cell::Text(name(cell)),
            Cell::Number(number(cell)),
            bound(&values.low, cell),
            bound(&values.high, cell),
        ],
        mark: None,
    };
    let measure = &grid.measures[values.measure];
    Table {
        title: format!("{}: largest and smallest, {}", grid.title, panel.name),
        note: None,
        group: Some(panel.group),
        columns: vec![
            Column::new(what, Quantity::Text),
            Column::new(&measure.label, measure.quantity),
            Column::plain("95 % interval, from", measure.quantity),
            Column::plain("to", measure.quantity),
        ],
        rows: largest.chain(smallest).map(row).collect(),
    }
}
