//! What is read from a run's final logits: those of each prompt's answer and distractor and, if wanted,
//! log-sum-exp and the answer's rank in the whole vocabulary.

use burn::tensor::{Int, Tensor, TensorData};

use crate::metrics::LogitStats;
use crate::model::Model;
use crate::prompts::PreparedCase;

/// Budget for logits that exist at the same time.
const LOGIT_BYTES: usize = 32 << 20;

/// The tokens whose logits are read, on the device.
#[derive(Debug, Clone)]
pub struct Readout {
    /// The answer and the distractor of each prompt.
    pairs: Vec<[u32; 2]>,
    /// Their columns in each block of the vocabulary. None if log-sum-exp and rank are not wanted.
    blocks: Option<Vec<BlockColumns>>,
}

/// Columns of the tokens in one block of the vocabulary.
#[derive(Debug, Clone)]
struct BlockColumns {
    /// Their columns, `[prompts, 2]`; arbitrary for tokens in other blocks.
    columns: Tensor<2, Int>,
    /// 1 for tokens in this block, 0 for the others, `[prompts, 2]`.
    here: Tensor<2>,
}

impl Readout {
    /// Reads the answers and distractors of some cases.
    pub fn new(model: &Model, cases: &[PreparedCase], vocabulary: bool) -> Self {
        let pairs: Vec<[u32; 2]> = cases.iter().map(|case| [case.answer, case.distractor]).collect();
        let blocks = vocabulary.then(|| {
            let mut first = 0;
            let block_of = |block: &Tensor<2>| {
                let [rows, _] = block.dims();
                let columns = BlockColumns::new(&pairs, first, rows, model);
                first += rows;
                columns
            };
            model.unembedding.vocab.blocks().iter().map(block_of).collect()
        });
        Self { pairs, blocks }
    }

    /// Restricted to these prompts, by index.
    #[must_use]
    pub fn only(&self, model: &Model, prompts: &[usize]) -> Self {
        let chosen =
            crate::model::vocabulary::indices(prompts.iter().map(|&i| i as i32).collect(), &model.device);
        Self {
            pairs: prompts.iter().map(|&prompt| self.pairs[prompt]).collect(),
            blocks: self.blocks.as_ref().map(|blocks| {
                let only = |block: &BlockColumns| BlockColumns {
                    columns: block.columns.clone().select(0, chosen.clone()),
                    here: block.here.clone().select(0, chosen.clone()),
                };
                blocks.iter().map(only).collect()
            }),
        }
    }

    /// Answer and distractor of each prompt.
    pub fn pairs(&self) -> &[[u32; 2]] {
        &self.pairs
    }

    /// Numbers per row of [`Self::of`].
    pub(crate) fn width(&self) -> usize {
        if self.blocks.is_some() { 4 } else { 2 }
    }

    /// From the final LayerNorm's output to the numbers of [`LogitStats`]:
    /// `normalized [n, d] -> [n, 2 or 4]`. With more rows than prompts the prompts are cycled.
    pub fn of(&self, model: &Model, normalized: Tensor<2>) -> Tensor<2> {
        let Some(blocks) = &self.blocks else {
            let ids: Vec<Vec<u32>> = self.pairs.iter().map(|pair| pair.to_vec()).collect();
            return model.unembedding.logits_of(normalized, &ids); // [n, 2]
        };
        let [n, d] = normalized.dims();
        let rows = LOGIT_BYTES / (4 * model.config.d_vocab);
        // Whole cycles of the prompts, so that every piece starts with the first one.
        let rows = (rows / self.pairs.len()).max(1) * self.pairs.len();
        let piece = |start: usize| {
            let end = (start + rows).min(n);
            whole(model, normalized.clone().slice([start..end, 0..d]), blocks)
        };
        Tensor::cat((0..n).step_by(rows).map(piece).collect(), 0) // [n, 4]
    }

    /// Unpacks the numbers of [`Self::of`] for one run.
    pub fn stats(&self, numbers: &[f32]) -> LogitStats {
        let mut stats = LogitStats::new(1, self.pairs.len(), self.blocks.is_some());
        for (prompt, numbers) in numbers.chunks_exact(self.width()).enumerate() {
            stats.set(0, prompt, numbers);
        }
        stats
    }
}

impl BlockColumns {
    /// For the block of `rows` tokens that starts at token `first`.
    fn new(pairs: &[[u32; 2]], first: usize, rows: usize, model: &Model) -> Self {
        let ids = || pairs.iter().flatten().map(|&id| (id as usize).wrapping_sub(first));
        let columns: Vec<i32> = ids().map(|place| if place < rows { place as i32 } else { 0 }).collect();
        let here: Vec<f32> = ids().map(|place| if place < rows { 1.0 } else { 0.0 }).collect();
        Self {
            columns: Tensor::from_data(TensorData::new(columns, [pairs.len(), 2]), &model.device),
            here: Tensor::from_data(TensorData::new(here, [pairs.len(), 2]), &model.device),
        }
    }

    /// The requested logits that are in this block, 0 for the others: `logits [n, block] -> [n, 2]`.
    fn logits(&self, logits: Tensor<2>) -> Tensor<2> {
        let [n, _] = logits.dims();
        let [prompts, two] = self.columns.dims();
        let shape = [n / prompts, prompts, two];
        let columns = self.columns.clone().unsqueeze::<3>().expand(shape).reshape([n, two]); // [n, 2]
        let here = self.here.clone().unsqueeze::<3>().expand(shape).reshape([n, two]); // [n, 2]
        logits.gather(1, columns) * here
    }
}

/// Logits of answer and distractor, log-sum-exp of all logits, and the number of tokens likelier than the
/// answer: `normalized [n, d] -> [n, 4]`. The answer's logit is taken from the same product as the others, so
/// that rounding cannot rank it below itself.
fn whole(model: &Model, normalized: Tensor<2>, blocks: &[BlockColumns]) -> Tensor<2> {
    let logits = model.unembedding.logits(normalized); // [n, block] each
    let asked = logits.iter().zip(blocks).map(|(block, columns)| columns.logits(block.clone()));
    let Some(asked) = asked.reduce(|sum, block| sum + block) else { unreachable!("a vocabulary has tokens") };
    let [n, two] = asked.dims();
    let answer = asked.clone().slice([0..n, 0..1]); // [n, 1]
    let tops = logits.iter().map(|block| block.clone().max_dim(1)).collect();
    let top = Tensor::<2>::cat(tops, 1).max_dim(1); // [n, 1]
    let mut sum = Tensor::<2>::zeros([n, 1], &model.device);
    let mut above = Tensor::<2>::zeros([n, 1], &model.device);
    for block in logits {
        let [_, width] = block.dims();
        let likelier = block.clone().greater(answer.clone().expand([n, width])); // [n, block]
        above = above + likelier.float().sum_dim(1);
        sum = sum + (block - top.clone()).exp().sum_dim(1);
    }
    debug_assert_eq!(two, 2, "an answer and a distractor");
    Tensor::cat(vec![asked, sum.log() + top, above], 1) // [n, 4]
}
