//! What surprises the model? The loss of each token of a text, given the tokens before it (TransformerLens's
//! `return_type="loss", loss_per_token=True`).

use patchlab_kernels::Tensor;

use super::settings::count;
use super::shared::choices::{self, PROMPT};
use super::{Analyse, Findings, Job, settings};
use crate::error::Result;
use crate::figures::{Part, Quantity, TokenValues, ValuedRow};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{log_sum_exp, mean};
use crate::model::{Batch, Hooks};
use crate::runs::next_tokens;

settings! {
    prompt: String = PROMPT,
    /// How many times the text stands in a row: a model with induction heads is less surprised by the second.
    repeated: usize = count(1, 1, 50),
}

impl Analyse for Settings {
    const NAME: &'static str = "token-loss";
    const TITLE: &'static str = "Loss per token";
    const DESCRIPTION: &'static str = "How much each token of a text surprises the model: minus the log-probability \
                                       that the tokens before it give it. Repeated text should turn white.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let (text, mut ids) = choices::prompt(job, "prompt", &self.prompt)?;
        let once = ids[usize::from(job.experiment.prepend_bos)..].to_vec();
        let (length, most) = (ids.len() + (self.repeated - 1) * once.len(), job.model.config.n_ctx);
        if length > most {
            let message = format!(
                "the text would have {length} tokens so many times, and the model reads at most {most}."
            );
            return Err(choices::refused("repeated", message));
        }
        (1..self.repeated).for_each(|_| ids.extend_from_slice(&once));
        if ids.len() < 2 {
            let message = "the loss of a token needs one before it. Write at least two tokens.".to_owned();
            return Err(choices::refused("prompt", message));
        }
        let mut work = Work::new(job.viewer, "Running the text", ProgressUnit::Points, ids.len() - 1);
        work.done(0).await?;
        let normalized = job.model.forward(&Batch::new(std::slice::from_ref(&ids))?, &mut Hooks::none())?; // [1, p, d]
        let [_, _, d] = normalized.dims();
        let mut losses = Vec::new();
        let at_once = job.model.budget.logit_rows(&job.model.config);
        for (chunk, targets) in ids[1..].chunks(at_once).enumerate() {
            let first = chunk * at_once;
            let rows = normalized.clone().slice([0..1, first..first + targets.len(), 0..d]);
            losses.extend(loss(job, rows.reshape([targets.len(), d]), targets).await?);
            work.done(targets.len()).await?;
        }
        let average = mean(&losses);
        let figure = TokenValues {
            title: "Loss per token".to_owned(),
            note: Some(format!(
                "In nats; the mean is {average:.4}, a perplexity of {:.2}. The first token is not predicted, and shown as 0.",
                average.exp()
            )),
            quantity: Quantity::Loss,
            range: [0.0, losses.iter().copied().fold(1.0, f64::max)],
            rows: vec![ValuedRow {
                label: text,
                tokens: job.tokenizer.tokens(&ids),
                min: losses.iter().copied().fold(f64::INFINITY, f64::min),
                max: losses.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                values: [0.0].into_iter().chain(losses).collect(),
            }],
        };
        Ok(Findings { parts: vec![Part::TokenValues(figure)], problems: Vec::new() })
    }
}

/// Minus the log-probability of each target: `normalized [n, d]`, at the positions before the targets.
pub(super) async fn loss(job: &Job<'_>, normalized: Tensor<2>, targets: &[u32]) -> Result<Vec<f64>> {
    let mut losses = Vec::new();
    next_tokens::each(job.model, normalized, |row, logits| {
        losses.push(log_sum_exp(&logits) - f64::from(logits[targets[row] as usize]));
    })
    .await?;
    Ok(losses)
}
