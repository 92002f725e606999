//! Where is it decided? What the model would say if it stopped at each point of its residual stream (logit lens: nostalgebraist
//! 2020), or what has been written towards the answer so far (accumulated attribution: TransformerLens's `accumulated_resid` with
//! `incl_mid` through the final scale, as its demos and the notebook draw it).

use patchlab_kernels::Tensor;

use super::settings::{choice, flag, text};
use super::shared::attributed::{self, Attributed, grid, of_group_at};
use super::shared::groups::{asked_for, at_group, usable};
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::attribution::DirectLogitAttribution;
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{Axis, AxisKind, Measure, Part, Quantity};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, log_sum_exp, rank};
use crate::model::span::at_ends;
use crate::portion::{Division, Sizes};
use crate::prompts::{PreparedCase, PreparedGroup, Problem};
use crate::runs::{Readout, Run, next_tokens, parts};
use crate::site::Site;

settings! {
    scale: Scale = choice::<Scale>("run").described(
        "run: the final LayerNorm scale of the run, as the notebook does, so that steps add up; own: the scale of each point \
         itself, and the unembedding\u{2019}s bias, as a logit lens.",
    ),
    /// Also give the answer's log-probability and rank, the entropy, and how far the next tokens are from the model's own output.
    /// They need every token's logit at every point.
    probabilities: bool = flag(false),
    /// Where it is read: the last position, or the last token of the role of this name.
    at: String = text("last"),
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

/// What is read off the logits of all tokens, in the order of [`Lens::row`].
const MEASURES: [(&str, &str, Quantity); 5] = [
    ("log-prob", "log-probability of the answer", Quantity::LogProbability),
    ("rank", "rank of the answer", Quantity::Count),
    ("entropy", "entropy of the next tokens (nats)", Quantity::Loss),
    ("kl-to-output", "KL divergence of the output from this point (nats)", Quantity::Loss),
    ("kl-from-output", "KL divergence of this point from the output (nats)", Quantity::Loss),
];

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
        let (groups, mut problems) = usable(job)?;
        let groups: Vec<PreparedGroup> =
            groups.into_iter().filter_map(|group| self.with_role(group, &mut problems)).collect();
        let groups = asked_for(job, groups);
        let total = groups.iter().map(|group| group.cases.len()).sum();
        let mut work = Work::new(job.viewer, "Running the prompts", ProgressUnit::Prompts, total);
        let mut all: Vec<Attributed> = Vec::new();
        for group in groups {
            let at = |case: &PreparedCase| position(self.role(&group), case);
            let project = |direct: &DirectLogitAttribution<'_>| {
                let lens = direct.lens(own)?; // [points, b]
                Ok(if own { lens + direct.unembedding_bias() } else { lens })
            };
            all.push(of_group_at(job, group.clone(), &at, false, &project, &mut work).await?);
        }
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
                "Logit lens",
                "As if the model stopped at each point: its own LayerNorm scale, and the unembedding\u{2019}s bias. The last point is \
                 the model\u{2019}s output; steps do not add up.",
            )
        } else {
            (
                "Accumulated attribution",
                "Everything written so far, through the run\u{2019}s final LayerNorm scale; the unembedding\u{2019}s bias is left out. A \
                 step is what one attention or MLP adds.",
            )
        };
        let place = match self.at.trim() {
            "last" => String::new(),
            role => format!(" Read at the last token of {role} in each prompt that has it."),
        };
        let mut figure = grid(job, title, &format!("{note}{place}"), rows, columns, &all).await?;
        figure.measures[0].label = "logit difference so far".to_owned();
        if self.probabilities {
            let measure = |(name, label, quantity): (&str, &str, Quantity)| Measure {
                name: name.to_owned(),
                label: label.to_owned(),
                quantity,
                range: None,
                middle: None,
            };
            figure.measures.extend(MEASURES.map(measure));
            let total = all.iter().map(|attributed| attributed.group.cases.len()).sum();
            let mut work = Work::new(job.viewer, "Reading the residual stream", ProgressUnit::Prompts, total);
            for (panel, attributed) in figure.panels.iter_mut().zip(&all) {
                let role = self.role(&attributed.group);
                let numbers = read(job, &attributed.group, (self.scale, role), &mut work).await?;
                for (index, numbers) in numbers.into_iter().enumerate() {
                    panel.values.push(
                        Numbers::alone(numbers)
                            .summarise(index + 1, &attributed.group.pairs(), &work)
                            .await?,
                    );
                }
            }
        }
        Ok(Findings { parts: vec![Part::Line(figure)], problems })
    }

    fn division(&self, _: &Sizes) -> Result<Division> {
        Ok(Division::by_group(if self.probabilities { 10.0 } else { 1.0 }))
    }
}

