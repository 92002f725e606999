//! What the model can do, measured with the full softmax on sentences it never saw.

use anyhow::Result;
use burn::tensor::Tensor;
use patchlab::experiment::Experiment;
use patchlab::metrics::{log_sum_exp, mean, rank};
use patchlab::model::{Batch, Hooks, Model};
use patchlab::prompts::prepare;
use patchlab::tokens::Tokenizer;
use serde::Serialize;

use crate::corpus::Encoded;

/// Prompts per forward pass, and positions per multiplication with the vocabulary.
const PROMPTS: usize = 32;
const POSITIONS: usize = 64;

/// The measures of one set of documents.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measures {
    /// What the documents are.
    pub(crate) documents: String,
    /// Places where a form of "to be" has to be predicted.
    pub(crate) choices: usize,
    /// At what share of them the right form has a larger logit than the same form in the other style.
    pub(crate) right_style: f64,
    /// At what share of them the right form is the most likely of all tokens.
    pub(crate) top_1: f64,
    /// The mean of logit(right form) - logit(other style).
    pub(crate) logit_difference: f64,
    /// The mean cross-entropy of every next token, in nats.
    pub(crate) loss: f64,
    /// The mean probability of all tokens that no sentence contains.
    pub(crate) unused_mass: f64,
}

/// Measures the model on documents. `used[id]` says whether sentences can contain a token.
pub(crate) fn measure(model: &Model, name: &str, documents: &[Encoded], used: &[bool]) -> Result<Measures> {
    let (mut loss, mut unused, mut tokens) = (0.0, 0.0, 0);
    let (mut right, mut top, mut differences) = (0, 0, Vec::new());
    let rows: Vec<&[u32]> = documents.iter().map(|document| document.ids.as_slice()).collect();
    visit_logits(model, &rows, |row, position, logits| {
        let norm = log_sum_exp(logits);
        if let Some(&next) = documents[row].ids.get(position + 1) {
            loss += norm - f64::from(logits[next as usize]);
            tokens += 1;
        }
        let never = logits.iter().zip(used).filter(|(_, used)| !**used);
        unused += never.map(|(&logit, _)| (f64::from(logit) - norm).exp()).sum::<f64>();
        for site in documents[row].sites.iter().filter(|site| site.position == position) {
            let difference = logits[site.answer as usize] - logits[site.distractor as usize];
            right += usize::from(difference > 0.0);
            top += usize::from(rank(logits, site.answer as usize) == 0);
            differences.push(f64::from(difference));
        }
    })?;
    let share = |count: usize| count as f64 / differences.len() as f64;
    let positions = rows.iter().map(|row| row.len()).sum::<usize>() as f64;
    Ok(Measures {
        documents: format!("{} documents: {name}", documents.len()),
        choices: differences.len(),
        right_style: share(right),
        top_1: share(top),
        logit_difference: mean(&differences),
        loss: loss / f64::from(tokens),
        unused_mass: unused / positions,
    })
}

/// What comes out of one group of prompts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GroupResult {
    /// The group's name.
    pub(crate) name: String,
    /// Prompts.
    pub(crate) prompts: usize,
    /// The mean of logit(answer) - logit(distractor).
    pub(crate) mean: f64,
    /// The smallest such difference.
    pub(crate) least: f64,
    /// How many are above 0.
    pub(crate) positive: usize,
    /// For how many prompts the answer is the most likely of all tokens.
    pub(crate) top_1: usize,
}

/// Runs every group of an experiment.
pub(crate) fn groups(
    model: &Model,
    experiment: &Experiment,
    tokenizer: &Tokenizer,
) -> Result<Vec<GroupResult>> {
    let (groups, problems) = prepare(experiment, tokenizer, model.config.n_ctx)?;
    anyhow::ensure!(problems.is_empty(), "the experiment has faults: {problems:?}");
    let mut results = Vec::new();
    for group in groups {
        let rows: Vec<&[u32]> = group.cases.iter().map(|case| case.clean.as_slice()).collect();
        let (mut differences, mut top_1) = (Vec::new(), 0);
        visit_logits(model, &rows, |row, position, logits| {
            if position + 1 == rows[row].len() {
                let case = &group.cases[row];
                let [answer, distractor] = [case.answer, case.distractor].map(|id| id as usize);
                differences.push(f64::from(logits[answer] - logits[distractor]));
                top_1 += usize::from(rank(logits, answer) == 0);
            }
        })?;
        results.push(GroupResult {
            name: group.name,
            prompts: differences.len(),
            mean: mean(&differences),
            least: differences.iter().copied().fold(f64::INFINITY, f64::min),
            positive: differences.iter().filter(|difference| **difference > 0.0).count(),
            top_1,
        });
    }
    Ok(results)
}

/// Calls `visit(row, position, logits)` for every token of every row. Rows longer than the model's context are
/// cut.
#[allow(clippy::disallowed_methods, reason = "a native program may wait for its own processor")]
fn visit_logits(model: &Model, rows: &[&[u32]], mut visit: impl FnMut(usize, usize, &[f32])) -> Result<()> {
    for (chunk, prompts) in rows.chunks(PROMPTS).enumerate() {
        let prompts: Vec<Vec<u32>> =
            prompts.iter().map(|row| row[..row.len().min(model.config.n_ctx)].to_vec()).collect();
        let batch = Batch::new(&prompts);
        let hidden = model.forward(&batch, &mut Hooks::none())?; // [b, p, d]
        let [b, p, d] = hidden.dims();
        let hidden = hidden.reshape([b * p, d]);
        for start in (0..b * p).step_by(POSITIONS) {
            let end = (b * p).min(start + POSITIONS);
            let logits = model.unembedding.logits(hidden.clone().slice([start..end, 0..d]));
            let logits: Vec<f32> = Tensor::cat(logits, 1).into_data().try_into_vec::<f32>()?; // [end - start, vocabulary]
            for (place, logits) in (start..end).zip(logits.chunks_exact(model.config.d_vocab)) {
                let (row, position) = (place / p, place % p);
                if position < batch.lengths()[row] {
                    visit(chunk * PROMPTS + row, position, logits);
                }
            }
        }
    }
    Ok(())
}
