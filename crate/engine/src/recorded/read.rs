//! Values found in reports.

use super::{Found, Read};
use crate::figures::{AttentionHead, Cell, Column, Dot, Grid, Guess, Part, Quantity};
use crate::metrics::mean;
use crate::tokens::Token;

impl Read {
    /// The same place with the report's own likeliest tokens, as many as before.
    pub(crate) fn with_likeliest(self, parts: &[Part]) -> Self {
        match self {
            Read::Tokens { column, tokens } => {
                let listed = parts.iter().find_map(|part| match part {
                    Part::Table(table) => Some(table.rows.iter().flat_map(|row| &row.cells)),
                    _ => None,
                });
                let id = |cell: &Cell| if let Cell::Token(token) = cell { Some(token.id) } else { None };
                let found = listed.into_iter().flatten().filter_map(id).take(tokens.len()).collect();
                Read::Tokens { column, tokens: found }
            }
            Read::Guesses { from, every, tokens } => {
                let found = parts.iter().find_map(|part| match part {
                    Part::TextLens(lens) => {
                        let rows = lens.cells.iter().skip(from).step_by(every.max(1));
                        let cells: Vec<&Vec<Guess>> = rows.flatten().collect();
                        let each = tokens.len() / cells.len().max(1);
                        Some(
                            cells
                                .iter()
                                .flat_map(|cell| cell.iter().take(each))
                                .map(|guess| guess.token.id)
                                .collect(),
                        )
                    }
                    _ => None,
                });
                Read::Guesses { from, every, tokens: found.unwrap_or(tokens) }
            }
            other => other,
        }
    }

    /// The quantity and the values. None: the report has no such place.
    pub(super) fn find(&self, parts: &[Part]) -> Option<(Quantity, Vec<Found>)> {
        match self {
            Read::Grid { part, measure, group, cells, largest } => {
                let (Part::Heat(grid) | Part::Line(grid) | Part::Edges(grid)) = parts.get(*part)? else {
                    return None;
                };
                of_grid(grid, measure.as_deref(), *group, cells.as_deref(), *largest)
            }
            Read::Dots { group, mean } => parts.iter().find_map(|part| {
                let Part::Dots(dots) = part else { return None };
                let series = dots.series.iter().find(|series| series.group == *group)?;
                let found = if *mean {
                    vec![Found { place: format!("mean of {}", series.name), value: series.mean }]
                } else {
                    let point = |dot: &Dot| Found { place: dot.label.clone(), value: dot.value };
                    series.points.iter().map(point).collect()
                };
                Some((dots.quantity, found))
            }),
            Read::TokenValues { mean: averaged, ends } => parts.iter().find_map(|part| {
                let Part::TokenValues(texts) = part else { return None };
                let row = texts.rows.first()?;
                let found = if *averaged {
                    vec![Found { place: "mean".to_owned(), value: mean(row.values.get(1..)?) }]
                } else if *ends {
                    [("smallest", row.min), ("largest", row.max)]
                        .map(|(place, value)| Found { place: place.to_owned(), value })
                        .to_vec()
                } else {
                    let tokens = row.tokens.iter().zip(&row.values).enumerate();
                    tokens
                        .map(|(position, (token, &value))| Found { place: at(&token.text, position), value })
                        .collect()
                };
                Some((texts.quantity, found))
            }),
            Read::Tokens { column, tokens } => parts.iter().find_map(|part| {
                let Part::Table(table) = part else { return None };
                let index = table.columns.iter().position(|known| known.name == *column)?;
                let Column { quantity, .. } = table.columns[index];
                let of = |&id: &u32| {
                    let row = table.rows.iter().find_map(|row| {
                        row.cells.iter().find_map(|cell| match cell {
                            Cell::Token(token) if token.id == id => Some((token, row)),
                            _ => None,
                        })
                    });
                    match row {
                        Some((token, row)) => {
                            let value =
                                if let Cell::Number(value) = row.cells[index] { value } else { f64::NAN };
                            Found { place: token.text.clone(), value }
                        }
                        None => Found { place: format!("token {id}"), value: f64::NAN },
                    }
                };
                Some((quantity, tokens.iter().map(of).collect()))
            }),
            Read::Guesses { from, every, tokens } => parts.iter().find_map(|part| {
                let Part::TextLens(lens) = part else { return None };
                let rows: Vec<usize> = (*from..lens.rows.len()).step_by((*every).max(1)).collect();
                let cells =
                    rows.iter().flat_map(|&row| (0..lens.columns.len()).map(move |column| (row, column)));
                let each = (tokens.len() / (rows.len() * lens.columns.len()).max(1)).max(1);
                let of_cell = |((row, column), ids): ((usize, usize), &[u32])| {
                    let guesses = &lens.cells[row][column];
                    let place = format!("{}, {}", lens.rows[row], at(&lens.columns[column].text, column));
                    ids.iter().map(|&id| of_guess(guesses, id, &place)).collect::<Vec<Found>>()
                };
                Some((Quantity::Probability, cells.zip(tokens.chunks(each)).flat_map(of_cell).collect()))
            }),
            Read::Likeliest => parts.iter().find_map(|part| {
                let Part::TextLens(lens) = part else { return None };
                let ends = lens.cells.last()?.iter().zip(&lens.columns).enumerate();
                let of_cell = |(position, (guesses, token)): (usize, (&Vec<Guess>, &Token))| Found {
                    place: at(&token.text, position),
                    value: guesses.first().map_or(f64::NAN, |guess| f64::from(guess.token.id)),
                };
                Some((Quantity::Token, ends.map(of_cell).collect()))
            }),
            Read::Attention => parts.iter().find_map(|part| {
                let Part::Attention(attention) = part else { return None };
                let prompt = attention.prompts.first()?;
                let of_head = |head: &AttentionHead| {
                    let of_row = |(destination, row): (usize, &Vec<f64>)| {
                        let weight = |(source, &value): (usize, &f64)| Found {
                            place: format!("{}, {destination} to {source}", head.name),
                            value,
                        };
                        row.iter().enumerate().map(weight).collect::<Vec<Found>>()
                    };
                    head.rows.iter().enumerate().flat_map(of_row).collect::<Vec<Found>>()
                };
                Some((attention.quantity, prompt.heads.iter().flat_map(of_head).collect()))
            }),
        }
    }
}

