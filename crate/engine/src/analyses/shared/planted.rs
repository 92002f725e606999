//! How well edges that were found are those of a circuit that was planted in the model (docs/planted.md).

use crate::analyses::Job;
use crate::figures::{Cell, Column, Part, Quantity, Row, Table};
use crate::graph::Graph;
use crate::prompts::PreparedGroup;

/// Scores that are closer than this, in logits, tie: a planted stream holds a constant of 64, so that float32 cannot tell them apart.
const TIE: f64 = 1e-4;

/// The score of what was found for a group; nothing for a model of which no truth is known. `members` are the edges of a circuit,
/// `scores` the mean scores of all edges; columns of what is not given are left out.
pub(in crate::analyses) fn score(
    job: &Job<'_>,
    graph: &Graph,
    group: &PreparedGroup,
    members: Option<&[usize]>,
    scores: Option<&[f64]>,
) -> Option<Part> {
    let truth = job.truth?;
    let sizes: Option<Vec<f64>> = scores.map(|scores| scores.iter().map(|score| score.abs()).collect());
    let mut columns =
        vec![Column::new("edges that matter", Quantity::Text), Column::plain("planted", Quantity::Count)];
    if members.is_some() {
        columns.extend(["found", "others"].map(|name| Column::plain(name, Quantity::Count)));
        let shares = ["precision", "recall", "Jaccard"];
        columns.extend(shares.map(|name| Column::plain(name, Quantity::Probability)));
    }
    if scores.is_some() {
        let areas = ["AUROC", "average precision"];
        columns.extend(areas.map(|name| Column::plain(name, Quantity::Probability)));
    }
    let row = |name: &str, planted: &[String]| {
        let mut is_true = vec![false; graph.len()];
        planted.iter().filter_map(|name| graph.edge(name)).for_each(|edge| is_true[edge] = true);
        let planted = is_true.iter().filter(|own| **own).count();
        let mut cells = vec![Cell::Text(name.to_owned()), Cell::Number(planted as f64)];
        if let Some(members) = members {
            let found = members.iter().filter(|&&edge| is_true[edge]).count();
            let others = members.len() - found;
            cells.extend([found, others].map(|count| Cell::Number(count as f64)));
            cells.extend([members.len(), planted, planted + others].map(|of| share(found, of)));
        }
        if let Some(sizes) = &sizes {
            cells.extend([area(sizes, &is_true), average_precision(sizes, &is_true)].map(number));
        }
        Row { cells, mark: None }
    };
    let percent = 100.0 * truth.threshold;
    let mut note = format!(
        "What was built in: the edges that, replaced by what they carry in the corrupted run, change the logit difference of some \
         prompt that came with the model by more than {percent} % of what all edges do; in a pair: once one other edge is replaced."
    );
    if scores.is_some() {
        note += " AUROC: how often a planted edge\u{2019}s score is larger than another\u{2019}s, without signs; scores within 1e-4 tie.";
    }
    Some(Part::Table(Table {
        title: format!("Planted circuit: score, {}", group.name),
        note: Some(note),
        group: Some(group.group),
        columns,
        rows: vec![row("alone", &truth.resample.single), row("alone or in a pair", &truth.resample.pair)],
    }))
}

/// A share; of nothing there is none.
fn share(part: usize, of: usize) -> Cell {
    number((of > 0).then(|| part as f64 / of as f64))
}

fn number(number: Option<f64>) -> Cell {
    number.map_or(Cell::Empty, Cell::Number)
}

/// The sizes of true edges, and those of others.
fn split(sizes: &[f64], is_true: &[bool]) -> [Vec<f64>; 2] {
    [true, false].map(|wanted| {
        sizes.iter().zip(is_true).filter(|(_, own)| **own == wanted).map(|(size, _)| *size).collect()
    })
}

/// The area under the ROC curve: in what share of pairs of a true edge and another the true one has the larger size, ties counting
/// half.
fn area(sizes: &[f64], is_true: &[bool]) -> Option<f64> {
    let [right, wrong] = split(sizes, is_true);
    let against = |right: &f64| {
        wrong
            .iter()
            .map(|wrong| match right - wrong {
                apart if apart.abs() < TIE => 0.5,
                apart => f64::from(u8::from(apart > 0.0)),
            })
            .sum::<f64>()
    };
    let pairs = right.len() * wrong.len();
    (pairs > 0).then(|| right.iter().map(against).sum::<f64>() / pairs as f64)
}

/// The mean over the true edges of the precision down to their size; edges that tie come in together.
fn average_precision(sizes: &[f64], is_true: &[bool]) -> Option<f64> {
    let [right, wrong] = split(sizes, is_true);
    let precision = |least: &f64| {
        let as_large = |sizes: &[f64]| sizes.iter().filter(|&size| size - least > -TIE).count() as f64;
        as_large(&right) / (as_large(&right) + as_large(&wrong))
    };
    (!right.is_empty()).then(|| right.iter().map(precision).sum::<f64>() / right.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_those_counted_by_hand() {
        // From the largest: a true edge, another, two that tie, of which one is true, and another.
        let sizes = [5.0, 3.0, 1.0, 1.00001, 0.0];
        let is_true = [true, false, true, false, false];
        // The first wins three times; the second ties once and wins once.
        assert_eq!(area(&sizes, &is_true), Some(4.5 / 6.0));
        // 1 of 1 down to the first, 2 of 4 down to the second.
        assert_eq!(average_precision(&sizes, &is_true), Some(0.75));
        for all in [true, false] {
            assert_eq!(area(&sizes, &[all; 5]), None);
        }
        assert_eq!(average_precision(&sizes, &[true; 5]), Some(1.0));
        assert_eq!(average_precision(&sizes, &[false; 5]), None);
    }
}
