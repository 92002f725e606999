//! Pictures as text: small maps whole, large ones by their largest numbers.

use patchlab::figures::{Attention, Grid, Panel, Scatter, TextLens, TokenValues, Values};

/// A map with more columns than this is printed by its largest numbers.
const WIDEST: usize = 26;
/// How many of the largest are printed.
const LARGEST: usize = 10;

/// Heat maps and lines: one block per panel, in the measure that is shown first.
pub(super) fn grid(grid: &Grid) -> String {
    let site = grid.site.as_ref().map_or_else(String::new, |site| format!(" ({site})"));
    let mut text = format!("{}{site}\n", grid.title);
    for panel in &grid.panels {
        let Some(values) = panel.values.first() else { continue };
        let measure = &grid.measures[values.measure];
        text.push_str(&format!("  {}: {}", panel.name, measure.label));
        for (name, mean) in [("clean", values.clean), ("corrupted", values.corrupted)] {
            text.push_str(&mean.map_or_else(String::new, |mean| format!(", {name} {mean:.4}")));
        }
        text.push('\n');
        let ticks = panel.ticks.as_ref().unwrap_or(&grid.columns.ticks);
        if ticks.len() <= WIDEST && grid.rows.ticks.len() <= WIDEST {
            text.push_str(&whole(grid, ticks, values));
        } else {
            text.push_str(&largest(grid, ticks, panel, values));
        }
    }
    text
}

/// Every number.
fn whole(grid: &Grid, ticks: &[String], values: &Values) -> String {
    let shown = |number: &Option<f64>| number.map_or_else(String::new, |number| format!("{number:.3}"));
    let side = grid.rows.ticks.iter().map(|tick| tick.chars().count()).max().unwrap_or(0);
    let width = ticks.iter().map(|tick| tick.chars().count()).max().unwrap_or(0).max(7);
    let mut text = format!("  {:side$}", "");
    for tick in ticks {
        text.push_str(&format!("  {tick:>width$}"));
    }
    for (row, tick) in values.mean.chunks(ticks.len().max(1)).zip(&grid.rows.ticks) {
        text.push_str(&format!("\n  {tick:>side$}"));
        for number in row {
            text.push_str(&format!("  {:>width$}", shown(number)));
        }
    }
    text + "\n"
}

/// The largest magnitudes.
fn largest(grid: &Grid, ticks: &[String], panel: &Panel, values: &Values) -> String {
    let mut order: Vec<usize> = (0..values.mean.len()).filter(|&cell| values.mean[cell].is_some()).collect();
    let size = |cell: usize| values.mean[cell].map_or(0.0, f64::abs);
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
    let line = |&cell: &usize| {
        let (row, column) = (cell / ticks.len().max(1), cell % ticks.len().max(1));
        let interval = match (values.low.get(cell), values.high.get(cell)) {
            (Some(Some(low)), Some(Some(high))) => format!("  [{low:.4}, {high:.4}]"),
            _ => String::new(),
        };
        format!(
            "  {} {}, {} {}: {:.4}{interval}\n",
            grid.rows.label.to_lowercase(),
            grid.rows.ticks[row],
            grid.columns.label.to_lowercase(),
            ticks[column],
            values.mean[cell].unwrap_or(f64::NAN),
        )
    };
    let lines: String = order.iter().take(LARGEST).map(line).collect();
    format!("{lines}  (the largest {} of {} in {})\n", LARGEST.min(order.len()), order.len(), panel.name)
}

/// The points that lie furthest from the middle.
pub(super) fn scatter(scatter: &Scatter) -> String {
    let mut text = format!("{}: {} against {}\n", scatter.title, scatter.y.label, scatter.x.label);
    for panel in &scatter.panels {
        let Some(values) = panel.values.first() else { continue };
        let mut order: Vec<usize> = (0..scatter.names.len()).collect();
        let size = |point: usize| values.x[point].hypot(values.y[point]);
        order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
        text.push_str(&format!("  {}\n", panel.name));
        for &point in order.iter().take(LARGEST) {
            let (x, y) = (values.x[point], values.y[point]);
            text.push_str(&format!("    {}: {x:.4}, {y:.4}\n", scatter.names[point]));
        }
    }
    text
}

/// Where the last position looks.
pub(super) fn attention(attention: &Attention) -> String {
    let mut text = format!("{}: the last position's row\n", attention.title);
    for prompt in &attention.prompts {
        text.push_str(&format!("  {}\n", prompt.label));
        for head in &prompt.heads {
            let last = head.rows.last().map(Vec::as_slice).unwrap_or_default();
            let cell = |(number, position): (&f64, usize)| {
                format!("{}_{position} {number:.3}", prompt.tokens[position].text.escape_debug())
            };
            let row: Vec<String> = last.iter().zip(0..).map(cell).collect();
            let share = head.attribution.map_or_else(String::new, |share| format!(" ({share:+.4})"));
            text.push_str(&format!("    {}{share}: {}\n", head.name, row.join("  ")));
        }
    }
    text
}

/// The likeliest token of each cell, the last position's first.
pub(super) fn text_lens(lens: &TextLens) -> String {
    let mut text = format!("{}\n", lens.title);
    for (row, cells) in lens.rows.iter().zip(&lens.cells) {
        let best = cells.iter().map(|cell| {
            cell.first().map_or_else(String::new, |guess| format!("|{}|", guess.token.text.escape_debug()))
        });
        text.push_str(&format!("  {row:>10}  {}\n", best.collect::<Vec<_>>().join(" ")));
    }
    text
}

/// Each token with its number.
pub(super) fn token_values(values: &TokenValues) -> String {
    let mut text = format!("{}\n", values.title);
    for row in &values.rows {
        text.push_str(&format!("  {} (from {:.4} to {:.4})\n   ", row.label, row.min, row.max));
        for (token, value) in row.tokens.iter().zip(&row.values) {
            text.push_str(&format!(" |{}| {value:.4}", token.text.escape_debug()));
        }
        text.push('\n');
    }
    text
}
