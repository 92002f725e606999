//! Scripts that drive the built page in Chromium.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use duct::Expression;

use crate::paths::Paths;
use crate::run::say;
use crate::{build, setup};

/// Passes on where everything is that the browser tests use.
pub(crate) fn with_inputs(paths: &Paths, command: Expression) -> Expression {
    let command = command
        .env("PATCHLAB_DIST", paths.dist())
        .env("PATCHLAB_NATIVE", paths.results.join("native"))
        .env("PATCHLAB_SHOTS", paths.results.join("shots"));
    let command = match setup::shell() {
        Some(shell) => command.env("PATCHLAB_SHELL", shell),
        None => command,
    };
    match setup::browser(paths) {
        Some(browser) => command.env("PATCHLAB_CHROMIUM", browser),
        None => command,
    }
}

/// Runs one of `tests/browser/bench/*.mjs` on the built site. Its figures are left in `folder`, as JSON.
pub(crate) fn bench(
    paths: &Paths,
    folder: &Path,
    name: &str,
    with: impl FnOnce(Expression) -> Expression,
) -> Result<()> {
    setup::for_testing(paths)?;
    build::build(paths, &paths.dist())?;
    fs::create_dir_all(folder)?;
    let out = folder.join(format!("{name}.json"));
    let script = format!("bench/{name}.mjs");
    let node = paths.npm(["exec", "--", "node", &script]).env("PATCHLAB_BENCH", &out);
    with(with_inputs(paths, node)).run().with_context(|| format!("failed: {script}"))?;
    say(format_args!("bench: {}", out.display()));
    Ok(())
}
