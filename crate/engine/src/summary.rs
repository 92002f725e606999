//! From one number per prompt to what a figure shows: means, intervals, differences between groups.

use crate::bootstrap::Bootstrap;
use crate::metrics::mean;
use crate::report::{Grid, Panel, Values};

/// A group's numbers in one measure.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    /// For each prompt its number in each cell; in an unfinished figure NaN where there is none yet.
    pub prompts: Vec<Vec<f64>>,
    /// For each prompt the number of its clean run, where the measure has one.
    pub clean: Option<Vec<f64>>,
    /// For each prompt the number of its corrupted run, where the measure has one.
    pub corrupted: Option<Vec<f64>>,
}

impl Numbers {
    /// Their means and, unless the figure is unfinished, the means' intervals.
    pub fn summarise(self, measure: usize, finished: bool) -> Values {
        let cells = self.prompts.first().map_or(0, Vec::len);
        let mut bootstrap = if finished { Bootstrap::new(self.prompts.len()) } else { None };
        let mut values = Values {
            measure,
            mean: Vec::with_capacity(cells),
            low: Vec::new(),
            high: Vec::new(),
            prompts: Vec::new(),
            clean: self.clean.as_deref().map(mean),
            corrupted: self.corrupted.as_deref().map(mean),
        };
        let mut cell = Vec::with_capacity(self.prompts.len());
        for index in 0..cells {
            cell.clear();
            cell.extend(self.prompts.iter().map(|prompt| prompt[index]));
            let mean = mean(&cell);
            values.mean.push((!mean.is_nan()).then_some(mean));
            if let Some(bootstrap) = &mut bootstrap {
                let [low, high] = bootstrap.interval(&cell);
                values.low.push(low);
                values.high.push(high);
            }
        }
        if finished {
            values.prompts = self.prompts;
        }
        values
    }
}

/// One group's panel of a grid minus another's, cell by cell, with intervals that take the two groups' prompts
/// as independent. None if a group has no panel or the panels have different shapes.
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
        prompts: Vec::new(),
        values,
    })
}

fn subtract(one: &Values, two: &Values) -> Values {
    let both = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
    let mut values = Values {
        measure: one.measure,
        mean: one.mean.iter().zip(&two.mean).map(|(a, b)| both(*a, *b)).collect(),
        low: Vec::new(),
        high: Vec::new(),
        prompts: Vec::new(),
        clean: both(one.clean, two.clean),
        corrupted: both(one.corrupted, two.corrupted),
    };
    let draws = (Bootstrap::seeded(one.prompts.len(), 1), Bootstrap::seeded(two.prompts.len(), 2));
    if let (Some(mut ones), Some(twos)) = draws {
        let cell = |values: &Values, index: usize| -> Vec<f64> {
            values.prompts.iter().map(|prompt| prompt[index]).collect()
        };
        for index in 0..values.mean.len() {
            let [low, high] = ones.interval_of_difference(&cell(one, index), &twos, &cell(two, index));
            values.low.push(low);
            values.high.push(high);
        }
    }
    values
}
