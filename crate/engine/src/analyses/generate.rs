//! How does a text go on, and how with interventions that are held while it does?

use super::settings::{count, text};
use super::shared::{choices, groups};
use super::{Analyse, Findings, Job, settings};
use crate::continuation::{Chosen, Continuation, Sampling};
use crate::error::{Error, Result};
use crate::figures::{Cell, Column, Part, Quantity, Row, Table, TokenRow, TokenRows};
use crate::host::{ProgressUnit, Work};
use crate::interventions::held::Held;
use crate::interventions::{Addend, Effect, Intervention, Positions, Value};
use crate::model::span::at_ends;
use crate::model::{Activation, Model};
use crate::prompts::PreparedCase;
use crate::readback;
use crate::runs::{Runs, parts};
use crate::site::{ActivationAxis, Site};

settings! {
    /// The text that goes on; empty for the experiment's first prompt.
    prompt: String = text(""),
    /// How many tokens are added.
    tokens: usize = count(20, 1, 1000),
    /// What logits are divided by before a token is drawn; 0: always the likeliest.
    temperature: String = text("0"),
    /// Draw from so many of the likeliest only; 0: from all.
    top_k: usize = count(0, 0, 100_000),
    /// Another number draws other tokens.
    seed: usize = count(0, 0, 1_000_000),
    /// Interventions that are held at every position, as JSON (docs/interventions.md); empty for none.
    list: String = text(""),
    /// Add the first group's own mean difference, clean less corrupted at the last token, at this hook point, such as
    /// blocks.2.hook_resid_post; empty for nothing.
    steer: String = text(""),
    /// How many times it is added.
    strength: String = text("1"),
}

impl Analyse for Settings {
    const NAME: &'static str = "generate";
    const TITLE: &'static str = "Generate";
    const DESCRIPTION: &'static str = "How the model continues a text, token by token, and beside it how it does with interventions \
         held at every position: a head ablated, a direction added.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let number = |name: &str, text: &str, least: f64| -> Result<f64> {
            let number =
                text.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= least);
            number.ok_or_else(|| {
                choices::refused(name, format!("{text:.20?} is no number that can be used here."))
            })
        };
        let sampling =
            Sampling { temperature: number("temperature", &self.temperature, 0.0)?, top_k: self.top_k };
        let strength = number("strength", &self.strength, f64::NEG_INFINITY)?;
        let (_, ids) = choices::prompt(job, "prompt", &self.prompt)?;
        let mut list = if self.list.trim().is_empty() { Vec::new() } else { Intervention::list(&self.list)? };
        if !self.steer.trim().is_empty() {
            list.push(self.steering(job, strength).await?);
        }
        let (none, held) = (Held::new(job.model, Vec::new())?, Held::new(job.model, list)?);
        let mut texts = vec![("as it is", &none)];
        if !held.is_empty() {
            texts.push(("with interventions", &held));
        }
        let mut work = Work::new(job.viewer, "Generating", ProgressUnit::Tokens, texts.len() * self.tokens);
        work.done(0).await?;
        let mut rows: Vec<TokenRow> = Vec::new();
        let mut steps: Vec<Vec<Chosen>> = Vec::new();
        for (label, held) in texts {
            let mut text = Continuation::new(job.model, held, ids.clone());
            let mut state = self.seed as u64;
            let mut chosen = Vec::new();
            rows.push(TokenRow { label: label.to_owned(), tokens: Vec::new() });
            while chosen.len() < self.tokens && text.has_room() {
                chosen.push(text.step(&sampling, &mut state).await?);
                if let Some(row) = rows.last_mut() {
                    row.tokens = job.tokenizer.tokens(text.ids());
                }
                if job.viewer.wants_preview() {
                    job.viewer.preview(0, &figure(&rows));
                }
                work.done(1).await?;
                if chosen.last().is_some_and(|chosen| chosen.id == job.tokenizer.bos()) {
                    break; // the end of the text
                }
            }
            steps.push(chosen);
        }
        let table = table(job, &rows, &steps);
        Ok(Findings { parts: vec![figure(&rows), Part::Table(table)], problems: Vec::new() })
    }
}

/// The texts so far.
fn figure(rows: &[TokenRow]) -> Part {
    Part::Tokens(TokenRows { title: "The text and how it goes on".to_owned(), rows: rows.to_vec() })
}

/// The tokens that were added, one below the other.
fn table(job: &Job<'_>, rows: &[TokenRow], steps: &[Vec<Chosen>]) -> Table {
    let mut columns = vec![Column::plain("token", Quantity::Count)];
    for row in rows {
        columns.push(Column::new(&row.label, Quantity::Token));
        columns.push(Column::new("probability", Quantity::Probability));
    }
    let longest = steps.iter().map(Vec::len).max().unwrap_or(0);
    let row = |step: usize| {
        let mut cells = vec![Cell::Number((step + 1) as f64)];
        for steps in steps {
            cells.extend(match steps.get(step) {
                Some(chosen) => {
                    [Cell::Token(job.tokenizer.token(chosen.id)), Cell::Number(chosen.probability)]
                }
                None => [Cell::Empty, Cell::Empty],
            });
        }
        Row { cells, mark: None }
    };
    Table {
        title: "Each token that was added".to_owned(),
        note: Some("Its probability under the model there, whatever the temperature.".to_owned()),
        group: None,
        columns,
        rows: (0..longest).map(row).collect(),
    }
}

impl Settings {
    /// Adds the mean difference of the first group at every position.
    async fn steering(&self, job: &Job<'_>, strength: f64) -> Result<Intervention> {
        let site: Site = self.steer.trim().parse().map_err(|_| Error::UnknownSite(self.steer.clone()))?;
        if site.has(ActivationAxis::Source) {
            return Err(choices::refused("steer", format!("{site} has other sources at every position.")));
        }
        let (groups, _) = groups::usable(job)?;
        let of_pairs = |case: &PreparedCase| !case.corrupted.is_empty();
        let cases: Vec<PreparedCase> = groups
            .into_iter()
            .next()
            .map_or_else(Vec::new, |group| group.cases.into_iter().filter(of_pairs).collect());
        if cases.is_empty() {
            let message = "The first group has no pair of prompts from which a direction could be taken.";
            return Err(choices::refused("steer", message.to_owned()));
        }
        let direction = difference(job.model, &cases, site).await?;
        let effect = Effect::Add(Addend { value: Value::Tensor(direction), factor: strength });
        Ok(Intervention { position: Positions::All, effect, ..Intervention::patch(site, None, None) })
    }
}

/// The mean of an activation at the last token of the clean prompts less that of the corrupted ones.
async fn difference(model: &Model, cases: &[PreparedCase], site: Site) -> Result<Vec<f32>> {
    let sites = vec![site];
    let mut sum: Vec<f64> = Vec::new();
    for some in parts(cases, model, &sites, 2) {
        let runs = Runs::record(model, some, false, &sites).await?;
        let [clean, corrupted] = [&runs.clean, &runs.corrupted].map(|run| {
            let x = match run.cache.get(site)? {
                Activation::Three(x) => x.clone(),
                Activation::Four(x) => {
                    let [b, p, h, e] = x.dims();
                    x.clone().reshape([b, p, h * e])
                }
            };
            Ok::<_, Error>(at_ends(x, &run.batch.ends()).sum_dim(0)) // [1, 1, k]
        });
        let part = readback::read(clean? - corrupted?).await?;
        sum.resize(part.len(), 0.0);
        sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += f64::from(part));
    }
    Ok(sum.into_iter().map(|sum| (sum / cases.len() as f64) as f32).collect())
}
