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
