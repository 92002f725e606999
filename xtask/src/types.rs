//! `cargo xtask types`: the page's types, generated from the engine's.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::native;
use crate::paths::Paths;

const FILE: &str = "www/types/engine.d.ts";

/// Writes the types of everything that crosses between the engine and the page.
pub(crate) fn write(paths: &Paths) -> Result<()> {
    let file = paths.root.join(FILE);
    fs::create_dir_all(file.parent().context("the file lies in a folder")?)?;
    fs::write(file, generate(paths)?)?;
    Ok(())
}

/// Fails if the types in the repository are not those that the engine has.
pub(crate) fn check(paths: &Paths) -> Result<()> {
    let committed = fs::read_to_string(paths.root.join(FILE)).unwrap_or_default();
    if committed != generate(paths)? {
        bail!("{FILE} is not what the engine's types give. Run: cargo xtask types");
    }
    Ok(())
}

fn generate(paths: &Paths) -> Result<String> {
    native::programs(paths)?;
    let types = duct::cmd!(paths.program("patchlab"), "types").dir(&paths.root).read()?;
    Ok(types.trim_end().to_owned() + "\n")
}
