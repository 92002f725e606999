//! GPT-2's forward pass, with every intermediate passing a [`Tap`].
//!
//! Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", in the decomposition of
//! TransformerLens: LayerNorm without weights (they are folded into what follows), attention per head by
//! hand so that scores, patterns and z can be seen and changed.
//!
//! Shapes: `b` prompts, `p` positions, `d` residual width, `h` heads, `e` head width, `m` neurons.

use burn::tensor::{
    Bool, Device, Tensor, TensorData,
    activation::{sigmoid, softmax},
};

use crate::error::Result;
use crate::model::tap::Tap;
use crate::model::vocabulary::indices;
use crate::model::weights::{Block, Linear, Model};
use crate::site::{BlockSite, Site};

/// Prompts as token ids, padded on the right to the same length. Attention is causal, so what stands to the
/// right of a prompt's last token changes nothing in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// `[prompts * positions]`, row-major.
    ids: Vec<u32>,
    /// The real length of each prompt.
    lengths: Vec<usize>,
    positions: usize,
}

impl Batch {
    /// Stacks prompts. None may be empty.
    pub fn new(prompts: &[Vec<u32>]) -> Self {
        let lengths: Vec<usize> = prompts.iter().map(Vec::len).collect();
        let positions = lengths.iter().copied().max().unwrap_or(0);
        let pad = |prompt: &Vec<u32>| {
            let mut row = prompt.clone();
            row.resize(positions, prompt.last().copied().unwrap_or(0));
            row
        };
        Self { ids: prompts.iter().flat_map(pad).collect(), lengths, positions }
    }

    /// Number of prompts.
    pub fn prompts(&self) -> usize {
        self.lengths.len()
    }

    /// Length of the longest prompt.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Length of each prompt.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }
}

impl Model {
    /// Runs the model; returns `ln_final.hook_normalized`, `[b, p, d]`, which the unembedding turns into logits.
    ///
    /// # Errors
    /// [`crate::Error::PatchUnfired`] if a patch does not fit the activation at its site.
    pub fn forward(&self, batch: &Batch, tap: &mut Tap<'_>) -> Result<Tensor<3>> {
        let (b, p) = (batch.prompts(), batch.positions());
        let d = self.config.d_model;

        let rows = self.embedding.select(&batch.ids); // [b p, d]
        let embed = (rows.clone() - rows.mean_dim(1)).reshape([b, p, d]); // [b, p, d]
        let embed = tap.visit(Site::Embed, embed)?;
        let positions = self.positions.clone().slice([0..p, 0..d]); // [p, d]
        let positions = positions.unsqueeze::<3>().expand([b, p, d]); // [b, p, d]
        let positions = tap.visit(Site::PosEmbed, positions)?;

        let mut residual = embed + positions; // [b, p, d]
        let mask = causal_mask(p, &self.device); // [p, p], true above the diagonal
        for (layer, block) in self.blocks.iter().enumerate() {
            residual = self.block(layer, block, residual, &mask, tap)?;
        }
        self.layer_norm(residual, Site::FinalScale, Site::FinalNormalized, tap)
    }

    /// One layer: attention, then MLP, each reading a normalised copy of the residual stream and adding to it.
    fn block(
        &self,
        layer: usize,
        block: &Block,
        residual: Tensor<3>,
        mask: &Tensor<4, Bool>,
        tap: &mut Tap<'_>,
    ) -> Result<Tensor<3>> {
        use BlockSite::*;
        let at = |site| Site::Block(layer, site);

        let residual = tap.visit(at(ResidPre), residual)?; // [b, p, d]
        let x = self.layer_norm(residual.clone(), at(Ln1Scale), at(Ln1Normalized), tap)?;
        let attn_out = self.attention(layer, block, x, mask, tap)?;
        let attn_out = tap.visit(at(AttnOut), attn_out)?;

        let residual = tap.visit(at(ResidMid), residual + attn_out)?; // [b, p, d]
        let x = self.layer_norm(residual.clone(), at(Ln2Scale), at(Ln2Normalized), tap)?;
        let pre = tap.visit(at(MlpPre), block.mlp_in.apply(x))?; // [b, p, m]
        let post = tap.visit(at(MlpPost), gelu_new(pre))?; // [b, p, m]
        let mlp_out = tap.visit(at(MlpOut), block.mlp_out.apply(post))?; // [b, p, d]

        tap.visit(at(ResidPost), residual + mlp_out) // [b, p, d]
    }

