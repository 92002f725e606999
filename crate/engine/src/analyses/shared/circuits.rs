//! What the logit difference is when only some edges carry what the clean run writes.

use std::ops::Range;

use burn::tensor::TensorData;
use patchlab_kernels::{Indices, Tensor, product};

use super::columns::{Align, Columns};
use super::edges::RUNS;
use super::groups::at_group;
use crate::analyses::Job;
use crate::analyses::settings::{Spec, choice};
use crate::circuits::{Circuits, outputs};
use crate::error::{Error, Result};
use crate::gradients::output_sites;
use crate::graph::Graph;
use crate::host::Work;
use crate::metrics::{PerPrompt, mean};
use crate::prompts::{PreparedCase, PreparedGroup, Problem};
use crate::runs::{Runs, parts};
use crate::site::Site;

/// What stands in the place of a node's output where its edge is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::analyses) enum Ablation {
    Resample,
    Mean,
    MeanByRole,
    Zero,
}

pub(in crate::analyses) const ABLATION: Spec<Ablation> = choice::<Ablation>("resample").described(
    "What stands in the place of an edge that is missing: what the node writes on the corrupted prompt (resample); its mean over the \
     group\u{2019}s clean prompts, at each position or over the tokens of each role, and over all tokens without one; or nothing (zero).",
);

impl Ablation {
    /// The groups on which it can be done, of those in which clean and corrupted differ.
    pub(in crate::analyses) fn possible(
        self,
        job: &Job<'_>,
        groups: Vec<PreparedGroup>,
        problems: &mut Vec<Problem>,
    ) -> Vec<(PreparedGroup, Option<Columns>)> {
        let align = match self {
            Ablation::Mean => Align::Start,
            Ablation::MeanByRole => Align::Role,
            Ablation::Resample | Ablation::Zero => {
                return groups.into_iter().map(|group| (group, None)).collect();
            }
        };
        let of = |(group, columns)| (group, Some(columns));
        align.of_groups(job, groups, problems).into_iter().map(of).collect()
    }
}

/// Circuits on a group's prompts.
pub(in crate::analyses) struct Test<'a> {
    pub job: &'a Job<'a>,
    pub graph: &'a Graph,
    pub group: &'a PreparedGroup,
    ablation: Ablation,
    sites: Vec<Site>,
    means: Option<Means>,
}

/// What each node writes on average over some tokens of the clean prompts.
struct Means {
    /// `[columns, nodes d]`
    means: Tensor<2>,
    /// For each prompt, the column of each of its positions.
    columns: Vec<Vec<usize>>,
}

impl<'a> Test<'a> {
    /// `columns` say over which tokens means are, if there are any.
    ///
    /// # Errors
    /// [`Error::Compute`], [`Error::Cancelled`].
    pub(in crate::analyses) async fn new(
        job: &'a Job<'a>,
        graph: &'a Graph,
        (group, columns): &'a (PreparedGroup, Option<Columns>),
        ablation: Ablation,
    ) -> Result<Self> {
        let sites = output_sites(job.model.config.n_layers).into_iter().chain([Site::PosEmbed]).collect();
        let mut test = Self { job, graph, group, ablation, sites, means: None };
        if let Some(columns) = columns {
            test.means = Some(test.means(columns).await?);
        }
        Ok(test)
    }

    /// The logit difference of each circuit and prompt. A circuit says of every edge whether it has it.
    ///
    /// # Errors
    /// [`Error::Compute`], [`Error::Cancelled`].
    pub(in crate::analyses) async fn run(
        &self,
        circuits: &[Vec<bool>],
        work: &Work<'_>,
    ) -> Result<PerPrompt> {
        let model = self.job.model;
        let mut found = PerPrompt::new(circuits.len(), self.group.cases.len());
        let mut first = 0;
        for cases in self.parts() {
            let runs = Runs::record(model, cases, false, &self.sites).await?;
            let instead = match (self.ablation, &self.means) {
                (Ablation::Zero, _) => {
                    let clean = outputs(model, &runs.clean)?;
                    clean.zeros(clean.dims())
                }
                (_, Some(means)) => means.of(first..first + cases.len(), model.config.d_model),
                (_, None) => outputs(model, &runs.corrupted)?,
            };
            let run = Circuits {
                model,
                graph: self.graph,
                clean: &runs.clean,
                readout: &runs.readout,
                instead: &instead,
            };
            let mut row = 0;
            for some in circuits.chunks(run.at_once(model.budget.work())) {
                for differences in run.run(some).await? {
                    found.row_mut(row)[first..first + cases.len()].copy_from_slice(&differences);
                    row += 1;
                }
                work.check().await?;
            }
            first += cases.len();
        }
        Ok(found)
    }

