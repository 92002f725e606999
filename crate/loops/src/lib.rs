//! Patchlab's hot loops on the CPU.
//!
//! A package of its own, because it is compiled for speed while the rest of the page's module is compiled for
//! size (the profile `web` in the workspace's Cargo.toml). Its functions are therefore not generic: generic
//! ones would be compiled in the calling crate. It works on slices and knows nothing about tensors or models.
//! Arrays of fixed size stand for vector registers; the compiler turns them into vector instructions.

mod pass;
mod product;

pub use pass::{add_bias, gelu_new, layer_norm, rank_one};
pub use product::{Side, add_product};
