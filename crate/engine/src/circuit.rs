//! Circuits: what is left of the logit difference when only some edges of the model's graph carry what the clean run writes.
//!
//! A circuit is run as EAP-IG's `evaluate_graph` runs it (Hanna et al. 2024), unpruned: nodes are computed in their order, and each
//! reader's input is the position embeddings, the biases, and for every node before it what it writes in this run if the edge is in
//! the circuit, and else what stands in its place. LayerNorms are live. Without any edge, and the corrupted prompt in the place of what
//! is missing, that is the corrupted run; with all edges, the clean run.
//!
//! Shapes: `b` prompts, `p` positions, `d` the stream's width, `h` heads of width `e`, `r` readers.

use burn::tensor::TensorData;
use patchlab_kernels::{Tensor, gelu_new, layer_norm, product, products};

use crate::error::Result;
use crate::graph::{Graph, Part, Reader};
use crate::metrics::LogitStats;
use crate::model::forward::attention;
use crate::model::{Model, flops};
use crate::readback;
use crate::runs::{Readout, Run};
use crate::site::{BlockSite, Site};

/// Runs circuits on some prompts.
pub(crate) struct Circuits<'a> {
    pub model: &'a Model,
    pub graph: &'a Graph,
    /// The clean run, which has recorded [`Site::Embed`] and [`Site::PosEmbed`].
    pub clean: &'a Run,
    pub readout: &'a Readout,
    /// What stands in the place of each node's output where an edge is missing, `[nodes, b, p, d]`.
    pub instead: &'a Tensor<4>,
}

/// A circuit while it is run.
struct Live {
    /// What the nodes so far write in this run less what stands in its place, `[n, b p d]`.
    differences: Vec<Tensor<2>>,
    /// Position embeddings, biases, and what stands in the place of all nodes so far, `[b, p, d]`.
    instead: Tensor<3>,
    nodes: usize,
}

/// What each node writes in a run that recorded [`crate::gradients::output_sites`]: `[nodes, b, p, d]`.
///
/// # Errors
/// [`crate::error::Error::UnknownSite`].
pub(crate) fn outputs(model: &Model, run: &Run) -> Result<Tensor<4>> {
    let one = |x: Tensor<3>| {
        let [b, p, d] = x.dims();
        x.reshape([1, b, p, d])
    };
    let mut all = vec![one(run.cache.tensor(Site::Embed)?)];
    for layer in 0..model.config.n_layers {
        let z: Tensor<4> = run.cache.tensor(Site::Block(layer, BlockSite::Z))?; // [b, p, h, e]
        all.push(written(model, layer, z));
        all.push(one(run.cache.tensor(Site::Block(layer, BlockSite::MlpOut))?));
    }
    Ok(Tensor::cat(all, 0))
}

/// What a layer's heads write, without `b_O`: `z [b, p, h, e] -> [h, b, p, d]`.
pub(crate) fn written(model: &Model, layer: usize, z: Tensor<4>) -> Tensor<4> {
    let ([b, p, h, e], d) = (z.dims(), model.config.d_model);
    let output = model.blocks[layer].output.weight.clone().reshape([h, e, d]);
    flops::matmul(h * b * p, e, d);
    let z = z.reshape([b * p, h, e]).swap_dims(0, 1).contiguous();
    let none = z.zeros([b * p, d]);
    products(z, output, none).reshape([h, b, p, d])
}

