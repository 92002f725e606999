//! `cargo xtask bench`: figures for docs/speed.md. Results are left in target/results/bench, as JSON.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::paths::Paths;
use crate::run::say;
use crate::{build, setup, test};

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum What {
    /// Memory and time of opening a checkpoint of GPT-2 small's shape in the browser
    Load,
    /// The engine itself, natively, and TransformerLens on the same machine if a Python that has it is named
    Native {
        /// A folder with config.json and model.safetensors
        model: PathBuf,
        /// How often
        #[arg(long, default_value_t = 5)]
        repeats: usize,
        /// cpu or wgpu
        #[arg(long, default_value = "cpu")]
        device: String,
        /// A Python with transformer-lens 2.18: its patches are timed in turns with ours
        #[arg(long)]
        python: Option<PathBuf>,
        /// forward, experiment1, neurons or growth
        #[arg(long, default_value = "experiment1")]
        what: String,
    },
}

/// Measures.
pub(crate) fn bench(paths: &Paths, what: What) -> Result<()> {
    let folder = paths.results.join("bench");
    fs::create_dir_all(&folder)?;
    match what {
        What::Load => {
            setup::for_testing(paths)?;
            build::build(paths, &paths.dist())?;
            let out = folder.join("load.json");
            let node = paths.npm(["exec", "--", "node", "bench/load.mjs"]).env("PATCHLAB_BENCH", &out);
            test::with_browser_inputs(paths, node).run()?;
            say(format_args!("bench: {}", out.display()));
        }
        What::Native { model, repeats, device, python, what } => {
            test::native_command(paths)?;
            let model = std::path::absolute(model)?;
            let program = paths.patchlab().to_string_lossy().into_owned();
            let once = ["bench".as_ref(), what.as_ref(), "--model".as_ref(), model.as_os_str()];
            let once = once.into_iter().chain(["--device".as_ref(), device.as_ref(), "--repeats".as_ref()]);
            let once: Vec<std::ffi::OsString> = once.map(Into::into).collect();
            // With TransformerLens the runs take turns, so that both see the same machine.
            let (rounds, each) = if python.is_some() { (repeats, 1) } else { (1, repeats) };
            for round in 0..rounds {
                let words = once.iter().cloned().chain([each.to_string().into()]);
                let json = paths.command(&program, words).read().context("the native command failed")?;
                fs::write(folder.join(format!("{what}-{device}-{round}.json")), json)?;
                if let Some(python) = &python {
                    let script = "tests/fixtures/time_transformer_lens.py";
                    let words = [script.as_ref(), model.as_os_str()];
                    paths.command(&python.to_string_lossy(), words).run()?;
                }
            }
            say(format_args!("bench: {}", folder.display()));
        }
    }
    Ok(())
}
