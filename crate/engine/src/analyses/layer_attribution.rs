//! Which layers write it? Each component of the final residual stream through the run's final LayerNorm scale
//! (`decompose_resid`), and the check that they sum to the logit difference.

use super::shared::attributed::{self, Attributed, attributed, grid};
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::attribution::DirectLogitAttribution;
use crate::error::Result;
use crate::figures::{Axis, AxisKind, Cell, Column, Mark, Part, Quantity, Row, Table};
use crate::portion::{Division, Sizes};
use crate::prompts::PreparedCase;

settings! {}

/// The components must sum to the logit difference within this, for a difference of up to a few tens.
pub(super) const BALANCE: f64 = 1e-4;

impl Analyse for Settings {
    const NAME: &'static str = "layer-attribution";
    const TITLE: &'static str = "Layer attribution";
    const DESCRIPTION: &'static str = "What the embeddings, each layer's attention and each layer's MLP add \
         to the logit difference. The parts sum to it exactly; the table shows that they do.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/layer_attribution.py"),
        needs: Some(attributed::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        // The unembedding's bias is the last component here: without it the sum misses the logit difference.
        let all = |direct: &DirectLogitAttribution<'_>| {
            Ok(patchlab_kernels::Tensor::cat(vec![direct.layers()?, direct.unembedding_bias()], 0))
        };
        let (all, problems) = attributed(job, false, &all).await?;
        let rows =
            Axis { label: String::new(), counts: AxisKind::Other, ticks: vec!["contribution".to_owned()] };
        let mut ticks = DirectLogitAttribution::components(job.model.config.n_layers);
        ticks.push("unembed_bias".to_owned());
        let columns = Axis { label: "Component".to_owned(), counts: AxisKind::Component, ticks };
        let figure = grid(
            job,
            "Layer attribution",
            "Each component of the final residual stream, through the run's final LayerNorm scale.",
            rows,
            columns,
            &all,
        )
        .await?;
        let mut parts = vec![Part::Line(figure)];
        parts.extend(all.iter().map(|attributed| Part::Table(balance(attributed))));
        Ok(Findings { parts, problems })
    }

    fn division(&self, _sizes: &Sizes) -> Result<Division> {
        Ok(Division::by_group(1.0))
    }
}

/// Compares the sums with the logit differences.
fn balance(attributed: &Attributed) -> Table {
    let rows = attributed.group.cases.iter().zip(&attributed.logit_differences).enumerate();
    let row = |(prompt, (case, &difference)): (usize, (&PreparedCase, &f64))| {
        let sum: f64 = attributed.numbers.prompt(prompt).sum();
        let error = (sum - difference).abs();
        Row {
            cells: vec![
                Cell::Text(case.text.clone()),
                Cell::Number(sum),
                Cell::Number(difference),
                Cell::Number(error),
            ],
            mark: Some(if error <= BALANCE * difference.abs().max(1.0) {
                Mark::Passed
            } else {
                Mark::Failed
            }),
        }
    };
    Table {
        title: format!("Check: {}", attributed.group.name),
        note: Some("The components and the unembedding's bias sum to the logit difference.".to_owned()),
        group: Some(attributed.group.group),
        columns: vec![
            Column::new("Prompt", Quantity::Text),
            Column::new("Sum of the components", Quantity::LogitDifference),
            Column::new("Logit difference", Quantity::LogitDifference),
            Column::new("Off by", Quantity::Error),
        ],
        rows: rows.map(row).collect(),
    }
}
