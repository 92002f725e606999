//! Patchlab's engine: GPT-2 with hooks on every intermediate activation, and the analyses built on it.
//!
//! Data flows one way. A module may use only modules of earlier groups and of its own group:
//!
//! [`portion`], [`text`], `place` -> [`error`] -> [`experiment`], `lists`, `names`, [`reference`], [`site`], [`tokens`] ->
//! [`answers`], `roles` -> [`prompts`], [`presets`] -> [`model`] -> `bootstrap`, `significance`, [`device`], [`graph`],
//! [`host`], [`metrics`], [`readback`], [`speed`], [`truth`] -> [`runs`], [`templates`] -> [`attribution`], [`circuits`],
//! `continuation`, [`gradients`], [`interventions`] -> [`figures`] -> [`recorded`] -> [`analyses`] -> [`session`], [`notebook`] -> [`protocol`],
//! [`shards`].
//!
//! Nothing here knows about JavaScript or the command line; only [`device`] picks a device; only [`readback`]
//! waits for one.

mod bootstrap;
mod continuation;
mod lists;
mod names;
mod place;
mod roles;
mod significance;

pub mod analyses;
pub mod answers;
pub mod attribution;
pub mod circuits;
pub mod device;
pub mod error;
pub mod experiment;
pub mod figures;
pub mod gradients;
pub mod graph;
pub mod host;
pub mod interventions;
pub mod metrics;
pub mod model;
pub mod notebook;
pub mod portion;
pub mod presets;
pub mod prompts;
pub mod protocol;
pub mod readback;
pub mod recorded;
pub mod reference;
pub mod runs;
pub mod session;
pub mod shards;
pub mod site;
pub mod speed;
pub mod templates;
pub mod text;
pub mod tokens;
pub mod truth;

pub use error::{Error, Result};
pub use experiment::Experiment;
pub use place::{Field, Place};
pub use session::{Files, Request, Session, TokenizerFiles};
