//! Arithmetic, copies, reductions and choices: everything between the large operations, in three kernels. Each
//! of Burn's would be a pipeline per operation, rank, layout and width of loads, more than a hundred in a study,
//! and compiling them takes longer than running them.

use std::ops::Range;

use burn::tensor::{Int, Shape, Tensor};
use burn_cubecl::tensor::CubeTensor;
use burn_std::tensor::{Metadata, ReshapeAction, Strides, reshape_action};

use super::shader::{Shader, Text, file, output, spread};
use super::{contiguous, integers, primitive, tensor};

/// Most axes of a tensor.
const AXES: usize = 4;
const THREADS: usize = 64;

/// What is done with each number, or pair of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Copy = 0,
    Add = 1,
    Subtract = 2,
    Multiply = 3,
    Divide = 4,
    Root = 5,
    Reciprocal = 6,
    Magnitude = 7,
    /// The right side, whatever the left.
    Fill = 8,
    /// 1 where the sides differ or one is not a number, else 0.
    Differ = 9,
}

/// The right side of an operation.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "it is moved once per operation")]
pub(crate) enum Right<const D: usize> {
    Tensor(Tensor<D>),
    Number(f32),
}

/// Sizes of axes of one extent are repeated where the other side's are larger.
pub(crate) fn combine<const D: usize>(left: Tensor<D>, right: Right<D>, operation: Operation) -> Tensor<D> {
    let left = primitive(left);
    let right = match right {
        Right::Tensor(right) => Ok(primitive(right)),
        Right::Number(number) => Err(number),
    };
    let shape: [usize; D] = std::array::from_fn(|axis| {
        let other = right.as_ref().map_or(1, |right| right.meta.shape()[axis]);
        if left.meta.shape()[axis] == 1 { other } else { left.meta.shape()[axis] }
    });
    let result = output(shape, &left);
    write(&left, 0, right.as_ref().map_err(|number| *number), operation, &shape, &result, 0);
    tensor(result)
}

/// Zeros on the device of `like`.
pub(crate) fn zeros<const D: usize, const E: usize>(like: &Tensor<D>, shape: [usize; E]) -> Tensor<E> {
    let like = primitive(like.clone());
    let zeros = output(shape, &like);
    // The left side is not used: its only number that must exist is the first.
    let first = CubeTensor::new_contiguous(
        like.client.clone(),
        like.device.clone(),
        [1; E].into(),
        like.handle.clone(),
        like.dtype,
    );
    write(&first, 0, Err(0.0), Operation::Fill, &shape, &zeros, 0);
    tensor(zeros)
}

/// The same tensor, row-major in memory.
pub(super) fn row_major(x: CubeTensor) -> CubeTensor {
    if x.is_contiguous() {
        // Strides of axes of size 1 mean nothing, but Burn copies a tensor where it finds others than expected.
        let (client, device, shape) = (x.client.clone(), x.device.clone(), x.meta.shape().clone());
        return CubeTensor::new_contiguous(client, device, shape, x.handle, x.dtype);
    }
    let shape: Vec<usize> = x.meta.shape().iter().copied().collect();
    let result = output(shape.clone(), &x);
    write(&x, 0, Err(0.0), Operation::Copy, &shape, &result, 0);
    result
}

/// The same numbers, row by row, in another shape: a view where strides can say it, or else a copy.
pub(crate) fn reshape<const D: usize, const E: usize>(x: Tensor<D>, shape: [usize; E]) -> Tensor<E> {
    let mut x = primitive(x);
    tensor(match reshape_action(x.meta.shape(), x.meta.strides(), &shape.into()) {
        ReshapeAction::NoChange => x,
        ReshapeAction::UpdateStrides { strides } => {
            *x.meta = Metadata::new(Shape::from(shape), strides);
            x
        }
        ReshapeAction::Recompute => {
            let x = row_major(x);
            CubeTensor::new_contiguous(
                x.client.clone(),
                x.device.clone(),
                shape.into(),
                x.handle.clone(),
                x.dtype,
            )
        }
    })
}

/// New axes of size 1 in front, as a view.
pub(crate) fn unsqueeze<const D: usize, const E: usize>(x: Tensor<D>) -> Tensor<E> {
    let mut x = primitive(x);
    let front = E - D;
    let (mut shape, mut strides) = ([1; E], [1; E]);
    for axis in 0..D {
        shape[front + axis] = x.meta.shape()[axis];
        strides[front + axis] = x.meta.strides()[axis];
    }
    *x.meta = Metadata::new(Shape::from(shape), Strides::new(&strides));
    tensor(x)
}

/// A part: a view if a buffer can be bound at its beginning and end, or else a copy.
pub(crate) fn slice<const D: usize>(x: Tensor<D>, ranges: [Range<usize>; D]) -> Tensor<D> {
    let part = primitive(x.clone());
    let alignment = part.client.properties().memory.alignment as usize / size_of::<f32>();
    let (sizes, strides) = (part.meta.shape(), part.meta.strides());
    let first: usize = (0..D).map(|axis| ranges[axis].start * strides[axis]).sum();
    let last: usize = (0..D).map(|axis| (sizes[axis] - ranges[axis].end) * strides[axis]).sum();
    if first.is_multiple_of(alignment) && last.is_multiple_of(alignment) {
        return x.slice(ranges);
    }
    let shape = ranges.each_ref().map(|range| range.len());
    let result = output(shape, &part);
    write(&part, first, Err(0.0), Operation::Copy, &shape, &result, 0);
    tensor(result)
}

