//! Attention from role to role, over all prompts of a group.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{ChosenHead, Settings, What, of_cache, top_heads, weight_by_values};
use crate::analyses::shared::attributed::panel;
use crate::analyses::shared::columns::{Align, total};
use crate::analyses::shared::groups::asked_for;
use crate::analyses::{Findings, Job};
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{Axis, AxisKind, Grid, Measure, Panel, Part, Quantity};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, mean};
use crate::model::{Batch, Hooks};
use crate::names::Head;
use crate::prompts::{PreparedGroup, Problem};
use crate::runs::parts;
use crate::site::{BlockSite, Site};

/// A map for each head, a panel for each group.
pub(super) async fn run(
    settings: &Settings,
    job: &Job<'_>,
    site: BlockSite,
    groups: Vec<PreparedGroup>,
    mut problems: Vec<Problem>,
    named: &[Head],
) -> Result<Findings> {
    let groups: Vec<PreparedGroup> =
        Align::Role.of_groups(job, groups, &mut problems).into_iter().map(|(group, _)| group).collect();
    let prompts = |groups: &[PreparedGroup]| groups.iter().map(|group| group.cases.len()).sum::<usize>();
    let asked: usize =
        groups.iter().filter(|group| job.portion.has_group(group.group)).map(|group| group.cases.len()).sum();
    let total = asked + if named.is_empty() { prompts(&groups) } else { 0 };
    let mut work = Work::new(job.viewer, "Running the prompts", ProgressUnit::Prompts, total);
    let mut heads: BTreeSet<Head> = named.iter().copied().collect();
    let mut names: Vec<String> = Vec::new();
    for group in &groups {
        if named.is_empty() {
            let top = top_heads(job, group, settings.top_k, &mut work).await?;
            heads.extend(top.into_iter().map(|(head, _)| head));
        }
        let new: Vec<String> = group.roles.iter().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(new);
    }
    let heads: Vec<ChosenHead> = heads.into_iter().map(|head| (head, None)).collect();
    let groups = asked_for(job, groups);
    let (title, quantity, note) = settings.what.says();
    let mut grids: Vec<Grid> =
        heads.iter().map(|(head, _)| empty(*head, (title, quantity, note), &names)).collect();
    for group in &groups {
        let by_head =
            Between::new(group, &names).of_heads(job, settings.what, site, &heads, &mut work).await?;
        for (grid, numbers) in grids.iter_mut().zip(by_head) {
            let counts = numbers.present.as_deref().map(count);
            let panel = panel(group, vec![numbers.summarise(0, &group.pairs(), &work).await?]);
            grid.panels.push(Panel { ticks: Some(names.clone()), counts, ..panel });
        }
    }
    grids.retain(|grid| !grid.panels.is_empty());
    Ok(Findings { parts: grids.into_iter().map(Part::Heat).collect(), problems })
}

/// How many prompts have each cell.
fn count(present: &[Vec<bool>]) -> Vec<usize> {
    present.iter().map(|has| has.iter().filter(|has| **has).count()).collect()
}

fn empty(head: Head, (title, quantity, note): (&str, Quantity, Option<&str>), names: &[String]) -> Grid {
    let from_to = "From the last token of a row\u{2019}s role to the tokens of a column\u{2019}s.";
    let axis = |label: &str, counts, ticks| Axis { label: label.to_owned(), counts, ticks };
    Grid {
        title: format!("{head}: {} between roles", title.to_lowercase()),
        note: Some([from_to].into_iter().chain(note).collect::<Vec<_>>().join(" ")),
        site: None,
        rows: axis("From", AxisKind::Other, names.to_vec()),
        columns: axis("To", AxisKind::Role, Vec::new()),
        measures: vec![Measure {
            name: "attention".to_owned(),
            label: title.to_lowercase(),
            quantity,
            range: (quantity == Quantity::Attention).then_some([0.0, 1.0]),
            middle: (quantity == Quantity::Score).then_some(0.0),
        }],
        panels: Vec::new(),
    }
}

/// Where each role stands in each prompt of a group.
struct Between<'a> {
    group: &'a PreparedGroup,
    spans: Vec<Vec<Option<Range<usize>>>>,
    roles: usize,
}

impl<'a> Between<'a> {
    fn new(group: &'a PreparedGroup, names: &[String]) -> Self {
        let places: Vec<Option<usize>> =
            names.iter().map(|name| group.roles.iter().position(|role| role == name)).collect();
        let spans = |case: &crate::prompts::PreparedCase| {
            places.iter().map(|place| case.roles[(*place)?].clone()).collect()
        };
        Self { group, spans: group.cases.iter().map(spans).collect(), roles: names.len() }
    }

    /// For each head the numbers of all cells, `[roles roles, prompts]`.
    async fn of_heads(
        &self,
        job: &Job<'_>,
        what: What,
        site: BlockSite,
        heads: &[ChosenHead],
        work: &mut Work<'_>,
    ) -> Result<Vec<Numbers>> {
        let layers: BTreeSet<usize> = heads.iter().map(|(head, _)| head.layer).collect();
        let values = (what == What::ValueWeighted).then_some(BlockSite::V);
        let of_layer =
            |layer: usize| [site].into_iter().chain(values).map(move |site| Site::Block(layer, site));
        let sites: Vec<Site> = layers.into_iter().flat_map(of_layer).collect();
        let prompts = self.group.cases.len();
        let mut found = vec![PerPrompt::new(self.roles * self.roles, prompts); heads.len()];
        let mut first = 0;
        for cases in parts(&self.group.cases, job.model, &sites, 1) {
            let ids: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
            let mut hooks = Hooks::new(Some(&sites), &[]);
            job.model.forward(&Batch::new(&ids)?, &mut hooks)?;
            let cache = hooks.finish()?;
            for prompt in 0..cases.len() {
                let mut seen = of_cache(&cache, prompt, site, heads).await?;
                if what == What::ValueWeighted {
                    weight_by_values(job, &cache, prompt, &mut seen).await?;
                }
                // The score of several tokens is their mean; weights add up.
                let of = if what == What::Scores { mean } else { total };
                for (found, head) in found.iter_mut().zip(&seen) {
                    for (cell, from, to) in self.cells(what, first + prompt) {
                        let row = &head.rows[from];
                        let inside = to.start.min(row.len())..to.end.min(row.len());
                        found.row_mut(cell)[first + prompt] = of(&row[inside]);
                    }
                }
            }
            first += cases.len();
            work.done(cases.len()).await?;
        }
        let mut present = vec![vec![false; prompts]; self.roles * self.roles];
        for (prompt, _) in self.group.cases.iter().enumerate() {
            self.cells(what, prompt).for_each(|(cell, _, _)| present[cell][prompt] = true);
        }
        let numbers = |values| Numbers { present: Some(present.clone()), ..Numbers::alone(values) };
        Ok(found.into_iter().map(numbers).collect())
    }

    /// The cells that a prompt has: from which position, to which. A token attends to later ones with weight 0, and has no score for
    /// them.
    fn cells(&self, what: What, prompt: usize) -> impl Iterator<Item = (usize, usize, &Range<usize>)> {
        let present =
            self.spans[prompt].iter().enumerate().filter_map(|(role, span)| Some((role, span.as_ref()?)));
        let sources = present.clone();
        present.flat_map(move |(from, destination)| {
            let scored = move |&(_, source): &(usize, &Range<usize>)| {
                what != What::Scores || source.start < destination.end
            };
            let cell = move |(to, source)| (from * self.roles + to, destination.end - 1, source);
            sources.clone().filter(scored).map(cell)
        })
    }
}
