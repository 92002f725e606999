//! Which heads read what others write: `|A B| / (|A| |B|)` with the earlier head's OV as `A` and the later one's QK (Q-composition), its
//! transpose (K) or its OV (V) as `B` (Elhage et al. 2021; TransformerLens's `all_composition_scores`).
//!
//! Nothing as large as `A B` is computed. With factors `A = a1 a2` and `B = b1 b2` of inner width `e`, the square of `|A B|` is the
//! sum of `(G M R) * M` where `M = a2 b1`, `G = a1^T a1` and `R = b2 b2^T` are `[e, e]`.

use patchlab_kernels::{Tensor, product, products};

use super::{map_of_pairs, measure, named};
use crate::analyses::Job;
use crate::bootstrap;
use crate::error::Result;
use crate::figures::{Cell, Column, Part, Quantity, Row, Table};
use crate::host::{ProgressUnit, Work};
use crate::model::{Model, flops};
use crate::names::Head;
use crate::readback::Reads;

/// What the later head reads with.
const MODES: [&str; 3] = ["query", "key", "value"];

/// How many pairs of random heads the expected score is the mean of.
const RANDOM: usize = 10;

/// By mode: `[layers heads (from), layers heads (to)]`, 0 where the earlier head is not earlier.
pub(super) struct Composition {
    heads: usize,
    scores: [Vec<f64>; 3],
}

pub(super) async fn parts(job: &Job<'_>, head: &str, k: usize) -> Result<Vec<Part>> {
    let head = named(job, head)?;
    let n_layers = job.model.config.n_layers;
    let mut work = Work::new(job.viewer, "Comparing heads", ProgressUnit::Points, n_layers);
    work.done(0).await?;
    let composition = Composition::of(job.model, &mut work).await?;
    let expected = expected(&job.model.config);
    let note = format!(
        "How much of what the earlier head writes the later one reads, in its query, key or value; 1 would be all. Heads with random \
         weights of this size have {expected:.4}."
    );
    let mut parts = Vec::new();
    if let Some(head) = head {
        let own = head.layer * job.model.config.n_heads + head.head;
        let all = composition.heads;
        for (title, from) in
            [("what it reads of earlier heads", false), ("what later heads read of it", true)]
        {
            let cell = |mode: usize, other: usize| {
                composition.scores[mode][if from { own * all + other } else { other * all + own }]
            };
            let panels = MODES.iter().enumerate().map(|(mode, name)| {
                let name = if from { format!("in their {name}") } else { format!("in its {name}") };
                (name, (0..all).map(|other| cell(mode, other)).collect())
            });
            let measure = measure("composition", "composition", Quantity::Share, None, None);
            let grid =
                map_of_pairs(job, &format!("{head}: {title}"), &note, measure, panels.collect(), &work)
                    .await?;
            parts.push(Part::Heat(grid));
        }
    }
    for (mode, name) in MODES.iter().enumerate() {
        parts.push(Part::Table(composition.strongest(job, mode, name, k, (expected, head, &note))));
    }
    Ok(parts)
}

impl Composition {
    async fn of(model: &Model, work: &mut Work<'_>) -> Result<Self> {
        let config = &model.config;
        let (layers, h, e, d) = (config.n_layers, config.n_heads, config.d_head, config.d_model);
        let heads = layers * h;
        let mut scores = [vec![0.0; heads * heads], vec![0.0; heads * heads], vec![0.0; heads * heads]];
        let parts: Vec<Factors> = (0..layers).map(|layer| Factors::of(model, layer)).collect();
        let norms = norms(&parts, h).await?;
        for (from, earlier) in parts.iter().enumerate() {
            for (to, later) in parts.iter().enumerate().skip(from + 1) {
                let mut reads = Reads::default();
                for mode in 0..MODES.len() {
                    flops::matmul(h * e, d, h * e);
                    let m = product(earlier.output.clone(), later.read[mode].clone()); // [h e, h e]
                    flops::matmul(2 * h * e, e, h * e);
                    let nothing = m.zeros([e, h * e]);
                    let left = products(earlier.left.clone(), m.clone().reshape([h, e, h * e]), nothing); // [h, e, h e]
                    // By the later head: `[h (to), h e, e]`.
                    let by_later = |x: Tensor<2>| x.reshape([h * e, h, e]).swap_dims(0, 1);
                    let nothing = m.zeros([h * e, e]);
                    let both =
                        products(by_later(left.reshape([h * e, h * e])), later.right[mode].clone(), nothing);
                    let squares = (both * by_later(m)).sum_dim(2); // [h (to), h e, 1]
                    reads = reads.with(squares.reshape([h, h, e]).sum_dim(2)); // [h (to), h (from), 1]
                }
                for (mode, squares) in reads.fetch().await?.into_iter().enumerate() {
                    for (index, square) in squares.into_iter().enumerate() {
                        let (target, source) = (to * h + index / h, from * h + index % h);
                        // A sum of squares, but for rounding.
                        let size = f64::from(square.max(0.0)).sqrt();
                        let all = norms.output[source] * norms.read[mode][target];
                        scores[mode][source * heads + target] = if all > 0.0 { size / all } else { 0.0 };
                    }
                }
            }
            work.done(1).await?;
        }
        Ok(Self { heads, scores })
    }

