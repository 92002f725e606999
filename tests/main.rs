//! The integration tests, one module for each subject: `cargo test --test integration parity::` runs one of them.

mod ablation;
mod analyses;
mod answers;
mod atlas;
mod causal;
mod checkpoints;
mod circuits;
mod cost;
mod demo;
mod edges;
mod generate;
mod hostile;
mod interventions;
mod parity;
mod patching;
mod planted;
mod recorded;
mod requests;
mod roles;
mod shards;
mod sweeps;
mod tidy;
