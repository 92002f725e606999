//! Where is it decided? The logit difference if the model stopped at each point of its residual stream
//! (logit lens: nostalgebraist 2020; `accumulated_resid` with `incl_mid`).

use super::shared::attributed::{attributed, grid};
use super::{Analysis, Findings, Job, Range, Running, Setting};
use crate::attribution::DirectLogitAttribution;
use crate::error::Result;
use crate::report::{Axis, AxisKind, Part};

/// The catalogue's entry.
pub(super) static ANALYSIS: Analysis = Analysis {
    name: "logit-lens",
    title: "Logit lens",
    description: "The logit difference read off the residual stream before and in the middle of each layer. Where \
                  the line rises, the decision is written.",
    settings: &[SCALE],
    run,
};

/// Which LayerNorm scale the residual stream is divided by.
pub(super) const SCALE: Setting = Setting {
    name: "scale",
    description: "run: the final LayerNorm scale of the run, as the notebook does, so that steps add up; own: the \
                  scale of each point itself.",
    range: Range::Choice { default: "run", options: &["run", "own"] },
};

fn run<'a>(job: &'a Job<'a>) -> Running<'a> {
    Box::pin(lens(job))
}

async fn lens(job: &Job<'_>) -> Result<Findings> {
    let own = job.text("scale") == "own";
    let (all, problems) = attributed(job, false, &|direct| direct.lens(own)).await?;
    let rows =
        Axis { label: String::new(), counts: AxisKind::Other, ticks: vec!["logit difference".to_owned()] };
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
    let mut figure = grid(title, note, rows, columns, &all);
    figure.measures[0].label = "logit difference so far".to_owned();
    Ok(Findings { parts: vec![Part::Line(figure)], problems })
}
