//! Circuits: what is left of the logit difference when only some edges of the model's graph carry what the clean run writes.
//!
//! A circuit is run as EAP-IG's `evaluate_graph` runs it (Hanna et al. 2024), unpruned: nodes are computed in their order, and each
//! reader's input is the position embeddings, the biases, and for every node before it what it writes in this run if the edge is in
//! the circuit, and else what stands in its place. LayerNorms are live. Without any edge, and the corrupted prompt in the place of what
//! is missing, that is the corrupted run; with all edges, the clean run.
//!
//! Shapes: `c` circuits run at once, `b` prompts, `p` positions, `d` the stream's width, `h` heads of width `e`, `r` readers. Rows
//! are circuits times prompts, cycling through the prompts.

pub(crate) mod select;
pub mod text;

use std::ops::Range;

use burn::tensor::TensorData;
use patchlab_kernels::{Tensor, gelu_new, layer_norm, products};

use crate::error::Result;
use crate::graph::{Graph, Part, Reader};
use crate::model::forward::attention;
use crate::model::span::at_ends;
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

/// Circuits while they are run.
struct Live {
    /// What the nodes so far write in these runs less what stands in its place, `[c, n, b p d]`.
    differences: Tensor<3>,
    /// Position embeddings, biases, and what stands in the place of all nodes so far, `[b, p, d]`.
    instead: Tensor<3>,
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
    /// The logit difference of each circuit on each prompt. A circuit says of every edge, in the graph's order, whether it has it.
    ///
    /// # Errors
    /// [`crate::error::Error::Compute`], [`crate::error::Error::UnknownSite`].
    pub(crate) async fn run(&self, circuits: &[Vec<bool>]) -> Result<Vec<Vec<f64>>> {
        let (model, config) = (self.model, &self.model.config);
        let (c, h) = (circuits.len(), config.n_heads);
        let [_, b, p, d] = self.instead.dims();
        let span = model.everywhere(p);
        let mut live = self.begin(c)?;
        for layer in 0..config.n_layers {
            let block = &model.blocks[layer];
            let readers = |part| (0..h).map(move |head| Reader::Head(layer, head, part)).collect::<Vec<_>>();
            let parts = Part::ALL.map(|part| {
                let input = self.input(&live, &readers(part), circuits); // [h, c b p, d]
                self.read_by_head(layer, part, input, [c * b, p])
            });
            let [q, k, v] = parts; // [c b, p, h, e]
            let z = attention(q, k, v, &span);
            let heads = written(model, layer, z).reshape([h, c, b * p * d]).swap_dims(0, 1).contiguous();
            self.add(&mut live, heads, Some(block.output.bias.clone()));
            let input = self.input(&live, &[Reader::Mlp(layer)], circuits).reshape([c * b, p, d]);
            let x = layer_norm(input, config.eps).normalized;
            let mlp = block.mlp_out.apply(gelu_new(block.mlp_in.apply(x))); // [c b, p, d]
            self.add(&mut live, mlp.reshape([c, 1, b * p * d]), None);
        }
        let input = self.input(&live, &[Reader::Logits], circuits).reshape([c * b, p, d]);
        let last = at_ends(input, &self.clean.batch.ends()); // [c b, 1, d]
        let last = layer_norm(last, config.eps).normalized.reshape([c * b, d]);
        let numbers = readback::read(self.readout.of(model, last)).await?;
        let rows: Vec<&[f32]> = numbers.chunks_exact(self.readout.width()).collect();
        let difference = |(prompt, row): (usize, &&[f32])| {
            let read = self.readout.unpack(prompt, row);
            read.answer - read.distractor
        };
        Ok(rows.chunks_exact(b).map(|rows| rows.iter().enumerate().map(difference).collect()).collect())
    }

    /// How many circuits may be run at once with this much memory.
    pub(crate) fn at_once(&self, bytes: u64) -> usize {
        let [nodes, b, p, d] = self.instead.dims();
        // Differences once more while a node is added, and what the heads of a layer read and write.
        let numbers = (2 * nodes + 6 * self.model.config.n_heads) * b * p * d;
        (bytes / (4 * numbers as u64)).max(1) as usize
    }

