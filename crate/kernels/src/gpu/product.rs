//! Matrix products, in tiles.
//!
//! A workgroup computes a tile of the result. It copies a slice of the left matrix's rows and of the right
//! one's columns into workgroup memory, adds up their products in registers, and goes on to the next slice,
//! whose numbers were asked for before the additions began.
//!
//! Few rows make few tiles. Then the inner dimension is split among several workgroups, and a second launch
//! adds up their parts.

use burn::tensor::{Int, Tensor};
use burn_cubecl::tensor::CubeTensor;

use super::product_text::{Ending, ProductText};
use super::shader::{Shader, Text, file, output, spread};
use super::tile::{MEDIUM, Tile};
use super::{contiguous, integers, primitive, tensor};

/// What happens to a product before it is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct After {
    /// Added to each row: `[1, n]`.
    pub bias: Option<Tensor<2>>,
    /// Whether the activation function follows.
    pub gelu: bool,
    /// Added at the end, to every batch alike: `[m, n]`.
    pub add: Option<Tensor<2>>,
    /// Scores: multiplied by a factor, and minus infinity beyond a row's destination, `[1 or b, m]`.
    pub mask: Option<(f32, Tensor<2, Int>)>,
}

pub(super) const BIAS: u32 = 1;
pub(super) const GELU: u32 = 2;
pub(super) const ADD: u32 = 4;
pub(super) const MASK: u32 = 8;

/// A matrix per batch: sizes and strides of `[b0, b1, rows, columns]`.
struct Matrices {
    tensor: CubeTensor,
    strides: [usize; 4],
}

impl Matrices {
    fn new(tensor: CubeTensor) -> Self {
        let strides =
            std::array::from_fn(
                |axis| {
                    if tensor.meta.shape()[axis] == 1 { 0 } else { tensor.meta.strides()[axis] }
                },
            );
        Self { tensor, strides }
    }

    /// With the numbers of a row, or if `either` is allowed of a column, next to each other. Whether it is a
    /// column.
    fn readable(tensor: CubeTensor, either: bool) -> (Self, bool) {
        let matrices = Self::new(tensor);
        match matrices.strides {
            [_, _, _, 0 | 1] => (matrices, false),
            [_, _, 0 | 1, _] if either => (matrices, true),
            _ => (Self::new(super::combine::row_major(matrices.tensor)), false),
        }
    }

    /// Whether every row starts at a multiple of four numbers, given which axis is along it.
    fn aligned(&self, along: usize) -> bool {
        (0..4).all(|axis| axis == along || self.strides[axis].is_multiple_of(4))
    }
}

/// `left [b0, b1, m, k] x right [b0, b1, k, n] -> [b0, b1, m, n]`, and then `after`. With `heads_beside` the result
/// is a view of `[b0, m, b1, n]` in memory: the heads of a row next to each other.
pub(crate) fn multiply(left: Tensor<4>, right: Tensor<4>, after: After, heads_beside: bool) -> Tensor<4> {
    let ([b0, b1, m, k], [.., n]) = (left.dims(), right.dims());
    // Scores are masked where they are computed, so their sums are not split.
    let (tile, splits) = Tile::choose(m, n, k, b0 * b1);
    let splits = if after.mask.is_some() { 1 } else { splits };
    multiply_in(tile, splits, left, right, after, heads_beside)
}

