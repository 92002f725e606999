//! Interventions of a map, placed on a group's prompts: prompts that are changed at the same positions are run together.

use std::ops::Range;

use super::columns::Columns;
use crate::figures::summary::Numbers;
use crate::interventions::{Intervention, Positions};
use crate::prompts::{PreparedCase, PreparedGroup};

/// The lists of a map: one for each cell, or, by position, one for each row, which says [`Positions::Here`].
#[derive(Debug, Clone, Copy)]
pub(in crate::analyses) struct Lists<'a> {
    pub lists: &'a [Vec<Intervention>],
    pub by_position: bool,
}

/// Prompts that are changed at the same positions.
#[derive(Debug)]
pub(in crate::analyses) struct Class {
    pub cases: Vec<PreparedCase>,
    /// The cells that these prompts have, by index.
    pub cells: Vec<usize>,
    /// What is done in each of them.
    pub lists: Vec<Vec<Intervention>>,
}

/// A group's prompts, class by class.
#[derive(Debug)]
pub(in crate::analyses) struct Placed<'a> {
    pub group: &'a PreparedGroup,
    pub columns: &'a Columns,
    pub classes: Vec<Class>,
    /// For each prompt of the group, where it stands among those of all classes.
    pub order: Vec<usize>,
    /// Number of cells.
    pub cells: usize,
}

impl Lists<'_> {
    /// How many cells the map has.
    pub(in crate::analyses) fn count(&self, columns: &Columns) -> usize {
        self.lists.len() * if self.by_position { columns.len() } else { 1 }
    }

    /// The interventions cell by cell, for prompts whose columns are at these positions. None: they have no such cell.
    fn cells(&self, spans: &[Option<Range<usize>>]) -> Vec<Option<Vec<Intervention>>> {
        if !self.by_position {
            return self.lists.iter().cloned().map(Some).collect();
        }
        let placed = |list: &Vec<Intervention>, span: &Option<Range<usize>>| {
            let positions = Positions::of(span.as_ref()?);
            Some(list.iter().map(|one| one.placed(positions)).collect())
        };
        self.lists.iter().flat_map(|list| spans.iter().map(move |span| placed(list, span))).collect()
    }
}

impl<'a> Placed<'a> {
    /// Places maps, whose cells are counted one map after the other.
    pub(in crate::analyses) fn new(
        group: &'a PreparedGroup,
        columns: &'a Columns,
        maps: &[Lists<'_>],
    ) -> Self {
        let classes = if maps.iter().any(|map| map.by_position) {
            columns.classes()
        } else {
            vec![(0..group.cases.len()).collect()]
        };
        let mut order = vec![0; group.cases.len()];
        for (place, &prompt) in classes.iter().flatten().enumerate() {
            order[prompt] = place;
        }
        let class = |prompts: &Vec<usize>| {
            let all = maps.iter().flat_map(|map| map.cells(&columns.spans[prompts[0]]));
            let (cells, lists) = all.enumerate().filter_map(|(cell, list)| Some((cell, list?))).unzip();
            Class { cases: prompts.iter().map(|&prompt| group.cases[prompt].clone()).collect(), cells, lists }
        };
        Self {
            group,
            columns,
            classes: classes.iter().map(class).collect(),
            order,
            cells: maps.iter().map(|map| map.count(columns)).sum(),
        }
    }

    /// Numbers of all prompts, with the prompts in the group's order.
    pub(in crate::analyses) fn in_order(&self, numbers: Numbers) -> Numbers {
        let put = |of_prompts: Vec<f64>| self.order.iter().map(|&place| of_prompts[place]).collect();
        let has = |columns: Vec<Vec<bool>>| {
            let column = |has: Vec<bool>| self.order.iter().map(|&place| has[place]).collect();
            columns.into_iter().map(column).collect()
        };
        Numbers {
            values: numbers.values.ordered(&self.order),
            clean: numbers.clean.map(put),
            corrupted: numbers.corrupted.map(put),
            present: numbers.present.map(has),
            tested: numbers.tested,
        }
    }

    /// The first prompts that are run, by index in the group.
    pub(in crate::analyses) fn first(&self, count: usize) -> Vec<usize> {
        let mut prompts = vec![0; self.order.len()];
        for (prompt, &place) in self.order.iter().enumerate() {
            prompts[place] = prompt;
        }
        prompts.truncate(count);
        prompts
    }
}