    /// The pairs with the largest scores; with a head, those that it belongs to.
    fn strongest(
        &self,
        job: &Job<'_>,
        mode: usize,
        name: &str,
        k: usize,
        (expected, head, note): (f64, Option<Head>, &str),
    ) -> Table {
        let n_heads = job.model.config.n_heads;
        let named = |index: usize| Head { layer: index / n_heads, head: index % n_heads };
        let scores = &self.scores[mode];
        let mut pairs: Vec<(Head, Head, f64)> = scores
            .iter()
            .enumerate()
            .map(|(pair, &score)| (named(pair / self.heads), named(pair % self.heads), score))
            .filter(|(from, to, score)| *score > 0.0 && head.is_none_or(|head| head == *from || head == *to))
            .collect();
        pairs.sort_by(|(.., a), (.., b)| b.total_cmp(a));
        Table {
            title: format!("Read in the {name}"),
            note: Some(note.to_owned()),
            group: None,
            columns: vec![
                Column::new("Written by", Quantity::Text),
                Column::new("Read by", Quantity::Text),
                Column::new("Composition", Quantity::Share),
                Column::new("Above random", Quantity::Share),
            ],
            rows: pairs
                .into_iter()
                .take(k)
                .map(|(from, to, score)| Row {
                    cells: vec![
                        Cell::Text(from.to_string()),
                        Cell::Text(to.to_string()),
                        Cell::Number(score),
                        Cell::Number(score - expected),
                    ],
                    mark: None,
                })
                .collect(),
        }
    }
}

/// A layer's heads as factors.
struct Factors {
    /// `W_O`, `[h e, d]`.
    output: Tensor<2>,
    /// `W_V^T W_V` of each head, `[h, e, e]`.
    left: Tensor<3>,
    /// What reads the stream, by mode: `W_Q`, `W_K`, `W_V`, `[d, h e]`.
    read: [Tensor<2>; 3],
    /// The square of what follows, by mode and head: of `W_K^T`, `W_Q^T` and `W_O`, `[h, e, e]`.
    right: [Tensor<3>; 3],
}

impl Factors {
    fn of(model: &Model, layer: usize) -> Self {
        let (h, e, d) = (model.config.n_heads, model.config.d_head, model.config.d_model);
        let block = &model.blocks[layer];
        let read = [0, 1, 2].map(|part| block.qkv.weight.clone().slice([0..d, part * d..(part + 1) * d]));
        // Of `[h, e, d]`: the products of each head's rows with each other.
        let gram = |rows: Tensor<3>| {
            flops::matmul(h * e, d, e);
            let nothing = rows.zeros([e, e]);
            products(rows.clone(), rows.swap_dims(1, 2), nothing)
        };
        let by_head = |columns: &Tensor<2>| columns.clone().transpose().reshape([h, e, d]);
        let output = block.output.weight.clone();
        let right =
            [gram(by_head(&read[1])), gram(by_head(&read[0])), gram(output.clone().reshape([h, e, d]))];
        Self { left: gram(by_head(&read[2])), output, read, right }
    }
}

/// The norms of every head's circuits.
struct Norms {
    /// Of OV.
    output: Vec<f64>,
    /// Of what reads, by mode: QK, its transpose, OV.
    read: [Vec<f64>; 3],
}

/// `|a b|^2` is the sum of `(a^T a) * (b b^T)`.
async fn norms(parts: &[Factors], heads: usize) -> Result<Norms> {
    let mut reads = Reads::default();
    for factors in parts {
        let [of_q, of_k, of_v] = [&factors.right[1], &factors.right[0], &factors.left];
        let size = |one: &Tensor<3>, other: &Tensor<3>| (one.clone() * other.clone()).sum_dim(2).sum_dim(1);
        reads = reads.with(size(of_q, of_k)).with(size(of_v, &factors.right[2])); // [h, 1, 1] each
    }
    let read = reads.fetch().await?;
    let all = |which: usize| -> Vec<f64> {
        read.chunks_exact(2).flat_map(|pair| &pair[which]).map(|&square| f64::from(square).sqrt()).collect()
    };
    let (qk, ov) = (all(0), all(1));
    debug_assert_eq!(qk.len(), parts.len() * heads, "every head");
    Ok(Norms { output: ov.clone(), read: [qk.clone(), qk, ov] })
}

/// The mean score of heads whose factors are drawn at random, as ARENA's baseline. It depends on the sizes alone.
fn expected(config: &crate::model::Config) -> f64 {
    let (e, d) = (config.d_head, config.d_model);
    let mut state = 0;
    let mut drawn = |rows: usize, columns: usize| {
        let number = |_: usize, _: usize| bootstrap::next(&mut state) as f64 / u64::MAX as f64 - 0.5;
        nalgebra::DMatrix::from_fn(rows, columns, number)
    };
    let mut score = || {
        let (a1, a2, b1, b2) = (drawn(d, e), drawn(e, d), drawn(d, e), drawn(e, d));
        let (left, right) = (a1.tr_mul(&a1), &b2 * b2.transpose());
        let between = a2.clone() * b1.clone();
        let square = (&left * &between * &right).component_mul(&between).sum();
        let size =
            |gram: &nalgebra::DMatrix<f64>, other: nalgebra::DMatrix<f64>| gram.component_mul(&other).sum();
        let all = size(&left, &a2 * a2.transpose()) * size(&right, b1.tr_mul(&b1));
        (square / all).sqrt()
    };
    (0..RANDOM).map(|_| score()).sum::<f64>() / RANDOM as f64
}
