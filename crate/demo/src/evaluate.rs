//! What the model has learned, measured with the full softmax on held-out sentences.

use anyhow::Result;
use patchlab::experiment::Experiment;
use patchlab::metrics::{log_sum_exp, mean, rank};
use patchlab::model::{Batch, Hooks, Model};
use patchlab::prompts::prepare;
use patchlab::tokens::Tokenizer;
use patchlab_kernels::Tensor;
use serde::Serialize;

use crate::corpus::Encoded;

/// Prompts per forward pass, and positions per unembedding.
const PROMPTS: usize = 32;
const POSITIONS: usize = 64;

/// Metrics on one set of documents.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measures {
    /// Description of the documents.
    pub(crate) documents: String,
    /// Number of places where a form of "to be" has to be predicted.
    pub(crate) choices: usize,
    /// Share of these where the right form has a larger logit than the same form in the other style.
    pub(crate) right_style: f64,
    /// Share of these where the right form is the most likely token.
    pub(crate) top_1: f64,
    /// Mean of logit(right form) - logit(other style).
    pub(crate) logit_difference: f64,
    /// Mean cross-entropy of all next tokens, in nats.
    pub(crate) loss: f64,
    /// Mean total probability of the tokens that no sentence contains.
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
        for choice in documents[row].choices.iter().filter(|choice| choice.position == position) {
            let difference = logits[choice.answer as usize] - logits[choice.distractor as usize];
            right += usize::from(difference > 0.0);
            top += usize::from(rank(logits, choice.answer as usize) == 0);
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

/// Results on one group of prompts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GroupResult {
    /// The group's name.
    pub(crate) name: String,
    /// Number of prompts.
    pub(crate) prompts: usize,
    /// Mean of logit(answer) - logit(distractor).
    pub(crate) mean: f64,
    /// The smallest logit difference.
    pub(crate) least: f64,
    /// Number of prompts with a positive logit difference.
    pub(crate) positive: usize,
    /// Number of prompts whose answer is the most likely token.
    pub(crate) top_1: usize,
}

/// Evaluates every group of an experiment.
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
                let [answer, distractor] = [&case.compared[0], &case.compared[1]].map(|set| set[0] as usize);
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

/// Calls `visit(row, position, logits)` for every token of every row. Rows longer than the model's context
/// are truncated.
#[allow(clippy::disallowed_methods, reason = "a native program may wait for its own processor")]
fn visit_logits(model: &Model, rows: &[&[u32]], mut visit: impl FnMut(usize, usize, &[f32])) -> Result<()> {
    for (chunk, prompts) in rows.chunks(PROMPTS).enumerate() {
        let prompts: Vec<Vec<u32>> =
            prompts.iter().map(|row| row[..row.len().min(model.config.n_ctx)].to_vec()).collect();
        let batch = Batch::new(&prompts)?;
        let hidden = model.forward(&batch, &mut Hooks::none())?; // [b, p, d]
        let [b, p, d] = hidden.dims();
        let hidden = hidden.reshape([b * p, d]);
        for start in (0..b * p).step_by(POSITIONS) {
            let end = (b * p).min(start + POSITIONS);
            let logits = model.unembedding.logits(hidden.clone().slice([start..end, 0..d]));
            let logits: Vec<f32> =
                burn::tensor::Tensor::from(Tensor::cat(logits, 1)).into_data().try_into_vec::<f32>()?; // [end - start, vocabulary]
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
