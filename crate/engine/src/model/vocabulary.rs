//! The vocabulary's matrices: embedding and unembedding.
//!
//! GPT-2 ties the two, so the checkpoint's rows are held once, raw. What TransformerLens does to them
//! (centred `W_E`; `W_U` with the final LayerNorm folded in and centred over the vocabulary) is applied to
//! the few vectors that pass through instead:
//!
//! `logits = rows . h - mean(rows) . h`, where `h = normalized * gain + bias` of the final LayerNorm.
//!
//! The rows are held in blocks, because GPT-2's take 154 MB and WebGPU guarantees bindings of only 128 MiB.

use burn::tensor::TensorData;
use patchlab_kernels::{Indices, Tensor};

use crate::answers::Compared;
use crate::model::flops;

/// Maximum size of a block: well below the smallest binding limit that a WebGPU device may have.
const BLOCK_BYTES: usize = 32 << 20;

/// A matrix with one row per token, in blocks.
#[derive(Debug, Clone)]
pub struct VocabBlocks {
    /// Each `[block, d_model]`; all but the last have [`Self::block_rows`] rows.
    blocks: Vec<Tensor<2>>,
    block_rows: usize,
    d_model: usize,
}

impl VocabBlocks {
    /// Number of rows of width `d_model` in a block.
    pub fn rows_per_block(d_model: usize) -> usize {
        (BLOCK_BYTES / (4 * d_model)).max(1)
    }

    /// Takes blocks of [`Self::rows_per_block`] rows each; the last may be shorter.
    pub fn new(blocks: Vec<Tensor<2>>, d_model: usize) -> Self {
        Self { blocks, block_rows: Self::rows_per_block(d_model), d_model }
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> &[Tensor<2>] {
        &self.blocks
    }

    /// The rows of these tokens: `[ids, d_model]`.
    pub fn select(&self, ids: &[u32]) -> Tensor<2> {
        let device = self.blocks[0].device();
        let indices = |numbers: Vec<i32>| Indices::new(numbers.clone(), [numbers.len()], &device);
        // Gather block by block, then restore the requested order.
        let mut order = vec![0; ids.len()];
        let mut gathered = Vec::new();
        let mut count = 0;
        for (index, block) in self.blocks.iter().enumerate() {
            let mut here = Vec::new();
            for (place, &id) in ids.iter().enumerate() {
                if id as usize / self.block_rows == index {
                    order[place] = count + here.len() as i32;
                    here.push((id as usize % self.block_rows) as i32);
                }
            }
            if !here.is_empty() {
                count += here.len() as i32;
                gathered.push(block.clone().select(&indices(here))); // [here, d_model]
            }
        }
        if gathered.len() == 1 {
            return gathered.remove(0); // already in order: every id was in this block
        }
        Tensor::cat(gathered, 0).select(&indices(order)) // [ids, d_model]
    }

    /// Width of a row.
    pub fn d_model(&self) -> usize {
        self.d_model
    }
}

/// The map from the final LayerNorm's output to logits.
#[derive(Debug, Clone)]
pub struct Unembedding {
    /// Raw rows: `wte`, or `lm_head` where the checkpoint has one.
    pub vocab: VocabBlocks,
    /// The mean row, `[1, d_model]`: subtracting its product centres the unembedding (`center_unembed`).
    pub mean: Tensor<2>,
    /// The final LayerNorm's gain, `[1, d_model]`.
    pub gain: Tensor<2>,
    /// The final LayerNorm's bias, `[1, d_model]`.
    pub bias: Tensor<2>,
}

impl Unembedding {
    /// Logits of every token, in blocks of the vocabulary: `normalized [n, d_model] -> [n, block]` each.
    pub fn logits(&self, normalized: Tensor<2>) -> Vec<Tensor<2>> {
        let (h, mean_logit) = self.prepare(normalized); // [n, d_model], [n, 1]
        self.products(h, mean_logit)
    }

