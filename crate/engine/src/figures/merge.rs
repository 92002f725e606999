//! Reports of one request that was computed group by group, or layer by layer, put together as if it had been computed at once.
//!
//! What the reports have in common must be the same in all of them; that it is not means that they are not of one request, one
//! model or one device. Numbers are moved, never changed.

use super::{Attention, Dots, Grid, Panel, Part, Report, Scatter, Table, Values};
use crate::error::{Error, Result};
use crate::metrics::PerPrompt;
use crate::prompts::Problem;
use crate::significance::adjusted;

/// Compares fields and names the first that differs.
macro_rules! same {
    ($one:expr, $other:expr, $what:expr, $($field:ident),+) => {
        $(if $one.$field != $other.$field {
            return Err(differ(stringify!($field), &$what));
        })+
    };
}

/// The error for a field that differs.
fn differ(field: &str, what: &str) -> Error {
    Error::Shards(format!("they differ in `{field}` of {what}, so they are not portions of one request"))
}

impl Report {
    /// The report of all groups, from those of each by itself, in the experiment's order.
    ///
    /// Figures that all have are joined panel by panel; tables of a group follow one another.
    ///
    /// # Errors
    /// [`Error::Shards`] if there are none, or they differ in what all groups have in common.
    pub(crate) fn of_groups(reports: Vec<Report>) -> Result<Report> {
        let problems = Problem::of_groups(reports.iter().map(|report| report.problems.as_slice()));
        let mut reports = reports.into_iter();
        let mut whole = reports.next().ok_or_else(nothing)?;
        let (mut figures, mut tables) = sorted(std::mem::take(&mut whole.parts));
        for report in reports {
            whole.agrees(&report)?;
            let (more, of_group) = sorted(report.parts);
            join(&mut figures, more)?;
            tables.extend(of_group);
        }
        figures.extend(tables);
        Ok(Report { parts: figures, problems, ..whole })
    }

    /// The report of all layers of a group, from those of some layers each: a cell has its number in one of them. Figures that
    /// follow from others are not among them.
    ///
    /// # Errors
    /// [`Error::Shards`] if there are none, or they differ in anything else.
    pub(crate) fn of_layers(reports: Vec<Report>) -> Result<Report> {
        let mut reports = reports.into_iter();
        let mut whole = reports.next().ok_or_else(nothing)?;
        for report in reports {
            whole.agrees(&report)?;
            same!(whole, report, whole.name(), problems);
            if whole.parts.len() != report.parts.len() {
                return Err(differ("parts", &whole.name()));
            }
            for (part, other) in whole.parts.iter_mut().zip(report.parts) {
                part.fill(other)?;
            }
        }
        Ok(whole)
    }

    fn name(&self) -> String {
        format!("the reports of `{}`", self.analysis)
    }

    fn agrees(&self, other: &Report) -> Result<()> {
        same!(self, other, self.name(), analysis, title, model, device);
        Ok(())
    }
}

fn nothing() -> Error {
    Error::Shards("there is no report to put together".to_owned())
}

impl Problem {
    /// The problems of all groups: first those that every report has, because they were found before any group was computed, then
    /// those of each group.
    fn of_groups<'a>(mut lists: impl Iterator<Item = &'a [Problem]>) -> Vec<Problem> {
        let lists: Vec<&[Problem]> = lists.by_ref().collect();
        let Some((first, others)) = lists.split_first() else { return Vec::new() };
        let common = |other: &&[Problem]| first.iter().zip(*other).take_while(|(a, b)| a == b).count();
        let common = others.iter().map(common).min().unwrap_or(first.len());
        let own = lists.iter().flat_map(|list| &list[common..]);
        first[..common].iter().chain(own).cloned().collect()
    }
}

/// The figures of all groups, and the tables of single ones.
fn sorted(parts: Vec<Part>) -> (Vec<Part>, Vec<Part>) {
    parts.into_iter().partition(|part| !matches!(part, Part::Table(Table { group: Some(_), .. })))
}

/// Adds each figure to the one of its kind and title; one that is not there yet follows.
fn join(figures: &mut Vec<Part>, more: Vec<Part>) -> Result<()> {
    let known = figures.len();
    let mut joined = vec![false; known];
    for part in more {
        let own = (0..known).find(|&index| !joined[index] && figures[index].is_like(&part));
        match own {
            Some(index) => {
                joined[index] = true;
                figures[index].join(part)?;
            }
            None => figures.push(part),
        }
    }
    Ok(())
}

