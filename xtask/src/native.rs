//! Native builds. Every one covers the whole workspace, which gives the dependencies the same features each time and
//! so compiles them once.

use anyhow::{Context, Result};
use duct::Expression;

use crate::cargo_cache;
use crate::paths::Paths;

/// Cargo on the whole workspace.
pub(crate) fn cargo(paths: &Paths, command: &str, args: &[&str]) -> Expression {
    paths.cargo(words(command, args))
}

/// All packages, xtask among them, so that its own tests run with the others'.
fn words<'a>(command: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [command, "--release", "--workspace"].into_iter().chain(args.iter().copied()).collect()
}

/// Builds the programs: the native command and the demo model's trainer.
pub(crate) fn programs(paths: &Paths) -> Result<()> {
    cargo_cache::claim_native(paths)?;
    cargo(paths, "build", &["--bins"]).run().context("the native programs do not build")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn no_package_is_left_out() {
        let words = words("test", &["--test", "integration"]);
        assert!(words.contains(&"--workspace"));
        assert!(!words.iter().any(|word| word.starts_with("--exclude") || word.starts_with("--package")));
    }
}
