//! Does it agree with others? What other programs computed with these weights and published, beside the same values
//! computed here, by the analyses that this report's other figures come from (docs/recorded.md).

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use serde_json::{Map, Value};

use super::settings::choice;
use super::{Analyse, Analysis, Findings, Job, Viewer, settings};
use crate::error::{Error, Result};
use crate::figures::{Cell, Column, Link, Mark, Part, Quantity, Row, Table};
use crate::host::{self, Host, Progress, ProgressUnit};
use crate::portion::{Division, Sizes};
use crate::prompts::Problem;
use crate::recorded::{Found, Item, Listed, Origin, Recorded};

settings! {
    /// Which values are listed one by one: those that differ, these and all of figures with few values, or all.
    values: Values = choice::<Values>("few"),
}

/// Which values are listed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum Values {
    Differing,
    Few,
    All,
}

/// Figures with at most so many values have few.
const FEW: usize = 10;

/// Differing values that are listed at most of a figure, unless all are wanted.
const MOST: usize = 50;

/// The list of files of recorded values, among those of the page's own.
const INDEX: &str = "recorded/index.json";

impl Analyse for Settings {
    const NAME: &'static str = "recorded";
    const TITLE: &'static str = "Published values";
    const DESCRIPTION: &'static str = "What other programs computed with GPT-2 small and published, beside the same values \
         computed here on the same prompts: logits, losses, attention, lenses, attributions and patching maps.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let recorded = match recorded(job).await? {
            Ok(recorded) => recorded,
            Err(why) => return Ok(Findings { parts: Vec::new(), problems: vec![why] }),
        };
        let mut compared = Vec::new();
        compute(job, &recorded, &mut |index, parts| {
            let item = &recorded.items[index];
            let (quantity, found) = item.find(parts)?;
            compared.push(Compared::new(item, quantity, found));
            Ok(())
        })
        .await?;
        let mut parts = vec![Part::Table(summary(&recorded, &compared))];
        if self.values == Values::All {
            let table = |compared: &Compared<'_>| {
                one_by_one(compared.item.title.clone(), compared.rows(self.values).collect())
            };
            parts.extend(compared.iter().map(table).map(Part::Table));
        } else {
            let rows: Vec<Row> = compared.iter().flat_map(|compared| compared.rows(self.values)).collect();
            let title = if self.values == Values::Few { "Single values" } else { "Values that differ" };
            parts.extend((!rows.is_empty()).then(|| Part::Table(one_by_one(title.to_owned(), rows))));
        }
        Ok(Findings { parts, problems: Vec::new() })
    }

    fn division(&self, _: &Sizes) -> Result<Division> {
        // Where there are published values of the model, all its maps are computed.
        Ok(Division::whole(500.0))
    }
}

/// The values that were recorded with a model of the open one's sizes, or why there are none.
async fn recorded(job: &Job<'_>) -> Result<Result<Recorded, Problem>> {
    let config = &job.model.config;
    host::step(job.viewer, "Reading published values", 0, 1).await?;
    let list: Vec<Listed> = match job.viewer.file(INDEX).await? {
        Some(text) => {
            serde_json::from_str(&text).map_err(|error| Error::Recorded(format!("{INDEX}: {error}")))?
        }
        None => Vec::new(),
    };
    host::step(job.viewer, "Reading published values", 1, 1).await?;
    if let Some(listed) = list.iter().find(|listed| listed.model.fits(config)) {
        let path = format!("recorded/{}", listed.file);
        let text =
            job.viewer.file(&path).await?.ok_or_else(|| Error::Recorded(format!("there is no {path}")))?;
        return Ok(Ok(Recorded::from_json(&text)?));
    }
    let message = if list.is_empty() {
        "No published values come along here.".to_owned()
    } else {
        let known: Vec<String> = list
            .iter()
            .map(|Listed { model, .. }| {
                format!(
                    "{} ({} layers of {} heads, {} wide)",
                    model.name, model.n_layers, model.n_heads, model.d_model
                )
            })
            .collect();
        format!(
            "There are published values of {}. The open model has {} layers of {} heads and is {} wide: there is nothing \
             to compare it with.",
            known.join(" and "),
            config.n_layers,
            config.n_heads,
            config.d_model
        )
    };
    Ok(Err(Problem { place: None, code: "other-model".to_owned(), message }))
}

