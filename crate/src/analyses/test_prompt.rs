//! What does the model say next? The most likely next tokens of one prompt, and where the answer stands among
//! them (`transformer_lens.utils.test_prompt`).

use super::shared::choices;
use super::{Analysis, Findings, Job, Range, Running, Setting};
use crate::error::Result;
use crate::host;
use crate::metrics::{log_sum_exp, rank, top_k};
use crate::model::{Batch, Tap};
use crate::prompts::answer_fault;
use crate::readback::Reads;
use crate::report::{Cell, Column, Mark, Part, Quantity, Row, Table, TokenRow, TokenRows};

/// The catalogue's entry.
pub(super) static ANALYSIS: Analysis = Analysis {
    name: "test-prompt",
    title: "Test a prompt",
    description: "The most likely next tokens after one prompt, and the rank of the answer among all tokens.",
    settings: &[
        Setting {
            name: "prompt",
            description: "The text to continue; empty for the experiment's first prompt and its answer.",
            range: Range::Text { default: "" },
        },
        Setting {
            name: "answer",
            description: "The next token whose rank is asked for, exactly as typed; empty for none.",
            range: Range::Text { default: "" },
        },
        Setting {
            name: "top_k",
            description: "How many tokens to show.",
            range: Range::Count { default: 10, min: 1, max: 1000 },
        },
    ],
    run,
};

fn run<'a>(job: &'a Job<'a>) -> Running<'a> {
    Box::pin(test(job))
}

async fn test(job: &Job<'_>) -> Result<Findings> {
    let (_, ids) = choices::text(job, "prompt")?;
    let answer = match job.experiment.groups.first().and_then(|group| group.pairs.first()) {
        Some(pair) if job.text("prompt").is_empty() && job.text("answer").is_empty() => &pair.answer,
        _ => job.text("answer"),
    };
    let answer_ids = job.tokenizer.encode(answer, false)?;
    if !answer.is_empty()
        && let Some((_, message)) = answer_fault(answer, &answer_ids, job.tokenizer)
    {
        return Err(choices::refused("answer", message));
    }

    host::step(job.host, "Running the prompt", 0, 1).await?;
    let logits = last_logits(job, &ids).await?;
    host::step(job.host, "Running the prompt", 1, 1).await?;

    let shown = TokenRow { label: "prompt".to_owned(), tokens: job.tokenizer.tokens(&ids) };
    let parts = vec![
        Part::Tokens(TokenRows { title: "Tokens".to_owned(), rows: vec![shown] }),
        Part::Table(table(job, &logits, answer_ids.first().map(|&id| id as usize))),
    ];
    Ok(Findings { parts, problems: Vec::new() })
}

/// The logits of every token after the prompt's last position.
async fn last_logits(job: &Job<'_>, ids: &[u32]) -> Result<Vec<f32>> {
    let batch = Batch::new(&[ids.to_vec()]);
    let mut tap = Tap::none();
    let normalized = job.model.forward(&batch, &mut tap)?; // [1, p, d]
    let last = job.model.last(normalized, &batch); // [1, d]
    let blocks = job.model.unembedding.logits(last); // [1, block] each
    let reads = blocks.into_iter().fold(Reads::default(), Reads::with);
    Ok(reads.fetch().await?.concat())
}

fn table(job: &Job<'_>, logits: &[f32], answer: Option<usize>) -> Table {
    let norm = log_sum_exp(logits);
    let row = |id: usize, rank: usize| {
        let log_prob = f64::from(logits[id]) - norm;
        Row {
            cells: vec![
                Cell::Number(rank as f64),
                Cell::Token(job.tokenizer.token(id as u32)),
                Cell::Number(f64::from(logits[id])),
                Cell::Number(log_prob.exp()),
                Cell::Number(log_prob),
            ],
            mark: (Some(id) == answer).then_some(Mark::Answer),
        }
    };
    let top = top_k(logits, job.count("top_k"));
    let mut rows: Vec<Row> = top.iter().enumerate().map(|(rank, &id)| row(id, rank)).collect();
    let mut note = None;
    if let Some(id) = answer {
        let place = rank(logits, id);
        note = Some(format!("The answer has rank {place} of {}.", logits.len()));
        if place >= top.len() {
            rows.push(row(id, place));
        }
    }
    let column = |name: &str, quantity| Column { name: name.to_owned(), quantity };
    Table {
        title: "Most likely next tokens".to_owned(),
        note,
        columns: vec![
            column("Rank", Quantity::Count),
            column("Token", Quantity::Token),
            column("Logit", Quantity::Logit),
            column("Probability", Quantity::Probability),
            column("Log-probability", Quantity::LogProbability),
        ],
        rows,
    }
}