    /// The runs of `c` circuits after the embeddings.
    fn begin(&self, c: usize) -> Result<Live> {
        let embed: Tensor<3> = self.clean.cache.tensor(Site::Embed)?;
        let positions: Tensor<3> = self.clean.cache.tensor(Site::PosEmbed)?;
        let [b, p, d] = embed.dims();
        let instead = self.instead_of(0..1).reshape([b, p, d]);
        let difference = (embed - instead.clone()).reshape([1, 1, b * p * d]);
        Ok(Live {
            differences: difference.expand([c, 1, b * p * d]).contiguous(),
            instead: positions + instead,
        })
    }

    /// What stands in the place of some nodes, `[1, n, b p d]`.
    fn instead_of(&self, nodes: Range<usize>) -> Tensor<3> {
        let [_, b, p, d] = self.instead.dims();
        let n = nodes.len();
        self.instead.clone().slice([nodes, 0..b, 0..p, 0..d]).reshape([1, n, b * p * d])
    }

    /// Adds nodes that have been computed, `[c, n, b p d]`, and a bias that every later reader gets.
    fn add(&self, live: &mut Live, outputs: Tensor<3>, bias: Option<Tensor<2>>) {
        let ([_, before, _], [_, n, _]) = (live.differences.dims(), outputs.dims());
        let instead = self.instead_of(before..before + n);
        let differences = outputs - instead.clone();
        live.differences = Tensor::cat(vec![live.differences.clone(), differences], 1);
        let [b, p, d] = live.instead.dims();
        let stream = live.instead.clone() + instead.sum_dim(1).reshape([b, p, d]);
        live.instead = match bias {
            Some(bias) => stream + bias.reshape([1, 1, d]),
            None => stream,
        };
    }

    /// The inputs of some readers of the same nodes: `[r, c b p, d]`.
    fn input(&self, live: &Live, readers: &[Reader], circuits: &[Vec<bool>]) -> Tensor<3> {
        let [b, p, d] = live.instead.dims();
        let [c, nodes, size] = live.differences.dims();
        let r = readers.len();
        let of = |edges: &Vec<bool>| {
            let of_reader = |reader: &Reader| edges[self.graph.edges_of(*reader)].to_vec();
            readers.iter().flat_map(of_reader).map(|is_in| f32::from(u8::from(is_in))).collect::<Vec<f32>>()
        };
        let mask = TensorData::new(circuits.iter().flat_map(of).collect(), [c, r, nodes]);
        let mask: Tensor<3> = Tensor::from_data(mask, &live.instead.device());
        flops::matmul(c * r, nodes, size);
        let instead = live.instead.clone().reshape([1, size]).expand([r, size]).contiguous();
        let inputs = products(mask, live.differences.clone(), instead); // [c, r, b p d]
        inputs.swap_dims(0, 1).contiguous().reshape([r, c * b * p, d])
    }

    /// Each head's queries, keys or values from an input of its own: `[h, n p, d] -> [n, p, h, e]`.
    fn read_by_head(&self, layer: usize, part: Part, input: Tensor<3>, [n, p]: [usize; 2]) -> Tensor<4> {
        let config = &self.model.config;
        let (h, e, d) = (config.n_heads, config.d_head, config.d_model);
        let qkv = &self.model.blocks[layer].qkv;
        let columns = part as usize * d..(part as usize + 1) * d;
        let x = layer_norm(input, config.eps).normalized;
        let weight = qkv.weight.clone().slice([0..d, columns.clone()]).reshape([d, h, e]);
        let weight = weight.swap_dims(0, 1).contiguous(); // [h, d, e]
        flops::matmul(h * n * p, d, e);
        let none = x.zeros([n * p, e]);
        let read = products(x, weight, none).swap_dims(0, 1).contiguous(); // [n p, h, e]
        let bias = qkv.bias.clone().slice([0..1, columns]).reshape([1, h, e]);
        (read + bias).reshape([n, p, h, e])
    }
}
