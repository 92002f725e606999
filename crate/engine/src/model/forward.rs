//! GPT-2's forward pass. Every intermediate activation passes through [`Hooks`].
//!
//! Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", in the decomposition of
//! TransformerLens: LayerNorm without weights (they are folded into what follows), attention written out per
//! head so that scores, patterns and z can be recorded and patched.
//!
//! Shapes: `b` prompts, `p` positions, `t` of them computed ([`Span`]), `n` of those with queries, `d`
//! residual width, `h` heads, `e` head width, `m` neurons.

use std::ops::Range;

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Tensor};

use crate::error::Result;
use crate::model::flops;
use crate::model::fused::{self, gelu_new};
use crate::model::hooks::Hooks;
use crate::model::matmul::matmul;
use crate::model::span::{Span, at_ends};
use crate::model::weights::{Linear, Model};
use crate::site::{BlockSite, Site};

/// Prompts as token ids, padded on the right to the same length. Attention is causal, so padding does not
/// affect the tokens before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// `[prompts * positions]`, row-major.
    ids: Vec<u32>,
    /// Length of each prompt, without padding.
    lengths: Vec<usize>,
    positions: usize,
}

impl Batch {
    /// Stacks prompts, none of which may be empty.
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

    /// The last position of each prompt.
    pub fn ends(&self) -> Vec<usize> {
        self.lengths.iter().map(|length| length - 1).collect()
    }
}

impl Model {
    /// Runs the model; returns `ln_final.hook_normalized`, `[b, p, d]`, which the unembedding turns into
    /// logits.
    ///
    /// # Errors
    /// [`crate::Error::PatchUnfired`] if a patch does not fit the activation at its site.
    pub fn forward(&self, batch: &Batch, hooks: &mut Hooks<'_>) -> Result<Tensor<3>> {
        let (b, p) = (batch.prompts(), batch.positions());
        let d = self.config.d_model;

        let rows = self.embedding.select(&batch.ids); // [b p, d]
        let embed = (rows.clone() - rows.mean_dim(1)).reshape([b, p, d]); // [b, p, d]
        let embed = hooks.apply(Site::Embed, embed)?;
        let positions = self.positions.clone().slice([0..p, 0..d]); // [p, d]
        let positions = positions.unsqueeze::<3>().expand([b, p, d]); // [b, p, d]
        let positions = hooks.apply(Site::PosEmbed, positions)?;

        let mut residual = embed + positions; // [b, p, d]
        let span = Span::whole(p, &self.device);
        for layer in 0..self.config.n_layers {
            residual = self.attend(layer, residual, &span, hooks)?;
            residual = self.mlp(layer, residual, hooks)?;
        }
        self.normalize(residual, hooks)
    }

    /// Attention of one layer: reads the normalised residual stream and adds the heads' output to it.
    /// `residual` holds the positions of `span`: `[b, t, d] -> [b, t, d]`, or `[b, 1, d]` if only the last
    /// positions have queries.
    pub(crate) fn attend(
        &self,
        layer: usize,
        residual: Tensor<3>,
        span: &Span,
        hooks: &mut Hooks<'_>,
    ) -> Result<Tensor<3>> {
        use BlockSite::*;
        let at = |site| Site::Block(layer, site);

        let residual = hooks.apply(at(ResidPre), residual)?; // [b, t, d]
        let x = self.layer_norm(residual.clone(), at(Ln1Scale), at(Ln1Normalized), hooks)?;
        let heads = self.queries_keys_values(layer, x, span); // [b, n, h, e], [b, t, h, e] twice
        self.attend_with(layer, residual, heads, span, hooks)
    }

    /// Attention of one layer from given queries `[b, n, h, e]`, keys and values `[b, t, h, e]`: adds the
    /// heads' output to the residual stream, `[b, t, d] -> [b, n, d]`.
    pub(crate) fn attend_with(
        &self,
        layer: usize,
        residual: Tensor<3>,
        (q, k, v): (Tensor<4>, Tensor<4>, Tensor<4>),
        span: &Span,
        hooks: &mut Hooks<'_>,
    ) -> Result<Tensor<3>> {
        use BlockSite::*;
        let at = |site| Site::Block(layer, site);
        let output = &self.blocks[layer].output;

        let q = hooks.apply(at(Q), q)?;
        let k = hooks.apply(at(K), k)?;
        let v = hooks.apply(at(V), v)?;

        let (k, v) = span.continued(k, v); // [b, p, h, e] twice
        let scores = hooks.apply(at(AttnScores), self.scores(q, k, span.mask()))?; // [b, h, n, p]
        let pattern = hooks.apply(at(Pattern), softmax(scores, 3))?; // [b, h, n, p]
        let z = hooks.apply(at(Z), mix(pattern, v))?; // [b, n, h, e]
        let [b, n, h, e] = z.dims();
        let attn_out = hooks.apply(at(AttnOut), output.apply(z.reshape([b, n, h * e])))?; // [b, n, d]
        hooks.apply(at(ResidMid), span.queried(residual) + attn_out) // [b, n, d]
    }

