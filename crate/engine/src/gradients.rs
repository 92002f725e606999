//! Edges of the model's graph by gradients: a first-order estimate of what replacing each would do, from one pass forward and one
//! back over activations (no gradients of weights).
//!
//! Edge attribution patching (Syed et al. 2023): (u(other) - u(base)) . gradient of the logit difference by the reader's input, on the
//! base run. With integrated gradients (EAP-IG, Hanna et al. 2024) the gradient is a mean over runs between the two prompts' embeddings.
//! RelP (2508.21258) changes the pass back: LayerNorm's divisor is a constant, and so is the factor phi(x) of gelu(x) = x phi(x).
//!
//! Shapes: `b` prompts, `p` positions, `d` the stream's width, `h` heads of width `e`, `m` neurons, `r` readers.

use burn::tensor::TensorData;
use patchlab_kernels::{Normalized, Tensor, gelu_new, layer_norm, product, products};

use crate::answers::Compared;
use crate::error::Result;
use crate::graph::{Graph, Part, Reader};
use crate::metrics::PerPrompt;
use crate::model::hooks::{Change, Edit};
use crate::model::{Activation, ActivationCache, Batch, Hooks, Model, flops};
use crate::readback::Reads;
use crate::runs::Run;
use crate::site::{BlockSite, Site};

/// What the pass back takes as constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// RelP: LayerNorms' divisors, and phi in gelu(x) = x phi(x).
    pub relevance: bool,
    /// Attention patterns: then nothing goes back through queries and keys.
    pub pattern: bool,
}

/// What a run must have recorded for the pass back.
pub fn gradient_sites(n_layers: usize) -> Vec<Site> {
    use BlockSite::*;
    let of_layer = |layer| {
        [ResidPre, ResidMid, ResidPost, Q, K, V, Pattern, MlpPre].map(|site| Site::Block(layer, site))
    };
    (0..n_layers).flat_map(of_layer).collect()
}

/// What runs must have recorded for what their nodes write ([`crate::circuits::outputs`]).
pub fn output_sites(n_layers: usize) -> Vec<Site> {
    let of_layer = |layer| [BlockSite::Z, BlockSite::MlpOut].map(|site| Site::Block(layer, site));
    [Site::Embed].into_iter().chain((0..n_layers).flat_map(of_layer)).collect()
}

/// Every edge by gradients, on some prompts.
pub(crate) struct Backward<'a> {
    pub model: &'a Model,
    pub graph: &'a Graph,
    pub rules: Rules,
    /// The answers and distractors of each prompt.
    pub compared: &'a [Compared],
    /// What each node writes in the other run less what it writes in the base run, `[nodes, b, p, d]`.
    pub differences: &'a Tensor<4>,
}

/// The scores of some readers' edges, on their way to the host: by prompt, node and reader, `[b, nodes, r]`.
struct Scored {
    readers: Vec<Reader>,
    numbers: Tensor<3>,
}

