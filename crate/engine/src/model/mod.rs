//! GPT-2: its configuration, its checkpoint, its weights as TransformerLens prepares them, its forward pass.
//!
//! Read in this order: [`config`], [`plan`], [`source`], [`checkpoint`], [`process`], [`vocabulary`], [`weights`],
//! [`tap`], [`span`], [`forward`]. [`cost`] counts the work; [`half`] and [`mirror`] are other ways to keep a checkpoint.

pub mod checkpoint;
pub mod config;
pub mod cost;
pub mod forward;
pub mod half;
pub mod mirror;
pub mod one_pass;
pub mod plan;
pub mod process;
pub(crate) mod product;
pub mod source;
pub mod span;
pub mod tap;
pub mod vocabulary;
pub mod weights;

pub use config::Config;
pub use forward::Batch;
pub use tap::{Activation, Patch, Recording, Tap};
pub use weights::Model;
