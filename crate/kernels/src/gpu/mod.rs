//! The operations on a GPU, in WGSL, launched through CubeCL next to Burn's own kernels.
//!
//! One launch per operation, and few pipelines: sizes, strides and options are numbers that a kernel reads
//! (`info`), not part of its text. Every kernel stays within the limits that the WebGPU standard guarantees:
//! workgroups of 256 threads, 16 KiB of workgroup memory, eight storage buffers, 65,535 workgroups in a
//! direction.

mod attention;
mod combine;
mod logits;
mod prepare;
mod product;
mod product_text;
mod rows;
mod scores;
mod shader;
mod tile;

pub(crate) use attention::{attention, fits};
pub(crate) use combine::{
    Operation, Reduction, Right, cat, combine, reduce, reshape, select, slice, slice_assign, unsqueeze, zeros,
};
pub(crate) use logits::{chosen_logits, vocabulary};
pub(crate) use prepare::prepare;
pub(crate) use product::{After, multiply};
pub(crate) use rows::{gelu_new, layer_norm, rank_one, softmax};
pub(crate) use scores::{continued_mix, continued_scores, mix, scores};
pub(crate) use tile::on_software_adapter;

use burn::tensor::{Device, Int, Tensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

/// A tensor's numbers on the GPU, wherever its view begins and whatever its strides are.
pub(crate) fn primitive<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    match tensor.try_into_primitive::<CubeBackend>() {
        Ok(tensor) => tensor,
        Err(error) => unreachable!("the tensor is on the GPU: {error:?}"),
    }
}

/// The same for whole numbers, which are never views.
fn integers<const D: usize>(tensor: Tensor<D, Int>) -> CubeTensor {
    match tensor.try_into_primitive::<CubeBackend>() {
        Ok(tensor) => tensor,
        Err(error) => unreachable!("the tensor is on the GPU: {error:?}"),
    }
}

/// A tensor's numbers on the GPU, row-major.
fn contiguous<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    combine::row_major(primitive(tensor))
}

/// The same tensor, row-major in memory.
pub(crate) fn row_major_tensor<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    tensor(contiguous(x))
}

/// See [`crate::largest_tensor`].
pub(crate) fn largest_tensor(device: &Device) -> usize {
    let properties = primitive(Tensor::<1>::from_floats([0.0], device)).client.properties().clone();
    usize::try_from(properties.memory.max_page_size).unwrap_or(usize::MAX)
}

/// Back to a tensor.
fn tensor<const D: usize>(primitive: CubeTensor) -> Tensor<D> {
    Tensor::from_primitive::<CubeBackend>(primitive)
}
