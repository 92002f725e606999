//! Why does a head attend there? Its attention scores at the last position split by what wrote the query and what wrote the key
//! (`decompose_attn_scores` of ARENA 1.2; Elhage et al. 2021).
//!
//! With the LayerNorm's scales of the run, queries and keys are linear in what has been written into the residual stream, and a
//! score is a sum over pairs of components: `(y_i W_Q / s_q) . (y_j W_K / s_k) / sqrt(d_head)`. Two components have no layer of
//! their own: `attn_bias`, the sum of the `b_O` of earlier layers, and `bias`, the head's `b_Q` or `b_K`, which nothing divides.

use patchlab_kernels::{Tensor, product, products};

use super::settings::{count, text};
use super::shared::attributed::{of_group, panel};
use super::shared::choices;
use super::shared::groups::{of_one_length, usable};
use super::shared::sweeps::{changed, ticks};
use super::{Analyse, Findings, Job, settings};
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{Axis, AxisKind, Cell, Column, Grid, Mark, Measure, Panel, Part, Quantity, Row, Table};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, mean};
use crate::model::flops;
use crate::model::hooks::SiteFilter;
use crate::model::span::at_ends;
use crate::names::Head;
use crate::prompts::PreparedGroup;
use crate::readback::Reads;
use crate::runs::{Readout, Run, parts};
use crate::site::{BlockSite, Site};

settings! {
    /// The head, like L9H9; empty for the one with the largest attribution.
    head: String = text(""),
    /// The position that is attended to, from 0, for the pairs; empty for the one that gets most attention.
    source: String = text(""),
    /// How many components are shown by themselves; the rest are one row, so that sums stay exact.
    top_k: usize = count(20, 1, 1000),
}

/// What is recorded: everything that writes into the stream before the head's layer, and what the head makes of it.
#[derive(Debug)]
struct Needs(usize);

impl SiteFilter for Needs {
    fn includes(&self, site: Site) -> bool {
        use BlockSite::{AttnScores, Ln1Scale, MlpOut, Pattern, Z};
        match site {
            Site::Embed | Site::PosEmbed => true,
            Site::Block(layer, Z | MlpOut) => layer < self.0,
            Site::Block(layer, Ln1Scale | AttnScores | Pattern) => layer == self.0,
            _ => false,
        }
    }
}