/// Computes the figure of each item, in their order, and hands over its parts.
async fn compute(
    job: &Job<'_>,
    recorded: &Recorded,
    each: &mut dyn FnMut(usize, &[Part]) -> Result<()>,
) -> Result<()> {
    // Several items may stand in one report.
    let mut reports: HashMap<String, Vec<Part>> = HashMap::new();
    for (index, item) in recorded.items.iter().enumerate() {
        let analysis = Analysis::find(&item.analysis)?;
        if analysis.name == Settings::NAME {
            return Err(Error::Recorded(format!("{:?} is compared with itself", item.title)));
        }
        let viewer = Within { outer: job.viewer, done: index, total: recorded.items.len() };
        viewer.begin(&item.title).await?;
        let key = format!("{} {} {}", item.analysis, item.experiment, Value::from(item.settings.clone()));
        if !reports.contains_key(&key) {
            let job = Job { experiment: &recorded.experiments[&item.experiment], viewer: &viewer, ..*job };
            reports.insert(key.clone(), run(analysis, &item.settings, &job).await?);
        }
        each(index, &reports[&key])?;
    }
    let total = recorded.items.len();
    Within { outer: job.viewer, done: total, total }.begin("Comparing").await
}

async fn run(analysis: &Analysis, settings: &Map<String, Value>, job: &Job<'_>) -> Result<Vec<Part>> {
    let Findings { parts, problems } = analysis.run(settings, job).await?;
    match problems.first() {
        // Of a model that does not do a task there is no share to compare: its other figures still are.
        Some(problem) if parts.is_empty() => {
            Err(Error::Recorded(format!("`{}`: {}", analysis.name, problem.message)))
        }
        _ => Ok(parts),
    }
}

/// The caller of the analyses within this one: it counts items, and shows no figures.
struct Within<'a> {
    outer: &'a dyn Viewer,
    done: usize,
    total: usize,
}

impl Within<'_> {
    async fn begin(&self, title: &str) -> Result<()> {
        self.tell(title.to_owned(), 0.0);
        self.outer.pause().await;
        if self.outer.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    fn tell(&self, stage: String, share: f64) {
        let done = self.done as f64 + share;
        self.outer.progress(Progress {
            stage,
            done,
            total: self.total as f64,
            unit: ProgressUnit::Checks,
            note: None,
        });
    }
}

impl Host for Within<'_> {
    fn progress(&self, progress: Progress) {
        let share = (progress.done / progress.total.max(1.0)).clamp(0.0, 1.0);
        self.tell(progress.stage, share);
    }

    fn cancelled(&self) -> bool {
        self.outer.cancelled()
    }

    fn pause(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        self.outer.pause()
    }
}

impl Viewer for Within<'_> {}

/// What 32-bit floats leave open between two programs that compute the same, beyond the digits recorded: logits of
/// a hundred carry an error of 1e-4 in each, and everything else follows from logits or is better determined.
fn allowance(quantity: Quantity) -> f64 {
    match quantity {
        Quantity::Logit
        | Quantity::LogitDifference
        | Quantity::LogProbability
        | Quantity::Loss
        | Quantity::Score
        | Quantity::Activation
        | Quantity::Error => 5e-4,
        Quantity::Probability | Quantity::Attention => 2e-4,
        Quantity::Share => 1e-4,
        Quantity::Text | Quantity::Token | Quantity::Count => 0.0,
    }
}

/// An item beside what was computed here.
struct Compared<'a> {
    item: &'a Item,
    found: Vec<Found>,
    /// How far a value may lie from the recorded one.
    allowed: f64,
}

/// A recorded value and the same computed here.
struct Pair<'a> {
    place: &'a str,
    recorded: f64,
    here: f64,
}

impl Pair<'_> {
    fn off(&self) -> f64 {
        (self.here - self.recorded).abs()
    }
}

impl<'a> Compared<'a> {
    fn new(item: &'a Item, quantity: Quantity, found: Vec<Found>) -> Self {
        let digits = item.decimals.map_or(0.0, |decimals| 0.5 * 0.1_f64.powi(decimals as i32));
        Self { item, found, allowed: digits + allowance(quantity) }
    }

