//! Writes the planted checkpoints, each into a folder of its name.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use patchlab_planted::{SEED, plants};

/// Writes the planted checkpoints.
#[derive(Parser)]
struct Arguments {
    /// The folder to write to.
    dir: PathBuf,
    /// Decides which heads do what, what the directions of the residual stream mean, and the prompts. The recorded truth is
    /// that of the default.
    #[arg(long, default_value_t = SEED)]
    seed: u64,
}

#[allow(clippy::disallowed_methods, reason = "a native program writes its own results")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    for plant in plants(arguments.seed)? {
        let folder = arguments.dir.join(plant.name);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for (name, bytes) in plant.files {
            let path = folder.join(name);
            fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        }
        println!("{}", folder.display());
    }
    Ok(())
}