    /// The MLP of one layer: reads the normalised residual stream and adds the neurons' output to it:
    /// `[b, t, d] -> [b, t, d]`.
    pub(crate) fn mlp(&self, layer: usize, residual: Tensor<3>, hooks: &mut Hooks<'_>) -> Result<Tensor<3>> {
        use BlockSite::*;
        let at = |site| Site::Block(layer, site);
        let block = &self.blocks[layer];

        let x = self.layer_norm(residual.clone(), at(Ln2Scale), at(Ln2Normalized), hooks)?;
        let pre = hooks.apply(at(MlpPre), block.mlp_in.apply(x))?; // [b, t, m]
        let post = hooks.apply(at(MlpPost), gelu_new(pre))?; // [b, t, m]
        let mlp_out = hooks.apply(at(MlpOut), block.mlp_out.apply(post))?; // [b, t, d]
        hooks.apply(at(ResidPost), residual + mlp_out) // [b, t, d]
    }

    /// The final LayerNorm: `[b, t, d] -> [b, t, d]`.
    pub(crate) fn normalize(&self, residual: Tensor<3>, hooks: &mut Hooks<'_>) -> Result<Tensor<3>> {
        self.layer_norm(residual, Site::FinalScale, Site::FinalNormalized, hooks)
    }

    /// Queries `[b, n, h, e]` of the positions that have them, keys and values `[b, t, h, e]` of all.
    fn queries_keys_values(
        &self,
        layer: usize,
        x: Tensor<3>,
        span: &Span,
    ) -> (Tensor<4>, Tensor<4>, Tensor<4>) {
        let (h, e, d) = (self.config.n_heads, self.config.d_head, self.config.d_model);
        let qkv = &self.blocks[layer].qkv;
        let heads = |y: Tensor<3>, part: usize| {
            let [b, t, _] = y.dims();
            y.slice([0..b, 0..t, part * d..(part + 1) * d]).reshape([b, t, h, e])
        };
        if span.all_query() {
            let y = qkv.apply(x); // [b, t, 3 d]
            (heads(y.clone(), 0), heads(y.clone(), 1), heads(y, 2))
        } else {
            let q = qkv.columns(0..d).apply(span.queried(x.clone())); // [b, 1, d]
            let y = qkv.columns(d..3 * d).apply(x); // [b, t, 2 d]
            (heads(q, 0), heads(y.clone(), 0), heads(y, 1))
        }
    }

    /// Masked attention scores: `q [b, n, h, e], k [b, p, h, e] -> [b, h, n, p]`.
    pub(crate) fn scores(&self, q: Tensor<4>, k: Tensor<4>, mask: &Tensor<4, Bool>) -> Tensor<4> {
        let [b, n, h, e] = q.dims();
        let [_, p, _, _] = k.dims();
        flops::matmul(b * h * n, e, p);
        let scores = q.swap_dims(1, 2).matmul(k.swap_dims(1, 2).transpose()) / (e as f32).sqrt(); // [b, h, n, p]
        scores.mask_fill(mask.clone().expand([b, h, n, p]), f32::NEG_INFINITY)
    }

    /// LayerNorm without weights: `(x - mean) / sqrt(variance + eps)`.
    fn layer_norm(
        &self,
        x: Tensor<3>,
        scale_site: Site,
        normalized_site: Site,
        hooks: &mut Hooks<'_>,
    ) -> Result<Tensor<3>> {
        if hooks.is_idle() && fused::on_processor(&self.device) {
            return Ok(fused::layer_norm(x, self.config.eps));
        }
        let x = x.clone() - x.mean_dim(2); // [b, p, d]
        let variance = (x.clone() * x.clone()).mean_dim(2); // [b, p, 1]
        let scale = hooks.apply(scale_site, (variance + self.config.eps).sqrt())?; // [b, p, 1]
        hooks.apply(normalized_site, x / scale) // [b, p, d]
    }

    /// `x` at each prompt's last token: `[b, p, d] -> [b, d]`.
    pub fn last(&self, x: Tensor<3>, batch: &Batch) -> Tensor<2> {
        let [b, _, d] = x.dims();
        at_ends(x, &batch.ends()).reshape([b, d])
    }
}

impl Linear {
    /// `x W + b` at every position: `[b, p, inputs] -> [b, p, outputs]`.
    pub fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        let [b, p, inputs] = x.dims();
        let [_, outputs] = self.weight.dims();
        flops::matmul(b * p, inputs, outputs);
        let y = matmul(x.reshape([b * p, inputs]), self.weight.clone()); // [b p, outputs]
        fused::add_bias(y, self.bias.clone()).reshape([b, p, outputs]) // [b, p, outputs]
    }

    /// The map restricted to some of its outputs.
    fn columns(&self, outputs: Range<usize>) -> Self {
        let [inputs, _] = self.weight.dims();
        Self {
            weight: self.weight.clone().slice([0..inputs, outputs.clone()]),
            bias: self.bias.clone().slice([0..1, outputs]),
        }
    }
}

/// Attention-weighted values, each head's z: `pattern [b, h, n, p], v [b, p, h, e] -> [b, n, h, e]`.
pub(crate) fn mix(pattern: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [b, h, n, p] = pattern.dims();
    let [_, _, _, e] = v.dims();
    flops::matmul(b * h * n, p, e);
    pattern.matmul(v.swap_dims(1, 2)).swap_dims(1, 2)
}
