//! Which heads write it? Each head's output through the run's final LayerNorm scale (`stack_head_results`).

use super::settings::count;
use super::shared::attributed::{self, attributed, grid, index_axis, layer_axis};
use super::shared::top;
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::figures::{AxisKind, Part};
use crate::names::Head;
use crate::portion::{Division, Sizes};

settings! {
    /// How many of the largest and how many of the smallest are listed.
    top_k: usize = count(5, 1, 100),
}

impl Analyse for Settings {
    const NAME: &'static str = "head-attribution";
    const TITLE: &'static str = "Head attribution";
    const DESCRIPTION: &'static str = "What each attention head adds to the logit difference. Blue heads \
         write the answer, red ones the distractor.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/head_attribution.py"),
        needs: Some(attributed::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let (all, problems) = attributed(job, false, &|direct| direct.heads()).await?;
        let layers: Vec<usize> = (0..job.model.config.n_layers).collect();
        let mut figure = grid(
            job,
            "Head attribution",
            "Each head's output at the last position, through the run's final LayerNorm scale.",
            layer_axis(&layers),
            index_axis(AxisKind::Head, "Head", job.model.config.n_heads),
            &all,
        )
        .await?;
        figure.site = Some("attn.hook_z".to_owned());
        let n_heads = job.model.config.n_heads;
        let name = |cell: usize| Head { layer: cell / n_heads, head: cell % n_heads }.to_string();
        let tables = top::tables(&figure, "Head", self.top_k, name);
        let parts = [Part::Heat(figure)].into_iter().chain(tables.into_iter().map(Part::Table)).collect();
        Ok(Findings { parts, problems })
    }

    fn division(&self, _sizes: &Sizes) -> Result<Division> {
        Ok(Division::by_group(1.0))
    }
}
