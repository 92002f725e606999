//! GPT-2's forward pass. Every intermediate activation passes through [`Hooks`].
//!
//! Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", in the decomposition of
//! TransformerLens: LayerNorm without weights (they are folded into what follows), attention written out per
//! head so that scores, patterns and z can be recorded and patched.
//!
//! Shapes: `b` prompts, `p` positions, `t` of them computed ([`Span`]), `n` of those with queries, `d`
//! residual width, `h` heads, `e` head width, `m` neurons.

use std::ops::Range;

use patchlab_kernels::{Normalized, Past, Tensor, Then};

use crate::error::{Error, Result};
use crate::model::flops;
use crate::model::hooks::Hooks;
use crate::model::span::{Span, at_ends};
use crate::model::weights::{Linear, Model};
use crate::site::{BlockSite, Site, Stage};

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
    /// Stacks prompts.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`].
    pub fn new(prompts: &[Vec<u32>]) -> Result<Self> {
        if prompts.iter().any(Vec::is_empty) {
            return Err(Error::EmptyPrompt);
        }
        let lengths: Vec<usize> = prompts.iter().map(Vec::len).collect();
        let positions = lengths.iter().copied().max().unwrap_or(0);
        let pad = |prompt: &Vec<u32>| {
            let mut row = prompt.clone();
            row.resize(positions, prompt.last().copied().unwrap_or(0));
            row
        };
        Ok(Self { ids: prompts.iter().flat_map(pad).collect(), lengths, positions })
    }

    /// The tokens of some prompts from a position on, row-major, padding included.
    pub(crate) fn tokens(&self, prompts: &[usize], start: usize) -> Vec<u32> {
        let row = |&prompt: &usize| &self.ids[prompt * self.positions + start..(prompt + 1) * self.positions];
        prompts.iter().flat_map(row).copied().collect()
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
    /// [`Error::UnknownToken`]; [`Error::PatchUnfired`] if a patch does not fit the activation at its site.
    pub fn forward(&self, batch: &Batch, hooks: &mut Hooks<'_>) -> Result<Tensor<3>> {
        let (b, p) = (batch.prompts(), batch.positions());
        if let Some(&id) = batch.ids.iter().find(|&&id| id as usize >= self.config.d_vocab) {
            return Err(Error::UnknownToken { id, tokens: self.config.d_vocab });
        }
        let mut x = self.embed(&batch.ids, [b, p], 0, hooks)?; // [b, p, d]
        let span = Span::whole(p, &self.device);
        for stage in Stage::all(self.config.n_layers).skip(1) {
            x = self.step(stage, x, &span, hooks)?;
        }
        Ok(x)
    }

    /// Embeddings of `b` rows of `t` tokens that stand at the positions from `start` on: `[b, t, d]`.
    pub(crate) fn embed(
        &self,
        ids: &[u32],
        [b, t]: [usize; 2],
        start: usize,
        hooks: &mut Hooks<'_>,
    ) -> Result<Tensor<3>> {
        let d = self.config.d_model;
        let rows = self.embedding.select(ids); // [b t, d]
        let embed = (rows.clone() - rows.mean_dim(1)).reshape([b, t, d]); // [b, t, d]
        let embed = hooks.apply(Site::Embed, embed)?;
        let positions = self.positions.clone().slice([start..start + t, 0..d]); // [t, d]
        let positions = positions.unsqueeze::<3>().expand([b, t, d]); // [b, t, d]
        Ok(embed + hooks.apply(Site::PosEmbed, positions)?)
    }

    /// All of `p` positions.
    pub(crate) fn everywhere(&self, p: usize) -> Span {
        Span::whole(p, &self.device)
    }

    /// One stage after the embeddings, on the residual stream at the positions of `span`: `[b, t, d] -> [b, t, d]`, or
    /// `[b, 1, d]` if only the last positions have queries.
    pub(crate) fn step(
        &self,
        stage: Stage,
        residual: Tensor<3>,
        span: &Span,
        hooks: &mut Hooks<'_>,
    ) -> Result<Tensor<3>> {
        match stage {
            Stage::Embed => unreachable!("it reads tokens"),
            Stage::Attention(layer) => {
                let residual = match layer.checked_sub(1) {
                    Some(before) => hooks.apply(Site::Block(before, BlockSite::ResidPost), residual)?,
                    None => residual,
                };
                self.attend(layer, residual, span, hooks)
            }
            Stage::Mlp(layer) => self.mlp(layer, residual, hooks),
            Stage::Final => {
                let last = Site::Block(self.config.n_layers - 1, BlockSite::ResidPost);
                self.normalize(hooks.apply(last, residual)?, hooks)
            }
        }
    }

    /// Attention of one layer: reads the normalised residual stream and adds the heads' output to it.
    /// `residual` holds the positions of `span`: `[b, t, d] -> [b, t, d]`, or `[b, 1, d]` if only the last
    /// positions have queries.
    fn attend(
        &self,
        layer: usize,
        residual: Tensor<3>,
        span: &Span,
        hooks: &mut Hooks<'_>,
    ) -> Result<Tensor<3>> {
        use BlockSite::*;
        let at = |site| Site::Block(layer, site);

        let residual = hooks.apply(at(ResidPre), residual)?; // [b, t, d]
        let x = self.read(layer, [Ln1Scale, Ln1Normalized], residual.clone(), hooks)?;
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

        let z = if hooks.look_at(at(AttnScores)) || hooks.look_at(at(Pattern)) {
            let scores = hooks.apply(at(AttnScores), scores(q, k, span))?; // [b, h, n, p]
            let pattern = hooks.apply(at(Pattern), patchlab_kernels::softmax(scores))?; // [b, h, n, p]
            mix(pattern, v, span.past()) // [b, n, h, e]
        } else {
            attention(q, k, v, span)
        };
        let z = hooks.apply(at(Z), z)?; // [b, n, h, e]
        let [b, n, h, e] = z.dims();
        let (z, residual) = (z.reshape([b, n, h * e]), span.queried(residual));
        Ok(if hooks.look_at(at(AttnOut)) {
            residual + hooks.apply(at(AttnOut), output.apply(z))? // [b, n, d]
        } else {
            output.apply_to(residual, z) // [b, n, d]
        })
    }

    /// The MLP of one layer: reads the normalised residual stream and adds the neurons' output to it:
    /// `[b, t, d] -> [b, t, d]`.
    fn mlp(&self, layer: usize, residual: Tensor<3>, hooks: &mut Hooks<'_>) -> Result<Tensor<3>> {
        use BlockSite::*;
        let at = |site| Site::Block(layer, site);
        let block = &self.blocks[layer];

        let residual = hooks.apply(at(ResidMid), residual)?; // [b, t, d]
        let x = self.read(layer, [Ln2Scale, Ln2Normalized], residual.clone(), hooks)?;
        let post = if hooks.look_at(at(MlpPre)) {
            patchlab_kernels::gelu_new(hooks.apply(at(MlpPre), block.mlp_in.apply(x))?) // [b, t, m]
        } else {
            block.mlp_in.then(x, Then::Gelu) // [b, t, m]
        };
        let post = hooks.apply(at(MlpPost), post)?;
        Ok(if hooks.look_at(at(MlpOut)) {
            residual + hooks.apply(at(MlpOut), block.mlp_out.apply(post))? // [b, t, d]
        } else {
            block.mlp_out.apply_to(residual, post) // [b, t, d]
        })
    }

    /// What attention or the MLP of a layer reads, the normalised residual stream: `[b, t, d] -> [b, t, d]`.
    pub(crate) fn read(
        &self,
        layer: usize,
        [scale, normalized]: [BlockSite; 2],
        residual: Tensor<3>,
        hooks: &mut Hooks<'_>,
    ) -> Result<Tensor<3>> {
        self.layer_norm(residual, Site::Block(layer, scale), Site::Block(layer, normalized), hooks)
    }

    /// Some heads' queries (`part` 0), keys (1) or values (2) of what their layer reads: `[b, t, d] -> [b, t, heads e]`.
    pub(crate) fn part_of_heads(
        &self,
        layer: usize,
        part: usize,
        heads: Range<usize>,
        x: Tensor<3>,
    ) -> Tensor<3> {
        let (e, d) = (self.config.d_head, self.config.d_model);
        self.blocks[layer].qkv.columns(part * d + heads.start * e..part * d + heads.end * e).apply(x)
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

    /// LayerNorm without weights: `(x - mean) / sqrt(variance + eps)`.
    fn layer_norm(
        &self,
        x: Tensor<3>,
        scale_site: Site,
        normalized_site: Site,
        hooks: &mut Hooks<'_>,
    ) -> Result<Tensor<3>> {
        let Normalized { normalized, scale } = patchlab_kernels::layer_norm(x, self.config.eps);
        let edited = hooks.apply(scale_site, scale.clone())?; // [b, p, 1]
        // A scale that stays as it is changes not a bit.
        let normalized = if hooks.edits(scale_site) { normalized * (scale / edited) } else { normalized };
        hooks.apply(normalized_site, normalized) // [b, p, d]
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
        self.then(x, Then::Nothing)
    }

    /// `residual + (x W + b)`: `[b, p, outputs]`.
    fn apply_to(&self, residual: Tensor<3>, x: Tensor<3>) -> Tensor<3> {
        let [b, p, outputs] = residual.dims();
        self.then(x, Then::Add(residual.reshape([b * p, outputs])))
    }

    /// `x W + b` at every position, and what follows.
    fn then(&self, x: Tensor<3>, then: Then) -> Tensor<3> {
        let [b, p, inputs] = x.dims();
        let [_, outputs] = self.weight.dims();
        flops::matmul(b * p, inputs, outputs);
        let x = x.reshape([b * p, inputs]);
        patchlab_kernels::affine(x, self.weight.clone(), self.bias.clone(), then).reshape([b, p, outputs])
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

/// Each head's z, of queries, keys and values at the positions of a span: `[b, n, h, e]`.
pub(crate) fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, span: &Span) -> Tensor<4> {
    let ([b, n, h, e], [_, t, _, _]) = (q.dims(), k.dims());
    let p = span.past_positions() + t;
    flops::matmul(b * h * n, e, p);
    flops::matmul(b * h * n, p, e);
    patchlab_kernels::attention(q, k, v, span.past().cloned(), span.mask())
}

/// Masked attention scores of the positions of a span: `[b, h, n, p]`.
pub(crate) fn scores(q: Tensor<4>, k: Tensor<4>, span: &Span) -> Tensor<4> {
    let ([b, n, h, e], [_, t, _, _]) = (q.dims(), k.dims());
    flops::matmul(b * h * n, e, span.past_positions() + t);
    patchlab_kernels::scores(q, k, span.past(), span.mask())
}

/// Attention-weighted values, each head's z: `pattern [b, h, n, p], v [b, t, h, e] -> [b, n, h, e]`.
pub(crate) fn mix(pattern: Tensor<4>, v: Tensor<4>, past: Option<&Past>) -> Tensor<4> {
    let ([b, h, n, p], [.., e]) = (pattern.dims(), v.dims());
    flops::matmul(b * h * n, p, e);
    patchlab_kernels::mix(pattern, v, past)
}
