//! Patchlab's engine: GPT-2 with every intermediate in reach, and the analyses made of it.
//!
//! Data flows one way, and a module may use only what stands before it:
//!
//! [`error`], [`experiment`], [`reference`], [`report`], [`site`], [`names`] -> [`tokens`], [`prompts`], [`presets`] ->
//! [`model`] -> [`device`],
//! [`readback`], [`metrics`], [`bootstrap`], [`host`] -> [`summary`], [`runs`] -> [`attribution`], [`patching`] ->
//! [`analyses`] -> [`session`], [`notebook`] -> [`types`], `web`.
//!
//! Nothing but `web` knows that JavaScript exists; nothing but [`device`] picks a device; nothing but
//! [`readback`] waits for one.

pub mod error;
pub mod experiment;
pub mod names;
pub mod reference;
pub mod report;
pub mod site;

pub mod presets;
pub mod prompts;
pub mod tokens;

pub mod model;

pub mod bootstrap;
pub mod device;
pub mod host;
pub mod metrics;
pub mod readback;
pub mod summary;

pub mod runs;

pub mod attribution;
pub mod patching;

pub mod analyses;

pub mod notebook;
pub mod session;

pub use error::{Error, Result};
pub use experiment::Experiment;
pub use session::{Files, Request, Session, TokenizerFiles};
