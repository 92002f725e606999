//! Reports as text for a terminal.

mod figures;

use patchlab::figures::{Cell, Dots, Mark, Part, Quantity, Report, Table, TokenRows};
use patchlab::tokens::Token;

/// A text without what a terminal would obey: control characters, and marks that turn the direction of writing. Names and
/// prompts come from anyone. In JSON, too, the text that is written instead means the same character.
pub(crate) fn quiet(text: &str) -> String {
    let obeyed = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut quiet, c| {
        if obeyed(c) {
            quiet.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            quiet.push(c);
        }
        quiet
    })
}

/// The whole report.
pub(crate) fn report(report: &Report) -> String {
    let mut text = format!("{} ({}, {})\n", report.title, report.model, report.device);
    for part in &report.parts {
        text.push('\n');
        text.push_str(&match part {
            Part::Table(part) => table(part),
            Part::Dots(part) => dots(part),
            Part::Tokens(part) => tokens(part),
            Part::Heat(part) | Part::Line(part) | Part::Edges(part) => figures::grid(part),
            Part::Scatter(part) => figures::scatter(part),
            Part::Attention(part) => figures::attention(part),
            Part::TextLens(part) => figures::text_lens(part),
            Part::TokenValues(part) => figures::token_values(part),
        });
    }
    for problem in &report.problems {
        let place = problem.place.map_or_else(String::new, |place| {
            let pair = place.pair.map_or_else(String::new, |pair| format!(", pair {pair}"));
            let field = place.field.map_or_else(String::new, |field| format!(", {field:?}").to_lowercase());
            format!("group {}{pair}{field}: ", place.group)
        });
        text.push_str(&format!("\n! {place}{}\n", problem.message));
    }
    text
}

/// Columns as wide as their widest cell, numbers to the right.
fn table(table: &Table) -> String {
    let header = table.columns.iter().map(|column| column.name.clone()).collect();
    let mut rows: Vec<Vec<String>> = vec![header];
    for row in &table.rows {
        let cells = row.cells.iter().zip(&table.columns);
        let mut shown: Vec<String> = cells.map(|(cell, column)| show(cell, column.quantity)).collect();
        match row.mark {
            Some(Mark::Answer) => shown.push("<- answer".to_owned()),
            Some(Mark::Failed) => shown.push("<- FAILED".to_owned()),
            _ => {}
        }
        rows.push(shown);
    }
    let width = |index: usize| {
        rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let mut text = format!("{}\n", table.title);
    for row in &rows {
        let line: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(index, cell)| {
                let numeric = table.columns.get(index).is_some_and(|column| is_number(column.quantity));
                match widths.get(index) {
                    Some(&width) if numeric => format!("{cell:>width$}"),
                    Some(&width) => format!("{cell:<width$}"),
                    None => cell.clone(),
                }
            })
            .collect();
        text.push_str(&format!("  {}\n", line.join("  ").trim_end()));
    }
    if let Some(note) = &table.note {
        text.push_str(&format!("{note}\n"));
    }
    text
}

fn is_number(quantity: Quantity) -> bool {
    !matches!(quantity, Quantity::Text | Quantity::Token)
}

fn show(cell: &Cell, quantity: Quantity) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Token(token) => show_token(token),
        Cell::Link(link) => format!("{} <{}>", link.text, link.link),
        Cell::Number(number) => match quantity {
            Quantity::Count => format!("{number:.0}"),
            Quantity::Probability => format!("{:.2}%", 100.0 * number),
            Quantity::Error => format!("{number:.1e}"),
            _ => format!("{number:.4}"),
        },
    }
}

/// A token with its borders, so that its spaces can be seen.
fn show_token(token: &Token) -> String {
    format!("|{}| {}", token.text.escape_debug(), token.id)
}

fn dots(dots: &Dots) -> String {
    let mut text = format!("{}: {}\n", dots.title, dots.axis);
    let width = dots.series.iter().map(|series| series.name.chars().count()).max().unwrap_or(0);
    for series in &dots.series {
        let interval =
            series.interval.map_or_else(String::new, |[low, high]| format!(" [{low:.4}, {high:.4}]"));
        let values: Vec<String> = series.points.iter().map(|point| format!("{:.4}", point.value)).collect();
        text.push_str(&format!(
            "  {:<width$}  mean {:.4}{interval}  ({})\n",
            series.name,
            series.mean,
            values.join(", ")
        ));
    }
    text
}

fn tokens(rows: &TokenRows) -> String {
    let mut text = String::new();
    for row in &rows.rows {
        let shown: Vec<String> = row.tokens.iter().map(show_token).collect();
        text.push_str(&format!("{}: {}\n", row.label, shown.join("  ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::quiet;

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        assert_eq!(
            quiet("a\x1b[2J\x07\u{9b}1m\u{202e}b\tc\rd\ne \u{e9}\u{1f600}"),
            "a\\u001b[2J\\u0007\\u009b1m\\u202eb\tc\\u000dd\ne \u{e9}\u{1f600}"
        );
        // A document means the same as before.
        let json = serde_json::to_string(&"\u{202e}\u{7f}x").expect("text");
        assert_eq!(serde_json::from_str::<String>(&quiet(&json)).expect("still JSON"), "\u{202e}\u{7f}x");
    }
}
