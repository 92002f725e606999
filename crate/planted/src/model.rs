//! A model of GPT-2's architecture, put together head by head.
//!
//! The position embeddings hold a large constant, plus in one coordinate and minus in the next. It fixes LayerNorm's scale to
//! within 0.2 % whatever else the stream holds, so that heads, neurons and the unembedding read the stream as it was written,
//! and what they read is a sum. No direction uses these coordinates, so that f32's digits are not spent on the constant.

use crate::random::Random;
use crate::space::{Direction, RESERVED, Space, sum};

/// Heads per layer.
pub(crate) const HEADS: usize = 4;

/// The constant; everything else in the stream has a length of about 3.
const CONSTANT: f64 = 64.0;

/// Logits per unit written to the output code.
const LOGITS: f64 = 10.0;

/// A tensor of the checkpoint: name, shape, numbers.
pub(crate) type Tensor = (String, Vec<usize>, Vec<f64>);

/// One attention head. Each pair of a query and a key direction takes one of the head's dimensions, and so does each direction
/// that is moved.
#[derive(Clone)]
pub(crate) struct Head {
    scores: Vec<Score>,
    /// What values read, and what z writes for it.
    moves: Vec<(Direction, Direction)>,
}

/// One dimension of queries and keys.
#[derive(Clone)]
struct Score {
    query: Direction,
    query_bias: f64,
    key: Direction,
}

impl Head {
    /// A head that rests: on the first position, from where it moves nothing, unless another score exceeds `score`.
    pub(crate) fn resting(first: &Direction, score: f64) -> Self {
        let rest = Score { query: vec![0.0; first.len()], query_bias: score, key: first.clone() };
        Self { scores: vec![rest], moves: Vec::new() }
    }

    /// Adds `strength` to the attention score for each query direction at the destination whose key direction is at the source.
    pub(crate) fn matching(mut self, queries: &[Direction], keys: &[Direction], strength: f64) -> Self {
        self.scores.extend(queries.iter().zip(keys).map(|(query, key)| Score {
            query: sum([(strength, query)]),
            query_bias: 0.0,
            key: key.clone(),
        }));
        self
    }

    /// Writes `to[i]`, times `gain`, at the destination for `from[i]` at the source.
    pub(crate) fn moving(mut self, from: &[Direction], to: &[Direction], gain: f64) -> Self {
        self.moves.extend(from.iter().zip(to).map(|(from, to)| (from.clone(), sum([(gain, to)]))));
        self
    }
}

/// One neuron: `write * gelu(read . stream - threshold)`.
pub(crate) struct Neuron {
    pub(crate) read: Direction,
    pub(crate) threshold: f64,
    pub(crate) write: Direction,
}

struct Layer {
    heads: Vec<Head>,
    neurons: Vec<Neuron>,
}

/// A model under construction.
pub(crate) struct Model {
    pub(crate) d_model: usize,
    /// Neurons per layer.
    pub(crate) d_mlp: usize,
    /// `[n_ctx][d_model]`, without the constant.
    pub(crate) positions: Vec<Direction>,
    embedding: Vec<Direction>,
    unembedding: Vec<Direction>,
    layers: Vec<Layer>,
    order: Random,
}

impl Model {
    /// A model without layers, whose position embeddings are one direction each.
    pub(crate) fn new(space: &mut Space, d_mlp: usize, n_ctx: usize, seed: &str) -> Self {
        Self {
            d_model: space.d_model,
            d_mlp,
            positions: space.code(n_ctx),
            embedding: Vec::new(),
            unembedding: Vec::new(),
            layers: Vec::new(),
            order: Random::new(seed, "heads"),
        }
    }

    /// Adds a token: what it writes, and what its logit reads.
    pub(crate) fn token(&mut self, writes: Direction, reads: Option<&Direction>) {
        self.embedding.push(writes);
        let none = vec![0.0; self.d_model];
        self.unembedding.push(reads.map_or(none, |reads| sum([(LOGITS, reads)])));
    }

    /// Adds a layer, its heads in random order. Returns where each stands.
    pub(crate) fn layer(&mut self, heads: [Head; HEADS], neurons: Vec<Neuron>) -> [usize; HEADS] {
        assert!(neurons.len() <= self.d_mlp, "a layer has at most {} neurons", self.d_mlp);
        let order = self.order.shuffled(0..HEADS);
        self.layers.push(Layer { heads: order.iter().map(|&head| heads[head].clone()).collect(), neurons });
        let mut places = [0; HEADS];
        order.into_iter().enumerate().for_each(|(place, head)| places[head] = place);
        places
    }

