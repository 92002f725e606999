//! From which positions do heads have what they write? Each head's direct attribution split by source position: pattern times what
//! the value there writes towards the answer. Beside it, for every head, attention to a token against what is written along it
//! (figure 3c of Wang et al. 2022).

use super::settings::{count, text};
use super::shared::attributed::panel;
use super::shared::choices;
use super::shared::groups::{of_one_length, usable};
use super::shared::sweeps::{changed, ticks};
use super::{Analyse, Findings, Job, settings};
use crate::attribution::{AttributionSites, DirectLogitAttribution};
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{
    Axis, AxisKind, Grid, Measure, Panel, Part, Quantity, Scatter, ScatterAxis, ScatterPanel, ScatterValues,
};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, mean};
use crate::names::Head;
use crate::prompts::PreparedGroup;
use crate::readback::Reads;
use crate::runs::{Readout, Run, parts};

settings! {
    /// The heads, like L9H9 L9H6, a whole layer like L9, or all; empty for the largest attributions.
    heads: String = text(""),
    /// How many heads for the answer and how many against it, if none are named.
    top_k: usize = count(4, 1, 50),
}

/// The tokens that heads attend to and write along.
const TOKENS: [(&str, &str); 2] = [("answer", "the answer"), ("distractor", "the distractor")];

/// A group's numbers, for all heads.
struct Sources {
    group: PreparedGroup,
    /// `[layers heads positions, prompts]`.
    attribution: PerPrompt,
    /// `[layers heads positions, prompts]`.
    attention: PerPrompt,
    /// What is written along answer and distractor, `[layers heads, prompts]`.
    written: [PerPrompt; 2],
}

impl Analyse for Settings {
    const NAME: &'static str = "source-attribution";
    const TITLE: &'static str = "Attribution by source";
    const DESCRIPTION: &'static str = "From which positions heads have what they write towards the answer: a head\u{2019}s attribution is \
         the sum over positions of attention times what the value there writes. The direct effect at the last position; what \
         feeds the values stays unseen.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let config = &job.model.config;
        let named = choices::heads(&self.heads, config)?;
        let (groups, mut problems) = usable(job)?;
        let groups = of_one_length(groups, &mut problems);
        let total = groups.iter().map(|group| group.cases.len()).sum();
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
                "What each head adds to the logit difference because of each position that it attends to from the last one. A row sums \
                 to the head\u{2019}s attribution."
                    .to_owned(),
            ),
            site: None,
            rows: Axis {
                label: "Head".to_owned(),
                counts: AxisKind::LayerHead,
                ticks: heads.iter().map(Head::to_string).collect(),
            },
            columns: Axis { label: "Position".to_owned(), counts: AxisKind::Position, ticks: Vec::new() },
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
}

impl Sources {
    async fn of(job: &Job<'_>, group: PreparedGroup, work: &mut Work<'_>) -> Result<Self> {
        let config = &job.model.config;
        let (heads, prompts) = (config.n_layers * config.n_heads, group.cases.len());
        let cells = heads * group.cases[0].clean.len();
        let (mut attribution, mut attention) =
            (PerPrompt::new(cells, prompts), PerPrompt::new(cells, prompts));
        let mut written = [PerPrompt::new(heads, prompts), PerPrompt::new(heads, prompts)];
        let sites = AttributionSites { sources: true, ..AttributionSites::default() };
        let mut first = 0;
        for cases in parts(&group.cases, job.model, &sites, 1) {
            let readout = Readout::new(job.model, cases, false);
            let clean: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
            let run = Run::record(job.model, &clean, &readout, &sites).await?;
            let direct = DirectLogitAttribution::new(job.model, &run, readout.pairs())?;
            let mut reads = Reads::default().with(direct.sources()?).with(direct.attention()?);
            for token in 0..written.len() {
                let ids: Vec<u32> = readout.pairs().iter().map(|pair| pair[token]).collect();
                reads = reads.with(direct.heads_along(&job.model.unembedding.columns(&ids))?);
            }
            let read = reads.fetch().await?;
            attribution.set_columns(first, &read[0]);
            attention.set_columns(first, &read[1]);
            written.iter_mut().zip(&read[2..]).for_each(|(written, read)| written.set_columns(first, read));
            first += cases.len();
            work.done(cases.len()).await?;
        }
        Ok(Self { group, attribution, attention, written })
    }

