//! GPT-2: configuration, checkpoint, weights as TransformerLens processes them, and forward pass.
//!
//! Read in this order: [`config`], [`plan`], [`source`], [`checkpoint`], `process`, [`vocabulary`],
//! [`hooks`], [`budget`], [`weights`], `span`, `forward`. [`flops`] counts the work; [`half`], [`mirror`] and [`sharded`] are
//! other ways to store a checkpoint.

pub mod budget;
pub mod checkpoint;
pub mod config;
pub mod flops;
pub(crate) mod forward;
pub mod half;
pub(crate) mod header;
pub mod hooks;
pub mod mirror;
pub mod plan;
mod process;
pub mod sharded;
pub mod source;
pub(crate) mod span;
pub mod vocabulary;
pub mod weights;

pub use budget::{Budget, Pass};
pub use config::Config;
pub use forward::Batch;
pub use hooks::{Activation, ActivationCache, Hooks};
pub use weights::Model;
