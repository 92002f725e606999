//! What does the model say next? The most likely next tokens of one prompt, and the rank of the answer
//! (`transformer_lens.utils.test_prompt`).

use super::settings::{count, text};
use super::shared::{choices, likely};
use super::{Analyse, Findings, Job, settings};
use crate::answers::answer_fault;
use crate::error::Result;
use crate::figures::{Mark, Part, TokenRow, TokenRows};
use crate::host;
use crate::metrics::rank;
use crate::model::{Batch, Hooks};

settings! {
    /// The text to continue; empty for the experiment's first prompt and its answer.
    prompt: String = text(""),
    /// The next token whose rank is asked for, exactly as typed; empty for none.
    answer: String = text(""),
    /// How many tokens to show.
    top_k: usize = count(10, 1, 1000),
}

impl Analyse for Settings {
    const NAME: &'static str = "test-prompt";
    const TITLE: &'static str = "Test a prompt";
    const DESCRIPTION: &'static str =
        "The most likely next tokens after one prompt, and the rank of the answer among all tokens.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let (_, ids) = choices::prompt(job, "prompt", &self.prompt)?;
        let answer = match job.experiment.groups.first().and_then(|group| group.pairs.first()) {
            Some(pair) if self.prompt.is_empty() && self.answer.is_empty() => &pair.answer,
            _ => &self.answer,
        };
        let answer_ids = job.tokenizer.encode(answer, false)?;
        if !answer.is_empty()
            && let Some((_, message)) = answer_fault(answer, &answer_ids, job.tokenizer)
        {
            return Err(choices::refused("answer", message));
        }

        host::step(job.viewer, "Running the prompt", 0, 1).await?;
        let batch = Batch::new(std::slice::from_ref(&ids))?;
        let normalized = job.model.forward(&batch, &mut Hooks::none())?; // [1, p, d]
        let logits = likely::last_logits(job, normalized, &batch).await?;
        host::step(job.viewer, "Running the prompt", 1, 1).await?;

        let shown = TokenRow { label: "prompt".to_owned(), tokens: job.tokenizer.tokens(&ids) };
        let answer = answer_ids.first().copied();
        let note = answer
            .map(|id| format!("The answer has rank {} of {}.", rank(&logits, id as usize), logits.len()));
        let marked: Vec<(u32, Mark)> = answer.into_iter().map(|id| (id, Mark::Answer)).collect();
        let table =
            likely::table(job, self.top_k, "Most likely next tokens".to_owned(), note, &logits, &marked);
        let parts = vec![
            Part::Tokens(TokenRows { title: "Tokens".to_owned(), rows: vec![shown] }),
            Part::Table(table),
        ];
        Ok(Findings { parts, problems: Vec::new() })
    }
}
