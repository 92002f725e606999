//! The model's tensors: Burn's, with this package's kernels behind their operations on a GPU.

use std::ops::{Add, Div, Mul, Range, Sub};

use burn::tensor::{Device, Int, Tensor as BurnTensor, TensorData};

use crate::gpu::{self, Operation, Reduction, Right};
use crate::{Place, plain};

/// Numbers on a device, with `D` axes. Its operations are those of Burn's tensors of the same names.
#[derive(Debug, Clone)]
pub struct Tensor<const D: usize>(pub(crate) BurnTensor<D>);

impl<const D: usize> From<BurnTensor<D>> for Tensor<D> {
    fn from(tensor: BurnTensor<D>) -> Self {
        Self(tensor)
    }
}

impl<const D: usize> From<Tensor<D>> for BurnTensor<D> {
    fn from(tensor: Tensor<D>) -> Self {
        tensor.0
    }
}

impl<const D: usize> Tensor<D> {
    /// Puts numbers on a device.
    pub fn from_data(data: TensorData, device: &Device) -> Self {
        Self(BurnTensor::from_data(data, device))
    }

    /// Sizes of the axes.
    pub fn dims(&self) -> [usize; D] {
        self.0.dims()
    }

    /// The device that holds the numbers.
    pub fn device(&self) -> Device {
        self.0.device()
    }

    fn on_gpu(&self) -> bool {
        Place::of(&self.0.device()) == Place::Gpu
    }

    /// The same numbers, row-major in memory.
    #[must_use]
    pub fn contiguous(self) -> Self {
        if self.on_gpu() { Self(gpu::row_major_tensor(self.0)) } else { self }
    }

    /// The same numbers, row by row, in another shape.
    pub fn reshape<const E: usize>(self, shape: [usize; E]) -> Tensor<E> {
        Tensor(if self.on_gpu() { gpu::reshape(self.0, shape) } else { self.0.reshape(shape) })
    }

    /// Two axes exchanged.
    #[must_use]
    pub fn swap_dims(self, first: usize, second: usize) -> Self {
        Self(self.0.swap_dims(first, second))
    }

    /// The last two axes exchanged.
    #[must_use]
    pub fn transpose(self) -> Self {
        Self(self.0.transpose())
    }

    /// New axes of size 1 in front.
    pub fn unsqueeze<const E: usize>(self) -> Tensor<E> {
        Tensor(if self.on_gpu() { gpu::unsqueeze(self.0) } else { self.0.unsqueeze() })
    }

    /// Axes of size 1 repeated, without a copy.
    #[must_use]
    pub fn expand(self, shape: [usize; D]) -> Self {
        Self(self.0.expand(shape))
    }

    /// The part at these indices.
    #[must_use]
    pub fn slice(self, ranges: [Range<usize>; D]) -> Self {
        if self.on_gpu() { Self(gpu::slice(self.0, ranges)) } else { Self(self.0.slice(ranges)) }
    }

    /// With the part at these indices replaced by `value`.
    #[must_use]
    pub fn slice_assign(self, ranges: [Range<usize>; D], value: Self) -> Self {
        if self.on_gpu() {
            Self(gpu::slice_assign(self.0, ranges, value.0))
        } else {
            Self(self.0.slice_assign(ranges, value.0))
        }
    }

    /// These indices of the first axis.
    #[must_use]
    pub fn select(self, indices: &Indices<1>) -> Self {
        let indices = indices.0.clone();
        if self.on_gpu() { Self(gpu::select(self.0, indices)) } else { Self(self.0.select(0, indices)) }
    }

    /// Tensors next to each other along an axis; at least one.
    pub fn cat(mut parts: Vec<Self>, axis: usize) -> Self {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let on_gpu = parts[0].on_gpu();
        let parts = parts.into_iter().map(|part| part.0).collect();
        Self(if on_gpu { gpu::cat(parts, axis) } else { BurnTensor::cat(parts, axis) })
    }

    /// Zeros on the same device.
    pub fn zeros<const E: usize>(&self, shape: [usize; E]) -> Tensor<E> {
        if self.on_gpu() {
            Tensor(gpu::zeros(&self.0, shape))
        } else {
            Tensor(BurnTensor::zeros(shape, &self.0.device()))
        }
    }

    fn unary(self, operation: Operation) -> Self {
        if self.on_gpu() {
            Self(gpu::combine(self.0, Right::Number(0.0), operation))
        } else {
            Self(plain::combine(self.0, Right::Number(0.0), operation))
        }
    }

    fn combine(self, right: Right<D>, operation: Operation) -> Self {
        if self.on_gpu() {
            Self(gpu::combine(self.0, right, operation))
        } else {
            Self(plain::combine(self.0, right, operation))
        }
    }

    /// Square roots.
    #[must_use]
    pub fn sqrt(self) -> Self {
        self.unary(Operation::Root)
    }

    /// Reciprocals.
    #[must_use]
    pub fn recip(self) -> Self {
        self.unary(Operation::Reciprocal)
    }

    /// Absolute values.
    #[must_use]
    pub fn abs(self) -> Self {
        self.unary(Operation::Magnitude)
    }

    /// 1 where the numbers differ from `other`'s or one of the two is not a number, else 0. Axes of size 1 are repeated.
    #[must_use]
    pub fn differs(self, other: Self) -> Self {
        self.combine(Right::Tensor(other.0), Operation::Differ)
    }

    fn reduce(self, axis: usize, reduction: Reduction) -> Self {
        if self.on_gpu() {
            Self(gpu::reduce(self.0, axis, reduction))
        } else {
            Self(plain::reduce(self.0, axis, reduction))
        }
    }

    /// Sums along an axis, which becomes one of size 1.
    #[must_use]
    pub fn sum_dim(self, axis: usize) -> Self {
        self.reduce(axis, Reduction::Sum)
    }

    /// Means along an axis, which becomes one of size 1.
    #[must_use]
    pub fn mean_dim(self, axis: usize) -> Self {
        self.reduce(axis, Reduction::Mean)
    }

    /// The largest numbers along an axis, which becomes one of size 1; NaN where there is one.
    #[must_use]
    pub fn max_dim(self, axis: usize) -> Self {
        self.reduce(axis, Reduction::Maximum)
    }

    /// The largest of all numbers; NaN if there is one.
    pub fn max(self) -> Tensor<1> {
        let count = self.dims().iter().product();
        self.reshape([1, count]).reduce(1, Reduction::Maximum).reshape([1])
    }
}

/// Whole numbers on a device: indices of tokens or rows.
#[derive(Debug, Clone)]
pub struct Indices<const D: usize>(pub(crate) BurnTensor<D, Int>);

impl<const D: usize> Indices<D> {
    /// Puts numbers, row-major, on a device.
    pub fn new(numbers: Vec<i32>, shape: [usize; D], device: &Device) -> Self {
        Self(BurnTensor::from_data(TensorData::new(numbers, shape), device))
    }
}

/// Operators between tensors, whose axes of size 1 are repeated, and with a number.
macro_rules! operators {
    ($($operator:ident $method:ident $operation:ident;)*) => { $(
        impl<const D: usize> $operator for Tensor<D> {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                self.combine(Right::Tensor(other.0), Operation::$operation)
            }
        }

        impl<const D: usize> $operator<f32> for Tensor<D> {
            type Output = Self;

            fn $method(self, other: f32) -> Self {
                self.combine(Right::Number(other), Operation::$operation)
            }
        }
    )* };
}

operators! {
    Add add Add;
    Sub sub Subtract;
    Mul mul Multiply;
    Div div Divide;
}
