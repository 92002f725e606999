//! A study cut into shards, for other machines to compute, and put together again (docs/shards.md).
//!
//! Nothing here runs anything: a plan says which shard computes what, and any scheduler may run the shards, in any order and as
//! often as it likes.

pub mod exact;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::analyses::Analysis;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Group};
use crate::figures::Report;
use crate::portion::{Portion, Sizes};
use crate::session::Request;

/// Most shards of a plan.
pub const MOST: usize = 10_000;

/// Most threads of a plan.
pub const MOST_THREADS: usize = 256;

/// What is assumed of a model of which nothing is known: GPT-2 small.
pub const GPT2_SMALL: Sizes = Sizes { n_layers: 12, n_heads: 12, d_mlp: 3072, positions: 16 };

/// More layers than any model of this family has.
const DEEPEST: usize = 256;

/// Requests on one experiment, and which shard computes what of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The prompts of all requests.
    pub experiment: Experiment,
    /// The requests, in the order of their reports.
    pub requests: Vec<Asked>,
    /// How many threads sweeps run on ([`crate::Session::set_threads`]), on every machine, so that the numbers are the same to the bit.
    pub threads: usize,
    /// Whether the result is a list of reports: there may be a list of one.
    pub list: bool,
    /// What each shard computes. There may be shards with nothing to do.
    pub shards: Vec<Vec<Unit>>,
}

/// A request without its experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The analysis's name in the catalogue.
    pub analysis: String,
    /// Its settings.
    pub settings: Map<String, Value>,
}

/// What is computed at once: a portion of a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// The request, by index in the plan.
    pub request: usize,
    /// Which portion of it.
    pub portion: Portion,
}

/// A unit and its report.
#[derive(Debug, Clone, PartialEq)]
pub struct Computed {
    /// The unit.
    pub unit: Unit,
    /// Whether all numbers were finite. JSON cannot say so of every number; of portions of some layers it is not known.
    pub finite: bool,
    /// What [`crate::Session::run_portion`] gave.
    pub report: Report,
}

impl Computed {
    /// From the report of a unit.
    pub fn new(unit: Unit, report: Report) -> Self {
        let finite = unit.portion.layers.is_some() || report.is_finite();
        Self { unit, finite, report }
    }
}

impl Plan {
    /// Cuts requests into so many shards of about the same cost, to be run on so many threads each. `sizes` are those of the model; without them nothing is cut by
    /// layers, and costs are those of GPT-2 small.
    ///
    /// # Errors
    /// [`Error::Shards`] for no shards or threads, or too many; [`Error::UnknownAnalysis`]; [`Error::Setting`].
    pub fn new(
        experiment: Experiment,
        requests: Vec<Asked>,
        list: bool,
        (shards, threads): (usize, usize),
        sizes: Option<Sizes>,
    ) -> Result<Self> {
        if threads == 0 || threads > MOST_THREADS {
            return Err(Error::Shards(format!(
                "a study is run on 1 to {MOST_THREADS} threads, not on {threads}"
            )));
        }
        if shards == 0 || shards > MOST {
            return Err(Error::Shards(format!("a study is cut into 1 to {MOST} shards, not into {shards}")));
        }
        let mut costs = Vec::new();
        for (request, asked) in requests.iter().enumerate() {
            costs.extend(uncut(request, asked, &experiment, sizes)?);
        }
        let fair = costs.iter().map(|uncut| uncut.cost).sum::<f64>() / shards as f64;
        let mut units: Vec<(Unit, f64)> = costs.into_iter().flat_map(|uncut| uncut.by_layers(fair)).collect();
        // The most expensive first, each to the shard that has least; the order is the same on every machine.
        units.sort_by(|(a, one), (b, two)| two.total_cmp(one).then_with(|| a.cmp(b)));
        let mut dealt: Vec<(f64, Vec<Unit>)> = vec![(0.0, Vec::new()); shards];
        for (unit, cost) in units {
            let least = (0..shards).min_by(|&a, &b| dealt[a].0.total_cmp(&dealt[b].0)).unwrap_or(0);
            dealt[least].0 += cost;
            dealt[least].1.push(unit);
        }
        let sorted = |(_, mut units): (f64, Vec<Unit>)| {
            units.sort();
            units
        };
        Ok(Self { experiment, requests, threads, list, shards: dealt.into_iter().map(sorted).collect() })
    }

    /// The request that a unit is a portion of.
    ///
    /// # Errors
    /// [`Error::Shards`] if the plan has no such request.
    pub fn request(&self, unit: &Unit) -> Result<Request> {
        let asked = self.requests.get(unit.request);
        let asked =
            asked.ok_or_else(|| Error::Shards(format!("the plan has no request {}", unit.request)))?;
        Ok(Request {
            analysis: asked.analysis.clone(),
            experiment: self.experiment.clone(),
            settings: asked.settings.clone(),
        })
    }