impl Backward<'_> {
    /// The score of each edge and prompt, from a run of these prompts that recorded [`gradient_sites`].
    ///
    /// # Errors
    /// [`crate::error::Error::Compute`], [`crate::error::Error::UnknownSite`].
    pub(crate) async fn scores(&self, cache: &ActivationCache, batch: &Batch) -> Result<PerPrompt> {
        let mut scored = Vec::new();
        self.back(cache, batch, &mut scored)?;
        let mut reads = Reads::default();
        for scored in &scored {
            reads = reads.with(scored.numbers.clone());
        }
        let prompts = batch.prompts();
        // Through constant patterns nothing goes back to queries and keys.
        let mut scores = PerPrompt::from_rows(prompts, vec![0.0; self.graph.len() * prompts]);
        for (scored, numbers) in scored.iter().zip(reads.fetch().await?) {
            let (nodes, readers) = (self.graph.sources(scored.readers[0]), scored.readers.len());
            for (index, number) in numbers.into_iter().enumerate() {
                let (prompt, node, reader) =
                    (index / (nodes * readers), index / readers % nodes, index % readers);
                let edge = self.graph.edges_of(scored.readers[reader]).start + node;
                scores.row_mut(edge)[prompt] = f64::from(number);
            }
        }
        Ok(scores)
    }

    /// From the logit difference back to the embeddings.
    fn back(&self, cache: &ActivationCache, batch: &Batch, scored: &mut Vec<Scored>) -> Result<()> {
        use BlockSite::*;
        let (model, config) = (self.model, &self.model.config);
        let (h, e, d) = (config.n_heads, config.d_head, config.d_model);
        let stream = |site| cache.tensor::<3>(site); // [b, p, d]

        let (direction, _) = model.unembedding.directions(self.compared); // [b, d]
        let last: Tensor<3> = stream(Site::Block(config.n_layers - 1, ResidPost))?;
        let [b, p, _] = last.dims();
        let ends = at_the_ends(batch, &last); // [b, p, 1]
        let read = direction.reshape([b, 1, d]).expand([b, p, d]) * ends;
        let mut gradient = self.through_layer_norm(read, last);
        self.score(vec![Reader::Logits], gradient.clone(), scored);

        for layer in (0..config.n_layers).rev() {
            let (at, block) = (|site| Site::Block(layer, site), &model.blocks[layer]);

            let post = back_through(gradient.clone(), &block.mlp_out.weight); // [b, p, m]
            let pre = post * self.slope(cache.tensor::<3>(at(MlpPre))?);
            let read = back_through(pre, &block.mlp_in.weight); // [b, p, d]
            let read = self.through_layer_norm(read, stream(at(ResidMid))?);
            self.score(vec![Reader::Mlp(layer)], read.clone(), scored);
            gradient = gradient + read;

            let z = back_through(gradient.clone(), &block.output.weight).reshape([b, p, h, e]);
            let x: Tensor<3> = stream(at(ResidPre))?;
            for (part, read) in self.through_attention(z, layer, cache)? {
                let weight =
                    block.qkv.weight.clone().slice([0..d, part as usize * d..(part as usize + 1) * d]);
                let weight = weight.transpose().contiguous().reshape([h, e, d]);
                let by_head = read.reshape([b, h, p, e]).swap_dims(0, 1).contiguous().reshape([h, b * p, e]);
                flops::matmul(h * b * p, e, d);
                let none = by_head.zeros([b * p, d]);
                let read = products(by_head, weight, none).reshape([h * b, p, d]);
                let read = self.through_layer_norm(read, x.clone()); // [h b, p, d]
                self.score(
                    (0..h).map(|head| Reader::Head(layer, head, part)).collect(),
                    read.clone(),
                    scored,
                );
                gradient = gradient + read.reshape([h, b * p, d]).sum_dim(0).reshape([b, p, d]);
            }
        }
        Ok(())
    }

    /// The gradients of queries, keys and values, `[b h, p, e]` each, from that of z, `[b, p, h, e]`.
    fn through_attention(
        &self,
        z: Tensor<4>,
        layer: usize,
        cache: &ActivationCache,
    ) -> Result<Vec<(Part, Tensor<3>)>> {
        use BlockSite::*;
        let [b, p, h, e] = z.dims();
        let by_head = |x: Tensor<4>| x.swap_dims(1, 2).contiguous().reshape([b * h, p, e]);
        let of = |site| -> Result<Tensor<3>> { Ok(by_head(cache.tensor::<4>(Site::Block(layer, site))?)) };
        let z = by_head(z);
        let pattern: Tensor<4> = cache.tensor(Site::Block(layer, Pattern))?;
        let pattern = pattern.reshape([b * h, p, p]); // destinations, sources
        let turned = |x: Tensor<3>| x.swap_dims(1, 2).contiguous();
        let times = |left: Tensor<3>, right: Tensor<3>| {
            let ([c, m, k], [.., n]) = (left.dims(), right.dims());
            flops::matmul(c * m, k, n);
            let none = left.zeros([m, n]);
            products(left, right, none)
        };
        let mut found = vec![(Part::V, times(turned(pattern.clone()), z.clone()))];
        if !self.rules.pattern {
            let of_pattern = times(z, turned(of(V)?)) * pattern.clone(); // [b h, p, p]
            let scores = of_pattern.clone() - pattern * of_pattern.sum_dim(2);
            let scores = scores * (1.0 / (e as f32).sqrt());
            found.push((Part::Q, times(scores.clone(), of(K)?)));
            found.push((Part::K, times(turned(scores), of(Q)?)));
        }
        Ok(found)
    }

    /// The gradient of a LayerNorm's input from that of its output: `[r b, p, d]`, for an input `x [b, p, d]`.
    fn through_layer_norm(&self, gradient: Tensor<3>, x: Tensor<3>) -> Tensor<3> {
        let Normalized { normalized, scale } = layer_norm(x, self.model.config.eps);
        let ([rows, p, d], [b, ..]) = (gradient.dims(), normalized.dims());
        let r = rows / b;
        let repeated = |x: Tensor<3>| {
            let [b, p, k] = x.dims();
            x.unsqueeze::<4>().expand([r, b, p, k]).reshape([r * b, p, k])
        };
        let centred = gradient.clone() - gradient.clone().mean_dim(2);
        let (y, scale) = (repeated(normalized), repeated(scale)); // [r b, p, d], [r b, p, 1]
        let along =
            if self.rules.relevance { centred } else { centred - y.clone() * (gradient * y).mean_dim(2) };
        debug_assert_eq!(along.dims(), [rows, p, d]);
        along / scale
    }

    /// The derivative of the activation function, or what RelP has in its place: `[b, p, m]`.
    fn slope(&self, x: Tensor<3>) -> Tensor<3> {
        // gelu(x) = x phi(x), and phi(0) = 1/2.
        let zero = x.zeros(x.dims());
        let nonzero = x.clone() + (x.clone().differs(zero) * -1.0 + 1.0) * 1e-20;
        let phi = gelu_new(nonzero.clone()) / nonzero;
        if self.rules.relevance {
            return phi;
        }
        let inner = (x.clone() * x.clone() * SLOPE_CUBE + SLOPE) * x; // x u', u being what phi is the sigmoid of
        phi.clone() + phi.clone() * (phi * -1.0 + 1.0) * inner
    }

    /// Scores the edges of some readers of the same nodes from the gradients of their inputs, `[r b, p, d]`.
    fn score(&self, readers: Vec<Reader>, gradients: Tensor<3>, scored: &mut Vec<Scored>) {
        let ([rows, p, d], r) = (gradients.dims(), readers.len());
        let (b, nodes) = (rows / r, self.graph.sources(readers[0]));
        let differences = self.differences.clone().slice([0..nodes, 0..b, 0..p, 0..d]);
        let differences = differences.reshape([nodes, b, p * d]).swap_dims(0, 1).contiguous(); // [b, nodes, p d]
        let gradients = gradients.reshape([r, b * p * d]).transpose().contiguous().reshape([b, p * d, r]);
        flops::matmul(b * nodes, p * d, r);
        let none = differences.zeros([nodes, r]);
        scored.push(Scored { readers, numbers: products(differences, gradients, none) });
    }

    /// The activations of the run whose token embeddings lie `share` of the way from one run's to the other's.
    ///
    /// # Errors
    /// [`crate::error::Error::Compute`], [`crate::error::Error::UnknownSite`].
    pub(crate) fn between(
        &self,
        [from, to]: [&Run; 2],
        share: f32,
        sites: &Vec<Site>,
    ) -> Result<ActivationCache> {
        let (from_embed, to_embed): (Tensor<3>, Tensor<3>) =
            (from.cache.tensor(Site::Embed)?, to.cache.tensor(Site::Embed)?);
        let [b, p, d] = from_embed.dims();
        let embed = from_embed.clone() + (to_embed - from_embed) * share;
        let edit = Edit {
            site: Site::Embed,
            range: vec![0..b, 0..p, 0..d],
            change: Change::Replace(Activation::Three(embed)),
        };
        let edits = [edit];
        let mut hooks = Hooks::new(Some(sites), &edits);
        self.model.forward(&to.batch, &mut hooks)?;
        hooks.finish()
    }
}