impl Part {
    fn title(&self) -> &str {
        match self {
            Part::Table(part) => &part.title,
            Part::Dots(part) => &part.title,
            Part::Tokens(part) => &part.title,
            Part::Heat(part) | Part::Line(part) | Part::Edges(part) => &part.title,
            Part::Scatter(part) => &part.title,
            Part::Attention(part) => &part.title,
            Part::TextLens(part) => &part.title,
            Part::TokenValues(part) => &part.title,
        }
    }

    fn is_like(&self, other: &Part) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.title() == other.title()
    }

    /// Adds another group's part of the figure. One without parts for groups must be the same for all.
    fn join(&mut self, other: Part) -> Result<()> {
        match (self, other) {
            (Part::Heat(own), Part::Heat(other))
            | (Part::Line(own), Part::Line(other))
            | (Part::Edges(own), Part::Edges(other)) => own.join(other),
            (Part::Dots(own), Part::Dots(other)) => own.join(other),
            (Part::Scatter(own), Part::Scatter(other)) => own.join(other),
            (Part::Attention(own), Part::Attention(other)) => own.join(other),
            (own, other) if *own == other => Ok(()),
            (own, _) => Err(differ("parts", &format!("{:?}", own.title()))),
        }
    }

    /// Fills cells that are missing from the figure of other layers.
    fn fill(&mut self, other: Part) -> Result<()> {
        match (self, other) {
            (Part::Heat(own), Part::Heat(other)) | (Part::Line(own), Part::Line(other)) => own.fill(&other),
            (own, other) if *own == other => Ok(()),
            (own, _) => Err(differ("parts", &format!("{:?}", own.title()))),
        }
    }
}

impl Scatter {
    fn join(&mut self, other: Scatter) -> Result<()> {
        same!(self, other, format!("{:?}", self.title), note, x, y, alike, measures, names, layers);
        self.panels.extend(other.panels);
        Ok(())
    }
}

impl Dots {
    fn join(&mut self, other: Dots) -> Result<()> {
        same!(self, other, format!("{:?}", self.title), note, axis, quantity);
        self.series.extend(other.series);
        Ok(())
    }
}

impl Attention {
    fn join(&mut self, other: Attention) -> Result<()> {
        same!(self, other, format!("{:?}", self.title), note, quantity);
        self.prompts.extend(other.prompts);
        Ok(())
    }
}

impl Grid {
    fn agrees(&self, other: &Grid) -> Result<()> {
        same!(self, other, format!("{:?}", self.title), title, note, site, rows, columns, measures);
        Ok(())
    }

    fn join(&mut self, other: Grid) -> Result<()> {
        self.agrees(&other)?;
        self.panels.extend(other.panels);
        Ok(())
    }

    fn fill(&mut self, other: &Grid) -> Result<()> {
        self.agrees(other)?;
        if self.panels.len() != other.panels.len() {
            return Err(differ("panels", &format!("{:?}", self.title)));
        }
        self.panels.iter_mut().zip(&other.panels).try_for_each(|(own, other)| own.fill(other))
    }
}

impl Panel {
    fn fill(&mut self, other: &Panel) -> Result<()> {
        let what = || format!("the panel {:?}", self.name);
        same!(self, other, what(), name, group, minus, ticks, changed, counts, caution, prompts, pairs);
        if self.values.len() != other.values.len() {
            return Err(differ("values", &what()));
        }
        self.values.iter_mut().zip(&other.values).try_for_each(|(own, other)| own.fill(other))
    }
}

impl Values {
    /// Each cell has its numbers in at most one of the two. Adjusted p-values depend on all cells.
    fn fill(&mut self, other: &Values) -> Result<()> {
        same!(self, other, "a panel", measure, clean, corrupted);
        if self.prompts.numbers().len() != other.prompts.numbers().len() {
            return Err(differ("prompts", "a panel"));
        }
        let lists = [
            (&mut self.mean, &other.mean),
            (&mut self.low, &other.low),
            (&mut self.high, &other.high),
            (&mut self.p, &other.p),
        ];
        for (own, other) in lists {
            if own.len() != other.len() {
                return Err(differ("values", "a panel"));
            }
            own.iter_mut().zip(other).for_each(|(own, other)| *own = own.or(*other));
        }
        self.adjusted = adjusted(&self.p);
        let numbers = self.prompts.numbers().iter().zip(other.prompts.numbers());
        let filled = numbers.map(|(&own, &other)| if own.is_nan() { other } else { own }).collect();
        self.prompts = PerPrompt::from_rows(self.prompts.prompts(), filled);
        Ok(())
    }
}
