//! Which neurons write it? Each neuron's output through the run's final LayerNorm scale
//! (`stack_neuron_results`).

use super::settings::{Spec, count};
use super::shared::attributed::{self, attributed, grid, index_axis, layer_axis};
use super::shared::top;
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::figures::{AxisKind, Part};
use crate::names::Neuron;
use crate::portion::{Division, Sizes};

settings! {
    top_k: usize = TOP_K,
}

/// How many neurons the table lists.
pub(super) const TOP_K: Spec<usize> =
    count(10, 1, 1000).described("How many neurons the table lists at either end.");

impl Analyse for Settings {
    const NAME: &'static str = "neuron-attribution";
    const TITLE: &'static str = "Neuron attribution";
    const DESCRIPTION: &'static str =
        "What each MLP neuron adds to the logit difference directly, without what later layers make of it.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/neuron_attribution.py"),
        needs: Some(attributed::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let (all, problems) = attributed(job, true, &|direct| direct.neurons()).await?;
        let (n_layers, d_mlp) = (job.model.config.n_layers, job.model.config.d_mlp);
        let layers: Vec<usize> = (0..n_layers).collect();
        let mut figure = grid(
            job,
            "Neuron attribution",
            "Each neuron's output at the last position, through the run's final LayerNorm scale.",
            layer_axis(&layers),
            index_axis(AxisKind::Neuron, "Neuron", d_mlp),
            &all,
        )
        .await?;
        figure.site = Some("mlp.hook_post".to_owned());
        let name = |cell: usize| Neuron { layer: cell / d_mlp, neuron: cell % d_mlp }.to_string();
        let tables = top::tables(&figure, "Neuron", self.top_k, name);
        let parts = [Part::Line(figure)].into_iter().chain(tables.into_iter().map(Part::Table)).collect();
        Ok(Findings { parts, problems })
    }

    fn division(&self, _sizes: &Sizes) -> Result<Division> {
        Ok(Division::by_group(1.0))
    }
}
