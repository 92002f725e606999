//! The weights under training: GPT-2's, with every LayerNorm's gain fixed at 1 and its bias at 0.
//!
//! The engine folds gains and biases into the matrices that follow anyway, so its own forward pass serves
//! training as it is.

use std::sync::Arc;

use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use fastrand::Rng;
use patchlab::model::vocabulary::{Unembedding, VocabBlocks};
use patchlab::model::weights::{Block, Linear};
use patchlab::model::{Config, Model};

/// A matrix of the model with its optimizer state.
struct Matrix {
    value: Tensor<2>,
    state: Option<AdamWState<2>>,
}

/// All weights, with the optimizer state.
pub(crate) struct Parameters {
    config: Config,
    device: Device,
    /// `wte`, `[d_vocab, d_model]`, on the host: a step uploads only the rows it needs.
    embedding: Vec<f32>,
    /// The optimizer's first and second moments of `embedding`.
    moments: [Vec<f32>; 2],
    /// The other matrices, in the order of [`Parameters::shapes`].
    matrices: Vec<Matrix>,
    dense: AdamW,
    sparse: AdamW,
    steps: usize,
}

/// The tensors that a step computes gradients of.
pub(crate) struct Leaves {
    /// The candidates' rows, `[candidates, d_model]`.
    pub(crate) rows: Tensor<2>,
    matrices: Vec<Tensor<2>>,
}

/// Shape and initial standard deviation of each matrix of a layer; biases start at 0.
fn block_shapes(config: &Config) -> [([usize; 2], f32); 8] {
    let (d, m) = (config.d_model, config.d_mlp);
    // Matrices that write to the residual stream start smaller by the root of the number of writers, as in
    // GPT-2.
    let writers = (2.0 * config.n_layers as f32).sqrt();
    [
        ([d, 3 * d], 0.08),
        ([1, 3 * d], 0.0),
        ([d, d], 0.08 / writers),
        ([1, d], 0.0),
        ([d, m], 0.08),
        ([1, m], 0.0),
        ([m, d], 0.05 / writers),
        ([1, d], 0.0),
    ]
}

impl Parameters {
    /// Random initial weights.
    pub(crate) fn new(config: Config, seed: u64) -> Self {
        let device = Device::flex();
        let mut rng = Rng::with_seed(seed);
        // Uniform numbers with the given standard deviation.
        let mut random = |count: usize, deviation: f32| -> Vec<f32> {
            (0..count).map(|_| (rng.f32() * 2.0 - 1.0) * deviation * 3f32.sqrt()).collect()
        };
        let size = config.d_vocab * config.d_model;
        let embedding = random(size, 0.05);
        let matrices = Self::shapes(&config).map(|(shape, deviation)| {
            let numbers = random(shape[0] * shape[1], deviation);
            Matrix { value: Tensor::from_data(TensorData::new(numbers, shape), &device), state: None }
        });
        let matrices = matrices.collect();
        let adam = AdamWConfig::new().with_beta_2(0.98).with_epsilon(1e-8);
        Self {
            embedding,
            moments: [vec![0.0; size], vec![0.0; size]],
            matrices,
            dense: adam.clone().with_weight_decay(0.01).build(),
            // Weight decay would erode the rows of rare tokens.
            sparse: adam.with_weight_decay(0.0).build(),
            steps: 0,
            config,
            device,
        }
    }

    /// Number of tokens in the vocabulary.
    pub(crate) fn vocabulary(&self) -> usize {
        self.config.d_vocab
    }

    /// Position embeddings, then every layer's matrices and biases.
    fn shapes(config: &Config) -> impl Iterator<Item = ([usize; 2], f32)> + use<> {
        let blocks = vec![block_shapes(config); config.n_layers].into_iter().flatten();
        std::iter::once(([config.n_ctx, config.d_model], 0.02)).chain(blocks)
    }

    /// The leaves of a step over the tokens `ids` only.
    pub(crate) fn leaves(&self, ids: &[u32]) -> Leaves {
        let rows = self.gather(&self.embedding, ids).autodiff().require_grad();
        let leaf = |matrix: &Matrix| matrix.value.clone().autodiff().require_grad();
        Leaves { rows, matrices: self.matrices.iter().map(leaf).collect() }
    }

    /// The model over the leaves. Its vocabulary is the `ids` of [`Parameters::leaves`].
    pub(crate) fn model(&self, leaves: &Leaves) -> Model {
        self.assemble(leaves.rows.clone(), &leaves.matrices)
    }

