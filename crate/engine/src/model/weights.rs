//! The weights on the device, loaded tensor by tensor from a checkpoint.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use burn::tensor::{Device, TensorData};
use patchlab_kernels::Tensor;

use crate::error::Result;
use crate::model::budget::Budget;
use crate::model::checkpoint::Checkpoint;
use crate::model::config::Config;
use crate::model::process::{Affine, center, fold_value_biases};
use crate::model::source::Source;
use crate::model::vocabulary::{Unembedding, VocabBlocks};

/// GPT-2, processed as TransformerLens does (see `process.rs`).
#[derive(Debug, Clone)]
pub struct Model {
    /// Sizes, from `config.json`.
    pub config: Config,
    /// Token embeddings, raw: [`Model::forward`] centres the rows it selects.
    pub embedding: VocabBlocks,
    /// Position embeddings, centred: `[n_ctx, d_model]`.
    pub positions: Tensor<2>,
    /// The layers, first to last.
    pub blocks: Vec<Block>,
    /// The map to logits.
    pub unembedding: Unembedding,
    /// The device that holds the weights.
    pub device: Device,
    /// What activations may take there.
    pub budget: Arc<Budget>,
}

/// The weights of one layer. LayerNorms have none of their own: they are folded into the maps that follow.
#[derive(Debug, Clone)]
pub struct Block {
    /// To queries, keys and values, `[d_model, 3 d_model]`; the value biases are zero.
    pub qkv: Linear,
    /// From the heads' z to `attn_out`, `[d_model, d_model]`.
    pub output: Linear,
    /// To the neurons, `[d_model, d_mlp]`.
    pub mlp_in: Linear,
    /// From the neurons to `mlp_out`, `[d_mlp, d_model]`.
    pub mlp_out: Linear,
}

/// An affine map on the device.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Tensor<2>,
    /// `[1, outputs]`.
    pub bias: Tensor<2>,
}

impl Linear {
    fn upload(map: Affine, device: &Device) -> Self {
        let (inputs, outputs) = (map.weight.len() / map.outputs(), map.outputs());
        Self {
            weight: upload(map.weight, [inputs, outputs], device),
            bias: upload(map.bias, [1, outputs], device),
        }
    }
}

/// A tensor that the configuration requires: name and shape in the checkpoint.
type TensorSpec = (String, Vec<usize>);

impl Config {
    /// Every tensor that is read from the checkpoint. The causal masks (`h.N.attn.bias`) are not.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let d = self.d_model;
        let mut wanted = vec![
            ("wte.weight".to_owned(), vec![self.d_vocab, d]),
            ("wpe.weight".to_owned(), vec![self.n_ctx, d]),
        ];
        for layer in 0..self.n_layers {
            let parts = self.block_tensors().into_iter();
            wanted.extend(parts.map(|(part, shape)| (block_name(layer, part), shape)));
        }
        wanted.push(("ln_f.weight".to_owned(), vec![d]));
        wanted.push(("ln_f.bias".to_owned(), vec![d]));
        if !self.tied {
            wanted.push(("lm_head.weight".to_owned(), vec![self.d_vocab, d]));
        }
        wanted
    }

    /// Everything that has to be loaded.
    fn parts(&self) -> Vec<WeightPart> {
        let mut parts =
            vec![WeightPart::Embedding, WeightPart::Positions, WeightPart::FinalGain, WeightPart::FinalBias];
        parts.extend((0..self.n_layers).map(WeightPart::Block));
        parts.extend((!self.tied).then_some(WeightPart::Head));
        parts
    }

    /// The tensors of one layer: names within the layer, and shapes.
    fn block_tensors(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (d, m) = (self.d_model, self.d_mlp);
        vec![
            ("ln_1.weight", vec![d]),
            ("ln_1.bias", vec![d]),
            ("attn.c_attn.weight", vec![d, 3 * d]),
            ("attn.c_attn.bias", vec![3 * d]),
            ("attn.c_proj.weight", vec![d, d]),
            ("attn.c_proj.bias", vec![d]),
            ("ln_2.weight", vec![d]),
            ("ln_2.bias", vec![d]),
            ("mlp.c_fc.weight", vec![d, m]),
            ("mlp.c_fc.bias", vec![m]),
            ("mlp.c_proj.weight", vec![m, d]),
            ("mlp.c_proj.bias", vec![d]),
        ]
    }

    /// Number of parameters that are read from the checkpoint.
    pub fn parameters(&self) -> usize {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}

/// A part of the model that is loaded as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum WeightPart {
    Embedding,
    Positions,
    Block(usize),
    FinalGain,
    FinalBias,
    Head,
}

impl WeightPart {
    /// The name of its tensor; for a layer, the one that comes first in files sorted by name.
    fn first_tensor(self) -> String {
        match self {
            WeightPart::Embedding => "wte.weight".to_owned(),
            WeightPart::Positions => "wpe.weight".to_owned(),
            WeightPart::Block(layer) => block_name(layer, "attn.c_attn.bias"),
            WeightPart::FinalGain => "ln_f.weight".to_owned(),
            WeightPart::FinalBias => "ln_f.bias".to_owned(),
            WeightPart::Head => "lm_head.weight".to_owned(),
        }
    }
}

/// The full name of a layer's tensor.
fn block_name(layer: usize, part: &str) -> String {
    format!("h.{layer}.{part}")
}

