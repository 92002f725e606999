//! Sharing Cargo's target folders between clones of the repository.
//!
//! The crates from the registry take a quarter of an hour to compile and are the same for every clone, so the target
//! folders lie in the cache. But Cargo tells whether this repository's own crates are up to date by the times of their
//! files, relative to the clone: it would take another clone's newer build for this one's. So when a target folder
//! changes hands, this repository's own crates are thrown away in it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::paths::Paths;
use crate::setup::TARGET;

/// Makes sure that nothing in the folder of native builds comes from another clone's sources.
pub(crate) fn claim_native(paths: &Paths) -> Result<()> {
    claim(paths, &paths.target, &["--profile", "release"])
}

/// Makes sure that nothing in the folder of the module's builds comes from another clone's sources.
pub(crate) fn claim_web(paths: &Paths) -> Result<()> {
    claim(paths, &paths.target_web, &["--profile", "web", "--target", TARGET])
}

fn claim(paths: &Paths, target: &Path, which: &[&str]) -> Result<()> {
    let note = target.join("built-from");
    let owner = paths.root.to_string_lossy();
    if fs::read_to_string(&note).is_ok_and(|previous| previous == owner) {
        return Ok(());
    }
    fs::create_dir_all(target)?;
    let own = ["clean", "--quiet", "--workspace"];
    paths
        .command("cargo", own.iter().chain(which))
        .env("CARGO_TARGET_DIR", target)
        .run()
        .context("the other clone's build cannot be cleaned away")?;
    fs::write(note, owner.as_bytes())?;
    Ok(())
}
