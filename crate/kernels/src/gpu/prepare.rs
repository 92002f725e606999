//! Every kernel launched once. A new kernel is a line here; `tests/browser/counts.test.mjs` fails if a study compiles one
//! that opening a model did not.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::combine::{Operation, Reduction, Right};
use super::product::{After, multiply_in};
use super::tile::{FEW, Tile};
use super::{attention, combine, logits, rows};

/// See [`crate::prepare`].
pub(crate) fn prepare(d_model: usize, d_head: usize, device: &Device) -> Tensor<1> {
    // As many numbers as it takes to be read in the same way as the model's.
    let width = if d_model.is_multiple_of(4) { 4 } else { 1 };
    // One upload: each is a submission.
    let all = d_head.max(32 * 4 * 4);
    let all = Tensor::<2>::from_data(TensorData::new(vec![1.0f32; all], [1, all]), device);
    let ones =
        |count: usize| combine::reshape::<2, 1>(combine::slice(all.clone(), [0..1, 0..count]), [count]);
    let zero =
        |count: usize| Tensor::<1, Int>::from_data(TensorData::new(vec![0i32; count], [count]), device);
    let row: Tensor<2> = ones(width).reshape([1, width]);
    let mut last: Vec<Tensor<1>> = Vec::new();

    // Products: each tile, with the right side's rows or columns at hand, also for an odd number of positions.
    let square = |size: usize| ones(size * size).reshape([1, 1, size, size]);
    for (tile, size) in Tile::all().iter().flat_map(|&tile| [(tile, width), (tile, 3)]) {
        for right in [square(size), square(size).swap_dims(2, 3)] {
            let product = multiply_in(tile, 1, square(size), right, After::default(), false);
            last.push(product.reshape([size * size]));
        }
    }
    let long = ones(32 * width).reshape([1, 1, 1, 32 * width]);
    let narrow = ones(32 * width * width).reshape([1, 1, 32 * width, width]);
    last.push(multiply_in(FEW, 2, long, narrow, After::default(), false).reshape([width]));

    let (normalized, _) = rows::layer_norm(row.clone().reshape([1, 1, width]), 1.0);
    last.push(normalized.reshape([width]));
    last.push(rows::gelu_new(ones(width)));
    let one = ones(1).reshape([1, 1]);
    last.push(
        rows::rank_one(row.clone(), row.clone(), one.clone(), one.clone(), row.clone()).reshape([width]),
    );
    last.push(rows::softmax(ones(4).reshape([1, 1, 1, 4])).reshape([4]));
    let head = || ones(d_head).reshape([1, 1, 1, d_head]);
    if attention::fits(d_head) {
        let z = attention::attention([head(), head(), head()], None, zero(1).reshape([1, 1]));
        last.push(z.reshape([d_head]));
    }

    let directions = ones(3 * width).reshape([1, 3, width]);
    let chosen = logits::chosen_logits(row.clone(), directions, ones(3).reshape([1, 3]));
    let found = logits::vocabulary(row.clone(), std::slice::from_ref(&row), chosen, zero(2).reshape([1, 2]));
    last.push(found.reshape([4]));

    let sum = combine::reduce(combine::select(row, zero(1)), 1, Reduction::Sum); // [1, 1]
    last.push(combine::combine(sum.reshape([1]), Right::Number(0.0), Operation::Add));
    combine::cat(last, 0)
}
