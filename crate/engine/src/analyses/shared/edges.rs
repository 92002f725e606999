//! Scores of all edges of the model's graph, on a group's prompts.

use crate::analyses::Job;
use crate::circuits::outputs;
use crate::error::Result;
use crate::gradients::{Backward, Rules, gradient_sites, output_sites};
use crate::graph::Graph;
use crate::host::{ProgressUnit, Work};
use crate::interventions::Scene;
use crate::interventions::edges::EdgeSweep;
use crate::metrics::{LogitStats, PerPrompt};
use crate::prompts::{PreparedCase, PreparedGroup};
use crate::runs::{Direction, Runs, parts};
use crate::site::Site;

/// The notebook's graph.
pub(in crate::analyses) const PYTHON: &str = include_str!("../../../data/transformer-lens/graph.py");

/// How an edge's effect is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::analyses) enum Method {
    Exact,
    Eap,
    EapIg,
    Relp,
}

impl Method {
    /// How it is called on figures.
    pub(in crate::analyses) fn name(self) -> &'static str {
        match self {
            Method::Exact => "exact",
            Method::Eap => "EAP",
            Method::EapIg => "EAP-IG",
            Method::Relp => "RelP",
        }
    }
}

/// So many runs' activations are held: both runs', and what every node writes.
pub(in crate::analyses) const RUNS: u64 = 4;

/// Steps of integrated gradients, unless said otherwise (MIB's).
pub(in crate::analyses) const STEPS: u32 = 5;

/// How all edges of a group are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::analyses) struct Scoring {
    pub method: Method,
    pub direction: Direction,
    /// Of integrated gradients.
    pub steps: usize,
    /// Whether attention patterns are held constant.
    pub pattern: bool,
}

/// Called with all scores so far.
pub(in crate::analyses) type OnScores<'a> = &'a mut dyn FnMut(&PerPrompt);

impl Scoring {
    /// A method, as it is without further settings.
    pub(in crate::analyses) fn by(method: Method) -> Self {
        Self { method, direction: Direction::Noise, steps: STEPS as usize, pattern: false }
    }

    pub(in crate::analyses) fn is_exact(&self) -> bool {
        self.method == Method::Exact
    }

    /// What is counted: edges, or prompts.
    pub(in crate::analyses) fn unit(&self) -> ProgressUnit {
        if self.is_exact() { ProgressUnit::Patches } else { ProgressUnit::Prompts }
    }

    /// How much of it is to be done for a group, nothing if its scores are kept.
    pub(in crate::analyses) fn steps_of(&self, job: &Job<'_>, graph: &Graph, group: &PreparedGroup) -> usize {
        match self.is_exact() {
            _ if job.kept.has(self, group) => 0,
            true => self.parts_of(job, group) * graph.len(),
            false => group.cases.len(),
        }
    }

    /// The same for some of the edges, replaced exactly.
    pub(in crate::analyses) fn steps_of_some(
        &self,
        job: &Job<'_>,
        edges: usize,
        group: &PreparedGroup,
    ) -> usize {
        let exact = Self { method: Method::Exact, ..*self };
        if job.kept.has(&exact, group) { 0 } else { exact.parts_of(job, group) * edges }
    }

    /// In how many parts a group's prompts are swept: those that start to differ at the same position are run together.
    fn parts_of(&self, job: &Job<'_>, group: &PreparedGroup) -> usize {
        let of_part = |cases: &[PreparedCase]| {
            let start = |case: &PreparedCase| {
                case.clean.iter().zip(&case.corrupted).position(|(clean, corrupted)| clean != corrupted)
            };
            let mut starts: Vec<usize> = cases.iter().filter_map(start).collect();
            starts.sort_unstable();
            starts.dedup();
            starts.len()
        };
        parts(&group.cases, job.model, &self.sites(job), RUNS).map(of_part).sum()
    }

    fn sites(&self, job: &Job<'_>) -> Vec<Site> {
        let layers = job.model.config.n_layers;
        if self.is_exact() {
            return EdgeSweep::sites(layers);
        }
        let mut sites = [output_sites(layers), gradient_sites(layers)].concat();
        sites.sort_unstable();
        sites.dedup();
        sites
    }