/// The same, in given tiles.
pub(super) fn multiply_in(
    tile: Tile,
    splits: usize,
    left: Tensor<4>,
    right: Tensor<4>,
    after: After,
    heads_beside: bool,
) -> Tensor<4> {
    let ([b0, b1, m, k], [.., n]) = (left.dims(), right.dims());
    let (left, _) = Matrices::readable(primitive(left), false);
    let (right, transposed) = Matrices::readable(primitive(right), true);
    let by_four = k.is_multiple_of(4)
        && left.aligned(3)
        && if transposed { right.aligned(2) } else { n.is_multiple_of(4) && right.aligned(3) };
    let depth = k.div_ceil(splits).next_multiple_of(tile.depth);
    let splits = k.div_ceil(depth).max(1);

    let shape = if heads_beside { [b0, m, b1, n] } else { [b0, b1, m, n] };
    let out_strides = if heads_beside { [m * b1 * n, n, b1 * n] } else { [b1 * m * n, m * n, n] };
    let bias = after.bias.map(contiguous);
    let add = after.add.map(contiguous);
    let (mask, lists, factor) = match after.mask {
        Some((factor, destinations)) => {
            let [lists, _] = destinations.dims();
            (Some(integers(destinations)), lists, factor)
        }
        None => (None, 1, 1.0),
    };
    let mut flags = 0;
    for (flag, there) in
        [(BIAS, bias.is_some()), (GELU, after.gelu), (ADD, add.is_some()), (MASK, mask.is_some())]
    {
        flags |= if there { flag } else { 0 };
    }
    let result = output(shape, &left.tensor);
    let parts = (splits > 1).then(|| output([splits, b0 * b1 * m * n], &left.tensor));
    let info = [m, n, k, depth, splits, b1, if splits > 1 { 0 } else { flags as usize }]
        .into_iter()
        .chain([left.strides[2], left.strides[0], left.strides[1]])
        .chain([
            if transposed { right.strides[3] } else { right.strides[2] },
            right.strides[0],
            right.strides[1],
        ])
        .chain([out_strides[2], out_strides[0], out_strides[1], b0 * b1 * m * n])
        .map(|number| number as u32)
        .chain([factor.to_bits(), f32::NEG_INFINITY.to_bits(), lists as u32]);
    let [x, y] = tile.threads();
    let shader = Shader {
        text: Text::Product(ProductText { tile, transposed, by_four, ending: Ending::Write }),
        threads: [x as u32, y as u32],
        by_four,
    };
    let unused = &left.tensor;
    let first = bias.as_ref().or(mask.as_ref()).unwrap_or(unused);
    let inputs = [&left.tensor, &right.tensor, first, add.as_ref().unwrap_or(unused)];
    let groups = [n.div_ceil(tile.columns), m.div_ceil(tile.rows), b0 * b1 * splits];
    shader.launch(&inputs, &[parts.as_ref().unwrap_or(&result)], &info.collect::<Vec<_>>(), groups);
    if let Some(parts) = parts {
        add_parts(&parts, bias.as_ref(), add.as_ref(), &result, [splits, b0 * b1, m, n], flags);
    }
    let result: Tensor<4> = tensor(result);
    if heads_beside { result.swap_dims(1, 2) } else { result }
}

/// Adds up the parts of a split product.
fn add_parts(
    parts: &CubeTensor,
    bias: Option<&CubeTensor>,
    add: Option<&CubeTensor>,
    result: &CubeTensor,
    [splits, batches, m, n]: [usize; 4],
    flags: u32,
) {
    let by_four = n.is_multiple_of(4);
    let width = if by_four { n / 4 } else { n };
    let ([y, z], first) = spread((batches * m * width).div_ceil(64));
    let info =
        [batches * m * width, splits, width, flags as usize, first, m * width].map(|number| number as u32);
    let shader = Shader { text: file!("add_parts"), threads: [64, 1], by_four };
    shader.launch(&[parts, bias.unwrap_or(parts), add.unwrap_or(parts)], &[result], &info, [1, y, z]);
}

/// For each row of `left [m, k]` and each tile of 64 rows of `right [n, k]`: the largest product, the sum of
/// exponentials of the products minus the largest, and how many of them are above the row's own, which does
/// not count. Writes four numbers per row and tile into `partial`.
pub(super) fn summarize_products(left: &CubeTensor, right: &CubeTensor, block: &Block<'_>) {
    let ([m, k], n) = (size(left), right.meta.shape()[0]);
    let by_four = k.is_multiple_of(4);
    let info =
        [m, n, k, k.next_multiple_of(MEDIUM.depth).max(MEDIUM.depth), 1, 1, 0, k, 0, 0, k, 0, 0, 0, 0, 0, 0]
            .into_iter()
            .chain([0, 0, block.prompts, block.first_token, block.first_tile, block.tiles])
            .map(|number| number as u32);
    let [x, y] = MEDIUM.threads();
    let shader = Shader {
        text: Text::Product(ProductText {
            tile: MEDIUM,
            transposed: true,
            by_four,
            ending: Ending::Summarize,
        }),
        threads: [x as u32, y as u32],
        by_four,
    };
    let groups = [n.div_ceil(MEDIUM.columns), m.div_ceil(MEDIUM.rows), 1];
    let inputs = [left, right, block.chosen, block.tokens];
    shader.launch(&inputs, &[block.partial], &info.collect::<Vec<_>>(), groups);
}

/// A block of the vocabulary, and where its results go.
pub(super) struct Block<'a> {
    /// Each row's answer, distractor and mean, `[m, 3]`. Its own product is the answer plus the mean.
    pub chosen: &'a CubeTensor,
    /// Each row's own token, and another, `[prompts, 2]`; rows cycle through the prompts.
    pub tokens: &'a CubeTensor,
    /// `[m, tiles, 4]`.
    pub partial: &'a CubeTensor,
    pub prompts: usize,
    pub first_token: usize,
    pub first_tile: usize,
    pub tiles: usize,
}

/// Columns of the tiles of [`summarize_products`].
pub(super) const SUMMARIZED: usize = MEDIUM.columns;

fn size(matrix: &CubeTensor) -> [usize; 2] {
    [matrix.meta.shape()[0], matrix.meta.shape()[1]]
}
