//! Why does a head attend there? Its attention scores at the last position split by what wrote the query and what wrote the key
//! (`decompose_attn_scores` of ARENA 1.2; Elhage et al. 2021).
//!
//! With the LayerNorm's scales of the run, queries and keys are linear in what has been written into the residual stream, and a
//! score is a sum over pairs of components: `(y_i W_Q / s_q) . (y_j W_K / s_k) / sqrt(d_head)`. Two components have no layer of
//! their own: `attn_bias`, the sum of the `b_O` of earlier layers, and `bias`, the head's `b_Q` or `b_K`, which nothing divides.

mod scores;

use scores::{Scores, present};

use super::settings::{count, text};
use super::shared::attributed::{self, of_group, panel};
use super::shared::choices;
use super::shared::columns::{ALIGN, Align, Columns};
use super::shared::groups::usable;
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{Axis, AxisKind, Cell, Column, Grid, Mark, Measure, Part, Quantity, Row, Table};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, mean};
use crate::names::Head;
use crate::prompts::PreparedGroup;

settings! {
    /// The head, like L9H9; empty for the one with the largest attribution.
    head: String = text(""),
    /// The position or role that is attended to, for the pairs; empty for the one that gets most attention.
    source: String = text(""),
    /// How many components are shown by themselves; the rest are one row, so that sums stay exact.
    top_k: usize = count(20, 1, 1000),
    align: Align = ALIGN,
}

/// Names of the components before a layer.
fn components(layer: usize, n_heads: usize) -> Vec<String> {
    let of_layer = |layer: usize| {
        let heads = (0..n_heads).map(move |head| Head { layer, head }.to_string());
        heads.chain([format!("MLP{layer}")])
    };
    let written = (0..layer).flat_map(of_layer);
    ["embed", "pos_embed"]
        .map(str::to_owned)
        .into_iter()
        .chain(written)
        .chain(["attn_bias", "bias"].map(str::to_owned))
        .collect()
}

impl Analyse for Settings {
    const NAME: &'static str = "score-decomposition";
    const TITLE: &'static str = "Why a head attends";
    const DESCRIPTION: &'static str = "A head\u{2019}s attention scores from the last position, split by which earlier component wrote the \
         query and which wrote the key. The parts sum to the scores: what these are made of, not which part is needed.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../../data/transformer-lens/score_decomposition.py"),
        needs: Some(attributed::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let config = &job.model.config;
        let named = choices::heads(&self.head, config)?;
        let (groups, mut problems) = usable(job)?;
        let align = self.align.settled(&groups);
        let groups = align.of_groups(job, groups, &mut problems);
        let prompts = |(group, _): &(PreparedGroup, Columns)| group.cases.len();
        let total = groups.iter().map(prompts).sum::<usize>();
        let ranked = if named.is_empty() { groups.first().map_or(0, prompts) } else { 0 };
        let mut work = Work::new(job.viewer, "Running the prompts", ProgressUnit::Prompts, total + ranked);
        let head = match (named.as_slice(), groups.first()) {
            (&[head], _) => head,
            ([], Some((group, _))) => strongest(job, group, &mut work).await?,
            ([], None) => return Ok(Findings { parts: Vec::new(), problems }),
            _ => return Err(choices::refused("head", "name one head, like L9H9.".to_owned())),
        };
        let names = components(head.layer, config.n_heads);
        let mut all = Vec::new();
        for group in groups {
            all.push(Scores::of(job, group, head, names.len(), &mut work).await?);
        }
        let mut figures = Vec::new();
        for (title, by_key) in
            [("Scores by what wrote the key", true), ("Scores by what wrote the query", false)]
        {
            let mut grid = self.by_component(head, &names, &all, (title, by_key), &work).await?;
            grid.columns = align.axis();
            figures.push(Part::Heat(grid));
        }
        for scores in &all {
            let (source, label) = self.source(scores)?;
            figures.push(Part::Table(self.pairs(head, &names, scores, (source, &label))));
        }
        Ok(Findings { parts: figures, problems })
    }
}

/// The head with the largest mean attribution.
async fn strongest(job: &Job<'_>, group: &PreparedGroup, work: &mut Work<'_>) -> Result<Head> {
    let attributed = of_group(job, group.clone(), false, &|direct| direct.heads(), work).await?;
    Ok(attributed.strongest(job.model.config.n_heads))
}

