//! Where is it decided? The logit difference if the model stopped at each point of its residual stream
//! (logit lens: nostalgebraist 2020; `accumulated_resid` with `incl_mid`).

use super::settings::{Spec, choice};
use super::shared::attributed::{self, attributed, grid};
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::attribution::DirectLogitAttribution;
use crate::error::Result;
use crate::figures::{Axis, AxisKind, Part};

settings! {
    scale: Scale = SCALE,
}

/// Which LayerNorm scale the residual stream is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Scale {
    /// The final scale of the run.
    Run,
    /// The scale of each point itself.
    Own,
}

/// The setting that picks a [`Scale`].
pub(super) const SCALE: Spec<Scale> = choice::<Scale>("run").described(
    "run: the final LayerNorm scale of the run, as the notebook does, so that steps add up; own: the \
     scale of each point itself.",
);

impl Analyse for Settings {
    const NAME: &'static str = "logit-lens";
    const TITLE: &'static str = "Logit lens";
    const DESCRIPTION: &'static str = "The logit difference read off the residual stream before and in the \
         middle of each layer. Where the line rises, the decision is written.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/logit_lens.py"),
        needs: Some(attributed::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let own = self.scale == Scale::Own;
        let (all, problems) = attributed(job, false, &|direct| direct.lens(own)).await?;
        let rows = Axis {
            label: String::new(),
            counts: AxisKind::Other,
            ticks: vec!["logit difference".to_owned()],
        };
        let columns = Axis {
            label: "Layer".to_owned(),
            counts: AxisKind::Component,
            ticks: DirectLogitAttribution::points(job.model.config.n_layers),
        };
        let (title, note) = if own {
            (
                "Logit lens, each point with its own scale",
                "Each point is divided by its own LayerNorm scale, so steps do not add up.",
            )
        } else {
            ("Logit lens", "Through the run's final LayerNorm scale; the unembedding's bias is left out.")
        };
        let mut figure = grid(job, title, note, rows, columns, &all).await?;
        figure.measures[0].label = "logit difference so far".to_owned();
        Ok(Findings { parts: vec![Part::Line(figure)], problems })
    }
}
