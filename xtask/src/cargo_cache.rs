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

/// Cleans every package of the workspace, and no dependency.
const CLEAN: [&str; 3] = ["clean", "--quiet", "--workspace"];

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
    paths
        .command("cargo", CLEAN.iter().chain(which))
        .env("CARGO_TARGET_DIR", target)
        .run()
        .context("the other clone's build cannot be cleaned away")?;
    fs::write(note, owner.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace with a package inside another package's folder, as `crate/kernels` once was, and a dependency that is
    /// not a member.
    #[test]
    fn every_package_is_cleaned_and_no_dependency() {
        let folder = tempfile::tempdir().expect("a folder");
        let package = |path: &str, name: &str, dependencies: &str| {
            let folder = folder.path().join(path);
            fs::create_dir_all(folder.join("src")).expect("a folder");
            fs::write(folder.join("src/lib.rs"), "").expect("a file");
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[dependencies]\n{dependencies}"
            );
            fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
        };
        let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"outer\", \"outer/inner\"]\nexclude = [\"dependency\"]\n";
        fs::write(folder.path().join("Cargo.toml"), workspace).expect("a file");
        package("outer", "outer", "inner = { path = \"inner\" }\n");
        package("outer/inner", "inner", "dependency = { path = \"../../dependency\" }\n");
        package("dependency", "dependency", "");
        let cargo = |words: &[&str]| {
            let command = duct::cmd("cargo", words).dir(folder.path()).stderr_null();
            command.env("CARGO_TARGET_DIR", folder.path().join("target")).run().expect("Cargo runs");
        };
        let built = || {
            let files = fs::read_dir(folder.path().join("target/release/deps")).expect("a folder");
            let mut names: Vec<String> = files
                .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
                .filter_map(|name| Some(name.strip_suffix(".rlib")?.split('-').next()?.to_owned()))
                .collect();
            names.sort();
            names
        };
        cargo(&["build", "--quiet", "--offline", "--release", "--workspace"]);
        assert_eq!(built(), ["libdependency", "libinner", "libouter"]);
        cargo(&[&CLEAN[..], &["--profile", "release"]].concat());
        assert_eq!(built(), ["libdependency"]);
    }
}
