//! Native builds. Every one covers the whole workspace, which gives the dependencies the same features each time and
//! so compiles them once.

use anyhow::{Context, Result};
use duct::Expression;

use crate::cargo_cache;
use crate::paths::Paths;

/// Cargo on the whole workspace.
pub(crate) fn cargo(paths: &Paths, command: &str, args: &[&str]) -> Expression {
    paths.cargo([command, "--release", "--workspace"].into_iter().chain(args.iter().copied()))
}

/// Builds the programs: the native command and the demo model's trainer.
pub(crate) fn programs(paths: &Paths) -> Result<()> {
    cargo_cache::claim_native(paths)?;
    cargo(paths, "build", &["--bins"]).run().context("the native programs do not build")?;
    Ok(())
}
