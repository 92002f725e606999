//! Node packages, and the one file that holds what the page uses of them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::paths::Paths;
use crate::run::{answer, say};

/// The oldest Node that the page's tools run on.
const NODE: u32 = 20;
/// What the page uses of them. As a type declaration it says the same, so it is copied beside the bundle.
const ENTRY: &str = "libraries.js";
const TYPES: &str = "libraries.d.ts";

/// Installs what a Node package's lock file names, unless that is there.
pub(super) fn packages(paths: &Paths, package: &Path, what: &str) -> Result<()> {
    let node = answer(&paths.command("node", ["--version"]))
        .and_then(|version| version.strip_prefix('v')?.split('.').next()?.parse::<u32>().ok());
    if node.is_none_or(|version| version < NODE) {
        bail!("Node {NODE} or newer is needed, with npm. Install it, and see that `node` is on the PATH.");
    }
    let lock = package.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("{} is missing", lock.display()))?;
    let installed = package.join("node_modules/.patchlab-installed");
    if fs::read(&installed).is_ok_and(|lock| lock == wanted) {
        return Ok(());
    }
    say(format_args!("setup: {what}"));
    paths
        .npm_in(package, ["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .run()
        .with_context(|| format!("`npm ci` failed in {}", package.display()))?;
    fs::write(installed, wanted)?;
    Ok(())
}

/// Puts what the page uses of other projects into one file in `www/`, unless that very file is there.
pub(super) fn bundle(paths: &Paths) -> Result<()> {
    packages(paths, &paths.vendor, "the page's libraries (a few seconds)")?;
    let inputs = [ENTRY, "package.json", "package-lock.json"];
    let inputs = inputs.map(|name| fs::read(paths.vendor.join(name)));
    let mut wanted = Vec::new();
    for input in inputs {
        wanted.extend(input.context("xtask/vendor/ is not complete")?);
    }
    // Beside the packages and not beside the bundle: what lies in `www/` is part of the site.
    let made = paths.vendor.join("node_modules/.patchlab-bundled");
    let complete = [ENTRY, TYPES].iter().all(|name| paths.bundle.join(name).is_file());
    if complete && fs::read(&made).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    paths
        .npm_in(&paths.vendor, ["run", "--silent", "bundle"])
        .run()
        .context("esbuild failed in xtask/vendor/")?;
    fs::copy(paths.vendor.join(ENTRY), paths.bundle.join(TYPES))?;
    fs::write(made, wanted)?;
    Ok(())
}
