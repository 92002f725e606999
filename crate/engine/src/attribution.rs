//! Direct logit attribution: what each component of the final residual stream adds to the logit difference,
//! exactly.
//!
//! The final LayerNorm divides by a scale and the unembedding is linear, so with the run's own scale the
//! logit difference is a sum over everything written into the residual stream (TransformerLens's
//! `apply_ln_to_stack` and `tokens_to_residual_directions`; Elhage et al. 2021).
//!
//! Shapes: `b` prompts, `d` residual width, `h` heads, `e` head width, `m` neurons. Everything is at each
//! prompt's last position, or at one that is chosen.

use patchlab_kernels::{Tensor, product};

use crate::answers::Compared;
use crate::error::Result;
use crate::model::Model;
use crate::model::hooks::SiteFilter;
use crate::model::span::at_ends;
use crate::runs::Run;
use crate::site::{BlockSite, Site};

/// Projects a run's activations onto its prompts' logit differences.
#[derive(Debug)]
pub struct DirectLogitAttribution<'a> {
    model: &'a Model,
    run: &'a Run,
    /// The direction in the residual stream that raises the answer's logit over the distractor's, divided by
    /// the run's final LayerNorm scale: `[b, d]`.
    direction: Tensor<2>,
    /// The same direction, not divided.
    unscaled: Tensor<2>,
    /// What the unembedding's bias adds: `[b, 1]`.
    bias: Tensor<2>,
    ends: Vec<usize>,
}

/// Selects what a run must have recorded for attribution to layers and heads, and to neurons if wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttributionSites {
    /// Whether to record neuron activations, too.
    pub neurons: bool,
    /// Whether to record patterns and values, too: where heads have what they write from.
    pub sources: bool,
}

impl SiteFilter for AttributionSites {
    fn includes(&self, site: Site) -> bool {
        use BlockSite::*;
        match site {
            Site::Embed | Site::PosEmbed | Site::FinalScale => true,
            Site::FinalNormalized => false,
            Site::Block(_, MlpPost) => self.neurons,
            Site::Block(_, Pattern | V) => self.sources,
            Site::Block(_, site) => matches!(site, ResidPre | ResidMid | ResidPost | AttnOut | MlpOut | Z),
        }
    }
}

impl<'a> DirectLogitAttribution<'a> {
    /// For a run that recorded [`AttributionSites`]; `compared` are the answers and distractors of
    /// each prompt.
    ///
    /// # Errors
    /// [`crate::Error::UnknownSite`] if the run did not record them.
    pub fn new(model: &'a Model, run: &'a Run, compared: &[Compared]) -> Result<Self> {
        Self::at(model, run, compared, run.batch.ends())
    }

    /// The same at one position of each prompt, as if it were the last.
    ///
    /// # Errors
    /// [`crate::Error::UnknownSite`] if the run did not record them.
    pub(crate) fn at(
        model: &'a Model,
        run: &'a Run,
        compared: &[Compared],
        ends: Vec<usize>,
    ) -> Result<Self> {
        let (unscaled, bias) = model.unembedding.directions(compared); // [b, d], [b, 1]
        let scale: Tensor<3> = run.cache.tensor(Site::FinalScale)?; // [b, p, 1]
        let scale = at_ends(scale, &ends).reshape([ends.len(), 1]); // [b, 1]
        Ok(Self { model, run, direction: unscaled.clone() / scale, unscaled, bias, ends })
    }

    /// Names of the points of the residual stream: `0_pre`, `0_mid`, `1_pre`, ... `final_post`.
    pub(crate) fn points(n_layers: usize) -> Vec<String> {
        let halves = (0..n_layers).flat_map(|layer| [format!("{layer}_pre"), format!("{layer}_mid")]);
        halves.chain(["final_post".to_owned()]).collect()
    }

    /// The sites of [`Self::points`].
    pub(crate) fn point_sites(n_layers: usize) -> Vec<Site> {
        let halves = (0..n_layers).flat_map(|layer| {
            [Site::Block(layer, BlockSite::ResidPre), Site::Block(layer, BlockSite::ResidMid)]
        });
        halves.chain([Site::Block(n_layers - 1, BlockSite::ResidPost)]).collect()
    }

