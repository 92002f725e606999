//! Scores of all edges of the model's graph, on a group's prompts.

use crate::analyses::Job;
use crate::circuit::outputs;
use crate::error::Result;
use crate::gradients::{Backward, Rules, gradient_sites, output_sites};
use crate::graph::Graph;
use crate::host::Work;
use crate::interventions::Scene;
use crate::interventions::edges::EdgeSweep;
use crate::metrics::{LogitStats, PerPrompt};
use crate::prompts::{PreparedCase, PreparedGroup};
use crate::runs::{Direction, Runs, parts};
use crate::site::Site;

/// How an edge's effect is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::analyses) enum Method {
    Exact,
    Eap,
    EapIg,
    Relp,
}

/// So many runs' activations are held: both runs', and what every node writes.
pub(in crate::analyses) const RUNS: u64 = 4;

/// How all edges of a group are scored.
#[derive(Debug, Clone, Copy)]
pub(in crate::analyses) struct Scoring {
    pub method: Method,
    pub direction: Direction,
    /// Of integrated gradients.
    pub steps: usize,
    /// Whether attention patterns are held constant.
    pub pattern: bool,
}

impl Scoring {
    pub(in crate::analyses) fn is_exact(&self) -> bool {
        self.method == Method::Exact
    }

    /// What is counted while a group is computed: edges, or prompts.
    pub(in crate::analyses) fn steps_of(&self, job: &Job<'_>, graph: &Graph, group: &PreparedGroup) -> usize {
        if !self.is_exact() {
            return group.cases.len();
        }
        // In each part, edges of prompts that start to differ at the same position are run together.
        let of_part = |cases: &[PreparedCase]| {
            let start = |case: &PreparedCase| {
                case.clean.iter().zip(&case.corrupted).position(|(clean, corrupted)| clean != corrupted)
            };
            let mut starts: Vec<usize> = cases.iter().filter_map(start).collect();
            starts.sort_unstable();
            starts.dedup();
            starts.len()
        };
        parts(&group.cases, job.model, &self.sites(job), RUNS).map(of_part).sum::<usize>() * graph.len()
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

    /// The score of every edge and prompt of a group, `[edges, prompts]`: the change of the logit difference. `seen` is shown those
    /// that are known so far.
    pub(in crate::analyses) async fn of_group(
        &self,
        job: &Job<'_>,
        graph: &Graph,
        group: &PreparedGroup,
        work: &mut Work<'_>,
        seen: &mut dyn FnMut(&PerPrompt),
    ) -> Result<PerPrompt> {
        let sites = self.sites(job);
        let mut scores = PerPrompt::new(graph.len(), group.cases.len());
        let mut first = 0;
        for cases in parts(&group.cases, job.model, &sites, RUNS) {
            let runs = Runs::record(job.model, cases, false, &sites).await?;
            let scene = Scene::of(job.model, &runs, self.direction);
            if self.is_exact() {
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
                let sweep = EdgeSweep { scene, graph, work: job.model.budget.work() };
                let mut stats = LogitStats::new(graph.len(), cases.len(), false);
                sweep.run(work, &mut stats, 0, &mut take).await?;
                // Prompts that are the same on both sides were not run: nothing changes there.
                take(&stats, &(0..graph.len()).collect::<Vec<_>>());
            } else {
                let estimated = self.estimated(job, graph, &scene).await?;
                for edge in 0..graph.len() {
                    scores.row_mut(edge)[first..first + cases.len()].copy_from_slice(estimated.row(edge));
                }
                work.done(cases.len()).await?;
            }
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