impl Settings {
    /// Which of a group's roles is read, by index. None: the last position.
    fn role(&self, group: &PreparedGroup) -> Option<usize> {
        group.roles.iter().position(|role| self.at != "last" && role == self.at.trim())
    }

    /// Those of a group's prompts in which it can be read.
    fn with_role(&self, group: PreparedGroup, problems: &mut Vec<Problem>) -> Option<PreparedGroup> {
        if self.at.trim() == "last" {
            return Some(group);
        }
        let role = self.role(&group);
        let has = |case: &&PreparedCase| role.is_some_and(|role| case.roles[role].is_some());
        let cases: Vec<PreparedCase> = group.cases.iter().filter(has).cloned().collect();
        if cases.is_empty() {
            let known = if group.roles.is_empty() { "none".to_owned() } else { group.roles.join(", ") };
            let message =
                format!("No prompt of this group has a role {:?}. It has: {known}.", self.at.trim());
            problems.push(at_group(&group, "role-not-found", message));
            return None;
        }
        Some(PreparedGroup { cases, ..group })
    }
}

/// The last token of a role, or of the prompt.
fn position(role: Option<usize>, case: &PreparedCase) -> usize {
    let span = role.and_then(|role| case.roles[role].as_ref());
    span.map_or(case.clean.len(), |span| span.end) - 1
}

/// The residual stream at a point, as the unembedding reads it: `[b, p, d]`. `scale` is the run's final one, `[b, p, 1]`.
pub(super) fn seen_at(job: &Job<'_>, x: Tensor<3>, scale: &Tensor<3>, which: Scale) -> Result<Tensor<3>> {
    match which {
        Scale::Own => job.model.normalize(x, &mut crate::model::Hooks::none()),
        Scale::Run => Ok(x / scale.clone()),
    }
}

/// The measures of [`MEASURES`] at each point and prompt of a group.
async fn read(
    job: &Job<'_>,
    group: &PreparedGroup,
    (scale, role): (Scale, Option<usize>),
    work: &mut Work<'_>,
) -> Result<Vec<PerPrompt>> {
    let points = DirectLogitAttribution::point_sites(job.model.config.n_layers);
    let mut sites = points.clone();
    sites.push(Site::FinalScale);
    let mut found = vec![PerPrompt::new(points.len(), group.cases.len()); MEASURES.len()];
    let mut first = 0;
    for cases in parts(&group.cases, job.model, &sites, 1) {
        let clean: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
        let run = Run::record(job.model, &clean, &Readout::new(job.model, cases, false), &sites).await?;
        let final_scale: Tensor<3> = run.cache.tensor(Site::FinalScale)?; // [b, p, 1]
        let [b, _, _] = final_scale.dims();
        let positions: Vec<usize> = cases.iter().map(|case| position(role, case)).collect();
        let last = |site: &Site| -> Result<Tensor<2>> {
            let x = seen_at(job, run.cache.tensor(*site)?, &final_scale, scale)?;
            let [_, _, d] = x.dims();
            Ok(at_ends(x, &positions).reshape([b, d]))
        };
        // The output first, which the others are compared with.
        let mut outputs = Vec::new();
        for (point, site) in points.iter().enumerate().rev() {
            let seen = last(site)?;
            next_tokens::each(job.model, seen, |prompt, logits| {
                if outputs.len() <= prompt {
                    outputs.push(distribution(&logits));
                }
                let numbers = measured(&logits, &outputs[prompt], &cases[prompt]);
                for (found, number) in found.iter_mut().zip(numbers) {
                    found.row_mut(point)[first + prompt] = number;
                }
            })
            .await?;
            work.check().await?;
        }
        first += cases.len();
        work.done(cases.len()).await?;
    }
    Ok(found)
}

/// The log-probability of every token.
fn distribution(logits: &[f32]) -> Vec<f64> {
    let norm = log_sum_exp(logits);
    logits.iter().map(|&logit| f64::from(logit) - norm).collect()
}

fn measured(logits: &[f32], output: &[f64], case: &PreparedCase) -> [f64; MEASURES.len()] {
    let here = distribution(logits);
    let divergence = |of: &[f64], from: &[f64]| -> f64 {
        of.iter().zip(from).map(|(of, from)| of.exp() * (of - from)).sum()
    };
    let answers = || case.compared[0].iter().map(|&id| id as usize);
    [
        log_sum_exp(&answers().map(|id| logits[id]).collect::<Vec<_>>()) - log_sum_exp(logits),
        answers().map(|id| rank(logits, id)).min().unwrap_or_default() as f64,
        -here.iter().map(|log| log.exp() * log).sum::<f64>(),
        divergence(output, &here),
        divergence(&here, output),
    ]
}