    /// The map to the mean logits of the tokens that are compared, answers and distractors.
    pub(crate) fn choose(&self, compared: &[Compared]) -> ChosenTokens {
        let sets: Vec<&[u32]> = compared.iter().flatten().map(Vec::as_slice).collect();
        self.choose_rows(self.mean_rows(&sets).reshape([compared.len(), 2, self.vocab.d_model()]))
    }

    /// The map to the logits of each of some tokens, of which all prompts have as many.
    pub(crate) fn choose_each(&self, ids: &[Vec<u32>]) -> ChosenTokens {
        let (prompts, all) = (ids.len(), ids.concat());
        self.choose_rows(self.vocab.select(&all).reshape([
            prompts,
            all.len() / prompts,
            self.vocab.d_model(),
        ]))
    }

    /// The mean row of each set of tokens: `[sets, d_model]`.
    fn mean_rows(&self, sets: &[&[u32]]) -> Tensor<2> {
        let longest = sets.iter().map(|set| set.len()).max().unwrap_or(1);
        // Shorter sets are filled with their first token, which does not count.
        let filled = |set: &&[u32]| (0..longest).map(|i| *set.get(i).unwrap_or(&set[0])).collect::<Vec<_>>();
        let ids: Vec<u32> = sets.iter().flat_map(filled).collect();
        let rows = self.vocab.select(&ids); // [sets longest, d_model]
        if longest == 1 {
            return rows;
        }
        let weight = |set: &&[u32]| {
            let share = 1.0 / set.len() as f32;
            (0..longest).map(|i| if i < set.len() { share } else { 0.0 }).collect::<Vec<_>>()
        };
        let weights: Vec<f32> = sets.iter().flat_map(weight).collect();
        let weights = TensorData::new(weights, [sets.len(), longest, 1]);
        let weights: Tensor<3> = Tensor::from_data(weights, &self.mean.device());
        let d_model = self.vocab.d_model();
        (rows.reshape([sets.len(), longest, d_model]) * weights).sum_dim(1).reshape([sets.len(), d_model])
    }

    /// The map to each prompt's mean logit under a distribution over the vocabulary, and to the mean logit: in the place of a
    /// token's row stands the distribution's mean row. `distributions`: for each prompt, a probability for each token.
    pub(crate) fn choose_mean(&self, distributions: &[Vec<f64>]) -> ChosenTokens {
        let (prompts, d_model) = (distributions.len(), self.vocab.d_model());
        let device = self.mean.device();
        let mut first = 0;
        let mut rows: Option<Tensor<2>> = None;
        for block in self.vocab.blocks() {
            let [size, _] = block.dims();
            let of_prompt =
                |all: &Vec<f64>| all[first..first + size].iter().map(|&p| p as f32).collect::<Vec<f32>>();
            let weights: Vec<f32> = distributions.iter().flat_map(of_prompt).collect();
            let weights = Tensor::from_data(TensorData::new(weights, [prompts, size]), &device); // [prompts, block]
            flops::matmul(prompts, size, d_model);
            let part = patchlab_kernels::product(weights, block.clone()); // [prompts, d_model]
            rows = Some(match rows {
                Some(rows) => rows + part,
                None => part,
            });
            first += size;
        }
        let rows = rows.unwrap_or_else(|| self.mean.clone().expand([prompts, d_model]));
        self.choose_rows(rows.reshape([prompts, 1, d_model]))
    }

    /// The map to the logits that these rows of the vocabulary give, `[prompts, k, d_model]`.
    fn choose_rows(&self, rows: Tensor<3>) -> ChosenTokens {
        let [prompts, k, d_model] = rows.dims();
        let mean: Tensor<3> = self.mean.clone().unsqueeze::<3>().expand([prompts, 1, d_model]); // [prompts, 1, d_model]
        let all = Tensor::cat(vec![rows - mean.clone(), mean], 1); // [prompts, k + 1, d_model]
        let constants = (all.clone() * self.bias.clone().unsqueeze()).sum_dim(2); // [prompts, k + 1, 1]
        ChosenTokens {
            directions: all * self.gain.clone().unsqueeze(),
            constants: constants.reshape([prompts, k + 1]),
        }
    }

