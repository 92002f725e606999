//! Does the model do it? logit(answer) - logit(distractor) at the last position of every prompt, and its mean
//! over each group (the notebook's `logits_to_ave_logit_diff`).

use std::collections::HashMap;

use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::answers::Compared;
use crate::bootstrap::Bootstrap;
use crate::error::Result;
use crate::figures::{Cell, Column, Dot, DotSeries, Dots, Mark, Part, Quantity, Row, Table};
use crate::host;
use crate::metrics::mean;
use crate::model::{Batch, Hooks, Pass};
use crate::prompts::{PreparedCase, PreparedGroup, prepare};
use crate::readback;

settings! {}

/// Most prompts per forward pass: enough to fill a small device, few enough to cancel in between.
const CHUNK: usize = 16;

impl Analyse for Settings {
    const NAME: &'static str = "logit-diff";
    const TITLE: &'static str = "Does the model do it?";
    const DESCRIPTION: &'static str = "logit(answer) - logit(distractor) after each prompt. Above 0 the \
         model prefers the answer; each unit is a factor of e in probability.";
    const PYTHON: Option<PythonCell> =
        Some(PythonCell { code: include_str!("../../data/transformer-lens/logit_diff.py"), needs: None });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let (groups, problems) = prepare(job.experiment, job.tokenizer, job.model.config.n_ctx)?;
        let logits = Logits::of(job, &groups).await?;

        let mut parts = Vec::new();
        if !groups.is_empty() {
            parts.push(Part::Dots(Dots {
                title: "Logit difference per prompt".to_owned(),
                note: Some("One dot per prompt; the bar is the group's mean.".to_owned()),
                axis: "logit(answer) − logit(distractor)".to_owned(),
                quantity: Quantity::LogitDifference,
                series: groups.iter().map(|group| series(group, &logits)).collect(),
            }));
        }
        parts.extend(groups.iter().map(|group| Part::Table(table(job, group, &logits))));
        Ok(Findings { parts, problems })
    }
}

/// The two logits of every distinct prompt, each prompt run once.
struct Logits {
    found: HashMap<Query, [f64; 2]>,
}

/// A prompt with the tokens whose logits are read, the smaller ids first.
type Query = (Vec<u32>, Compared);

/// The query that serves a case's prompt, and whether the answers come first.
fn query_of(prompt: &[u32], case: &PreparedCase) -> (Query, bool) {
    let first = case.compared[0] < case.compared[1];
    let mut compared = case.compared.clone();
    compared.sort_unstable();
    ((prompt.to_vec(), compared), first)
}

/// The prompts of a case that there are.
fn prompts(case: &PreparedCase) -> impl Iterator<Item = &Vec<u32>> {
    [&case.clean, &case.corrupted].into_iter().filter(|prompt| !prompt.is_empty())
}

impl Logits {
    async fn of(job: &Job<'_>, groups: &[PreparedGroup]) -> Result<Self> {
        let cases = groups.iter().flat_map(|group| &group.cases);
        let queries = cases.flat_map(|case| prompts(case).map(move |prompt| query_of(prompt, case).0));
        let mut queries: Vec<Query> = queries.collect();
        queries.sort_unstable();
        queries.dedup();

        let config = &job.model.config;
        let longest = queries.iter().map(|(prompt, _)| prompt.len()).max().unwrap_or(1);
        let pass = Pass { config, computed: longest, positions: longest };
        let at_once = job.model.budget.rows(&pass, job.model.budget.work()).min(CHUNK);
        let mut found = HashMap::new();
        for chunk in queries.chunks(at_once) {
            host::step(job.viewer, "Running the prompts", found.len(), queries.len()).await?;
            let prompts: Vec<Vec<u32>> = chunk.iter().map(|(prompt, _)| prompt.clone()).collect();
            let compared: Vec<Compared> = chunk.iter().map(|(_, compared)| compared.clone()).collect();
            let batch = Batch::new(&prompts)?;
            let normalized = job.model.forward(&batch, &mut Hooks::none())?; // [b, p, d]
            let last = job.model.last(normalized, &batch); // [b, d]
            let logits = job.model.unembedding.choose(&compared).of(last); // [b, 3]
            for (query, pair) in chunk.iter().zip(readback::read(logits).await?.chunks_exact(3)) {
                found.insert(query.clone(), [f64::from(pair[0]), f64::from(pair[1])]);
            }
        }
        host::step(job.viewer, "Running the prompts", queries.len(), queries.len()).await?;
        Ok(Self { found })
    }

    /// The logits of the case's answer and distractor after `prompt`.
    fn after(&self, prompt: &[u32], case: &PreparedCase) -> [f64; 2] {
        let (query, answer_first) = query_of(prompt, case);
        let [a, b] = self.found[&query];
        if answer_first { [a, b] } else { [b, a] }
    }

    fn difference(&self, prompt: &[u32], case: &PreparedCase) -> f64 {
        let [answer, distractor] = self.after(prompt, case);
        answer - distractor
    }
}

fn series(group: &PreparedGroup, logits: &Logits) -> DotSeries {
    let points: Vec<Dot> = group
        .cases
        .iter()
        .map(|case| Dot { label: case.text.clone(), value: logits.difference(&case.clean, case) })
        .collect();
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    DotSeries {
        name: group.name.clone(),
        group: group.group,
        points,
        mean: mean(&values),
        interval: Bootstrap::new(&group.pairs()).and_then(|mut bootstrap| bootstrap.interval(&values)),
    }
}

fn table(job: &Job<'_>, group: &PreparedGroup, logits: &Logits) -> Table {
    let mut rows = Vec::new();
    let (mut clean, mut corrupted) = (Vec::new(), Vec::new());
    for case in &group.cases {
        let [answer, distractor] = logits.after(&case.clean, case);
        clean.push(answer - distractor);
        let other = (!case.corrupted.is_empty()).then(|| logits.difference(&case.corrupted, case));
        corrupted.extend(other);
        rows.push(Row {
            cells: vec![
                Cell::Text(case.text.clone()),
                Cell::Token(job.tokenizer.token(case.compared[0][0])),
                Cell::Token(job.tokenizer.token(case.compared[1][0])),
                Cell::Number(answer),
                Cell::Number(distractor),
                Cell::Number(answer - distractor),
                other.map_or(Cell::Empty, Cell::Number),
            ],
            mark: None,
        });
    }
    let mut cells = vec![Cell::Text("mean".to_owned())];
    cells.extend([Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty]);
    let other = (!corrupted.is_empty()).then(|| Cell::Number(mean(&corrupted)));
    cells.extend([Cell::Number(mean(&clean)), other.unwrap_or(Cell::Empty)]);
    rows.push(Row { cells, mark: Some(Mark::Mean) });
    let sets = group.cases.iter().flat_map(|case| &case.compared).any(|set| set.len() > 1);
    Table {
        title: group.name.clone(),
        note: sets.then(|| {
            "Of a set of tokens the first is shown; its logit is the mean over all of them.".to_owned()
        }),
        group: Some(group.group),
        columns: vec![
            Column::new("Prompt", Quantity::Text),
            Column::new("Answer", Quantity::Token),
            Column::new("Distractor", Quantity::Token),
            Column::new("Logit of answer", Quantity::Logit),
            Column::new("Logit of distractor", Quantity::Logit),
            Column::new("Logit difference", Quantity::LogitDifference),
            Column::new("On the corrupted prompt", Quantity::LogitDifference),
        ],
        rows,
    }
}
