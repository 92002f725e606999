//! Everything a person types: `cargo xtask serve`, `cargo xtask test` and their parts.
//!
//! Each command sets up what it needs by itself and can be repeated at any time. `docs/development.md` says what each
//! does and how long it takes.

mod bench;
mod browser;
mod build;
mod cargo_cache;
mod native;
mod paths;
mod run;
mod serve;
mod setup;
mod site_files;
mod test;
mod types;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use paths::Paths;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, serves and tests Patchlab")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the site and serve it on this machine
    Serve {
        /// The port on 127.0.0.1
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
    /// Run every check and test there is
    Test {
        /// Also run what takes long: a checkpoint of GPT-2 small's full shape in the browser
        #[arg(long)]
        full: bool,
    },
    /// Build the optimised site, ready for any static host
    Build {
        /// The folder to leave it in
        #[arg(long, default_value = "dist")]
        out: PathBuf,
    },
    /// Measure speed and memory (docs/speed.md)
    Bench {
        #[command(subcommand)]
        what: bench::What,
    },
    /// Put a checkpoint's weights beside the page, as files that any static host can serve
    Mirror {
        /// A folder with config.json and model.safetensors
        model: PathBuf,
        /// The number format: f32, or f16, which needs half the room and rounds
        #[arg(long, default_value = "f32")]
        dtype: String,
        /// The folder to write to; the page looks for GPT-2 small in this one
        #[arg(long, default_value = "dist/www/models/gpt2")]
        out: PathBuf,
    },
    /// Install what the other commands need, and nothing else
    Setup,
    /// Regenerate www/types/engine.d.ts from the engine's types
    Types,
    /// Take pictures of the page in all its states, into target/results/shots
    Shots,
    /// The native command: `cargo xtask patchlab run --help`
    #[command(disable_help_flag = true)]
    Patchlab {
        /// Passed on to it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Train the demo model (half an hour)
    TrainDemo {
        /// Passed on to the training program
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a backtrace: these errors are about the machine and the repository, not about this program.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let paths = Paths::find()?;
    match command {
        Command::Serve { port } => serve::serve(&paths, &paths.dist(), port),
        Command::Test { full } => test::test(&paths, full),
        Command::Build { out } => build::build(&paths, &std::path::absolute(out)?),
        Command::Setup => {
            setup::for_testing(&paths)?;
            setup::for_building(&paths)?;
            setup::dask(&paths)?;
            Ok(())
        }
        Command::Shots => test::shots(&paths),
        Command::Types => types::write(&paths),
        Command::Bench { what } => bench::bench(&paths, what),
        Command::Mirror { model, dtype, out } => {
            let (model, out) = (std::path::absolute(model)?, std::path::absolute(out)?);
            let words = ["mirror".as_ref(), model.as_os_str(), "--dtype".as_ref(), dtype.as_ref()];
            run_program(
                &paths,
                "patchlab",
                words.into_iter().chain(["--out".as_ref(), out.as_os_str()]).map(Into::into).collect(),
            )
        }
        Command::Patchlab { args } => {
            run_program(&paths, "patchlab", args.into_iter().map(Into::into).collect())
        }
        Command::TrainDemo { args } => {
            run_program(&paths, "train-demo", args.into_iter().map(Into::into).collect())
        }
    }
}

/// Builds and runs one of the workspace's native programs.
fn run_program(paths: &Paths, name: &str, args: Vec<OsString>) -> Result<()> {
    native::programs(paths)?;
    duct::cmd(paths.program(name), args).run().map(drop).or_else(|error| match error.kind() {
        // It has said what is wrong.
        std::io::ErrorKind::Other => std::process::exit(1),
        _ => Err(error.into()),
    })
}