    /// What [`Self::vocab`] is multiplied by: `normalized [n, d_model] -> [n, d_model]`.
    pub(crate) fn scaled(&self, normalized: Tensor<2>) -> Tensor<2> {
        normalized * self.gain.clone() + self.bias.clone()
    }

    /// For each prompt, the direction that raises the answers' mean logit over the distractors' in the
    /// space after the final LayerNorm's division, `[prompts, d_model]`, and what the LayerNorm's bias adds to
    /// their logit difference, `[prompts, 1]` (`tokens_to_residual_directions` of a folded model).
    pub fn directions(&self, compared: &[Compared]) -> (Tensor<2>, Tensor<2>) {
        let rows = |which: usize| {
            self.mean_rows(&compared.iter().map(|sets| sets[which].as_slice()).collect::<Vec<_>>())
        };
        let difference = rows(0) - rows(1); // [prompts, d_model]; the vocabulary's mean cancels
        let bias = (difference.clone() * self.bias.clone()).sum_dim(1); // [prompts, 1]
        (difference * self.gain.clone(), bias)
    }

    /// The direction that raises the mean logit of each set of tokens over the mean of all, in the space after the final LayerNorm's
    /// division: `[sets, d_model]` (of a single token a column of `W_U` of a folded, centred model).
    pub(crate) fn columns(&self, sets: &[&[u32]]) -> Tensor<2> {
        (self.mean_rows(sets) - self.mean.clone()) * self.gain.clone()
    }

    /// The logits that vectors written into the residual stream add, without the LayerNorm's bias and scale:
    /// `written [n, d_model] -> [n, block]` each (a row of `W_out` times `W_U`).
    pub(crate) fn logits_written(&self, written: Tensor<2>) -> Vec<Tensor<2>> {
        let h = written * self.gain.clone(); // [n, d_model]
        let mean_logit = (h.clone() * self.mean.clone()).sum_dim(1); // [n, 1]
        self.products(h, mean_logit)
    }

    /// The raw rows times `h [n, d_model]`, minus `mean_logit [n, 1]`: `[n, block]` each.
    fn products(&self, h: Tensor<2>, mean_logit: Tensor<2>) -> Vec<Tensor<2>> {
        let [n, d_model] = h.dims();
        let of_block = |block: &Tensor<2>| {
            flops::matmul(n, d_model, block.dims()[0]);
            patchlab_kernels::product(h.clone(), block.clone().transpose()) - mean_logit.clone() // [n, block]
        };
        self.vocab.blocks().iter().map(of_block).collect()
    }

    /// The vector to multiply the raw rows by, `[n, d_model]`, and the mean logit over the vocabulary,
    /// `[n, 1]`.
    fn prepare(&self, normalized: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let h = self.scaled(normalized); // [n, d_model]
        let mean_logit = (h.clone() * self.mean.clone()).sum_dim(1); // [n, 1]
        (h, mean_logit)
    }
}

/// The map from the final LayerNorm's output to the logits of `k` tokens per prompt, and to the mean logit over
/// the vocabulary, which they are relative to.
#[derive(Debug, Clone)]
pub(crate) struct ChosenTokens {
    /// `[prompts, k + 1, d_model]`; the last is the mean's.
    directions: Tensor<3>,
    /// What the final LayerNorm's bias adds, `[prompts, k + 1]`.
    constants: Tensor<2>,
}

impl ChosenTokens {
    /// Logits and mean: `normalized [n, d_model] -> [n, k + 1]`. With more rows than prompts the prompts are
    /// cycled, so that many patches of the same prompts share them.
    pub(crate) fn of(&self, normalized: Tensor<2>) -> Tensor<2> {
        let ([n, d_model], [_, k]) = (normalized.dims(), self.constants.dims());
        flops::matmul(n, d_model, k);
        patchlab_kernels::chosen_logits(normalized, self.directions.clone(), self.constants.clone())
    }

    /// Restricted to these prompts.
    pub(crate) fn only(&self, prompts: &Indices<1>) -> Self {
        Self {
            directions: self.directions.clone().select(prompts),
            constants: self.constants.clone().select(prompts),
        }
    }
}
