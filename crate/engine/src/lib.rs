//! Patchlab's engine: GPT-2 with every intermediate in reach, and the analyses made of it.
//!
//! Data flows one way, and a module may use only what stands to its left or beside it:
//!
//! `place` -> [`error`] -> [`experiment`], [`names`], [`reference`], [`site`], [`tokens`] -> [`prompts`], [`presets`] ->
//! [`model`] -> `bootstrap`, [`device`], [`host`], [`metrics`], [`readback`] -> [`runs`] -> [`attribution`],
//! [`patching`] -> [`figures`] -> [`analyses`] -> [`session`], [`notebook`] -> [`protocol`].
//!
//! Nothing here knows JavaScript or the command line; only [`device`] picks a device; only [`readback`] waits for one.

mod bootstrap;
mod place;

pub mod analyses;
pub mod attribution;
pub mod device;
pub mod error;
pub mod experiment;
pub mod figures;
pub mod host;
pub mod metrics;
pub mod model;
pub mod names;
pub mod notebook;
pub mod patching;
pub mod presets;
pub mod prompts;
pub mod protocol;
pub mod readback;
pub mod reference;
pub mod runs;
pub mod session;
pub mod site;
pub mod tokens;

pub use error::{Error, Result};
pub use experiment::Experiment;
pub use place::{Field, Place};
pub use session::{Files, Request, Session, TokenizerFiles};