    /// Logit lens (nostalgebraist 2020; `accumulated_resid` with `incl_mid`): the logit difference if the
    /// model stopped at each point of the residual stream, with the run's final LayerNorm scale or with that
    /// point's own: `[points, b]`. As in TransformerLens, the unembedding's bias is left out.
    ///
    /// # Errors
    /// [`crate::Error::UnknownSite`].
    pub(crate) fn lens(&self, recompute_scale: bool) -> Result<Tensor<2>> {
        let project = |site| -> Result<Tensor<2>> {
            let x = self.last(site)?; // [b, d]
            if !recompute_scale {
                return Ok(self.along(x));
            }
            let x = x.clone() - x.mean_dim(1); // [b, d]
            let scale = ((x.clone() * x.clone()).mean_dim(1) + self.model.config.eps as f32).sqrt(); // [b, 1]
            Ok((x * self.unscaled.clone()).sum_dim(1) / scale)
        };
        stack(Self::point_sites(self.model.config.n_layers).into_iter().map(project))
    }

    /// Names of the components of the final residual stream: `embed`, `pos_embed`, `0_attn_out`, `0_mlp_out`,
    /// ...
    pub(crate) fn components(n_layers: usize) -> Vec<String> {
        let layers =
            (0..n_layers).flat_map(|layer| [format!("{layer}_attn_out"), format!("{layer}_mlp_out")]);
        ["embed".to_owned(), "pos_embed".to_owned()].into_iter().chain(layers).collect()
    }

    /// Layer attribution (`decompose_resid`): what each component adds, `[components, b]`.
    ///
    /// # Errors
    /// [`crate::Error::UnknownSite`].
    pub(crate) fn layers(&self) -> Result<Tensor<2>> {
        let layers = (0..self.model.config.n_layers).flat_map(|layer| {
            [Site::Block(layer, BlockSite::AttnOut), Site::Block(layer, BlockSite::MlpOut)]
        });
        stack(
            [Site::Embed, Site::PosEmbed]
                .into_iter()
                .chain(layers)
                .map(|site| Ok(self.along(self.last(site)?))),
        )
    }

    /// Head attribution (`stack_head_results`): what each head adds without `b_O`, `[layers h, b]`.
    ///
    /// # Errors
    /// [`crate::Error::UnknownSite`].
    pub fn heads(&self) -> Result<Tensor<2>> {
        self.heads_along(&self.direction)
    }

    /// What each head writes along a direction in the residual stream, one for each prompt, `[b, d]`: `[layers h, b]`.
    ///
    /// # Errors
    /// [`crate::Error::UnknownSite`].
    pub(crate) fn heads_along(&self, direction: &Tensor<2>) -> Result<Tensor<2>> {
        let (h, e) = (self.model.config.n_heads, self.model.config.d_head);
        let layer = |layer: usize| -> Result<Tensor<2>> {
            let z: Tensor<4> = self.run.cache.tensor(Site::Block(layer, BlockSite::Z))?; // [b, p, h, e]
            let [b, p, _, _] = z.dims();
            let z = at_ends(z.reshape([b, p, h * e]), &self.ends).reshape([b, h * e]); // [b, h e]
            let wanted = self.wanted(layer, direction); // [b, h e]
            Ok((z * wanted).reshape([b, h, e]).sum_dim(2).reshape([b, h])) // [b, h]
        };
        stack((0..self.model.config.n_layers).map(layer))
    }

    /// What z must be along to write along a direction: `[b, d] -> [b, h e]`.
    fn wanted(&self, layer: usize, direction: &Tensor<2>) -> Tensor<2> {
        let output = self.model.blocks[layer].output.weight.clone(); // [h e, d]
        product(direction.clone(), output.transpose())
    }

