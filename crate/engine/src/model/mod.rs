//! GPT-2: its configuration, its checkpoint, its weights as TransformerLens prepares them, its forward pass.
//!
//! Read in this order: [`config`], [`plan`], [`source`], [`checkpoint`], [`process`], [`vocabulary`], [`weights`],
//! [`hooks`], [`span`], [`forward`]. [`flops`] counts the work; [`half`] and [`mirror`] are other ways to keep a checkpoint.

pub mod checkpoint;
pub mod config;
pub mod flops;
pub mod forward;
pub mod fused;
pub mod half;
pub(crate) mod header;
pub mod hooks;
pub(crate) mod matmul;
pub mod mirror;
pub mod plan;
pub mod process;
pub mod source;
pub mod span;
pub mod vocabulary;
pub mod weights;

pub use config::Config;
pub use forward::Batch;
pub use hooks::{Activation, ActivationCache, Hooks, Replacement};
pub use weights::Model;
