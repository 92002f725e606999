//! What an activation becomes when it is ablated, and where.

use std::ops::Range;

use patchlab_kernels::Indices;

use super::columns::Columns;
use super::groups::{of_one_length, that_differ};
use crate::analyses::Job;
use crate::analyses::settings::{Spec, choice};
use crate::error::Result;
use crate::interventions::{Effect, Intervention, Positions, PromptSet, Value};
use crate::model::{Activation, Batch, Config, Hooks};
use crate::prompts::{PreparedGroup, Problem};
use crate::readback::Reads;
use crate::runs::parts;
use crate::site::Site;

/// What it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::analyses) enum Becomes {
    Zero,
    Mean,
    Resample,
}

/// Where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::analyses) enum Where {
    All,
    Last,
    Each,
}

/// The setting that picks a [`Becomes`].
pub(in crate::analyses) const VALUE: Spec<Becomes> = choice::<Becomes>("zero").described(
    "What it becomes: zero; its mean over the group\u{2019}s clean prompts, at each position or over each role\u{2019}s tokens; or what \
     it is on the corrupted prompt (resample).",
);

impl Where {
    /// As interventions say it.
    pub(in crate::analyses) fn positions(self) -> Positions {
        match self {
            Where::All => Positions::All,
            Where::Last => Positions::Last,
            Where::Each => Positions::Here,
        }
    }
}

impl Becomes {
    fn value(self) -> Value {
        match self {
            Becomes::Zero => Value::Zero,
            Becomes::Mean => Value::Mean(PromptSet::Clean),
            Becomes::Resample => Value::Other,
        }
    }

    /// The groups on which it can be done.
    pub(in crate::analyses) fn possible(
        self,
        groups: Vec<PreparedGroup>,
        place: Where,
        problems: &mut Vec<Problem>,
    ) -> Vec<PreparedGroup> {
        match self {
            Becomes::Zero => groups,
            Becomes::Mean if place == Where::Each => groups,
            Becomes::Mean => of_one_length(groups, problems),
            Becomes::Resample => that_differ(groups, problems),
        }
    }

    /// What is done, as a sentence of a note.
    pub(in crate::analyses) fn says(self, place: Where) -> String {
        let becomes = match self {
            Becomes::Zero => {
                "set to zero. Value biases are folded into b_O, as TransformerLens does, so that a zeroed z leaves them"
            }
            Becomes::Mean if place == Where::Each => {
                "set to its mean over the tokens there in the group\u{2019}s clean prompts"
            }
            Becomes::Mean => "set to its mean over the group\u{2019}s clean prompts, at each position",
            Becomes::Resample => "set to what it is on the corrupted prompt",
        };
        let place = match place {
            Where::All => "at all positions",
            Where::Last => "at the last position",
            Where::Each => "at one position at a time",
        };
        format!("In the clean run, {place}: {becomes}.")
    }

    /// The ablation of a part of an activation.
    pub(in crate::analyses) fn of(self, site: Site, index: Option<usize>, place: Where) -> Intervention {
        Intervention {
            position: place.positions(),
            effect: Effect::Replace(self.value()),
            ..Intervention::patch(site, index, None)
        }
    }
}

/// Mean activations over the tokens of each column in a group's clean prompts. Every token counts once.
pub(in crate::analyses) struct Means {
    sites: Vec<Site>,
    /// By site and column, all components.
    means: Vec<Vec<Vec<f64>>>,
}

impl Means {
    /// Runs the prompts.
    pub(in crate::analyses) async fn of(
        job: &Job<'_>,
        group: &PreparedGroup,
        columns: &Columns,
        mut sites: Vec<Site>,
    ) -> Result<Self> {
        sites.sort_unstable();
        sites.dedup();
        let mut sums = vec![vec![Vec::new(); columns.len()]; sites.len()];
        let mut first = 0;
        for cases in parts(&group.cases, job.model, &sites, 1) {
            let ids: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
            let mut hooks = Hooks::new(Some(&sites), &[]);
            job.model.forward(&Batch::new(&ids)?, &mut hooks)?;
            let cache = hooks.finish()?;
            let spans = &columns.spans[first..first + cases.len()];
            let mut reads = Reads::default();
            let mut read = Vec::new();
            for (site, sums) in sites.iter().zip(&mut sums) {
                let (x, p) = match cache.get(*site)? {
                    Activation::Three(x) => {
                        let [b, p, k] = x.dims();
                        (x.clone().reshape([b * p, k]), p)
                    }
                    Activation::Four(x) => {
                        let [b, p, h, e] = x.dims();
                        (x.clone().reshape([b * p, h * e]), p)
                    }
                };
                for (column, sum) in sums.iter_mut().enumerate() {
                    let tokens = spans.iter().enumerate().flat_map(|(row, spans)| {
                        spans[column]
                            .clone()
                            .into_iter()
                            .flatten()
                            .map(move |position| (row * p + position) as i32)
                    });
                    let tokens: Vec<i32> = tokens.collect();
                    if !tokens.is_empty() {
                        let rows = Indices::new(tokens.clone(), [tokens.len()], &job.model.device);
                        reads = reads.with(x.clone().select(&rows).sum_dim(0)); // [1, k]
                        read.push(sum);
                    }
                }
            }
            for (sum, some) in read.into_iter().zip(reads.fetch().await?) {
                sum.resize(some.len(), 0.0);
                sum.iter_mut().zip(some).for_each(|(sum, some)| *sum += f64::from(some));
            }
            first += cases.len();
        }
        let tokens = |column: usize| columns.spans.iter().filter_map(move |spans| spans[column].as_ref());
        for sums in &mut sums {
            for (column, sum) in sums.iter_mut().enumerate() {
                let count: usize = tokens(column).map(Range::len).sum();
                sum.iter_mut().for_each(|sum| *sum /= count as f64);
            }
        }
        Ok(Self { sites, means: sums })
    }

    /// The mean of the part of an activation that an intervention acts on.
    pub(in crate::analyses) fn at(&self, one: &Intervention, column: usize, config: &Config) -> Vec<f32> {
        let site = self.sites.iter().position(|site| *site == one.site);
        let all = site.map_or(&[][..], |site| &self.means[site][column]);
        let part = match one.head {
            Some(head) => &all[head * config.d_head..(head + 1) * config.d_head],
            None => all,
        };
        part.iter().map(|&number| number as f32).collect()
    }
}
