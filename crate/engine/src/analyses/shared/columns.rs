//! What the columns of a map over positions stand for: positions counted from the start or from the end, or roles.
//!
//! Every prompt is run at its own positions. A column says which of them it means in each prompt; prompts without it are left out
//! of its mean, which says how many it is over.

use std::ops::Range;

use super::groups::at_group;
use crate::analyses::Job;
use crate::analyses::settings::{Spec, choice};
use crate::figures::{Axis, AxisKind, Panel};
use crate::metrics::PerPrompt;
use crate::prompts::{PreparedCase, PreparedGroup, Problem};
use crate::tokens::Token;

/// What columns stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::analyses) enum Align {
    /// The first of the others that serves all groups.
    Auto,
    /// Positions counted from the start: the prompts of a group must have one length.
    Start,
    /// The tokens that roles name.
    Role,
    /// Positions counted from the last token.
    End,
}

/// The setting that picks an [`Align`].
pub(in crate::analyses) const ALIGN: Spec<Align> = choice::<Align>("auto").described(
    "What a column of positions is: a position counted from the start, a role, or a position counted from the last token (end). auto: \
     from the start if the prompts of each group have one length, else roles if every group has some, else from the end.",
);

/// The columns of a group's map.
#[derive(Debug, Clone)]
pub(in crate::analyses) struct Columns {
    /// A label for each.
    pub ticks: Vec<String>,
    /// For each prompt, the positions that each column means. None: the prompt has none.
    pub spans: Vec<Vec<Option<Range<usize>>>>,
}

impl Align {
    /// What it is for these groups.
    pub(in crate::analyses) fn settled(self, groups: &[PreparedGroup]) -> Self {
        match self {
            Align::Auto if groups.iter().all(has_one_length) => Align::Start,
            Align::Auto if groups.iter().all(|group| !group.roles.is_empty()) => Align::Role,
            Align::Auto => Align::End,
            align => align,
        }
    }

    /// The axis of a map whose panels have their own ticks. Settled.
    pub(in crate::analyses) fn axis(self) -> Axis {
        let (label, counts) = match self {
            Align::Role => ("Role", AxisKind::Role),
            Align::End => ("Position from the end", AxisKind::PositionFromEnd),
            Align::Auto | Align::Start => ("Position", AxisKind::Position),
        };
        Axis { label: label.to_owned(), counts, ticks: Vec::new() }
    }

    /// The groups that have such columns, with them. Settled.
    pub(in crate::analyses) fn of_groups(
        self,
        job: &Job<'_>,
        groups: Vec<PreparedGroup>,
        problems: &mut Vec<Problem>,
    ) -> Vec<(PreparedGroup, Columns)> {
        let mut kept = Vec::new();
        for group in groups {
            match Columns::of(job, &group, self) {
                Ok(columns) => {
                    problems.extend(columns.missing(&group, self));
                    kept.push((group, columns));
                }
                Err(problem) => problems.push(problem),
            }
        }
        kept
    }
}

/// Whether one position is the same place in all of a group's prompts.
pub(in crate::analyses) fn has_one_length(group: &PreparedGroup) -> bool {
    group.cases.windows(2).all(|pair| pair[0].clean.len() == pair[1].clean.len())
}

/// That a group's prompts differ in length, and what to do about it.
pub(in crate::analyses) fn different_lengths(group: &PreparedGroup) -> Problem {
    let lengths = || group.cases.iter().map(|case| case.clean.len());
    let (shortest, longest) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    at_group(
        group,
        "different-lengths",
        format!(
            "The prompts of this group have {shortest} to {longest} tokens, so one position does not mean the same in all of them. \
             Align them by roles or from the end, or split the group by length."
        ),
    )
}

impl Columns {
    /// A group's columns, or why it has none. `align` is settled.
    fn of(job: &Job<'_>, group: &PreparedGroup, align: Align) -> Result<Self, Problem> {
        match align {
            Align::Auto | Align::Start if has_one_length(group) => Ok(Self::from_start(job, group)),
            Align::Auto | Align::Start => Err(different_lengths(group)),
            Align::End => Ok(Self::from_end(job, group)),
            Align::Role if group.roles.is_empty() => Err(at_group(
                group,
                "no-roles",
                "This group has no roles. Add some in the editor, below its name: they say which tokens of each prompt are meant."
                    .to_owned(),
            )),
            Align::Role => Ok(Self {
                ticks: group.roles.clone(),
                spans: group.cases.iter().map(|case| case.roles.clone()).collect(),
            }),
        }
    }

    /// One column for all positions.
    pub(in crate::analyses) fn none(group: &PreparedGroup) -> Self {
        let all = |case: &PreparedCase| vec![Some(0..case.clean.len())];
        Self { ticks: vec![String::new()], spans: group.cases.iter().map(all).collect() }
    }

    fn from_start(job: &Job<'_>, group: &PreparedGroup) -> Self {
        let each = |case: &PreparedCase| (0..case.clean.len()).map(|p| Some(p..p + 1)).collect();
        Self { ticks: ticks(job, &group.cases[0].clean), spans: group.cases.iter().map(each).collect() }
    }

