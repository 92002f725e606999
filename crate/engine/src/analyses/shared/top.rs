//! The largest and the smallest cells of a map, as a table.

use crate::bootstrap::Bootstrap;
use crate::figures::{Cell, Column, Grid, Panel, Part, Quantity, Row, Table, Values};
use crate::names::Neuron;

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

/// The same of the lines among these figures, whose rows are layers and whose columns are neurons.
pub(in crate::analyses) fn of_neurons(parts: &[Part], k: usize) -> Vec<Part> {
    let grids = parts.iter().filter_map(|part| if let Part::Line(grid) = part { Some(grid) } else { None });
    let tables = |grid: &Grid| {
        let (layers, width) = (&grid.rows.ticks, grid.columns.ticks.len());
        let name = |cell: usize| match layers[cell / width].parse() {
            Ok(layer) => Neuron { layer, neuron: cell % width }.to_string(),
            Err(_) => String::new(),
        };
        tables(grid, "Neuron", k, name)
    };
    grids.flat_map(tables).map(Part::Table).collect()
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
    let mut order: Vec<usize> = (0..values.mean.len()).filter(|&cell| values.mean[cell].is_some()).collect();
    order.sort_by(|&a, &b| number(b).total_cmp(&number(a)));
    // Whether resampling the pairs would choose the same ones.
    let shares = chosen(panel, values, &order, k);
    let share = |cell: usize| {
        let place = order.iter().position(|&other| other == cell)?;
        let [largest, smallest] = *shares.as_ref()?.get(place)?;
        Some(if place < k { largest } else { smallest })
    };
    // If there are few cells, each is listed only once.
    let largest = order.iter().take(k);
    let smallest = order.iter().skip(order.len().saturating_sub(k).max(k));
    let bound = |ends: &[Option<f64>], cell: usize| {
        ends.get(cell).copied().flatten().map_or(Cell::Empty, Cell::Number)
    };
    let tested = !values.adjusted.is_empty();
    let row = |&cell: &usize| Row {
        cells: vec![
            Cell::Text(name(cell)),
            Cell::Number(number(cell)),
            bound(&values.low, cell),
            bound(&values.high, cell),
        ]
        .into_iter()
        .chain(tested.then(|| bound(&values.adjusted, cell)))
        .chain(shares.as_ref().map(|_| share(cell).map_or(Cell::Empty, Cell::Number)))
        .collect(),
        mark: None,
    };
    let measure = &grid.measures[values.measure];
    let more = [
        tested.then(|| Column::plain("p, adjusted", Quantity::Probability)),
        shares.as_ref().map(|_| Column::plain("chosen again", Quantity::Share)),
    ];
    let columns = vec![
        Column::new(what, Quantity::Text),
        Column::new(&measure.label, measure.quantity),
        Column::plain("95 % interval, from", measure.quantity),
        Column::plain("to", measure.quantity),
    ];
    Table {
        title: format!("{}: largest and smallest, {}", grid.title, panel.name),
        note: (tested || shares.is_some()).then(|| {
            format!(
                "p: how often chance alone gives so much, by sign flips over pairs, adjusted for the number of cells (Benjamini and \
                 Hochberg). chosen again: the share of resamples of the pairs in which it is among the {k} largest, or smallest."
            )
        }),
        group: Some(panel.group),
        columns: columns.into_iter().chain(more.into_iter().flatten()).collect(),
        rows: largest.chain(smallest).map(row).collect(),
    }
}

/// Larger maps have no share of resamples: sorting them so often would take seconds.
const MOST_CELLS: usize = 4096;

/// In what share of the resamples of the pairs each of these cells is among the `k` largest, and the `k` smallest.
fn chosen(panel: &Panel, values: &Values, cells: &[usize], k: usize) -> Option<Vec<[f64; 2]>> {
    let bootstrap = Bootstrap::new(&panel.pairs).filter(|_| cells.len() <= MOST_CELLS)?;
    Some(bootstrap.chosen(&values.prompts, cells, k))
}
