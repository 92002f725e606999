//! The weights on the device, loaded tensor by tensor from a checkpoint.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::Result;
use crate::model::checkpoint::Checkpoint;
use crate::model::config::Config;
use crate::model::process::{Affine, center, fold_value_biases};
use crate::model::source::Source;
use crate::model::vocabulary::{Unembedding, VocabBlocks};

/// GPT-2, processed as TransformerLens processes it (see [`super::process`]).
#[derive(Debug, Clone)]
pub struct Model {
    /// The sizes.
    pub config: Config,
    /// Token embeddings, raw: [`super::forward`] centres the rows it takes.
    pub embedding: VocabBlocks,
    /// Position embeddings, centred: `[n_ctx, d_model]`.
    pub positions: Tensor<2>,
    /// The layers, first to last.
    pub blocks: Vec<Block>,
    /// The way to logits.
    pub unembedding: Unembedding,
    /// Where all of this is.
    pub device: Device,
}

/// The weights of one layer. LayerNorms have no weights of their own: they are folded into what follows.
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

/// A tensor that the configuration calls for: name and shape in the checkpoint.
type WantedTensor = (String, Vec<usize>);

impl Config {
    /// Every tensor of the checkpoint that is used. The causal masks (`h.N.attn.bias`) are not.
    pub fn tensors(&self) -> Vec<WantedTensor> {
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

    /// Everything that is loaded.
    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Embedding, Part::Positions, Part::FinalGain, Part::FinalBias];
        parts.extend((0..self.n_layers).map(Part::Block));
        parts.extend((!self.tied).then_some(Part::Head));
        parts
    }

    /// The tensors of one layer, by the part of their names after the layer's.
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

    /// Numbers in the checkpoint that are used.
    pub fn parameters(&self) -> usize {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}

/// What is loaded at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Embedding,
    Positions,
    Block(usize),
    FinalGain,
    FinalBias,
    Head,
}

impl Part {
    /// The name of its tensor; of a layer's tensors, the one that stands first in files sorted by name.
    fn first_tensor(self) -> String {
        match self {
            Part::Embedding => "wte.weight".to_owned(),
            Part::Positions => "wpe.weight".to_owned(),
            Part::Block(layer) => block_name(layer, "attn.c_attn.bias"),
            Part::FinalGain => "ln_f.weight".to_owned(),
            Part::FinalBias => "ln_f.bias".to_owned(),
            Part::Head => "lm_head.weight".to_owned(),
        }
    }
}

/// The full name of a layer's tensor.
fn block_name(layer: usize, part: &str) -> String {
    format!("h.{layer}.{part}")
}

impl Model {
    /// Loads a checkpoint. Names and shapes are all checked before the first weight is read.
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

        // In the order of the file, so that no piece of it is fetched twice: layer 10 may stand before layer 2.
        let mut parts = config.parts();
        parts.sort_by_key(|part| checkpoint.place(&part.first_tensor()));
        let mut blocks: BTreeMap<usize, Block> = BTreeMap::new();
        let mut rows: HashMap<Part, (VocabBlocks, Vec<f32>)> = HashMap::new();
        let mut read: HashMap<Part, Vec<f32>> = HashMap::new();
        for part in parts {
            let name = part.first_tensor();
            match part {
                Part::Block(layer) => {
                    blocks.insert(layer, load_block(checkpoint, layer, &config, device).await?);
                }
                Part::Embedding | Part::Head => {
                    rows.insert(part, load_rows(checkpoint, &name, &config, device).await?);
                }
                Part::Positions => {
                    read.insert(part, checkpoint.read(&name, 0, config.n_ctx * d).await?);
                }
                Part::FinalGain | Part::FinalBias => {
                    read.insert(part, checkpoint.read(&name, 0, d).await?);
                }
            }
        }
        // Every part is in the list, so every part was read.
        let mut numbers = |part| read.remove(&part).unwrap_or_default();
        let (embedding, mean) =
            rows.remove(&Part::Embedding).unwrap_or_else(|| (VocabBlocks::new(Vec::new(), d), Vec::new()));
        let (head, mean) = rows.remove(&Part::Head).unwrap_or_else(|| (embedding.clone(), mean));

        let mut positions = numbers(Part::Positions);
        positions.chunks_exact_mut(d).for_each(center);
        let unembedding = Unembedding {
            vocab: head,
            mean: upload(mean, [1, d], device),
            gain: upload(numbers(Part::FinalGain), [1, d], device),
            bias: upload(numbers(Part::FinalBias), [1, d], device),
        };
        Ok(Self {
            positions: upload(positions, [config.n_ctx, d], device),
            embedding,
            blocks: blocks.into_values().collect(),
            unembedding,
            device: device.clone(),
            config,
        })
    }
}

/// Loads a `[d_vocab, d_model]` matrix block by block; also returns its mean row.
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

/// Puts a matrix on the device for good.
pub fn upload(numbers: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    let tensor = device.memory_persistent_allocations(TensorData::new(numbers, shape), |data| {
        Tensor::from_data(data, device)
    });
    // An upload owns its host copy until the queue has run: without this, dozens pile up. A device that
    // cannot flush says so again, and as an error, at the first read.
    if let Err(error) = device.flush() {
        log::warn!("flush after an upload: {error:?}");
    }
    tensor
}