/// Twice sqrt(2/pi), and the same times 3 * 0.044715: of the derivative of `2 sqrt(2/pi) (x + 0.044715 x^3)`.
const SLOPE: f32 = 1.595_769_2;
const SLOPE_CUBE: f32 = 3.0 * 0.044715 * SLOPE;

/// The gradient of a product's left side: `[b, p, outputs] x weight [inputs, outputs] -> [b, p, inputs]`.
fn back_through(gradient: Tensor<3>, weight: &Tensor<2>) -> Tensor<3> {
    let ([b, p, outputs], [inputs, _]) = (gradient.dims(), weight.dims());
    flops::matmul(b * p, outputs, inputs);
    product(gradient.reshape([b * p, outputs]), weight.clone().transpose()).reshape([b, p, inputs])
}

/// 1 at each prompt's last position and 0 elsewhere, `[b, p, 1]`.
fn at_the_ends(batch: &Batch, like: &Tensor<3>) -> Tensor<3> {
    let (b, p) = (batch.prompts(), batch.positions());
    let ends = batch.ends();
    let numbers: Vec<f32> = ends
        .iter()
        .flat_map(|&end| (0..p).map(move |position| f32::from(u8::from(position == end))))
        .collect();
    Tensor::from_data(TensorData::new(numbers, [b, p, 1]), &like.device())
}

/// The sum over a node's outgoing edges, for every node: what replacing the node everywhere would do, to first order (attribution
/// patching, AtP).
pub(crate) fn by_node(graph: &Graph, edges: &PerPrompt) -> PerPrompt {
    let mut nodes = PerPrompt::from_rows(edges.prompts(), vec![0.0; graph.nodes().len() * edges.prompts()]);
    for (edge, (node, _)) in graph.edges().enumerate() {
        let sum = nodes.row_mut(graph.node_index(node));
        sum.iter_mut().zip(edges.row(edge)).for_each(|(sum, score)| *sum += score);
    }
    nodes
}
