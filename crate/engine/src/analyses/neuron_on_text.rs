//! What does a neuron do? Its activation on each token of a text (as in Neuroscope, Nanda 2022), and the
//! tokens that its output promotes and suppresses (its row of `W_out` times `W_U`).

use patchlab_kernels::Tensor;

use super::settings::{count, text};
use super::shared::choices::{self, neuron, refused};
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::figures::{Cell, Column, Part, Quantity, Row, Table, TokenValues, ValuedRow};
use crate::host;
use crate::metrics::top_k;
use crate::model::{Batch, Hooks};
use crate::names::Neuron;
use crate::readback::{self, Reads};
use crate::site::{BlockSite, Site};

settings! {
    /// The neuron, like L8N2744 or 8/2744.
    neuron: String = text("L0N0"),
    /// The text; empty for the prompt of the first group on which the neuron fires most.
    text: String = text(""),
    /// The activation that gets the full colour; auto for the largest.
    full: String = text("auto"),
    /// How many tokens to list at either end.
    top_k: usize = count(10, 1, 1000),
}

impl Analyse for Settings {
    const NAME: &'static str = "neuron-on-text";
    const TITLE: &'static str = "A neuron on text";
    const DESCRIPTION: &'static str = "The activation of one MLP neuron on every token of a text, and the \
         tokens whose logits its output raises and lowers.";
    const PYTHON: Option<PythonCell> =
        Some(PythonCell { code: include_str!("../../data/transformer-lens/neuron_on_text.py"), needs: None });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let neuron = neuron(&self.neuron, &job.model.config)?;
        let full = match self.full.as_str() {
            "auto" => None,
            text => {
                Some(text.parse::<f64>().ok().filter(|full| full.is_finite() && *full > 0.0).ok_or_else(
                    || refused("full", format!("{text:?} is not a number above 0. Write one, or `auto`.")),
                )?)
            }
        };
        host::step(job.viewer, "Running the text", 0, 1).await?;
        let row = if self.text.is_empty() {
            strongest(job, neuron).await?
        } else {
            let (text, ids) = choices::prompt(job, "text", &self.text)?;
            activations(job, neuron, text, &ids).await?
        };
        // A neuron that is never active has no colour on any scale.
        let largest = if row.max > 0.0 { row.max } else { 1.0 };
        let figure = TokenValues {
            title: format!("Neuron {neuron}"),
            note: Some(
                "White at 0, red at the upper end of the scale; GELU lets activations fall to -0.17."
                    .to_owned(),
            ),
            quantity: Quantity::Activation,
            range: [0.0, full.unwrap_or(largest)],
            rows: vec![row],
        };
        let [promoted, suppressed] = written(job, self.top_k, neuron).await?;
        host::step(job.viewer, "Running the text", 1, 1).await?;
        let parts = vec![Part::TokenValues(figure), Part::Table(promoted), Part::Table(suppressed)];
        Ok(Findings { parts, problems: Vec::new() })
    }
}

/// The activations on that of the first group's first prompts that has the largest one. Prompts that cannot be run are passed over.
async fn strongest(job: &Job<'_>, neuron: Neuron) -> Result<ValuedRow> {
    let mut best: Option<ValuedRow> = None;
    for text in job.experiment.first_prompts() {
        let Ok((text, ids)) = choices::prompt(job, "text", &text) else { continue };
        let row = activations(job, neuron, text, &ids).await?;
        if best.as_ref().is_none_or(|best| row.max > best.max) {
            best = Some(row);
        }
    }
    match best {
        Some(best) => Ok(best),
        // Says what is wrong with the first one.
        None => {
            let (text, ids) = choices::prompt(job, "text", "")?;
            activations(job, neuron, text, &ids).await
        }
    }
}

/// The neuron's activation on each token.
async fn activations(job: &Job<'_>, neuron: Neuron, label: String, ids: &[u32]) -> Result<ValuedRow> {
    let site = Site::Block(neuron.layer, BlockSite::MlpPost);
    let sites = vec![site];
    let mut hooks = Hooks::new(Some(&sites), &[]);
    job.model.forward(&Batch::new(&[ids.to_vec()])?, &mut hooks)?;
    let post: Tensor<3> = hooks.finish()?.tensor(site)?; // [1, p, m]
    let [_, p, _] = post.dims();
    let values = readback::read(post.slice([0..1, 0..p, neuron.neuron..neuron.neuron + 1])).await?;
    let values: Vec<f64> = values.into_iter().map(f64::from).collect();
    Ok(ValuedRow {
        label,
        tokens: job.tokenizer.tokens(ids),
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        values,
    })
}

/// The tokens that the neuron's output promotes and suppresses most.
async fn written(job: &Job<'_>, k: usize, neuron: Neuron) -> Result<[Table; 2]> {
    let d = job.model.config.d_model;
    let weight = job.model.blocks[neuron.layer].mlp_out.weight.clone(); // [m, d]
    let row = weight.slice([neuron.neuron..neuron.neuron + 1, 0..d]); // [1, d]
    let blocks = job.model.unembedding.logits_written(row); // [1, block] each
    let raised = blocks.into_iter().fold(Reads::default(), Reads::with).fetch().await?.concat();
    let lowered: Vec<f32> = raised.iter().map(|logit| -logit).collect();
    let table = |title: &str, order: &[f32]| Table {
        title: title.to_owned(),
        note: Some(format!("Per unit of {neuron}'s activation, before the final LayerNorm divides.")),
        group: None,
        columns: vec![Column::new("Token", Quantity::Token), Column::new("Logit", Quantity::LogitDifference)],
        rows: top_k(order, k)
            .into_iter()
            .map(|id| Row {
                cells: vec![Cell::Token(job.tokenizer.token(id as u32)), Cell::Number(f64::from(raised[id]))],
                mark: None,
            })
            .collect(),
    };
    Ok([table("Promoted tokens", &raised), table("Suppressed tokens", &lowered)])
}