    /// The same of circuits that are lists of edges.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(in crate::analyses) async fn run_lists(
        &self,
        circuits: &[Vec<usize>],
        work: &Work<'_>,
    ) -> Result<PerPrompt> {
        let of = |edges: &Vec<usize>| {
            let mut is_in = vec![false; self.graph.len()];
            edges.iter().for_each(|&edge| is_in[edge] = true);
            is_in
        };
        self.run(&circuits.iter().map(of).collect::<Vec<_>>(), work).await
    }

    fn parts(&self) -> impl Iterator<Item = &'a [PreparedCase]> {
        parts(&self.group.cases, self.job.model, &self.sites, RUNS)
    }

    /// Means over the tokens of each column, and over those without one.
    async fn means(&self, columns: &Columns) -> Result<Means> {
        let (model, rest) = (self.job.model, columns.len());
        let of_prompt = |(case, spans): (&PreparedCase, &Vec<Option<Range<usize>>>)| {
            let mut own = vec![rest; case.clean.len()];
            for (column, span) in spans.iter().enumerate() {
                span.clone().into_iter().flatten().for_each(|position| own[position] = column);
            }
            own
        };
        let of_prompts: Vec<Vec<usize>> =
            self.group.cases.iter().zip(&columns.spans).map(of_prompt).collect();
        let mut counts = vec![0_usize; rest + 1];
        of_prompts.iter().flatten().for_each(|&column| counts[column] += 1);
        let mut sum: Option<Tensor<2>> = None;
        let mut first = 0;
        for cases in self.parts() {
            let runs = Runs::record(model, cases, false, &self.sites).await?;
            let written = outputs(model, &runs.clean)?; // [nodes, b, p, d]
            let [nodes, b, p, d] = written.dims();
            // How much a token adds to the mean of each column.
            let mut shares = vec![0.0_f32; (rest + 1) * b * p];
            for (prompt, own) in of_prompts[first..first + b].iter().enumerate() {
                for (position, &column) in own.iter().enumerate() {
                    shares[column * b * p + prompt * p + position] = 1.0 / counts[column] as f32;
                }
            }
            let shares = Tensor::from_data(TensorData::new(shares, [rest + 1, b * p]), &model.device);
            let tokens = written.reshape([nodes, b * p, d]).swap_dims(0, 1).contiguous(); // [b p, nodes, d]
            let part = product(shares, tokens.reshape([b * p, nodes * d]));
            sum = Some(match sum {
                Some(sum) => sum + part,
                None => part,
            });
            first += b;
        }
        sum.map(|means| Means { means, columns: of_prompts })
            .ok_or_else(|| Error::Compute("a group without prompts has no means".to_owned()))
    }
}

impl Means {
    /// For some prompts, `[nodes, b, p, d]`.
    fn of(&self, prompts: Range<usize>, d: usize) -> Tensor<4> {
        let columns = &self.columns[prompts];
        let (b, p) = (columns.len(), columns.iter().map(Vec::len).max().unwrap_or(0));
        // What stands after a shorter prompt's last token is not read.
        let of = |own: &Vec<usize>| {
            (0..p).map(|position| own.get(position).map_or(0, |&column| column as i32)).collect::<Vec<_>>()
        };
        let rows = Indices::new(columns.iter().flat_map(of).collect(), [b * p], &self.means.device());
        let tokens = self.means.clone().select(&rows); // [b p, nodes d]
        let nodes = tokens.dims()[1] / d;
        tokens.reshape([b * p, nodes, d]).swap_dims(0, 1).contiguous().reshape([nodes, b, p, d])
    }
}

/// How much of the logit difference a circuit leaves, as a share of the distance between no edge and all.
pub(in crate::analyses) struct Faithfulness {
    empty: f64,
    full: f64,
}

/// Logit differences that are closer than this tell nothing of what lies between.
const SMALLEST: f64 = 0.01;

impl Faithfulness {
    /// From the logit differences of no edge and of all, the first two rows. None: they are too close, which is reported.
    pub(in crate::analyses) fn of(
        group: &PreparedGroup,
        found: &PerPrompt,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let (empty, full) = (mean(found.row(0)), mean(found.row(1)));
        if (full - empty).abs() < SMALLEST {
            problems.push(at_group(
                group,
                "no-effect",
                format!(
                    "The logit difference of the whole model ({full:.4}) and without any edge ({empty:.4}) are too close to tell how \
                     faithful a circuit is."
                ),
            ));
            return None;
        }
        Some(Self { empty, full })
    }

    /// Of a logit difference.
    pub(in crate::analyses) fn of_number(&self, difference: f64) -> f64 {
        (difference - self.empty) / (self.full - self.empty)
    }

    /// Of each prompt's logit difference in a row.
    pub(in crate::analyses) fn of_row(&self, found: &PerPrompt, row: usize) -> Vec<f64> {
        found.row(row).iter().map(|number| self.of_number(*number)).collect()
    }
}
