//! Which edges make a circuit, and what the logit difference is when only they carry what the clean run writes.

use std::ops::Range;

use burn::tensor::TensorData;
use patchlab_kernels::{Indices, Tensor, product};

use super::columns::{Align, Columns};
use super::edges::{Method, RUNS, Scoring};
use super::groups::at_group;
use crate::analyses::Job;
use crate::analyses::settings::{Spec, choice, count, flag, text};
use crate::circuits::select::{by_size, from_logits, pruned};
use crate::circuits::text::read;
use crate::circuits::{Circuits, outputs};
use crate::error::{Error, Result};
use crate::gradients::output_sites;
use crate::graph::{Graph, Reader};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, mean};
use crate::prompts::{PreparedCase, PreparedGroup, Problem};
use crate::runs::{Runs, parts};
use crate::site::Site;

/// How edges are chosen, if none are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::analyses) enum Select {
    Greedy,
    Top,
    Threshold,
    Acdc,
}

/// What stands in the place of a node's output where its edge is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::analyses) enum Ablation {
    Resample,
    Mean,
    MeanByRole,
    Zero,
}

pub(in crate::analyses) const EDGES: Spec<String> = text("").described(
    "The circuit\u{2019}s edges: input->m0 m0->a1.h3<v>, with commas for several at once (a9.h9,a9.h6->logits) and * for all; or a \
     circuit file of EAP-IG. Empty: they are chosen by their scores.",
);
pub(in crate::analyses) const COUNT: Spec<usize> =
    count(30, 0, 1_000_000).described("How many edges, if none are named, for greedy and top.");
pub(in crate::analyses) const BY: Spec<Method> = choice::<Method>("exact")
    .described("By which scores (see edge-attribution), for greedy, top and threshold.");
pub(in crate::analyses) const SELECT: Spec<Select> = choice::<Select>("greedy").described(
    "greedy: from the logits up, the largest score first, so that every edge leads somewhere; top: the largest scores; threshold: all \
     scores of at least the threshold; acdc: from the logits down, an edge goes if that changes the mean logit difference by less \
     than the threshold, after all that went before (exact, a run for each edge).",
);
pub(in crate::analyses) const THRESHOLD: Spec<String> =
    text("0.02").described("For threshold and acdc: a change of the logit difference.");
pub(in crate::analyses) const PRUNE: Spec<bool> =
    flag(false).described("Leave out edges that lead nowhere or come from nowhere.");
pub(in crate::analyses) const ABLATION: Spec<Ablation> = choice::<Ablation>("resample").described(
    "What stands in the place of an edge that is missing: what the node writes on the corrupted prompt (resample); its mean over the \
     group\u{2019}s clean prompts, at each position or over the tokens of each role, and over all tokens without one; or nothing (zero).",
);

/// How a circuit is chosen.
#[derive(Debug, Clone)]
pub(in crate::analyses) struct Choice {
    /// The edges that are named; none: they are chosen by scores.
    named: Option<Vec<usize>>,
    count: usize,
    scoring: Scoring,
    select: Select,
    threshold: f64,
    prune: bool,
}

/// The settings that say how a circuit is chosen.
pub(in crate::analyses) struct Asked<'a> {
    pub edges: &'a str,
    pub count: usize,
    pub by: Method,
    pub select: Select,
    pub threshold: &'a str,
    pub prune: bool,
}

/// A circuit of a group.
#[derive(Debug, Clone)]
pub(in crate::analyses) struct Chosen {
    /// Its edges.
    pub members: Vec<usize>,
    /// All edges in the order in which they would be chosen; empty if they were not chosen by scores.
    pub order: Vec<usize>,
    /// The mean score of each edge, if there are any.
    pub scores: Option<Vec<f64>>,
}