    fn positions(&self) -> usize {
        self.group.cases[0].clean.len()
    }

    /// The heads whose mean attribution is largest, and smallest.
    fn strongest(&self, k: usize, n_heads: usize) -> Vec<Head> {
        let positions = self.positions();
        let of_head = |head: usize| -> f64 {
            (0..positions).map(|position| mean(self.attribution.row(head * positions + position))).sum()
        };
        let sums: Vec<f64> = (0..self.attribution.rows() / positions).map(of_head).collect();
        let mut order: Vec<usize> = (0..sums.len()).collect();
        order.sort_by(|&a, &b| sums[b].total_cmp(&sums[a]));
        let largest = order.iter().take(k).filter(|&&head| sums[head] > 0.0);
        let smallest = order.iter().rev().take(k).filter(|&&head| sums[head] < 0.0);
        let named = |&index: &usize| Head { layer: index / n_heads, head: index % n_heads };
        largest.chain(smallest).map(named).collect()
    }

    async fn panel(&self, job: &Job<'_>, heads: &[Head], work: &Work<'_>) -> Result<Panel> {
        let positions = self.positions();
        let mut values = Vec::new();
        for (measure, numbers) in [&self.attribution, &self.attention].into_iter().enumerate() {
            let row = |head: &Head| {
                let first = (head.layer * job.model.config.n_heads + head.head) * positions;
                (first..first + positions).flat_map(|cell| numbers.row(cell).to_vec()).collect::<Vec<f64>>()
            };
            let chosen = PerPrompt::from_rows(numbers.prompts(), heads.iter().flat_map(row).collect());
            values.push(Numbers::alone(chosen).summarise(measure, work).await?);
        }
        let ticks = Some(ticks(job, &self.group.cases[0].clean));
        Ok(Panel { ticks, changed: changed(&self.group), ..panel(&self.group, values) })
    }

    /// A point for each head, for each token that stands in some of the prompts.
    fn points(&self) -> ScatterPanel {
        let positions = self.positions();
        let of_token = |token: usize| {
            let wanted = |case: &crate::prompts::PreparedCase| [case.answer, case.distractor][token];
            let places = |prompt: usize| -> Vec<usize> {
                let case = &self.group.cases[prompt];
                (0..positions).filter(|&position| case.clean[position] == wanted(case)).collect()
            };
            let present: Vec<(usize, Vec<usize>)> =
                (0..self.group.cases.len()).map(|prompt| (prompt, places(prompt))).collect();
            let present: Vec<_> = present.into_iter().filter(|(_, places)| !places.is_empty()).collect();
            if present.is_empty() {
                return None;
            }
            let attention = |head: usize| {
                let of_prompt = |(prompt, places): &(usize, Vec<usize>)| -> f64 {
                    places.iter().map(|place| self.attention.row(head * positions + place)[*prompt]).sum()
                };
                mean(&present.iter().map(of_prompt).collect::<Vec<_>>())
            };
            let written = |head: usize| {
                let row = self.written[token].row(head);
                mean(&present.iter().map(|(prompt, _)| row[*prompt]).collect::<Vec<_>>())
            };
            let heads = 0..self.written[token].rows();
            Some(ScatterValues {
                measure: token,
                x: heads.clone().map(attention).collect(),
                y: heads.map(written).collect(),
            })
        };
        ScatterPanel {
            name: self.group.name.clone(),
            group: self.group.group,
            values: (0..TOKENS.len()).filter_map(of_token).collect(),
        }
    }
}