/// A group's scores: queries and keys by component.
struct Scores {
    group: PreparedGroup,
    /// For each prompt and component, the query at the last position: `[d_head]`.
    queries: Vec<Vec<Vec<f64>>>,
    /// For each prompt and component, the keys: `[positions, d_head]`.
    keys: Vec<Vec<Vec<f64>>>,
    /// The scores of the run, `[positions, prompts]`.
    scores: PerPrompt,
    /// Its pattern, likewise.
    pattern: PerPrompt,
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

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let config = &job.model.config;
        let named = choices::heads(&self.head, config)?;
        let (groups, mut problems) = usable(job)?;
        let groups = of_one_length(groups, &mut problems);
        let total = groups.iter().map(|group| group.cases.len()).sum::<usize>();
        let ranked = if named.is_empty() { groups.first().map_or(0, |group| group.cases.len()) } else { 0 };
        let mut work = Work::new(job.viewer, "Running the prompts", ProgressUnit::Prompts, total + ranked);
        let head = match (named.as_slice(), groups.first()) {
            (&[head], _) => head,
            ([], Some(group)) => strongest(job, group, &mut work).await?,
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
            figures
                .push(Part::Heat(self.by_component(job, head, &names, &all, (title, by_key), &work).await?));
        }
        for scores in &all {
            let (source, label) = self.source(job, scores)?;
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
        job: &Job<'_>,
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
                (0..numbers.rows()).map(|source| mean(numbers.row(source)).abs()).fold(0.0, f64::max)
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
            let values = Numbers::alone(PerPrompt::from_rows(prompts, rows)).summarise(0, work).await?;
            panels.push(Panel {
                ticks: Some(ticks(job, &scores.group.cases[0].clean)),
                changed: changed(&scores.group),
                ..panel(&scores.group, vec![values])
            });
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
            columns: Axis { label: "Position".to_owned(), counts: AxisKind::Position, ticks: Vec::new() },
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
    fn source(&self, job: &Job<'_>, scores: &Scores) -> Result<(usize, String)> {
        let labels = ticks(job, &scores.group.cases[0].clean);
        let most = || {
            let attention = |source: usize| mean(scores.pattern.row(source));
            (0..labels.len()).max_by(|&a, &b| attention(a).total_cmp(&attention(b))).unwrap_or_default()
        };
        let source = if self.source.trim().is_empty() {
            most()
        } else {
            let number = self.source.trim().parse().ok().filter(|&source: &usize| source < labels.len());
            number.ok_or_else(|| {
                let last = labels.len() - 1;
                let message = format!(
                    "{:?} is no position of these prompts. Write a number from 0 to {last}.",
                    self.source
                );
                choices::refused("source", message)
            })?
        };
        Ok((source, labels[source].clone()))
    }

    /// The pairs of components that add most to the score of a source, and the sum of all.
    fn pairs(&self, head: Head, names: &[String], scores: &Scores, (source, label): (usize, &str)) -> Table {
        let prompts = scores.group.cases.len();
        let number = |query: usize, key: usize| -> f64 {
            (0..prompts).map(|prompt| scores.pair(prompt, query, key, source)).sum::<f64>() / prompts as f64
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
        rows.push(sum("score in the run", mean(scores.scores.row(source))));
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

impl Scores {
    async fn of(
        job: &Job<'_>,
        group: PreparedGroup,
        head: Head,
        components: usize,
        work: &mut Work<'_>,
    ) -> Result<Self> {
        let prompts = group.cases.len();
        let positions = group.cases[0].clean.len();
        let (mut queries, mut keys) = (Vec::new(), Vec::new());
        let empty = || PerPrompt::new(positions, prompts);
        let (mut scores, mut pattern) = (empty(), empty());
        let sites = Needs(head.layer);
        for cases in parts(&group.cases, job.model, &sites, 2) {
            let first = queries.len();
            let clean: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
            let run = Run::record(job.model, &clean, &Readout::new(job.model, cases, false), &sites).await?;
            let last = |site| -> Result<Tensor<2>> {
                let x: Tensor<4> = run.cache.tensor(Site::Block(head.layer, site))?; // [b, h, p, p]
                let [b, h, p, _] = x.dims();
                let rows = at_ends(x.swap_dims(1, 2).reshape([b, p, h * p]), &run.batch.ends()); // [b, 1, h p]
                let own = rows.slice([0..b, 0..1, head.head * p..(head.head + 1) * p]);
                Ok(own.reshape([b, p]).transpose()) // [p, b]
            };
            let (query, key) = parted(job, &run, head)?;
            let reads = Reads::default().with(query).with(key);
            let read =
                reads.with(last(BlockSite::AttnScores)?).with(last(BlockSite::Pattern)?).fetch().await?;
            let e = job.model.config.d_head;
            let vectors = |numbers: &[f32], prompt: usize, size: usize| -> Vec<Vec<f64>> {
                // `[components, b, ...]`
                let of = |component: usize| {
                    let start = (component * cases.len() + prompt) * size;
                    numbers[start..start + size].iter().map(|&number| f64::from(number)).collect()
                };
                (0..components).map(of).collect()
            };
            for prompt in 0..cases.len() {
                queries.push(vectors(&read[0], prompt, e));
                keys.push(vectors(&read[1], prompt, positions * e));
            }
            scores.set_columns(first, &read[2]);
            pattern.set_columns(first, &read[3]);
            work.done(cases.len()).await?;
        }
        Ok(Self { group, queries, keys, scores, pattern })
    }

    /// A pair's part of a prompt's score.
    fn pair(&self, prompt: usize, query: usize, key: usize, source: usize) -> f64 {
        let query = &self.queries[prompt][query];
        dot(query, &self.keys[prompt][key][source * query.len()..]) / (query.len() as f64).sqrt()
    }

    /// For each component of one side, its part of the scores: `[positions, prompts]`.
    fn by(&self, by_key: bool) -> Vec<PerPrompt> {
        let (positions, prompts) = (self.scores.rows(), self.scores.prompts());
        let components = self.queries.first().map_or(0, Vec::len);
        let mut found = vec![PerPrompt::new(positions, prompts); components];
        for prompt in 0..prompts {
            let (queries, keys) = (&self.queries[prompt], &self.keys[prompt]);
            let (query, key) = (sum(queries), sum(keys));
            let root = (query.len() as f64).sqrt();
            for (component, found) in found.iter_mut().enumerate() {
                let (query, key) =
                    if by_key { (&query, &keys[component]) } else { (&queries[component], &key) };
                for source in 0..positions {
                    found.row_mut(source)[prompt] = dot(query, &key[source * query.len()..]) / root;
                }
            }
        }
        found
    }
}

/// Of as many numbers as the first has.
fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn sum(vectors: &[Vec<f64>]) -> Vec<f64> {
    let mut vectors = vectors.iter();
    let mut sum = vectors.next().cloned().unwrap_or_default();
    for vector in vectors {
        sum.iter_mut().zip(vector).for_each(|(sum, number)| *sum += number);
    }
    sum
}

/// A head's queries at the last position and its keys at all, by component: `[components b, e]` and `[components b p, e]`.
fn parted(job: &Job<'_>, run: &Run, head: Head) -> Result<(Tensor<2>, Tensor<2>)> {
    let model = job.model;
    let (h, e, d) = (model.config.n_heads, model.config.d_head, model.config.d_model);
    let qkv = &model.blocks[head.layer].qkv;
    let columns = |part: usize| part * d + head.head * e..part * d + (head.head + 1) * e;
    let weight = |part: usize| qkv.weight.clone().slice([0..d, columns(part)]); // [d, e]
    let bias = |part: usize| qkv.bias.clone().slice([0..1, columns(part)]); // [1, e]
    let scale: Tensor<3> = run.cache.tensor(Site::Block(head.layer, BlockSite::Ln1Scale))?; // [b, p, 1]
    let [b, p, _] = scale.dims();
    let ends = run.batch.ends();
    let (mut queries, mut keys) = (Vec::new(), Vec::new());
    // What some components write at every position, `[c b, p, d]`.
    let mut take = |written: Tensor<3>| {
        let [rows, _, _] = written.dims();
        let divided: Tensor<4> = written.reshape([rows / b, b, p, d]) / scale.clone().unsqueeze::<4>();
        let divided = divided.reshape([rows, p, d]);
        flops::matmul(rows * (p + 1), d, e);
        keys.push(product(divided.clone().reshape([rows * p, d]), weight(1)));
        queries.push(product(at_ends(divided, &ends).reshape([rows, d]), weight(0)));
    };
    take(run.cache.tensor(Site::Embed)?);
    take(run.cache.tensor(Site::PosEmbed)?);
    let mut biases: Option<Tensor<2>> = None;
    for (layer, block) in model.blocks[..head.layer].iter().enumerate() {
        let z: Tensor<4> = run.cache.tensor(Site::Block(layer, BlockSite::Z))?; // [b, p, h, e]
        let z = z.reshape([b * p, h, e]).swap_dims(0, 1); // [h, b p, e]
        let output = block.output.weight.clone().reshape([h, e, d]);
        flops::matmul(h * b * p, e, d);
        let nothing = output.zeros([b * p, d]);
        take(products(z, output, nothing).reshape([h * b, p, d]));
        take(run.cache.tensor(Site::Block(layer, BlockSite::MlpOut))?);
        let own = block.output.bias.clone(); // [1, d]
        biases = Some(biases.map_or_else(|| own.clone(), |sum| sum + own.clone()));
    }
    let biases = biases.unwrap_or_else(|| qkv.weight.zeros([1, d]));
    take(biases.unsqueeze::<3>().expand([b, p, d]));
    queries.push(bias(0).expand([b, e]));
    keys.push(bias(1).expand([b * p, e]));
    Ok((Tensor::cat(queries, 0), Tensor::cat(keys, 0)))
}
