//! A head's queries and keys by component, and what follows from them.

use std::ops::Range;

use patchlab_kernels::{Tensor, product, products};

use crate::analyses::Job;
use crate::analyses::shared::columns::{Columns, total};
use crate::error::Result;
use crate::host::Work;
use crate::metrics::{PerPrompt, mean};
use crate::model::flops;
use crate::model::hooks::SiteFilter;
use crate::model::span::at_ends;
use crate::names::Head;
use crate::prompts::PreparedGroup;
use crate::readback::Reads;
use crate::runs::{Readout, Run, parts};
use crate::site::{BlockSite, Site};

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
pub(super) struct Scores {
    pub(super) group: PreparedGroup,
    pub(super) columns: Columns,
    /// For each prompt and component, the query at the last position: `[d_head]`.
    queries: Vec<Vec<Vec<f64>>>,
    /// For each prompt and component, the mean key of each column: `[columns, d_head]`.
    keys: Vec<Vec<Vec<f64>>>,
    /// The scores of the run, `[columns, prompts]`, likewise.
    pub(super) scores: PerPrompt,
    /// Its pattern, summed over the tokens of a column.
    pub(super) pattern: PerPrompt,
}

impl Scores {
    pub(super) async fn of(
        job: &Job<'_>,
        (group, columns): (PreparedGroup, Columns),
        head: Head,
        components: usize,
        work: &mut Work<'_>,
    ) -> Result<Self> {
        let prompts = group.cases.len();
        let (mut queries, mut keys) = (Vec::new(), Vec::new());
        let empty = || PerPrompt::new(columns.len(), prompts);
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
            let (e, positions) = (job.model.config.d_head, run.batch.positions());
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
                let all = vectors(&read[1], prompt, positions * e);
                let spans = &columns.spans[first + prompt];
                keys.push(all.iter().map(|keys| averages(spans, keys, e)).collect());
            }
            columns.put(&mut scores, (first, &read[2]), positions, mean);
            columns.put(&mut pattern, (first, &read[3]), positions, total);
            work.done(cases.len()).await?;
        }
        Ok(Self { group, columns, queries, keys, scores, pattern })
    }

    /// A pair's part of a prompt's score.
    pub(super) fn pair(&self, prompt: usize, query: usize, key: usize, source: usize) -> f64 {
        let query = &self.queries[prompt][query];
        dot(query, &self.keys[prompt][key][source * query.len()..]) / (query.len() as f64).sqrt()
    }

    /// For each component of one side, its part of the scores: `[columns, prompts]`.
    pub(super) fn by(&self, by_key: bool) -> Vec<PerPrompt> {
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

/// The mean of those that are there.
pub(super) fn present(numbers: &[f64]) -> f64 {
    mean(&numbers.iter().copied().filter(|number| !number.is_nan()).collect::<Vec<f64>>())
}

/// The mean over each column's positions of vectors at all positions, one after the other. NaN where there is no such column.
fn averages(spans: &[Option<Range<usize>>], vectors: &[f64], width: usize) -> Vec<f64> {
    let of = |span: &Option<Range<usize>>| {
        let span = span.clone().unwrap_or(0..0);
        let at = move |k: usize| mean(&span.clone().map(|p| vectors[p * width + k]).collect::<Vec<f64>>());
        (0..width).map(at)
    };
    spans.iter().flat_map(of).collect()
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