impl Circuits<'_> {
    /// The final logits of the circuit with these edges, in the order of the graph's.
    ///
    /// # Errors
    /// [`crate::error::Error::Compute`], [`crate::error::Error::UnknownSite`].
    pub(crate) async fn run(&self, edges: &[bool]) -> Result<LogitStats> {
        let (model, config, batch) = (self.model, &self.model.config, &self.clean.batch);
        let (h, d) = (config.n_heads, config.d_model);
        let embed: Tensor<3> = self.clean.cache.tensor(Site::Embed)?;
        let [b, p, _] = embed.dims();
        let positions: Tensor<3> = self.clean.cache.tensor(Site::PosEmbed)?;
        let span = model.everywhere(p);
        let mut live = Live { differences: Vec::new(), instead: positions, nodes: 0 };
        self.add(&mut live, embed.reshape([1, b, p, d]), None);
        for layer in 0..config.n_layers {
            let block = &model.blocks[layer];
            let readers = |part| (0..h).map(move |head| Reader::Head(layer, head, part)).collect::<Vec<_>>();
            let parts = Part::ALL.map(|part| {
                let input = self.input(&live, &readers(part), edges); // [h b, p, d]
                self.read_by_head(layer, part, input, [b, p])
            });
            let [q, k, v] = parts; // [b, p, h, e]
            let z = attention(q, k, v, &span);
            self.add(&mut live, written(model, layer, z), Some(block.output.bias.clone()));
            let input = self.input(&live, &[Reader::Mlp(layer)], edges); // [b, p, d]
            let x = layer_norm(input, config.eps).normalized;
            let mlp = block.mlp_out.apply(gelu_new(block.mlp_in.apply(x))); // [b, p, d]
            self.add(&mut live, mlp.reshape([1, b, p, d]), None);
        }
        let input = self.input(&live, &[Reader::Logits], edges);
        let last = model.last(layer_norm(input, config.eps).normalized, batch); // [b, d]
        Ok(self.readout.stats(&readback::read(self.readout.of(model, last)).await?))
    }

    /// Adds nodes that have been computed, `[n, b, p, d]`, and a bias that every later reader gets.
    fn add(&self, live: &mut Live, outputs: Tensor<4>, bias: Option<Tensor<2>>) {
        let [n, b, p, d] = outputs.dims();
        let instead = self.instead.clone().slice([live.nodes..live.nodes + n, 0..b, 0..p, 0..d]);
        live.nodes += n;
        live.differences.push((outputs - instead.clone()).reshape([n, b * p * d]));
        let sum = instead.reshape([n, b * p * d]).sum_dim(0).reshape([b, p, d]);
        let stream = live.instead.clone() + sum;
        live.instead = match bias {
            Some(bias) => stream + bias.reshape([1, 1, d]),
            None => stream,
        };
    }

    /// The inputs of some readers of the same nodes: `[r b, p, d]`.
    fn input(&self, live: &Live, readers: &[Reader], edges: &[bool]) -> Tensor<3> {
        let [b, p, d] = live.instead.dims();
        let r = readers.len();
        let of = |reader: &Reader| {
            edges[self.graph.edges_of(*reader)].iter().map(|&is_in| f32::from(u8::from(is_in)))
        };
        let mask: Vec<f32> = readers.iter().flat_map(of).collect();
        let mask = TensorData::new(mask, [r, live.nodes]);
        let mask: Tensor<2> = Tensor::from_data(mask, &live.instead.device());
        flops::matmul(r, live.nodes, b * p * d);
        let kept = product(mask, Tensor::cat(live.differences.clone(), 0)); // [r, b p d]
        (kept + live.instead.clone().reshape([1, b * p * d])).reshape([r * b, p, d])
    }

    /// Each head's queries, keys or values from an input of its own: `[h b, p, d] -> [b, p, h, e]`.
    fn read_by_head(&self, layer: usize, part: Part, input: Tensor<3>, [b, p]: [usize; 2]) -> Tensor<4> {
        let config = &self.model.config;
        let (h, e, d) = (config.n_heads, config.d_head, config.d_model);
        let qkv = &self.model.blocks[layer].qkv;
        let columns = part as usize * d..(part as usize + 1) * d;
        let x = layer_norm(input, config.eps).normalized.reshape([h, b * p, d]);
        let weight = qkv.weight.clone().slice([0..d, columns.clone()]).reshape([d, h, e]);
        let weight = weight.swap_dims(0, 1).contiguous(); // [h, d, e]
        flops::matmul(h * b * p, d, e);
        let none = x.zeros([b * p, e]);
        let read = products(x, weight, none).swap_dims(0, 1).contiguous(); // [b p, h, e]
        let bias = qkv.bias.clone().slice([0..1, columns]).reshape([1, h, e]);
        (read + bias).reshape([b, p, h, e])
    }
}
