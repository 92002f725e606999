//! From which positions do heads have what they write? Each head's direct attribution split by source position: pattern times what
//! the value there writes towards the answer. Beside it, for every head, attention to a token against what is written along it
//! (figure 3c of Wang et al. 2022).

use super::settings::{count, text};
use super::shared::attributed::panel;
use super::shared::choices;
use super::shared::columns::{ALIGN, Align, Columns, total};
use super::shared::groups::usable;
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::attribution::{AttributionSites, DirectLogitAttribution};
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{
    Axis, AxisKind, Grid, Measure, Panel, Part, Quantity, Scatter, ScatterAxis, ScatterPanel, ScatterValues,
};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, mean};
use crate::names::{Head, words};
use crate::portion::{Division, Sizes};
use crate::prompts::{PreparedCase, PreparedGroup};
use crate::readback::Reads;
use crate::runs::{Readout, Run, parts};

settings! {
    /// The heads, like L9H9 L9H6, a whole layer like L9, or all; empty for the largest attributions.
    heads: String = text(""),
    /// How many heads for the answer and how many against it, if none are named.
    top_k: usize = count(4, 1, 50),
    align: Align = ALIGN,
}

/// The tokens that heads attend to and write along.
const TOKENS: [(&str, &str); 2] = [("answer", "the answer"), ("distractor", "the distractor")];

/// A group's numbers, for all heads.
struct Sources {
    group: PreparedGroup,
    columns: Columns,
    /// `[layers heads columns, prompts]`.
    attribution: PerPrompt,
    /// `[layers heads columns, prompts]`.
    attention: PerPrompt,
    /// Over all positions, `[layers heads, prompts]`.
    whole: PerPrompt,
    /// By answer and distractor.
    tokens: [Along; 2],
}

/// What heads do about a token, `[layers heads, prompts]`.
struct Along {
    /// How much they attend to it; NaN where it does not stand in the prompt.
    attention: PerPrompt,
    /// What is written along its unembedding.
    written: PerPrompt,
}

impl Analyse for Settings {
    const NAME: &'static str = "source-attribution";
    const TITLE: &'static str = "Attribution by source";
    const DESCRIPTION: &'static str = "From which positions heads have what they write towards the answer: a head\u{2019}s attribution is \
         the sum over positions of attention times what the value there writes. The direct effect at the last position; what \
         feeds the values stays unseen.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/source_attribution.py"),
        needs: None,
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let config = &job.model.config;
        let named = choices::heads(&self.heads, config)?;
        let (groups, mut problems) = usable(job)?;
        let align = self.align.settled(&groups);
        let mut groups = align.of_groups(job, groups, &mut problems);
        groups.retain(|(group, _)| job.portion.has_group(group.group));
        let total = groups.iter().map(|(group, _)| group.cases.len()).sum();
        let mut work = Work::new(job.viewer, "Running the prompts", ProgressUnit::Prompts, total);
        let mut all = Vec::new();
        for group in groups {
            all.push(Sources::of(job, group, &mut work).await?);
        }
        let mut heads = named;
        if heads.is_empty() {
            for sources in &all {
                heads.extend(sources.strongest(self.top_k, config.n_heads));
            }
        }
        heads.sort_unstable();
        heads.dedup();
        let mut panels = Vec::new();
        for sources in &all {
            panels.push(sources.panel(job, &heads, &work).await?);
        }
        let measure = |name: &str, label: &str, quantity, range, middle| Measure {
            name: name.to_owned(),
            label: label.to_owned(),
            quantity,
            range,
            middle,
        };
        let grid = Grid {
            title: "Attribution by source".to_owned(),
            note: Some(
                match align {
                    Align::Role => {
                        "What each head adds to the logit difference because of the tokens of each role, which it attends to from the \
                         last position."
                    }
                    _ => {
                        "What each head adds to the logit difference because of each position that it attends to from the last one. A \
                         row of a prompt sums to the head\u{2019}s attribution."
                    }
                }
                .to_owned(),
            ),
            site: None,
            rows: Axis {
                label: "Head".to_owned(),
                counts: AxisKind::LayerHead,
                ticks: heads.iter().map(Head::to_string).collect(),
            },
            columns: align.axis(),
            measures: vec![
                measure(
                    "attribution",
                    "contribution to the logit difference",
                    Quantity::LogitDifference,
                    None,
                    Some(0.0),
                ),
                measure("attention", "attention from the last position", Quantity::Attention, Some([0.0, 1.0]), None),
            ],
            panels,
        };
        let heads =
            (0..config.n_layers).flat_map(|layer| (0..config.n_heads).map(move |head| Head { layer, head }));
        let scatter = Scatter {
            title: "Attention to a token against what is written along it".to_owned(),
            note: Some(
                "Of each head at the last position, over the prompts in which the token stands. Heads that copy what they attend to lie \
                 at the upper right, those that suppress it at the lower right."
                    .to_owned(),
            ),
            x: ScatterAxis { label: "attention to the token".to_owned() },
            y: ScatterAxis { label: "written along its unembedding".to_owned() },
            alike: false,
            measures: TOKENS
                .map(|(name, label)| measure(name, label, Quantity::Logit, None, Some(0.0)))
                .to_vec(),
            names: heads.clone().map(|head| head.to_string()).collect(),
            layers: heads.map(|head| head.layer).collect(),
            panels: all.iter().map(Sources::points).filter(|panel| !panel.values.is_empty()).collect(),
        };
        let scatter = (!scatter.panels.is_empty()).then_some(Part::Scatter(scatter));
        Ok(Findings { parts: [Part::Heat(grid)].into_iter().chain(scatter).collect(), problems })
    }

    fn division(&self, _: &Sizes) -> Result<Division> {
        // All groups show the heads that write most in any of them, unless some are named.
        let named = words(&self.heads).next().is_some();
        Ok(if named { Division::by_group(2.0) } else { Division::whole(2.0) })
    }
}

