//! Dask, on which the tests run a study in shards, in a Python environment of its own in the cache.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::apt;
use crate::paths::Paths;
use crate::run::{answer, say};

/// The packages, with exact versions.
const PACKAGES: &str = "tests/fixtures/dask-requirements.txt";
/// Says which Python this is, or fails where it is too old or has no environments.
const ABOUT: &str = "import sys, venv, ensurepip; assert sys.version_info >= (3, 10); print(sys.version)";

/// Installs what [`PACKAGES`] names, unless that is there. Returns the environment's Python.
pub(crate) fn dask(paths: &Paths) -> Result<PathBuf> {
    let about = |program: &str| answer(&paths.command(program, ["-c", ABOUT]));
    let program = if cfg!(windows) { "python" } else { "python3" };
    let mut version = about(program);
    if version.is_none() && cfg!(target_os = "linux") {
        apt::install(paths, "Python 3.10 with venv", &["python3", "python3-venv"], 1)?;
        version = about(program);
    }
    let Some(version) = version else {
        bail!(
            "`{program}` is not Python 3.10 or newer with the modules venv and ensurepip. Install it: a test runs Dask."
        );
    };
    let packages = paths.root.join(PACKAGES);
    let packages = fs::read_to_string(&packages).with_context(|| packages.display().to_string())?;
    let (folder, wanted) = (paths.cache.join("dask"), format!("{version}\n{packages}"));
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let installed = folder.join(".patchlab-installed");
    if fs::read_to_string(&installed).is_ok_and(|there| there == wanted)
        && about(&python.to_string_lossy()).is_some()
    {
        return Ok(python);
    }
    say("setup: Dask, from PyPI (a few seconds)");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let environment = folder.to_string_lossy().into_owned();
    paths.command(program, ["-m", "venv", &environment]).run().context("`python -m venv` failed")?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", PACKAGES];
    paths.command(&python.to_string_lossy(), pip).run().with_context(|| {
        format!(
            "pip cannot install {PACKAGES} from PyPI, and without Dask the test of shards cannot run. Is there a network? A mirror is \
             named by PIP_INDEX_URL."
        )
    })?;
    fs::write(installed, wanted)?;
    Ok(python)
}