/// Tensors next to each other along an axis.
pub(crate) fn cat<const D: usize>(parts: Vec<Tensor<D>>, axis: usize) -> Tensor<D> {
    let mut shape = parts[0].dims();
    shape[axis] = parts.iter().map(|part| part.dims()[axis]).sum();
    let parts: Vec<CubeTensor> = parts.into_iter().map(primitive).collect();
    let result = output(shape, &parts[0]);
    let mut place = 0;
    for part in &parts {
        let sizes: Vec<usize> = part.meta.shape().iter().copied().collect();
        write(part, 0, Err(0.0), Operation::Copy, &sizes, &result, place * result.meta.strides()[axis]);
        place += sizes[axis];
    }
    tensor(result)
}

/// `x` with a part replaced.
pub(crate) fn slice_assign<const D: usize>(
    x: Tensor<D>,
    ranges: [Range<usize>; D],
    value: Tensor<D>,
) -> Tensor<D> {
    let (shape, x, value) = (x.dims(), primitive(x), primitive(value));
    let result = output(shape, &x);
    write(&x, 0, Err(0.0), Operation::Copy, &shape, &result, 0);
    let place = (0..D).map(|axis| ranges[axis].start * result.meta.strides()[axis]).sum();
    let sizes = ranges.map(|range| range.len());
    write(&value, 0, Err(0.0), Operation::Copy, &sizes, &result, place);
    tensor(result)
}

/// Launches an operation on `shape` numbers: the left side's from number `first` on, the result's from `place` on.
fn write(
    left: &CubeTensor,
    first: usize,
    right: Result<&CubeTensor, f32>,
    operation: Operation,
    shape: &[usize],
    result: &CubeTensor,
    place: usize,
) {
    let count: usize = shape.iter().product();
    if count == 0 {
        return;
    }
    assert!(shape.len() <= AXES, "tensors have at most {AXES} axes");
    // Innermost axis first, as the kernel takes an index apart.
    let padded = |numbers: &dyn Fn(usize) -> usize, missing: usize| -> [usize; AXES] {
        std::array::from_fn(|axis| if axis < shape.len() { numbers(shape.len() - 1 - axis) } else { missing })
    };
    let strides = |x: &CubeTensor| {
        padded(&|axis| if x.meta.shape()[axis] == 1 { 0 } else { x.meta.strides()[axis] }, 0)
    };
    let ([y, z], groups) = spread(count.div_ceil(THREADS));
    let (code, number) = match right {
        Ok(_) => (operation as usize + 16, 0.0),
        Err(number) => (operation as usize, number),
    };
    let mut info = vec![count, groups, code, number.to_bits() as usize, first, place];
    info.extend(padded(&|axis| shape[axis], 1));
    info.extend(strides(left));
    info.extend(right.map_or([0; AXES], strides));
    info.extend(padded(&|axis| result.meta.strides()[axis], 0));
    let info: Vec<u32> = info.into_iter().map(|number| number as u32).collect();
    shader(file!("combine")).launch(&[left, right.unwrap_or(left)], &[result], &info, [1, y, z]);
}

/// What becomes of the last axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    Sum = 0,
    Mean = 1,
    Maximum = 2,
}

/// Reduces an axis to one number.
pub(crate) fn reduce<const D: usize>(x: Tensor<D>, axis: usize, reduction: Reduction) -> Tensor<D> {
    let x = contiguous(x.swap_dims(axis, D - 1));
    let mut shape: [usize; D] = std::array::from_fn(|axis| x.meta.shape()[axis]);
    let width = std::mem::replace(&mut shape[D - 1], 1);
    let reduced = output(shape, &x);
    let rows = shape.iter().product();
    let ([y, z], first) = spread(rows);
    let info = [rows, width, reduction as usize, first].map(|number| number as u32);
    shader(file!("reduce")).launch(&[&x], &[&reduced], &info, [1, y, z]);
    tensor::<D>(reduced).swap_dims(axis, D - 1)
}

/// Chosen indices of the first axis.
pub(crate) fn select<const D: usize>(x: Tensor<D>, indices: Tensor<1, Int>) -> Tensor<D> {
    let [count] = indices.dims();
    let mut shape = x.dims();
    shape[0] = count;
    let x = contiguous(x);
    let chosen = output(shape, &x);
    let numbers: usize = shape.iter().product();
    let ([y, z], first) = spread(numbers.div_ceil(THREADS));
    let info = [numbers, numbers / count.max(1), first].map(|number| number as u32);
    shader(file!("select")).launch(&[&x, &integers(indices)], &[&chosen], &info, [1, y, z]);
    tensor(chosen)
}

fn shader(text: Text) -> Shader {
    Shader { text, threads: [THREADS as u32, 1], by_four: false }
}