fn of_grid(
    grid: &Grid,
    measure: Option<&str>,
    group: usize,
    cells: Option<&[usize]>,
    largest: bool,
) -> Option<(Quantity, Vec<Found>)> {
    let index = match measure {
        Some(name) => grid.measures.iter().position(|measure| measure.name == name)?,
        None => 0,
    };
    let panel = grid.panels.iter().find(|panel| panel.group == group && panel.minus.is_none())?;
    // A measure without a meaning for the group is not there: then there are no values.
    let values = panel.values.iter().find(|values| values.measure == index);
    let cell_count = panel.values.first()?.mean.len();
    let columns = panel.ticks.as_ref().unwrap_or(&grid.columns.ticks);
    let name = |axis: &str, tick: &str| {
        if axis.is_empty() { tick.to_owned() } else { format!("{} {tick}", axis.to_lowercase()) }
    };
    let of = |cell: usize| {
        let column = columns.get(cell % columns.len().max(1))?;
        let place = match grid.rows.ticks.get(cell / columns.len().max(1))? {
            _ if grid.rows.ticks.len() == 1 => name(&grid.columns.label, column),
            row => format!("{}, {}", name(&grid.rows.label, row), name(&grid.columns.label, column)),
        };
        Some(Found {
            place,
            value: values.and_then(|values| values.mean.get(cell).copied().flatten()).unwrap_or(f64::NAN),
        })
    };
    let mut found: Vec<Found> = match cells {
        Some(cells) => cells.iter().map(|&cell| of(cell)).collect::<Option<_>>()?,
        None => (0..cell_count).map(of).collect::<Option<_>>()?,
    };
    if largest {
        found.sort_by(|a, b| b.value.total_cmp(&a.value));
    }
    Some((grid.measures[index].quantity, found))
}

fn of_guess(guesses: &[Guess], id: u32, place: &str) -> Found {
    match guesses.iter().find(|guess| guess.token.id == id) {
        Some(guess) => Found { place: format!("{place}: {:?}", guess.token.text), value: guess.probability },
        None => Found { place: format!("{place}: token {id}"), value: f64::NAN },
    }
}

/// A token of a text, as the notebook labels positions.
fn at(token: &str, position: usize) -> String {
    format!("{token}_{position}")
}
