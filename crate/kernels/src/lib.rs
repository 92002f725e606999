//! The loops over numbers that Patchlab spends its time in on a processor.
//!
//! A package of its own, because it is compiled for speed where the rest of the page's module is compiled for size
//! (the profile `web` in the workspace's Cargo.toml). Its functions are therefore not generic: those would be compiled
//! where they are used. It knows slices of numbers and nothing of tensors or models. Arrays of fixed sizes stand for
//! vector registers; the compiler makes vector instructions of them.

mod pass;
mod product;

pub use pass::{add_bias, gelu_new, layer_norm, rank_one};
pub use product::{Side, add_product};