impl Choice {
    /// # Errors
    /// [`Error::Setting`] for edges that the model does not have, and for a threshold that is no number.
    pub(in crate::analyses) fn new(graph: &Graph, asked: &Asked<'_>) -> Result<Self> {
        let named = if asked.edges.trim().is_empty() { None } else { Some(read(graph, asked.edges)?) };
        let threshold =
            asked.threshold.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
        let threshold = threshold.ok_or_else(|| Error::Setting {
            name: "threshold".to_owned(),
            message: format!("{:.20?} is no number from 0 on, like 0.02.", asked.threshold),
        })?;
        let scoring = Scoring::by(asked.by);
        Ok(Self { named, count: asked.count, scoring, select: asked.select, threshold, prune: asked.prune })
    }

    /// Whether the edges are named, and not chosen.
    pub(in crate::analyses) fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// How edges are scored. None: they need not be.
    pub(in crate::analyses) fn scoring(&self) -> Option<&Scoring> {
        (!self.is_named() && self.select != Select::Acdc).then_some(&self.scoring)
    }

    /// What is counted while edges are scored.
    pub(in crate::analyses) fn unit(&self) -> ProgressUnit {
        self.scoring().map_or(ProgressUnit::Prompts, Scoring::unit)
    }

    /// The steps of scoring a group's edges.
    pub(in crate::analyses) fn steps_of(&self, job: &Job<'_>, graph: &Graph, group: &PreparedGroup) -> usize {
        self.scoring().map_or(0, |scoring| scoring.steps_of(job, graph, group))
    }

    /// A group's circuit.
    pub(in crate::analyses) async fn of_group(&self, test: &Test<'_>, work: &mut Work<'_>) -> Result<Chosen> {
        let graph = test.graph;
        let prune = |members: Vec<usize>| if self.prune { pruned(graph, members) } else { members };
        if let Some(named) = &self.named {
            return Ok(Chosen { members: prune(named.clone()), order: Vec::new(), scores: None });
        }
        let Some(scoring) = self.scoring() else {
            let members = self.reduced(test, work).await?;
            return Ok(Chosen { members: prune(members), order: Vec::new(), scores: None });
        };
        let scores = scoring.of_group(test.job, graph, test.group, work, &mut |_| {}).await?;
        let scores: Vec<f64> = (0..graph.len()).map(|edge| mean(scores.row(edge))).collect();
        let order =
            if self.select == Select::Greedy { from_logits(graph, &scores) } else { by_size(&scores) };
        let size = match self.select {
            Select::Threshold => order.iter().filter(|&&edge| scores[edge].abs() >= self.threshold).count(),
            _ => self.count.min(order.len()),
        };
        Ok(Chosen { members: prune(order[..size].to_vec()), order, scores: Some(scores) })
    }

    /// What is left if edges go one by one, from the logits down, whose absence changes the mean logit difference by less than the
    /// threshold (Conmy et al. 2023, with the logit difference in place of a divergence).
    async fn reduced(&self, test: &Test<'_>, work: &Work<'_>) -> Result<Vec<usize>> {
        let graph = test.graph;
        let readers: Vec<Reader> = graph.readers().collect();
        let order: Vec<usize> =
            readers.iter().rev().flat_map(|reader| graph.edges_of(*reader).rev()).collect();
        let mut kept = vec![true; graph.len()];
        let mut before = mean(test.run(std::slice::from_ref(&kept), work).await?.row(0));
        let mut tried = 0;
        while tried < order.len() {
            // Most edges go, so the next ones are taken away one after the other until one should have stayed.
            let next = &order[tried..order.len().min(tried + AT_ONCE)];
            let mut without = Vec::new();
            for &edge in next {
                let mut circuit = without.last().unwrap_or(&kept).clone();
                circuit[edge] = false;
                without.push(circuit);
            }
            let found = test.run(&without, work).await?;
            for (row, &edge) in next.iter().enumerate() {
                let after = mean(found.row(row));
                tried += 1;
                if (after - before).abs() >= self.threshold {
                    break;
                }
                kept[edge] = false;
                before = after;
            }
            work.note(format!("Taking edges away: {tried} of {}.", order.len())).await?;
        }
        Ok((0..graph.len()).filter(|&edge| kept[edge]).collect())
    }
}

/// How many edges are tried at once.
const AT_ONCE: usize = 16;

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
