//! From one number per prompt to what a figure shows: means, intervals, differences between groups.

use crate::bootstrap::Bootstrap;
use crate::error::Result;
use crate::figures::{Grid, Panel, Values};
use crate::host::Work;
use crate::metrics::{PerPrompt, mean};

/// Number of intervals between two checks for cancellation: some ten milliseconds of work.
const INTERVALS_AT_ONCE: usize = 512;

/// A group's numbers in one measure.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    /// Per cell, a number for each prompt; NaN where not computed yet.
    pub values: PerPrompt,
    /// The clean run's numbers, one per prompt, if the measure has them.
    pub clean: Option<Vec<f64>>,
    /// The corrupted run's numbers, one per prompt, if the measure has them.
    pub corrupted: Option<Vec<f64>>,
}

impl Numbers {
    /// Numbers without those of the clean and corrupted runs.
    pub(crate) fn alone(values: PerPrompt) -> Self {
        Self { values, clean: None, corrupted: None }
    }

    /// Means only, for a preview.
    pub(crate) fn means(&self, measure: usize) -> Values {
        let shown = |cell: usize| Some(mean(self.values.row(cell))).filter(|mean| !mean.is_nan());
        Values {
            measure,
            mean: (0..self.values.rows()).map(shown).collect(),
            low: Vec::new(),
            high: Vec::new(),
            prompts: PerPrompt::default(),
            clean: self.clean.as_deref().map(mean),
            corrupted: self.corrupted.as_deref().map(mean),
        }
    }

    /// Means, intervals, and the per-prompt numbers. Thousands of intervals take seconds: `work` is told how
    /// many are done and may be cancelled.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub(crate) async fn summarise(self, measure: usize, work: &Work<'_>) -> Result<Values> {
        let mut values = self.means(measure);
        let cells = self.values.rows();
        if let Some(mut bootstrap) = Bootstrap::new(self.values.prompts()) {
            for cell in 0..cells {
                if cell > 0 && cell.is_multiple_of(INTERVALS_AT_ONCE) {
                    work.note(format!("Computing the intervals of the means: {cell} of {cells}.")).await?;
                }
                let [low, high] = bootstrap.interval(self.values.row(cell));
                values.low.push(low);
                values.high.push(high);
            }
        }
        values.prompts = self.values;
        Ok(values)
    }
}

/// One group's panel of a grid minus another's, cell by cell. Intervals treat the two groups' prompts as
/// independent. None if a group has no panel or the panels have different shapes.
pub fn difference(grid: &Grid, group: usize, minus: usize) -> Option<Panel> {
    let panel = |group| grid.panels.iter().find(|panel| panel.group == group && panel.minus.is_none());
    let (one, two) = (panel(group)?, panel(minus)?);
    let values: Vec<Values> = one
        .values
        .iter()
        .filter_map(|values| {
            let other = two.values.iter().find(|other| other.measure == values.measure)?;
            (values.mean.len() == other.mean.len()).then(|| subtract(values, other))
        })
        .collect();
    (!values.is_empty()).then(|| Panel {
        name: format!("{} − {}", one.name, two.name),
        group,
        minus: Some(minus),
        ticks: one.ticks.clone(),
        changed: union(&one.changed, &two.changed),
        caution: one.caution.clone().or_else(|| two.caution.clone()),
        prompts: Vec::new(),
        values,
    })
}

/// All of both, ascending.
fn union(one: &[usize], two: &[usize]) -> Vec<usize> {
    let all: std::collections::BTreeSet<usize> = one.iter().chain(two).copied().collect();
    all.into_iter().collect()
}

fn subtract(one: &Values, two: &Values) -> Values {
    let both = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
    let mut values = Values {
        measure: one.measure,
        mean: one.mean.iter().zip(&two.mean).map(|(a, b)| both(*a, *b)).collect(),
        low: Vec::new(),
        high: Vec::new(),
        prompts: PerPrompt::default(),
        clean: both(one.clean, two.clean),
        corrupted: both(one.corrupted, two.corrupted),
    };
    let draws = (Bootstrap::seeded(one.prompts.prompts(), 1), Bootstrap::seeded(two.prompts.prompts(), 2));
    if let (Some(mut ones), Some(twos)) = draws {
        for cell in 0..values.mean.len() {
            let [low, high] =
                ones.interval_of_difference(one.prompts.row(cell), &twos, two.prompts.row(cell));
            values.low.push(low);
            values.high.push(high);
        }
    }
    values
}