    /// The score of every edge and prompt of a group, `[edges, prompts]`: the change of the logit difference. They are kept for as long
    /// as the model is open ([`super::kept::KeptScores`]). `seen` is shown those that are known so far.
    pub(in crate::analyses) async fn of_group(
        &self,
        job: &Job<'_>,
        graph: &Graph,
        group: &PreparedGroup,
        work: &mut Work<'_>,
        seen: OnScores<'_>,
    ) -> Result<PerPrompt> {
        if let Some(scores) = job.kept.get(self, group) {
            return Ok(scores);
        }
        let scores = if self.is_exact() {
            self.swept(job, graph, group, None, work, seen).await?
        } else {
            let sites = self.sites(job);
            let mut scores = PerPrompt::new(graph.len(), group.cases.len());
            let mut first = 0;
            for cases in parts(&group.cases, job.model, &sites, RUNS) {
                let runs = Runs::record(job.model, cases, false, &sites).await?;
                let scene = Scene::of(job.model, &runs, self.direction);
                let estimated = self.estimated(job, graph, &scene).await?;
                for edge in 0..graph.len() {
                    scores.row_mut(edge)[first..first + cases.len()].copy_from_slice(estimated.row(edge));
                }
                work.done(cases.len()).await?;
                first += cases.len();
            }
            scores
        };
        job.kept.keep(self, group, &scores);
        Ok(scores)
    }

    /// The exact scores of some edges, `[edges of the graph, prompts]`; those of the others are NaN.
    pub(in crate::analyses) async fn exact_of_some(
        &self,
        job: &Job<'_>,
        graph: &Graph,
        group: &PreparedGroup,
        edges: &[usize],
        work: &mut Work<'_>,
    ) -> Result<PerPrompt> {
        let exact = Self { method: Method::Exact, ..*self };
        let mut wanted = vec![false; graph.len()];
        edges.iter().for_each(|&edge| wanted[edge] = true);
        let mut scores = match job.kept.get(&exact, group) {
            Some(scores) => scores,
            None => exact.swept(job, graph, group, Some(&wanted), work, &mut |_| {}).await?,
        };
        let others = (0..graph.len()).filter(|&edge| !wanted[edge]);
        others.for_each(|edge| scores.row_mut(edge).fill(f64::NAN));
        Ok(scores)
    }

    /// Exact scores, of all edges or of those that are wanted.
    async fn swept(
        &self,
        job: &Job<'_>,
        graph: &Graph,
        group: &PreparedGroup,
        wanted: Option<&[bool]>,
        work: &mut Work<'_>,
        seen: OnScores<'_>,
    ) -> Result<PerPrompt> {
        let sites = self.sites(job);
        let mut scores = PerPrompt::new(graph.len(), group.cases.len());
        let mut first = 0;
        for cases in parts(&group.cases, job.model, &sites, RUNS) {
            let runs = Runs::record(job.model, cases, false, &sites).await?;
            let scene = Scene::of(job.model, &runs, self.direction);
            let base = scene.base.stats.logit_differences(0);
            let mut take = |stats: &LogitStats, added: &[usize]| {
                for &edge in added {
                    let row = scores.row_mut(edge)[first..].iter_mut();
                    row.zip(&base).enumerate().for_each(|(prompt, (score, base))| {
                        *score = stats.logit_difference(edge, prompt) - base;
                    });
                }
                seen(&scores);
            };
            let sweep = EdgeSweep { scene, graph, wanted, work: job.model.budget.work() };
            let mut stats = LogitStats::new(graph.len(), cases.len(), false);
            sweep.run(work, &mut stats, 0, &mut take).await?;
            // Prompts that are the same on both sides were not run: nothing changes there.
            take(&stats, &(0..graph.len()).collect::<Vec<_>>());
            first += cases.len();
        }
        Ok(scores)
    }

    /// Scores by gradients.
    async fn estimated(&self, job: &Job<'_>, graph: &Graph, scene: &Scene<'_>) -> Result<PerPrompt> {
        let Scene { model, base, other, readout, .. } = *scene;
        let backward = Backward {
            model,
            graph,
            rules: Rules { relevance: self.method == Method::Relp, pattern: self.pattern },
            compared: readout.compared(),
            differences: &(outputs(model, other)? - outputs(model, base)?),
        };
        if self.method != Method::EapIg {
            return backward.scores(&base.cache, &base.batch).await;
        }
        let sites = gradient_sites(job.model.config.n_layers);
        let mut sums = vec![0.0; graph.len() * base.batch.prompts()];
        for step in 0..self.steps {
            let between = backward.between([other, base], step as f32 / self.steps as f32, &sites)?;
            let scores = backward.scores(&between, &base.batch).await?;
            sums.iter_mut().zip(scores.numbers()).for_each(|(sum, score)| *sum += score);
        }
        let mean = sums.into_iter().map(|sum| sum / self.steps as f64).collect();
        Ok(PerPrompt::from_rows(base.batch.prompts(), mean))
    }
}
