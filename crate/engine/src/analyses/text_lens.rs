//! What would the model say if it stopped here? The likeliest tokens at each point of the residual stream and
//! each position of a text (logit lens: nostalgebraist 2020).

use patchlab_kernels::Tensor;

use super::logit_lens::{Scale, seen_at};
use super::settings::{choice, count};
use super::shared::choices::{self, PROMPT};
use super::{Analyse, Findings, Job, settings};
use crate::attribution::DirectLogitAttribution;
use crate::error::Result;
use crate::figures::{Guess, Part, TextLens};
use crate::host::ProgressUnit;
use crate::host::Work;
use crate::metrics::{log_sum_exp, top_k};
use crate::model::{Batch, Hooks};
use crate::runs::next_tokens;
use crate::site::Site;

settings! {
    prompt: String = PROMPT,
    /// How many tokens to keep for each cell.
    top_k: usize = count(5, 1, 50),
    /// own: the LayerNorm scale of each point itself; run: the final scale of the run, which early points are small beside.
    scale: Scale = choice::<Scale>("own"),
}

impl Analyse for Settings {
    const NAME: &'static str = "text-lens";
    const TITLE: &'static str = "Logit lens in words";
    const DESCRIPTION: &'static str = "The likeliest next token at each point of the residual stream and \
         each position. Read a column downwards to see an answer appear.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let (_, ids) = choices::prompt(job, "prompt", &self.prompt)?;
        let n_layers = job.model.config.n_layers;
        let points = DirectLogitAttribution::point_sites(n_layers);
        let mut sites = points.clone();
        sites.push(Site::FinalScale);
        let mut hooks = Hooks::new(Some(&sites), &[]);
        job.model.forward(&Batch::new(std::slice::from_ref(&ids))?, &mut hooks)?;
        let cache = hooks.finish()?;
        let scale: Tensor<3> = cache.tensor(Site::FinalScale)?; // [1, p, 1]

        let mut work =
            Work::new(job.viewer, "Reading the residual stream", ProgressUnit::Points, points.len());
        let mut cells = Vec::new();
        for site in points {
            let normalized = seen_at(job, cache.tensor(site)?, &scale, self.scale)?; // [1, p, d]
            cells.push(guesses(job, self.top_k, normalized).await?);
            work.done(1).await?;
        }
        let figure = TextLens {
            title: "Logit lens in words".to_owned(),
            note: Some(match self.scale {
                Scale::Own => "Each point through its own LayerNorm scale.".to_owned(),
                Scale::Run => {
                    "Each point through the run\u{2019}s final LayerNorm scale at its position. Early points are small beside it, and \
                     read as what is likely anywhere."
                        .to_owned()
                }
            }),
            columns: job.tokenizer.tokens(&ids),
            rows: DirectLogitAttribution::points(n_layers),
            cells,
        };
        Ok(Findings { parts: vec![Part::TextLens(figure)], problems: Vec::new() })
    }
}

/// The likeliest tokens at each position: `normalized [1, p, d]`.
async fn guesses(job: &Job<'_>, k: usize, normalized: Tensor<3>) -> Result<Vec<Vec<Guess>>> {
    let [_, p, d] = normalized.dims();
    let mut found = Vec::new();
    next_tokens::each(job.model, normalized.reshape([p, d]), |_, logits| {
        let norm = log_sum_exp(&logits);
        let guess = |id: usize| {
            let logit = f64::from(logits[id]);
            Guess { token: job.tokenizer.token(id as u32), logit, probability: (logit - norm).exp() }
        };
        found.push(top_k(&logits, k).into_iter().map(guess).collect());
    })
    .await?;
    Ok(found)
}