    /// Causal self-attention of one layer: `[b, p, d] -> [b, p, d]`.
    fn attention(
        &self,
        layer: usize,
        block: &Block,
        x: Tensor<3>,
        mask: &Tensor<4, Bool>,
        tap: &mut Tap<'_>,
    ) -> Result<Tensor<3>> {
        use BlockSite::*;
        let at = |site| Site::Block(layer, site);
        let [b, p, d] = x.dims();
        let (h, e) = (self.config.n_heads, self.config.d_head);

        let qkv = block.qkv.apply(x); // [b, p, 3 d]
        let part =
            |index: usize| qkv.clone().slice([0..b, 0..p, index * d..(index + 1) * d]).reshape([b, p, h, e]);
        let q = tap.visit(at(Q), part(0))?.swap_dims(1, 2); // [b, h, p, e]
        let k = tap.visit(at(K), part(1))?.swap_dims(1, 2); // [b, h, p, e]
        let v = tap.visit(at(V), part(2))?.swap_dims(1, 2); // [b, h, p, e]

        let scores = q.matmul(k.transpose()) / (e as f32).sqrt(); // [b, h, p, p]
        let scores = scores.mask_fill(mask.clone().expand([b, h, p, p]), f32::NEG_INFINITY);
        let scores = tap.visit(at(AttnScores), scores)?; // [b, h, p, p]
        let pattern = tap.visit(at(Pattern), softmax(scores, 3))?; // [b, h, p, p]
        let z = pattern.matmul(v).swap_dims(1, 2); // [b, p, h, e]
        let z = tap.visit(at(Z), z)?;
        Ok(block.output.apply(z.reshape([b, p, d]))) // [b, p, d]
    }

    /// LayerNorm without weights: centred, divided by the root of variance plus epsilon.
    fn layer_norm(
        &self,
        x: Tensor<3>,
        scale_site: Site,
        normalized_site: Site,
        tap: &mut Tap<'_>,
    ) -> Result<Tensor<3>> {
        let x = x.clone() - x.mean_dim(2); // [b, p, d]
        let variance = (x.clone() * x.clone()).mean_dim(2); // [b, p, 1]
        let scale = tap.visit(scale_site, (variance + self.config.eps).sqrt())?; // [b, p, 1]
        tap.visit(normalized_site, x / scale) // [b, p, d]
    }

    /// The rows of `x` at each prompt's last token: `[b, p, d] -> [b, d]`.
    pub fn last(&self, x: Tensor<3>, batch: &Batch) -> Tensor<2> {
        let [b, p, d] = x.dims();
        let ends = batch.lengths().iter().enumerate();
        let rows = ends.map(|(prompt, length)| (prompt * p + length - 1) as i32).collect();
        x.reshape([b * p, d]).select(0, indices(rows, &self.device)) // [b, d]
    }
}

impl Linear {
    /// `x W + b` at every position: `[b, p, inputs] -> [b, p, outputs]`.
    pub fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        let [b, p, inputs] = x.dims();
        let [_, outputs] = self.weight.dims();
        let y = x.reshape([b * p, inputs]).matmul(self.weight.clone()) + self.bias.clone(); // [b p, outputs]
        y.reshape([b, p, outputs]) // [b, p, outputs]
    }
}

/// GPT-2's activation function, `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, written as
/// `x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3))`, which is the same number with one exponential. The argument is
/// clamped where the sigmoid is 0 or 1 in f32 anyway: WGSL need not get exponentials of large numbers right.
pub fn gelu_new<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    const SLOPE: f32 = 1.595_769_2; // 2 sqrt(2/pi)
    let square = x.clone() * x.clone();
    let argument = x.clone() * (square * (0.044715 * SLOPE) + SLOPE);
    x * sigmoid(argument.clamp(-30.0, 30.0))
}

/// True where a destination may not look at a source: `[1, 1, p, p]`.
fn causal_mask(p: usize, device: &Device) -> Tensor<4, Bool> {
    let above = (0..p * p).map(|i| i % p > i / p).collect::<Vec<bool>>();
    Tensor::from_data(TensorData::new(above, [1, 1, p, p]), device)
}