    fn values(&self) -> impl Iterator<Item = Pair<'_>> {
        self.found.iter().zip(&self.item.values).filter_map(|(found, recorded)| {
            Some(Pair { place: &found.place, recorded: (*recorded)?, here: found.value })
        })
    }

    /// Written so that NaN differs.
    fn agrees(&self, value: &Pair<'_>) -> bool {
        value.off() <= self.allowed
    }

    /// The values that are listed one by one.
    fn lists(&self, which: Values) -> impl Iterator<Item = Pair<'_>> {
        let all = which == Values::All || (which == Values::Few && self.item.values.len() <= FEW);
        let most = if all { usize::MAX } else { MOST };
        self.values().filter(move |value| all || !self.agrees(value)).take(most)
    }

    /// The largest distance; NaN counts as the worst.
    fn worst(&self) -> f64 {
        let worse = |worst: f64, off: f64| if off > worst || off.is_nan() { off } else { worst };
        self.values().map(|value| value.off()).fold(0.0, worse)
    }

    /// A row for each of them.
    fn rows(&self, which: Values) -> impl Iterator<Item = Row> {
        self.lists(which).map(|pair| Row {
            mark: Some(if self.agrees(&pair) { Mark::Passed } else { Mark::Failed }),
            cells: vec![
                Cell::Text(self.item.title.clone()),
                Cell::Text(pair.place.to_owned()),
                Cell::Number(pair.recorded),
                number(pair.here),
                number(pair.off()),
                Cell::Number(self.allowed),
            ],
        })
    }
}

/// Values one by one.
fn one_by_one(title: String, rows: Vec<Row>) -> Table {
    Table {
        title,
        note: Some("The likeliest tokens of greedy continuations are compared by their ids.".to_owned()),
        group: None,
        columns: vec![
            Column::new("Figure", Quantity::Text),
            Column::new("Value", Quantity::Text),
            Column::plain("Published", Quantity::Activation),
            Column::plain("Here", Quantity::Activation),
            Column::new("Off by", Quantity::Error),
            Column::new("Allowed", Quantity::Error),
        ],
        rows,
    }
}

/// A number, or nothing where there is none.
fn number(value: f64) -> Cell {
    if value.is_finite() { Cell::Number(value) } else { Cell::Empty }
}

fn summary(recorded: &Recorded, compared: &[Compared<'_>]) -> Table {
    let count = |compared: &Compared<'_>| {
        (compared.values().count(), compared.values().filter(|value| compared.agrees(value)).count())
    };
    let (all, agree) = compared.iter().map(count).fold((0, 0), |(all, agree), (m, n)| (all + m, agree + n));
    let row = |compared: &Compared<'_>| {
        let (all, agree) = count(compared);
        let Origin { name, link, .. } = &recorded.sources[&compared.item.source];
        let source = match link {
            Some(link) => Cell::Link(Link { text: name.clone(), link: link.clone() }),
            None => Cell::Text(name.clone()),
        };
        Row {
            mark: Some(if agree == all { Mark::Passed } else { Mark::Failed }),
            cells: vec![
                Cell::Text(compared.item.title.clone()),
                Cell::Number(all as f64),
                Cell::Number(agree as f64),
                number(compared.worst()),
                Cell::Number(compared.allowed),
                source,
            ],
        }
    };
    Table {
        title: format!("{agree} of {all} published values agree"),
        note: Some(
            "Allowed is half of the last digit that was published, and what 32-bit floats leave open: 5e-4 in logits and what \
             is measured like them, 2e-4 in probabilities and attention, 1e-4 in shares."
                .to_owned(),
        ),
        group: None,
        columns: vec![
            Column::new("Figure", Quantity::Text),
            Column::new("Values", Quantity::Count),
            Column::new("Agree", Quantity::Count),
            Column::new("Off by at most", Quantity::Error),
            Column::new("Allowed", Quantity::Error),
            Column::new("Published in", Quantity::Text),
        ],
        rows: compared.iter().map(row).collect(),
    }
}

/// A file of recorded values with the open model's own in place of those recorded, rounded as those were: what a copy of
/// this model is to agree with on another machine.
///
/// # Errors
/// [`Error::Recorded`] if the file is not one, or is about a model of other sizes; as [`Analyse::run`].
pub(crate) async fn record(job: &Job<'_>, text: &str, name: &str) -> Result<Recorded> {
    let mut recorded = Recorded::from_json(text)?;
    let mut own = recorded.items.clone();
    compute(job, &recorded, &mut |index, parts| {
        let item = &mut own[index];
        item.read = item.read.clone().with_likeliest(parts);
        let (_, found) = item.find(parts)?;
        let rounding = 10_f64.powi(item.decimals.unwrap_or(0) as i32);
        for (value, found) in item.values.iter_mut().zip(found) {
            let rounded = (found.value * rounding).round() / rounding;
            *value = value.is_some().then_some(rounded).filter(|value| value.is_finite());
        }
        Ok(())
    })
    .await?;
    recorded.items = own;
    let config = &job.model.config;
    recorded.model = crate::recorded::Shape {
        name: name.to_owned(),
        n_layers: config.n_layers,
        n_heads: config.n_heads,
        d_model: config.d_model,
        d_mlp: config.d_mlp,
        d_vocab: config.d_vocab,
    };
    Ok(recorded)
}
