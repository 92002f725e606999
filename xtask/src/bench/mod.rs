//! `cargo xtask bench`: figures for docs/speed.md. Results are left in target/results/bench, as JSON.

mod gpu;
mod native;

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use crate::paths::Paths;
use crate::run::say;
use crate::{browser, build, setup};

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum What {
    /// Memory and time of opening a checkpoint of GPT-2 small's shape in the browser
    Load,
    /// Count what depends on no clock, and write it down for the tests
    Counts,
    /// The page by the clock: the first result, an edit, the whole study of a group
    Study {
        /// Also the study with a checkpoint of GPT-2 small's shape, neurons of two layers (ten minutes)
        #[arg(long)]
        full: bool,
        /// How often
        #[arg(long, default_value_t = 5)]
        repeats: usize,
    },
    /// A forward pass of GPT-2 small's shape in the browser, beside onnxruntime-web
    Forward {
        /// The checkpoint as ONNX, written by tests/fixtures/export_onnx.py
        onnx: PathBuf,
        /// How many rounds
        #[arg(long, default_value_t = 7)]
        repeats: usize,
    },
    /// The engine natively, beside PyTorch and TransformerLens if a Python that has them is named
    Native(native::Options),
    /// A GPU, natively and in Chromium, and each kernel beside a plain one
    Gpu(gpu::Options),
    /// Put all that `bench gpu` needs into a folder, for a Linux machine that can fetch nothing
    Pack {
        /// The folder, which must not exist
        folder: PathBuf,
    },
}

/// Measures.
pub(crate) fn bench(paths: &Paths, what: What) -> Result<()> {
    let folder = paths.results.join("bench");
    fs::create_dir_all(&folder)?;
    match what {
        What::Load => browser::bench(paths, &folder, "load", |node| node),
        What::Counts => counts(paths),
        What::Study { full, repeats } => browser::bench(paths, &folder, "study", |node| {
            let node = node.env("PATCHLAB_REPEATS", repeats.to_string());
            if full { node.env("PATCHLAB_FULL", "1") } else { node }
        }),
        What::Forward { onnx, repeats } => {
            let onnx = std::path::absolute(onnx)?;
            setup::for_testing(paths)?;
            // What is compared with is not needed for anything else.
            paths.npm_in(&paths.browser.join("bench"), ["ci", "--no-audit", "--no-fund"]).run()?;
            browser::bench(paths, &folder, "forward", |node| {
                node.env("PATCHLAB_REPEATS", repeats.to_string()).env("PATCHLAB_ONNX", onnx)
            })
        }
        What::Native(options) => native::measure(paths, &folder, &options),
        What::Gpu(options) => gpu::measure(paths, &folder, options),
        What::Pack { folder } => gpu::pack(paths, &std::path::absolute(folder)?),
    }
}

/// Has the tests that count write their numbers down in place of comparing them.
fn counts(paths: &Paths) -> Result<()> {
    setup::for_testing(paths)?;
    crate::native::cargo(paths, "test", &["--test", "integration", "cost::"])
        .env("PATCHLAB_RECORD", "1")
        .run()?;
    build::build(paths, &paths.dist())?;
    let node = paths.npm(["exec", "--", "node", "--test", "counts.test.mjs"]).env("PATCHLAB_RECORD", "1");
    browser::with_inputs(paths, node).run()?;
    say(
        "bench: tests/fixtures/operations.json and tests/browser/counts.json are written; look at what changed",
    );
    Ok(())
}