    pub(crate) fn n_layers(&self) -> usize {
        self.layers.len()
    }

    pub(crate) fn d_vocab(&self) -> usize {
        self.embedding.len()
    }

    /// The checkpoint's tensors, with the names and shapes of Transformers' `GPT2LMHeadModel`.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        let d = self.d_model;
        // LayerNorm divides by the constant's standard deviation; its gain undoes that.
        let gain = CONSTANT * (2.0 / d as f64).sqrt();
        let norm = |name: &str| {
            [
                (format!("{name}.weight"), vec![d], vec![gain; d]),
                (format!("{name}.bias"), vec![d], vec![0.0; d]),
            ]
        };
        let mut positions = self.positions.clone();
        for position in &mut positions {
            position[d - RESERVED..].copy_from_slice(&[CONSTANT, -CONSTANT]);
        }
        let mut tensors = vec![
            ("wte.weight".to_owned(), vec![self.d_vocab(), d], self.embedding.concat()),
            ("wpe.weight".to_owned(), vec![positions.len(), d], positions.concat()),
        ];
        tensors.extend(norm("ln_f"));
        for (index, layer) in self.layers.iter().enumerate() {
            let parts = norm("ln_1").into_iter().chain(norm("ln_2"));
            let parts = parts.chain(layer.attention(d)).chain(layer.mlp(d, self.d_mlp));
            tensors.extend(parts.map(|(name, shape, numbers)| (format!("h.{index}.{name}"), shape, numbers)));
        }
        for (name, ..) in &mut tensors {
            name.insert_str(0, "transformer.");
        }
        let unembedding = self.unembedding.concat();
        tensors.push(("lm_head.weight".to_owned(), vec![self.d_vocab(), d], unembedding));
        tensors
    }
}

impl Layer {
    fn attention(&self, d: usize) -> [Tensor; 4] {
        let d_head = d / HEADS;
        let mut qkv = vec![0.0; d * 3 * d];
        let mut qkv_bias = vec![0.0; 3 * d];
        let mut output = vec![0.0; d * d];
        // Scores are divided by it.
        let scale = (d_head as f64).sqrt();
        for (index, head) in self.heads.iter().enumerate() {
            assert!(
                head.scores.len() <= d_head && head.moves.len() <= d_head,
                "a head has {d_head} dimensions"
            );
            let first = index * d_head;
            for (column, score) in (first..).zip(&head.scores) {
                qkv_bias[column] = score.query_bias * scale;
                for row in 0..d {
                    qkv[row * 3 * d + column] = score.query[row] * scale;
                    qkv[row * 3 * d + d + column] = score.key[row];
                }
            }
            for (column, (from, to)) in (first..).zip(&head.moves) {
                for row in 0..d {
                    qkv[row * 3 * d + 2 * d + column] = from[row];
                }
                output[column * d..(column + 1) * d].copy_from_slice(to);
            }
        }
        [
            ("attn.c_attn.weight".to_owned(), vec![d, 3 * d], qkv),
            ("attn.c_attn.bias".to_owned(), vec![3 * d], qkv_bias),
            ("attn.c_proj.weight".to_owned(), vec![d, d], output),
            ("attn.c_proj.bias".to_owned(), vec![d], vec![0.0; d]),
        ]
    }

    fn mlp(&self, d: usize, d_mlp: usize) -> [Tensor; 4] {
        let mut input = vec![0.0; d * d_mlp];
        let mut bias = vec![0.0; d_mlp];
        let mut output = vec![0.0; d_mlp * d];
        for (column, neuron) in self.neurons.iter().enumerate() {
            bias[column] = -neuron.threshold;
            for row in 0..d {
                input[row * d_mlp + column] = neuron.read[row];
            }
            output[column * d..(column + 1) * d].copy_from_slice(&neuron.write);
        }
        [
            ("mlp.c_fc.weight".to_owned(), vec![d, d_mlp], input),
            ("mlp.c_fc.bias".to_owned(), vec![d_mlp], bias),
            ("mlp.c_proj.weight".to_owned(), vec![d_mlp, d], output),
            ("mlp.c_proj.bias".to_owned(), vec![d], vec![0.0; d]),
        ]
    }
}

/// One neuron per symbol that carries its code from `from` to `to`.
pub(crate) fn copying(from: &[Direction], to: &[Direction]) -> Vec<Neuron> {
    let neuron = |(from, to)| Neuron { read: sum([(8.0, from)]), threshold: 4.0, write: sum([(0.25, to)]) };
    from.iter().zip(to).map(neuron).collect()
}