impl Settings {
    /// Scores by component and source, summed over the components of the other side.
    async fn by_component(
        &self,
        head: Head,
        names: &[String],
        all: &[Scores],
        (title, by_key): (&str, bool),
        work: &Work<'_>,
    ) -> Result<Grid> {
        let by_group: Vec<Vec<PerPrompt>> = all.iter().map(|scores| scores.by(by_key)).collect();
        // The components with the largest mean at any source of any group stand by themselves.
        let size = |component: usize| -> f64 {
            let largest = |numbers: &PerPrompt| {
                (0..numbers.rows()).map(|source| present(numbers.row(source)).abs()).fold(0.0, f64::max)
            };
            by_group.iter().map(|numbers| largest(&numbers[component])).fold(0.0, f64::max)
        };
        let sizes: Vec<f64> = (0..names.len()).map(size).collect();
        let mut shown: Vec<usize> = (0..names.len()).collect();
        shown.sort_by(|&a, &b| sizes[b].total_cmp(&sizes[a]));
        let others = shown.split_off(self.top_k.min(shown.len()));
        shown.sort_unstable();
        let mut ticks_of_rows: Vec<String> =
            shown.iter().map(|&component| names[component].clone()).collect();
        if !others.is_empty() {
            ticks_of_rows.push(format!("{} others", others.len()));
        }
        ticks_of_rows.push("score".to_owned());
        let mut panels = Vec::new();
        for (scores, numbers) in all.iter().zip(&by_group) {
            let (positions, prompts) = (scores.scores.rows(), scores.scores.prompts());
            let mut rows: Vec<f64> = shown.iter().flat_map(|&one| numbers[one].numbers().to_vec()).collect();
            if !others.is_empty() {
                let sum = |index: usize| others.iter().map(|&one| numbers[one].numbers()[index]).sum::<f64>();
                rows.extend((0..positions * prompts).map(sum));
            }
            rows.extend_from_slice(scores.scores.numbers());
            let has = scores.columns.present_in(&Vec::from_iter(0..prompts));
            let numbers =
                Numbers { present: Some(has), ..Numbers::alone(PerPrompt::from_rows(prompts, rows)) };
            let values = numbers.summarise(0, &scores.group.pairs(), work).await?;
            panels.push(scores.columns.on(&scores.group, panel(&scores.group, vec![values])));
        }
        let side = if by_key { "keys" } else { "query" };
        Ok(Grid {
            title: format!("{head}: {}", lower(title)),
            note: Some(format!(
                "Attention scores from the last position, before the softmax, by the component that wrote the {side}; a column sums to \
                 its score, the last row."
            )),
            site: None,
            rows: Axis { label: String::new(), counts: AxisKind::Component, ticks: ticks_of_rows },
            columns: Align::Auto.axis(),
            measures: vec![Measure {
                name: "score".to_owned(),
                label: "attention score".to_owned(),
                quantity: Quantity::Score,
                range: None,
                middle: Some(0.0),
            }],
            panels,
        })
    }

    /// The source whose pairs are listed, and its label.
    fn source(&self, scores: &Scores) -> Result<(usize, String)> {
        let (labels, wanted) = (&scores.columns.ticks, self.source.trim());
        let most = || {
            let attention = |source: usize| present(scores.pattern.row(source));
            (0..labels.len()).max_by(|&a, &b| attention(a).total_cmp(&attention(b))).unwrap_or_default()
        };
        let source = if wanted.is_empty() {
            most()
        } else {
            let named = labels.iter().position(|label| label == wanted);
            let number = || wanted.parse().ok().filter(|&source: &usize| source < labels.len());
            named.or_else(number).ok_or_else(|| {
                let last = labels.len() - 1;
                let message = format!(
                    "{wanted:?} is no column of this map. Write its label, or a number from 0 to {last}."
                );
                choices::refused("source", message)
            })?
        };
        Ok((source, labels[source].clone()))
    }

    /// The pairs of components that add most to the score of a source, and the sum of all.
    fn pairs(&self, head: Head, names: &[String], scores: &Scores, (source, label): (usize, &str)) -> Table {
        let has = |prompt: &usize| scores.columns.spans[*prompt][source].is_some();
        let prompts: Vec<usize> = (0..scores.group.cases.len()).filter(has).collect();
        let number = |query: usize, key: usize| -> f64 {
            let each = prompts.iter().map(|&prompt| scores.pair(prompt, query, key, source));
            mean(&each.collect::<Vec<f64>>())
        };
        let count = names.len();
        let numbers: Vec<f64> = (0..count * count).map(|pair| number(pair / count, pair % count)).collect();
        let mut order: Vec<usize> = (0..numbers.len()).collect();
        order.sort_by(|&a, &b| numbers[b].abs().total_cmp(&numbers[a].abs()));
        let text = |text: &str| Cell::Text(text.to_owned());
        let row = |&pair: &usize| Row {
            cells: vec![text(&names[pair / count]), text(&names[pair % count]), Cell::Number(numbers[pair])],
            mark: None,
        };
        let mut rows: Vec<Row> = order.iter().take(self.top_k).map(row).collect();
        let sum = |name: &str, number: f64| Row {
            cells: vec![text(name), Cell::Empty, Cell::Number(number)],
            mark: Some(Mark::Mean),
        };
        rows.push(sum("sum of all pairs", numbers.iter().sum()));
        rows.push(sum("score in the run", present(scores.scores.row(source))));
        Table {
            title: format!("{head}: pairs for {label}, {}", scores.group.name),
            note: Some(
                "The pairs of components that move the score most, up or down; means over the prompts."
                    .to_owned(),
            ),
            group: Some(scores.group.group),
            columns: vec![
                Column::new("Query from", Quantity::Text),
                Column::new("Key from", Quantity::Text),
                Column::new("Score", Quantity::Score),
            ],
            rows,
        }
    }
}

fn lower(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