impl Model {
    /// Loads a checkpoint. All names and shapes are checked before the first weight is read.
    ///
    /// # Errors
    /// Everything that [`Checkpoint`] refuses.
    pub async fn load<S: Source>(
        config: Config,
        checkpoint: &Checkpoint<S>,
        device: &Device,
    ) -> Result<Self> {
        checkpoint.plan(&config.tensors())?;
        let d = config.d_model;

        // In file order, so that no part of it is fetched twice: layer 10 may come before layer 2.
        let mut parts = config.parts();
        parts.sort_by_key(|part| checkpoint.place(&part.first_tensor()));
        let mut blocks: BTreeMap<usize, Block> = BTreeMap::new();
        let mut rows: HashMap<WeightPart, (VocabBlocks, Vec<f32>)> = HashMap::new();
        let mut read: HashMap<WeightPart, Vec<f32>> = HashMap::new();
        for part in parts {
            let name = part.first_tensor();
            match part {
                WeightPart::Block(layer) => {
                    blocks.insert(layer, load_block(checkpoint, layer, &config, device).await?);
                }
                WeightPart::Embedding | WeightPart::Head => {
                    rows.insert(part, load_rows(checkpoint, &name, &config, device).await?);
                }
                WeightPart::Positions => {
                    read.insert(part, checkpoint.read(&name, 0, config.n_ctx * d).await?);
                }
                WeightPart::FinalGain | WeightPart::FinalBias => {
                    read.insert(part, checkpoint.read(&name, 0, d).await?);
                }
            }
        }
        // Every part is in the list, so every part was read.
        let mut numbers = |part| read.remove(&part).unwrap_or_default();
        let (embedding, mean) = rows
            .remove(&WeightPart::Embedding)
            .unwrap_or_else(|| (VocabBlocks::new(Vec::new(), d), Vec::new()));
        let (head, mean) = rows.remove(&WeightPart::Head).unwrap_or_else(|| (embedding.clone(), mean));

        let mut positions = numbers(WeightPart::Positions);
        positions.chunks_exact_mut(d).for_each(center);
        let unembedding = Unembedding {
            vocab: head,
            mean: upload(mean, [1, d], device),
            gain: upload(numbers(WeightPart::FinalGain), [1, d], device),
            bias: upload(numbers(WeightPart::FinalBias), [1, d], device),
        };
        Ok(Self {
            positions: upload(positions, [config.n_ctx, d], device),
            embedding,
            blocks: blocks.into_values().collect(),
            unembedding,
            device: device.clone(),
            budget: Arc::default(),
            config,
        })
    }
}

/// Loads a `[d_vocab, d_model]` matrix block by block, and computes its mean row.
async fn load_rows<S: Source>(
    checkpoint: &Checkpoint<S>,
    name: &str,
    config: &Config,
    device: &Device,
) -> Result<(VocabBlocks, Vec<f32>)> {
    let d = config.d_model;
    let mut sum = vec![0.0f64; d];
    let mut blocks = Vec::new();
    let mut row = 0;
    while row < config.d_vocab {
        let rows = VocabBlocks::rows_per_block(d).min(config.d_vocab - row);
        let numbers = checkpoint.read(name, row * d, rows * d).await?;
        for (index, &number) in numbers.iter().enumerate() {
            sum[index % d] += f64::from(number);
        }
        blocks.push(upload(numbers, [rows, d], device));
        row += rows;
    }
    let mean = sum.into_iter().map(|sum| (sum / config.d_vocab as f64) as f32).collect();
    Ok((VocabBlocks::new(blocks, d), mean))
}

/// Loads and processes one layer.
async fn load_block<S: Source>(
    checkpoint: &Checkpoint<S>,
    layer: usize,
    config: &Config,
    device: &Device,
) -> Result<Block> {
    let mut parts = config.block_tensors();
    parts.sort_by_key(|(part, _)| checkpoint.place(&block_name(layer, part)));
    let mut read = HashMap::new();
    for (part, shape) in parts {
        let count = shape.iter().product();
        let numbers = checkpoint.read(&block_name(layer, part), 0, count).await?;
        read.insert(part, numbers);
    }
    let mut take = |part: &str| read.remove(part).unwrap_or_default();

    let (gain, bias) = (take("ln_1.weight"), take("ln_1.bias"));
    let mut qkv = Affine { weight: take("attn.c_attn.weight"), bias: take("attn.c_attn.bias") };
    qkv.fold_layer_norm(&gain, &bias);
    let mut output = Affine { weight: take("attn.c_proj.weight"), bias: take("attn.c_proj.bias") };
    output.center_outputs();
    fold_value_biases(&mut qkv, &mut output);

    let (gain, bias) = (take("ln_2.weight"), take("ln_2.bias"));
    let mut mlp_in = Affine { weight: take("mlp.c_fc.weight"), bias: take("mlp.c_fc.bias") };
    mlp_in.fold_layer_norm(&gain, &bias);
    let mut mlp_out = Affine { weight: take("mlp.c_proj.weight"), bias: take("mlp.c_proj.bias") };
    mlp_out.center_outputs();

    let [qkv, output, mlp_in, mlp_out] =
        [qkv, output, mlp_in, mlp_out].map(|map| Linear::upload(map, device));
    Ok(Block { qkv, output, mlp_in, mlp_out })
}

/// Uploads a matrix that stays on the device.
fn upload(numbers: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    let tensor = device.memory_persistent_allocations(TensorData::new(numbers, shape), |data| {
        Tensor::from_data(data, device)
    });
    // An upload owns its host copy until the queue has run: without a flush, dozens pile up. A device that
    // cannot flush will fail again, with an error, at the first read.
    if let Err(error) = device.flush() {
        log::warn!("flush after an upload: {error:?}");
    }
    tensor
}
