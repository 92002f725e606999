//! What does a run compute? Every hook point of a run under its TransformerLens name, and the numbers of one
//! of them (`run_with_cache`).

use super::settings::text;
use super::shared::choices::{self, PROMPT};
use super::{Analyse, Findings, Job, settings};
use crate::error::{Error, Result};
use crate::figures::summary::Numbers;
use crate::figures::{Axis, AxisKind, Cell, Column, Grid, Measure, Panel, Part, Quantity, Row, Table};
use crate::host::ProgressUnit;
use crate::host::Work;
use crate::metrics::PerPrompt;
use crate::model::{Activation, Batch, Hooks};
use crate::readback;
use crate::site::{ActivationAxis, Site};
use crate::tokens::Token;

settings! {
    prompt: String = PROMPT,
    /// A hook point, like blocks.7.attn.hook_z; empty for the list of all.
    site: String = text(""),
}

/// The most numbers that a picture shows.
const MOST_SHOWN: usize = 1 << 20;

impl Analyse for Settings {
    const NAME: &'static str = "activations";
    const TITLE: &'static str = "Activations";
    const DESCRIPTION: &'static str = "Every hook point of a run under its TransformerLens name, with its \
         shape and its range of numbers; with a name given, the numbers themselves.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let wanted: Option<Site> = match self.site.as_str() {
            "" => None,
            name => Some(name.parse()?),
        };
        let n_layers = job.model.config.n_layers;
        if let Some(Site::Block(layer, _)) = wanted
            && layer >= n_layers
        {
            return Err(Error::UnknownSite(self.site.clone()));
        }
        let (text, ids) = choices::prompt(job, "prompt", &self.prompt)?;
        let batch = Batch::new(std::slice::from_ref(&ids))?;
        let sites: Vec<Site> = wanted.map_or_else(|| Site::all(n_layers).collect(), |site| vec![site]);
        let mut work = Work::new(job.viewer, "Reading activations", ProgressUnit::Sites, sites.len());
        let mut rows = Vec::new();
        let mut parts = Vec::new();
        let mut note = "Masked attention scores, which are minus infinity, are not counted.".to_owned();
        // All activations of a long prompt do not fit into memory together.
        for part in job.model.budget.parts(&job.model.config, ids.len(), &sites) {
            let mut hooks = Hooks::new(Some(&part), &[]);
            job.model.forward(&batch, &mut hooks)?;
            let cache = hooks.finish()?;
            for site in part {
                let activation = cache.get(site)?;
                // Without the batch axis: there is one prompt.
                let shape = activation.shape()[1..].to_vec();
                let numbers = match activation {
                    Activation::Three(tensor) => readback::read(tensor.clone()).await?,
                    Activation::Four(tensor) => readback::read(tensor.clone()).await?,
                };
                rows.push(row(site, &shape, &numbers));
                if wanted.is_some() && numbers.len() <= MOST_SHOWN {
                    parts.push(Part::Heat(grid(site, &text, &shape, &numbers, &job.tokenizer.tokens(&ids))));
                } else if wanted.is_some() {
                    note = format!(
                        "These {} numbers are too many for a picture, which holds {MOST_SHOWN}. Shorten the text; \
                         `attention` shows chosen heads.",
                        numbers.len()
                    );
                }
                work.done(1).await?;
            }
        }
        parts.insert(0, Part::Table(table(rows, note)));
        Ok(Findings { parts, problems: Vec::new() })
    }
}

fn table(rows: Vec<Row>, note: String) -> Table {
    Table {
        title: "Hook points".to_owned(),
        note: Some(note),
        group: None,
        columns: vec![
            Column::new("Name", Quantity::Text),
            Column::new("Shape", Quantity::Text),
            Column::new("Smallest", Quantity::Activation),
            Column::new("Largest", Quantity::Activation),
            Column::new("Root mean square", Quantity::Activation),
        ],
        rows,
    }
}

fn row(site: Site, shape: &[usize], numbers: &[f32]) -> Row {
    let axes = site.axes()[1..]
        .iter()
        .zip(shape)
        .map(|(axis, size)| format!("{} {size}", word(*axis)).trim_start().to_owned());
    let finite = || numbers.iter().map(|&number| f64::from(number)).filter(|number| number.is_finite());
    let count = finite().count().max(1) as f64;
    Row {
        cells: vec![
            Cell::Text(site.to_string()),
            Cell::Text(axes.collect::<Vec<_>>().join(" × ")),
            Cell::Number(finite().fold(f64::INFINITY, f64::min)),
            Cell::Number(finite().fold(f64::NEG_INFINITY, f64::max)),
            Cell::Number((finite().map(|number| number * number).sum::<f64>() / count).sqrt()),
        ],
        mark: None,
    }
}

fn word(axis: ActivationAxis) -> &'static str {
    match axis {
        ActivationAxis::Batch => "batch",
        ActivationAxis::Position => "pos",
        ActivationAxis::Source => "source",
        ActivationAxis::Head => "head",
        ActivationAxis::DModel => "d_model",
        ActivationAxis::DHead => "d_head",
        ActivationAxis::Neuron => "d_mlp",
        ActivationAxis::One => "",
    }
}

/// The numbers as a grid: rows are positions, or heads and positions; columns are the innermost axes.
fn grid(site: Site, text: &str, shape: &[usize], numbers: &[f32], tokens: &[Token]) -> Grid {
    let token = |position: usize| format!("{}_{position}", tokens[position].text);
    let by_head = site.axes().get(1) == Some(&ActivationAxis::Head);
    let rows: Vec<String> = if by_head {
        (0..shape[0] * shape[1]).map(|row| format!("H{} {}", row / shape[1], token(row % shape[1]))).collect()
    } else {
        (0..shape[0]).map(token).collect()
    };
    let width = numbers.len() / rows.len();
    let columns: Vec<String> = if by_head {
        (0..width).map(token).collect()
    } else if shape.len() == 3 {
        (0..width).map(|column| format!("H{}.{}", column / shape[2], column % shape[2])).collect()
    } else {
        (0..width).map(|column| column.to_string()).collect()
    };
    let axis = |label: &str, ticks| Axis { label: label.to_owned(), counts: AxisKind::Other, ticks };
    // Masked scores are minus infinity and are not shown.
    let finite = |&number: &f32| if number.is_finite() { f64::from(number) } else { f64::NAN };
    let numbers = Numbers::alone(PerPrompt::from_rows(1, numbers.iter().map(finite).collect()));
    Grid {
        title: site.to_string(),
        note: None,
        site: None,
        rows: axis("Position", rows),
        columns: axis("Component", columns),
        measures: vec![Measure {
            name: "activation".to_owned(),
            label: "activation".to_owned(),
            quantity: Quantity::Activation,
            range: None,
            middle: Some(0.0),
        }],
        panels: vec![Panel {
            name: text.to_owned(),
            group: 0,
            minus: None,
            ticks: None,
            changed: Vec::new(),
            counts: None,
            caution: None,
            prompts: Vec::new(),
            pairs: Vec::new(),
            values: vec![numbers.means(0)],
        }],
    }
}
