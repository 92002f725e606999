//! Which edges make a circuit: those that are named, or those that their scores choose.

use super::circuits::Test;
use super::edges::{Method, Scoring};
use crate::analyses::Job;
use crate::analyses::settings::{Spec, choice, count, flag, text};
use crate::circuits::select::{by_size, from_logits, pruned};
use crate::circuits::text::read;
use crate::error::{Error, Result};
use crate::graph::{Graph, Reader};
use crate::host::{ProgressUnit, Work};
use crate::metrics::mean;
use crate::prompts::PreparedGroup;

/// How edges are chosen, if none are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::analyses) enum Select {
    Greedy,
    Top,
    Threshold,
    Acdc,
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