impl Sources {
    async fn of(
        job: &Job<'_>,
        (group, columns): (PreparedGroup, Columns),
        work: &mut Work<'_>,
    ) -> Result<Self> {
        let config = &job.model.config;
        let (heads, prompts) = (config.n_layers * config.n_heads, group.cases.len());
        let by_column = || PerPrompt::new(heads * columns.len(), prompts);
        let by_head = || PerPrompt::new(heads, prompts);
        let (mut attribution, mut attention) = (by_column(), by_column());
        let mut whole = by_head();
        let mut tokens = [by_head(), by_head()].map(|written| Along { attention: by_head(), written });
        let sites = AttributionSites { sources: true, ..AttributionSites::default() };
        let mut first = 0;
        for cases in parts(&group.cases, job.model, &sites, 1) {
            let readout = Readout::new(job.model, cases, false);
            let clean: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
            let run = Run::record(job.model, &clean, &readout, &sites).await?;
            let positions = run.batch.positions();
            let direct = DirectLogitAttribution::new(job.model, &run, readout.compared())?;
            let mut reads =
                Reads::default().with(direct.sources()?).with(direct.attention()?).with(direct.heads()?);
            for token in 0..tokens.len() {
                let sets: Vec<&[u32]> =
                    readout.compared().iter().map(|sets| sets[token].as_slice()).collect();
                reads = reads.with(direct.heads_along(&job.model.unembedding.columns(&sets))?);
            }
            let read = reads.fetch().await?;
            columns.put(&mut attribution, (first, &read[0]), positions, total);
            columns.put(&mut attention, (first, &read[1]), positions, total);
            whole.set_columns(first, &read[2]);
            for (token, (along, written)) in tokens.iter_mut().zip(&read[3..]).enumerate() {
                along.written.set_columns(first, written);
                along.attend(token, cases, (first, &read[1]), positions);
            }
            first += cases.len();
            work.done(cases.len()).await?;
        }
        Ok(Self { group, columns, attribution, attention, whole, tokens })
    }

    /// The heads whose mean attribution is largest, and smallest.
    fn strongest(&self, k: usize, n_heads: usize) -> Vec<Head> {
        let sums: Vec<f64> = (0..self.whole.rows()).map(|head| mean(self.whole.row(head))).collect();
        let mut order: Vec<usize> = (0..sums.len()).collect();
        order.sort_by(|&a, &b| sums[b].total_cmp(&sums[a]));
        let largest = order.iter().take(k).filter(|&&head| sums[head] > 0.0);
        let smallest = order.iter().rev().take(k).filter(|&&head| sums[head] < 0.0);
        let named = |&index: &usize| Head { layer: index / n_heads, head: index % n_heads };
        largest.chain(smallest).map(named).collect()
    }

    async fn panel(&self, job: &Job<'_>, heads: &[Head], work: &Work<'_>) -> Result<Panel> {
        let columns = self.columns.len();
        let present = self.columns.present_in(&Vec::from_iter(0..self.group.cases.len()));
        let mut values = Vec::new();
        for (measure, numbers) in [&self.attribution, &self.attention].into_iter().enumerate() {
            let row = |head: &Head| {
                let first = (head.layer * job.model.config.n_heads + head.head) * columns;
                (first..first + columns).flat_map(|cell| numbers.row(cell).to_vec()).collect::<Vec<f64>>()
            };
            let chosen = PerPrompt::from_rows(numbers.prompts(), heads.iter().flat_map(row).collect());
            let tested = measure == 0; // attention is never negative
            let numbers = Numbers { present: Some(present.clone()), tested, ..Numbers::alone(chosen) };
            values.push(numbers.summarise(measure, &self.group.pairs(), work).await?);
        }
        Ok(self.columns.on(&self.group, panel(&self.group, values)))
    }

    /// A point for each head, for each token that stands in some of the prompts.
    fn points(&self) -> ScatterPanel {
        let of_token = |(measure, along): (usize, &Along)| {
            let has = |prompt: &usize| !along.attention.row(0)[*prompt].is_nan();
            let prompts: Vec<usize> = (0..self.group.cases.len()).filter(has).collect();
            let means = |numbers: &PerPrompt| -> Vec<f64> {
                let of_head = |head: usize| {
                    mean(&prompts.iter().map(|&prompt| numbers.row(head)[prompt]).collect::<Vec<_>>())
                };
                (0..numbers.rows()).map(of_head).collect()
            };
            let (x, y) = (means(&along.attention), means(&along.written));
            (!prompts.is_empty()).then_some(ScatterValues { measure, x, y })
        };
        ScatterPanel {
            name: self.group.name.clone(),
            group: self.group.group,
            values: self.tokens.iter().enumerate().filter_map(of_token).collect(),
        }
    }
}

impl Along {
    /// Adds the attention of some prompts to the places where the token stands, from `[heads positions, b]`.
    fn attend(
        &mut self,
        token: usize,
        cases: &[PreparedCase],
        (first, block): (usize, &[f32]),
        positions: usize,
    ) {
        for (prompt, case) in cases.iter().enumerate() {
            let wanted = &case.compared[token];
            let places: Vec<usize> =
                (0..case.clean.len()).filter(|&place| wanted.contains(&case.clean[place])).collect();
            if places.is_empty() {
                continue;
            }
            for head in 0..self.attention.rows() {
                let at = |place: &usize| f64::from(block[(head * positions + place) * cases.len() + prompt]);
                self.attention.row_mut(head)[first + prompt] = places.iter().map(at).sum();
            }
        }
    }
}