    /// `<|endoftext|>`, where it is prepended, has a column of its own: it is no more a word than what is not there.
    fn from_end(job: &Job<'_>, group: &PreparedGroup) -> Self {
        let bos = usize::from(job.experiment.prepend_bos);
        let words = group.cases.iter().map(|case| case.clean.len() - bos).max().unwrap_or(0);
        let tick = |back: usize| if back == 0 { "last".to_owned() } else { format!("\u{2212}{back}") };
        let first = (bos > 0).then(|| job.tokenizer.token(job.tokenizer.bos()).text);
        let spans = |case: &PreparedCase| -> Vec<Option<Range<usize>>> {
            let place = |back: usize| {
                let position = case.clean.len().checked_sub(back + 1).filter(|&position| position >= bos)?;
                Some(position..position + 1)
            };
            let first = (bos > 0).then_some(Some(0..1));
            first.into_iter().chain((0..words).rev().map(place)).collect()
        };
        Self {
            ticks: first.into_iter().chain((0..words).rev().map(tick)).collect(),
            spans: group.cases.iter().map(spans).collect(),
        }
    }

    /// Number of columns.
    pub(in crate::analyses) fn len(&self) -> usize {
        self.ticks.len()
    }

    /// The prompts whose columns are at the same positions, by index: those that can be changed together.
    pub(in crate::analyses) fn classes(&self) -> Vec<Vec<usize>> {
        let mut classes: Vec<Vec<usize>> = Vec::new();
        for (prompt, spans) in self.spans.iter().enumerate() {
            match classes.iter_mut().find(|class| self.spans[class[0]] == *spans) {
                Some(class) => class.push(prompt),
                None => classes.push(vec![prompt]),
            }
        }
        classes
    }

    /// How many prompts have each column. None: all have all.
    fn counts(&self) -> Option<Vec<usize>> {
        let count = |column: usize| self.spans.iter().filter(|spans| spans[column].is_some()).count();
        let counts: Vec<usize> = (0..self.len()).map(count).collect();
        counts.iter().any(|&count| count < self.spans.len()).then_some(counts)
    }

    /// For each column, whether each of these prompts has it.
    pub(in crate::analyses) fn present_in(&self, prompts: &[usize]) -> Vec<Vec<bool>> {
        let has =
            |column: usize| prompts.iter().map(|&prompt| self.spans[prompt][column].is_some()).collect();
        (0..self.len()).map(has).collect()
    }

    /// The columns in which clean and corrupted prompt of any case differ.
    fn changed(&self, group: &PreparedGroup) -> Vec<usize> {
        let differs = |&column: &usize| {
            group.cases.iter().zip(&self.spans).any(|(case, spans)| {
                let span = spans[column].clone().unwrap_or(0..0);
                !case.corrupted.is_empty() && case.clean.get(span.clone()) != case.corrupted.get(span)
            })
        };
        (0..self.len()).filter(differs).collect()
    }

    /// A panel with these columns.
    pub(in crate::analyses) fn on(&self, group: &PreparedGroup, panel: Panel) -> Panel {
        Panel {
            ticks: Some(self.ticks.clone()),
            changed: self.changed(group),
            counts: self.counts(),
            ..panel
        }
    }

    /// Roles that none of the prompts has.
    fn missing(&self, group: &PreparedGroup, align: Align) -> Option<Problem> {
        let absent = |&column: &usize| self.spans.iter().all(|spans| spans[column].is_none());
        let names: Vec<&str> =
            (0..self.len()).filter(absent).map(|column| self.ticks[column].as_str()).collect();
        (align == Align::Role && !names.is_empty()).then(|| {
            at_group(
                group,
                "role-not-found",
                format!("No prompt of this group has the role {}. Its rule finds nothing.", names.join(", ")),
            )
        })
    }

    /// Takes numbers that a run has at every position, `[rows positions, b]` for the prompts from `first` on, to
    /// `[rows columns, prompts]`: what `of` makes of the numbers at a column's positions. Prompts without a column are left as they are.
    pub(in crate::analyses) fn put(
        &self,
        into: &mut PerPrompt,
        (first, block): (usize, &[f32]),
        positions: usize,
        of: fn(&[f64]) -> f64,
    ) {
        let rows = into.rows() / self.len();
        let b = block.len() / (rows * positions).max(1);
        for row in 0..rows {
            for column in 0..self.len() {
                let to = into.row_mut(row * self.len() + column);
                for prompt in 0..b {
                    let Some(span) = &self.spans[first + prompt][column] else { continue };
                    let at = |position| f64::from(block[(row * positions + position) * b + prompt]);
                    to[first + prompt] = of(&span.clone().map(at).collect::<Vec<f64>>());
                }
            }
        }
    }
}

/// Their sum.
pub(in crate::analyses) fn total(numbers: &[f64]) -> f64 {
    numbers.iter().sum()
}

/// Position labels as in the notebook: `{token}_{position}`.
pub(in crate::analyses) fn ticks(job: &Job<'_>, ids: &[u32]) -> Vec<String> {
    let label = |(position, token): (usize, Token)| format!("{}_{position}", token.text);
    job.tokenizer.tokens(ids).into_iter().enumerate().map(label).collect()
}