    /// Head attribution by source: what each head adds because of what it attends to at each position, pattern times value.
    /// Over the sources of a head it sums to [`Self::heads`]: `[layers h p, b]`.
    ///
    /// # Errors
    /// [`crate::Error::UnknownSite`] without patterns and values.
    pub(crate) fn sources(&self) -> Result<Tensor<2>> {
        let layer = |layer: usize| -> Result<Tensor<2>> {
            let v: Tensor<4> = self.run.cache.tensor(Site::Block(layer, BlockSite::V))?; // [b, p, h, e]
            let [b, p, h, e] = v.dims();
            let wanted = self.wanted(layer, &self.direction).reshape([b, 1, h, e]);
            let along = (v * wanted).sum_dim(3).reshape([b, p, h]).swap_dims(1, 2); // [b, h, p]
            Ok((along * self.attends(layer)?).reshape([b, h * p]))
        };
        stack((0..self.model.config.n_layers).map(layer))
    }

    /// How much each head attends to each position from the last one: `[layers h p, b]`.
    ///
    /// # Errors
    /// [`crate::Error::UnknownSite`] without patterns.
    pub(crate) fn attention(&self) -> Result<Tensor<2>> {
        let layer = |layer: usize| -> Result<Tensor<2>> {
            let rows = self.attends(layer)?;
            let [b, h, p] = rows.dims();
            Ok(rows.reshape([b, h * p]))
        };
        stack((0..self.model.config.n_layers).map(layer))
    }

    /// The last destination's row of each head's pattern, `[b, h, p]`.
    fn attends(&self, layer: usize) -> Result<Tensor<3>> {
        let pattern: Tensor<4> = self.run.cache.tensor(Site::Block(layer, BlockSite::Pattern))?; // [b, h, p, p]
        let [b, h, p, _] = pattern.dims();
        let rows = pattern.swap_dims(1, 2).reshape([b, p, h * p]);
        Ok(at_ends(rows, &self.ends).reshape([b, h, p]))
    }

    /// Neuron attribution (`stack_neuron_results`): what each neuron adds without `b_out`, `[layers m, b]`.
    ///
    /// # Errors
    /// [`crate::Error::UnknownSite`].
    pub(crate) fn neurons(&self) -> Result<Tensor<2>> {
        let layer = |layer: usize| -> Result<Tensor<2>> {
            let post = self.last(Site::Block(layer, BlockSite::MlpPost))?; // [b, m]
            let output = self.model.blocks[layer].mlp_out.weight.clone(); // [m, d]
            Ok(post * product(self.direction.clone(), output.transpose())) // [b, m]
        };
        stack((0..self.model.config.n_layers).map(layer))
    }

    /// What each layer's biases add, `b_O` and then `b_out`: `[2 layers, b]`.
    pub fn biases(&self) -> Result<Tensor<2>> {
        let along = |bias: &Tensor<2>| Ok(product(self.direction.clone(), bias.clone().transpose())); // [b, 1]
        let blocks = self.model.blocks.iter();
        stack(blocks.flat_map(|block| [along(&block.output.bias), along(&block.mlp_out.bias)]))
    }

    /// What the unembedding's bias adds: `[1, b]`.
    pub(crate) fn unembedding_bias(&self) -> Tensor<2> {
        self.bias.clone().transpose()
    }

    /// An activation at each prompt's last position: `[b, x]`.
    fn last(&self, site: Site) -> Result<Tensor<2>> {
        let x: Tensor<3> = self.run.cache.tensor(site)?; // [b, p, x]
        let [b, _, width] = x.dims();
        Ok(at_ends(x, &self.ends).reshape([b, width]))
    }

    /// What a vector in the residual stream adds to the logit difference: `[b, d] -> [b, 1]`.
    fn along(&self, written: Tensor<2>) -> Tensor<2> {
        (written * self.direction.clone()).sum_dim(1)
    }
}

/// Concatenates tensors `[b, n]` and transposes: `[all n, b]`.
fn stack(columns: impl Iterator<Item = Result<Tensor<2>>>) -> Result<Tensor<2>> {
    let columns: Vec<Tensor<2>> = columns.collect::<Result<_>>()?;
    Ok(Tensor::cat(columns, 1).transpose())
}
