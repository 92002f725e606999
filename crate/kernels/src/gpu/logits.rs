//! What is read from final logits, without the logits of the whole vocabulary in memory.

use burn::tensor::{Int, Tensor};

use super::product::{Block, SUMMARIZED, summarize_products};
use super::shader::{Shader, file, output, spread};
use super::{contiguous, integers, tensor};

/// See [`crate::chosen_logits`].
pub(crate) fn chosen_logits(normalized: Tensor<2>, directions: Tensor<3>, constants: Tensor<2>) -> Tensor<2> {
    let ([rows, d], [prompts, count, _]) = (normalized.dims(), directions.dims());
    let (normalized, directions) = (contiguous(normalized), contiguous(directions));
    let logits = output([rows, count], &normalized);
    let by_four = d.is_multiple_of(4);
    let ([y, z], first) = spread(rows);
    let width = if by_four { d / 4 } else { d };
    let info = [rows, width, count, prompts, first].map(|number| number as u32);
    let shader = Shader { text: file!("chosen_logits"), threads: [64, 1], by_four };
    let inputs = [&normalized, &directions, &contiguous(constants)];
    shader.launch(&inputs, &[&logits], &info, [count, y, z]);
    tensor(logits)
}

/// See [`crate::vocabulary`]: `h [n, d]`, `chosen [n, 3]`, `tokens [prompts, 2]`.
pub(crate) fn vocabulary(
    h: Tensor<2>,
    blocks: &[Tensor<2>],
    chosen: Tensor<2>,
    tokens: Tensor<2, Int>,
) -> Tensor<2> {
    let [rows, _] = h.dims();
    let [prompts, _] = tokens.dims();
    let (h, chosen, tokens) = (contiguous(h), contiguous(chosen), integers(tokens));
    let tiles: usize = blocks.iter().map(|block| block.dims()[0].div_ceil(SUMMARIZED)).sum();
    let partial = output([rows, tiles, 4], &h);
    let (mut first_token, mut first_tile) = (0, 0);
    for block in blocks {
        let [count, _] = block.dims();
        let place = Block {
            chosen: &chosen,
            tokens: &tokens,
            partial: &partial,
            prompts,
            first_token,
            first_tile,
            tiles,
        };
        summarize_products(&h, &contiguous(block.clone()), &place);
        first_token += count;
        first_tile += count.div_ceil(SUMMARIZED);
    }
    let found = output([rows, 4], &h);
    let ([y, z], first) = spread(rows);
    let info = [rows, tiles, first].map(|number| number as u32);
    let shader = Shader { text: file!("vocabulary"), threads: [64, 1], by_four: true };
    shader.launch(&[&chosen, &partial], &[&found], &info, [1, y, z]);
    tensor(found)
}