    /// The current model with the whole vocabulary, for evaluation.
    pub(crate) fn snapshot(&self) -> Model {
        let shape = [self.config.d_vocab, self.config.d_model];
        let rows = Tensor::from_data(TensorData::new(self.embedding.clone(), shape), &self.device);
        let matrices: Vec<Tensor<2>> = self.matrices.iter().map(|matrix| matrix.value.clone()).collect();
        self.assemble(rows, &matrices)
    }

    fn assemble(&self, rows: Tensor<2>, matrices: &[Tensor<2>]) -> Model {
        let device = rows.device();
        let d = self.config.d_model;
        let linear = |weight: &Tensor<2>, bias: &Tensor<2>| Linear {
            weight: weight.clone().into(),
            bias: bias.clone().into(),
        };
        let blocks = matrices[1..].chunks_exact(8).map(|part| Block {
            qkv: linear(&part[0], &part[1]),
            output: linear(&part[2], &part[3]),
            mlp_in: linear(&part[4], &part[5]),
            mlp_out: linear(&part[6], &part[7]),
        });
        let rows = VocabBlocks::new(vec![rows.into()], d);
        Model {
            config: self.config.clone(),
            embedding: rows.clone(),
            positions: matrices[0].clone().into(),
            blocks: blocks.collect(),
            unembedding: Unembedding {
                vocab: rows,
                // Centring the logits changes no probability.
                mean: Tensor::zeros([1, d], &device).into(),
                gain: Tensor::ones([1, d], &device).into(),
                bias: Tensor::zeros([1, d], &device).into(),
            },
            device,
            budget: Arc::default(),
        }
    }

    /// One AdamW step. Rows of tokens not in `ids` keep their values and moments.
    #[allow(clippy::disallowed_methods, reason = "a native program may wait for its own processor")]
    pub(crate) fn step(&mut self, ids: &[u32], leaves: Leaves, gradients: &mut Gradients, rate: f64) {
        for (matrix, leaf) in self.matrices.iter_mut().zip(leaves.matrices) {
            if let Some(gradient) = leaf.grad_remove(gradients) {
                let state = matrix.state.take();
                (matrix.value, matrix.state) = self.dense.step(rate, leaf.inner(), gradient, state);
            }
        }
        if let Some(gradient) = leaves.rows.grad_remove(gradients) {
            let [first, second] = self.moments.each_ref().map(|moment| self.gather(moment, ids));
            let state = AdamWState::new(AdaptiveMomentumState::new(self.steps, first, second));
            let (rows, state) = self.sparse.step(rate, leaves.rows.inner(), gradient, Some(state));
            let d = self.config.d_model;
            scatter(&mut self.embedding, ids, rows, d);
            if let Some(state) = state {
                let [first, second] = &mut self.moments;
                scatter(first, ids, state.momentum.moment_1, d);
                scatter(second, ids, state.momentum.moment_2, d);
            }
        }
        self.steps += 1;
    }

    /// The rows of these tokens, `[ids, d_model]`.
    fn gather(&self, table: &[f32], ids: &[u32]) -> Tensor<2> {
        let d = self.config.d_model;
        let rows = ids.iter().flat_map(|&id| &table[id as usize * d..][..d]).copied();
        Tensor::from_data(TensorData::new(rows.collect::<Vec<f32>>(), [ids.len(), d]), &self.device)
    }

    /// Every tensor of the checkpoint by its Hugging Face name, with its numbers, in [`Config::tensors`]'s
    /// order.
    pub(crate) fn tensors(&self) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let mut matrices = self.matrices.iter();
        let mut next = || matrices.next().map(|matrix| numbers(matrix.value.clone())).unwrap_or_default();
        let fill = |(name, shape): (String, Vec<usize>)| {
            let count = shape.iter().product();
            let values = if name == "wte.weight" {
                self.embedding.clone()
            } else if name.contains("ln_") {
                vec![if name.ends_with("weight") { 1.0 } else { 0.0 }; count]
            } else {
                next()
            };
            (name, shape, values)
        };
        self.config.tensors().into_iter().map(fill).collect()
    }
}

/// Writes rows back, the inverse of [`Parameters::gather`].
fn scatter(table: &mut [f32], ids: &[u32], rows: Tensor<2>, d: usize) {
    for (row, &id) in numbers(rows).chunks_exact(d).zip(ids) {
        table[id as usize * d..][..d].copy_from_slice(row);
    }
}

/// The numbers of a CPU tensor.
#[allow(clippy::disallowed_methods, reason = "a native program may wait for its own processor")]
fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    let data = tensor.into_data();
    data.try_into_vec::<f32>().expect("training runs in f32")
}
