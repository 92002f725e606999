//! The likeliest next tokens after a run, as a table.

use patchlab_kernels::Tensor;

use crate::analyses::Job;
use crate::error::Result;
use crate::figures::{Cell, Column, Mark, Quantity, Row, Table};
use crate::metrics::{log_sum_exp, rank, top_k};
use crate::model::Batch;
use crate::readback::Reads;

/// The logits of all tokens after the first prompt of a batch, from `ln_final.hook_normalized`.
pub(in crate::analyses) async fn last_logits(
    job: &Job<'_>,
    normalized: Tensor<3>,
    batch: &Batch,
) -> Result<Vec<f32>> {
    let last = job.model.last(normalized, batch); // [1, d]
    let blocks = job.model.unembedding.logits(last); // [1, block] each
    Ok(blocks.into_iter().fold(Reads::default(), Reads::with).fetch().await?.concat())
}

/// Reads the logits of all tokens at each row of `normalized [n, d]`, as many rows at once as the memory budget allows, and hands
/// them to `seen` with the row's index.
pub(in crate::analyses) async fn each(
    job: &Job<'_>,
    normalized: Tensor<2>,
    mut seen: impl FnMut(usize, Vec<f32>),
) -> Result<()> {
    let [n, d] = normalized.dims();
    let at_once = job.model.budget.logit_rows(&job.model.config);
    for first in (0..n).step_by(at_once) {
        let end = n.min(first + at_once);
        let blocks = job.model.unembedding.logits(normalized.clone().slice([first..end, 0..d])); // [rows, block] each
        let widths: Vec<usize> = blocks.iter().map(|block| block.dims()[1]).collect();
        let blocks = blocks.into_iter().fold(Reads::default(), Reads::with).fetch().await?;
        (first..end).for_each(|row| seen(row, row_of(&blocks, &widths, row - first)));
    }
    Ok(())
}

/// A row of logits over the whole vocabulary, from its blocks `[n, width]` each.
pub(in crate::analyses) fn row_of(blocks: &[Vec<f32>], widths: &[usize], row: usize) -> Vec<f32> {
    let of_block = |(block, &width): (&Vec<f32>, &usize)| block[row * width..(row + 1) * width].to_vec();
    blocks.iter().zip(widths).flat_map(of_block).collect()
}

/// The `k` likeliest tokens, plus the marked ones wherever they rank.
pub(in crate::analyses) fn table(
    job: &Job<'_>,
    k: usize,
    title: String,
    note: Option<String>,
    logits: &[f32],
    marked: &[(u32, Mark)],
) -> Table {
    let norm = log_sum_exp(logits);
    let mut ids = top_k(logits, k);
    for &(id, _) in marked {
        if !ids.contains(&(id as usize)) {
            ids.push(id as usize);
        }
    }
    let row = |id: usize| {
        let log_prob = f64::from(logits[id]) - norm;
        Row {
            cells: vec![
                Cell::Number(rank(logits, id) as f64),
                Cell::Token(job.tokenizer.token(id as u32)),
                Cell::Number(f64::from(logits[id])),
                Cell::Number(log_prob.exp()),
                Cell::Number(log_prob),
            ],
            mark: marked.iter().find(|(other, _)| *other as usize == id).map(|(_, mark)| *mark),
        }
    };
    Table {
        title,
        note,
        group: None,
        columns: vec![
            Column::new("Rank", Quantity::Count),
            Column::new("Token", Quantity::Token),
            Column::new("Logit", Quantity::Logit),
            Column::new("Probability", Quantity::Probability),
            Column::new("Log-probability", Quantity::LogProbability),
        ],
        rows: ids.into_iter().map(row).collect(),
    }
}