    /// The reports of all requests, from all units. A unit that was computed twice counts once.
    ///
    /// # Errors
    /// [`Error::Shards`] if units are missing, or do not fit together.
    pub fn merge(&self, computed: impl IntoIterator<Item = Computed>) -> Result<Vec<Report>> {
        let mut found: BTreeMap<Unit, (bool, Report)> = BTreeMap::new();
        found.extend(computed.into_iter().map(|Computed { unit, finite, report }| (unit, (finite, report))));
        let mut wanted: Vec<&Unit> = self.shards.iter().flatten().collect();
        wanted.sort();
        let mut reports = Vec::new();
        for (index, asked) in self.requests.iter().enumerate() {
            let mut groups: Vec<(Vec<Report>, Portion)> = Vec::new();
            let mut finite = true;
            for unit in wanted.iter().filter(|unit| unit.request == index) {
                let missing =
                    || Error::Shards(format!("a portion of `{}` was not computed: {unit:?}", asked.analysis));
                let (all, report) = found.remove(*unit).ok_or_else(missing)?;
                finite &= all;
                match groups.last_mut() {
                    Some((reports, portion)) if portion.group == unit.portion.group => reports.push(report),
                    _ => groups.push((vec![report], unit.portion.clone())),
                }
            }
            let analysis = Analysis::find(&asked.analysis)?;
            let group = |(reports, portion): (Vec<Report>, Portion)| {
                let mut report = Report::of_layers(reports)?;
                if portion.layers.is_some() {
                    report.parts.extend(analysis.derived(&asked.settings, &report.parts)?);
                }
                Ok(report)
            };
            let report = Report::of_groups(groups.into_iter().map(group).collect::<Result<_>>()?)?;
            let finite = finite && report.is_finite();
            reports.push(report.remarked(finite));
        }
        Ok(reports)
    }
}

/// A request's portion before it is cut by layers.
struct Uncut {
    unit: Unit,
    layers: Vec<usize>,
    /// In tokens times forward passes.
    cost: f64,
}

/// The portions of a request: its groups, or all of it.
fn uncut(request: usize, asked: &Asked, experiment: &Experiment, sizes: Option<Sizes>) -> Result<Vec<Uncut>> {
    let analysis = Analysis::find(&asked.analysis)?;
    let lengths: Vec<usize> = experiment.groups.iter().map(words).collect();
    let prompts: usize = experiment.groups.iter().map(|group| group.cases().len()).sum();
    let positions = lengths.iter().sum::<usize>().div_ceil(prompts.max(1));
    let known = Sizes { positions, ..sizes.unwrap_or(GPT2_SMALL) };
    // Of a model of which nothing is known any layer may be named.
    let deeper = Sizes { n_layers: DEEPEST, ..known };
    let division = match analysis.division(&asked.settings, &known) {
        Err(_) if sizes.is_none() => analysis.division(&asked.settings, &deeper)?,
        division => division?,
    };
    let layers = if sizes.is_some() { division.layers } else { Vec::new() };
    let uncut = |group: Option<usize>, words: usize| Uncut {
        unit: Unit { request, portion: Portion { group, layers: None } },
        layers: if group.is_some() { layers.clone() } else { Vec::new() },
        cost: division.passes * words.max(1) as f64,
    };
    if !division.by_group || lengths.is_empty() {
        return Ok(vec![uncut(None, lengths.iter().sum())]);
    }
    Ok(lengths.iter().enumerate().map(|(group, words)| uncut(Some(group), *words)).collect())
}

/// The words of a group's prompts and one for each: about as many as there are tokens, and known without a tokenizer.
fn words(group: &Group) -> usize {
    group.cases().iter().map(|case| case.clean.split_whitespace().count() + 1).sum()
}

impl Uncut {
    /// Cut by layers, as far as it must be for no unit to cost more than `fair`.
    fn by_layers(self, fair: f64) -> Vec<(Unit, f64)> {
        let pieces = ((self.cost / fair).ceil() as usize).clamp(1, self.layers.len().max(1));
        if pieces == 1 {
            return vec![(self.unit, self.cost)];
        }
        let piece = |index: usize| {
            let at = |index: usize| index * self.layers.len() / pieces;
            let layers = self.layers[at(index)..at(index + 1)].to_vec();
            let cost = self.cost * layers.len() as f64 / self.layers.len() as f64;
            let portion = Portion { layers: Some(layers), ..self.unit.portion.clone() };
            (Unit { portion, ..self.unit.clone() }, cost)
        };
        (0..pieces).map(piece).collect()
    }
}
