//! From one number per prompt to what a figure shows: means, intervals, differences between groups.

use crate::bootstrap::Bootstrap;
use crate::error::Result;
use crate::figures::{AxisKind, Grid, Panel, Values};
use crate::host::Work;
use crate::metrics::{PerPrompt, mean};
use crate::significance::{SignFlips, adjusted};

/// Number of intervals between two checks for cancellation: some ten milliseconds of work.
const INTERVALS_AT_ONCE: usize = 512;

/// The same of tests.
const TESTS_AT_ONCE: usize = 64;

/// A group's numbers in one measure.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    /// Per cell, a number for each prompt; NaN where not computed yet, or where the prompt has no such cell.
    pub values: PerPrompt,
    /// The clean run's numbers, one per prompt, if the measure has them.
    pub clean: Option<Vec<f64>>,
    /// The corrupted run's numbers, one per prompt, if the measure has them.
    pub corrupted: Option<Vec<f64>>,
    /// For each column of the map, whether each prompt has it. None: all prompts have all.
    pub present: Option<Vec<Vec<bool>>>,
    /// Whether 0 is a cell in which nothing happens, so that means are tested against it.
    pub tested: bool,
}

impl Numbers {
    /// Numbers without those of the clean and corrupted runs.
    pub(crate) fn alone(values: PerPrompt) -> Self {
        Self { values, clean: None, corrupted: None, present: None, tested: false }
    }

    /// Changes: a cell of 0 is one in which nothing happens.
    pub(crate) fn changes(values: PerPrompt) -> Self {
        Self { tested: true, ..Self::alone(values) }
    }

    /// The mean over the prompts that have the cell. None: there are none, or not all numbers are there.
    fn mean(&self, cell: usize) -> Option<f64> {
        let row = self.values.row(cell);
        let number = match &self.present {
            None => mean(row),
            Some(columns) => {
                let has = &columns[cell % columns.len()];
                mean(
                    &row.iter()
                        .zip(has)
                        .filter(|(_, has)| **has)
                        .map(|(number, _)| *number)
                        .collect::<Vec<f64>>(),
                )
            }
        };
        Some(number).filter(|number| !number.is_nan())
    }

    /// Means only, for a preview.
    pub(crate) fn means(&self, measure: usize) -> Values {
        Values {
            measure,
            mean: (0..self.values.rows()).map(|cell| self.mean(cell)).collect(),
            low: Vec::new(),
            high: Vec::new(),
            p: Vec::new(),
            adjusted: Vec::new(),
            prompts: PerPrompt::default(),
            some: false,
            clean: self.clean.as_deref().map(mean),
            corrupted: self.corrupted.as_deref().map(mean),
        }
    }

    /// Means, intervals, and the per-prompt numbers. `pairs` says which prompts belong together: those of a pair are drawn
    /// together. Thousands of intervals take seconds: `work` is told how many are done and may be cancelled.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub(crate) async fn summarise(self, measure: usize, pairs: &[usize], work: &Work<'_>) -> Result<Values> {
        let mut values = self.means(measure);
        let cells = self.values.rows();
        if let Some(mut bootstrap) = Bootstrap::new(pairs) {
            for cell in 0..cells {
                if cell > 0 && cell.is_multiple_of(INTERVALS_AT_ONCE) {
                    work.note(format!("Computing the intervals of the means: {cell} of {cells}.")).await?;
                }
                let ends = values.mean[cell].and_then(|_| bootstrap.interval(self.values.row(cell)));
                values.low.push(ends.map(|[low, _]| low));
                values.high.push(ends.map(|[_, high]| high));
            }
            let flips = SignFlips::new(bootstrap.clusters(), cells).filter(|_| self.tested);
            if let Some(flips) = flips {
                for cell in 0..cells {
                    if cell.is_multiple_of(TESTS_AT_ONCE) {
                        work.note(format!("Testing the means: {cell} of {cells}.")).await?;
                    }
                    let p = |_| flips.p(&bootstrap.sums_of(self.values.row(cell)));
                    values.p.push(values.mean[cell].map(p));
                }
                values.adjusted = adjusted(&values.p);
            }
        }
        values.prompts = self.values;
        Ok(values)
    }
}

/// One group's panel of a grid minus another's, cell by cell. Intervals treat the two groups' prompts as
/// independent. None if a group has no panel or the panels have different shapes or roles.
pub fn difference(grid: &Grid, group: usize, minus: usize) -> Option<Panel> {
    let panel = |group| grid.panels.iter().find(|panel| panel.group == group && panel.minus.is_none());
    let (one, two) = (panel(group)?, panel(minus)?);
    if grid.columns.counts == AxisKind::Role && one.ticks != two.ticks {
        return None;
    }
    let values: Vec<Values> = one
        .values
        .iter()
        .filter_map(|values| {
            let other = two.values.iter().find(|other| other.measure == values.measure)?;
            (values.mean.len() == other.mean.len())
                .then(|| subtract((values, &one.pairs), (other, &two.pairs)))
        })
        .collect();
    (!values.is_empty()).then(|| Panel {
        name: format!("{} − {}", one.name, two.name),
        group,
        minus: Some(minus),
        ticks: one.ticks.clone(),
        changed: union(&one.changed, &two.changed),
        counts: fewer(one.counts.as_ref(), two.counts.as_ref()),
        caution: one.caution.clone().or_else(|| two.caution.clone()),
        prompts: Vec::new(),
        pairs: Vec::new(),
        values,
    })
}

/// By column, the smaller number.
fn fewer(one: Option<&Vec<usize>>, two: Option<&Vec<usize>>) -> Option<Vec<usize>> {
    match (one, two) {
        (Some(one), Some(two)) => Some(one.iter().zip(two).map(|(a, b)| *a.min(b)).collect()),
        (one, two) => one.or(two).cloned(),
    }
}

/// All of both, ascending.
fn union(one: &[usize], two: &[usize]) -> Vec<usize> {
    let all: std::collections::BTreeSet<usize> = one.iter().chain(two).copied().collect();
    all.into_iter().collect()
}

/// Each with the pairs that its prompts belong to.
fn subtract((one, pairs): (&Values, &[usize]), (two, other_pairs): (&Values, &[usize])) -> Values {
    let both = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
    let mut values = Values {
        measure: one.measure,
        mean: one.mean.iter().zip(&two.mean).map(|(a, b)| both(*a, *b)).collect(),
        low: Vec::new(),
        high: Vec::new(),
        p: Vec::new(),
        adjusted: Vec::new(),
        prompts: PerPrompt::default(),
        some: false,
        clean: both(one.clean, two.clean),
        corrupted: both(one.corrupted, two.corrupted),
    };
    let draws = (Bootstrap::seeded(pairs, 1), Bootstrap::seeded(other_pairs, 2));
    if let (Some(mut ones), Some(twos)) = draws {
        for cell in 0..values.mean.len() {
            let ends = values.mean[cell].and_then(|_| {
                ones.interval_of_difference(one.prompts.row(cell), &twos, two.prompts.row(cell))
            });
            values.low.push(ends.map(|[low, _]| low));
            values.high.push(ends.map(|[_, high]| high));
        }
    }
    values
}
