//! `cargo xtask test`: every check there is, cheap ones first.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use duct::Expression;

use crate::paths::Paths;
use crate::run::say;
use crate::{browser, build, cargo_cache, native, setup, types};

/// Runs all checks; with `full` also those that take long.
pub(crate) fn test(paths: &Paths, full: bool) -> Result<()> {
    let mut steps = Steps::default();
    let result = all(paths, full, &mut steps);
    steps.summarise();
    result
}

fn all(paths: &Paths, full: bool, steps: &mut Steps) -> Result<()> {
    let cargo = |command: &str, args: &[&str]| -> Result<()> {
        asking_for(full, native::cargo(paths, command, args)).run()?;
        Ok(())
    };
    steps.run("setup", || {
        setup::for_testing(paths)?;
        setup::dask(paths)?;
        cargo_cache::claim_native(paths)
    })?;
    steps.run("formatting", || formatting(paths))?;
    steps.run("clippy", || cargo("clippy", &["--all-targets", "--", "--deny", "warnings"]))?;
    steps.run("generated types", || types::check(paths))?;
    steps.run("native tests", || cargo("test", &[]))?;
    steps.run("the page's types and lint", || {
        paths.npm(["run", "--silent", "check"]).run()?;
        Ok(())
    })?;
    steps.run("site", || build::build_without_warnings(paths, &paths.dist()))?;
    steps.run("native reports", || native_reports(paths))?;
    steps.run("shards on Dask", || shards_on_dask(paths))?;
    steps.run("browser tests", || {
        let npm = browser::with_inputs(paths, paths.npm(["test", "--silent"]));
        asking_for(full, npm).run()?;
        Ok(())
    })?;
    // With a checkpoint of GPT-2 small's shape; fails where too much memory is taken.
    steps.run("memory", || browser::bench(paths, &paths.results.join("bench"), "load", |node| node))?;
    // Every state is reached, and there is something to look at after each run.
    steps.run("pictures", || pictures(paths))
}

/// Checks the formatting. `cargo fmt` follows `mod` items, and those of the analyses stand inside a macro.
fn formatting(paths: &Paths) -> Result<()> {
    paths.cargo(["fmt", "--all", "--check"]).run().context("Run: cargo fmt --all")?;
    let mut words = vec!["--check".into(), "--edition".into(), "2024".into()];
    for file in fs::read_dir(paths.root.join("crate/engine/src/analyses"))? {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension == "rs") {
            words.push(file.into_os_string());
        }
    }
    paths
        .command("rustfmt", words)
        .run()
        .context("Run: rustfmt --edition 2024 crate/engine/src/analyses/*.rs")?;
    Ok(())
}

/// Takes pictures of every state of the page, for a person to look at.
pub(crate) fn shots(paths: &Paths) -> Result<()> {
    setup::for_testing(paths)?;
    build::build(paths, &paths.dist())?;
    pictures(paths)
}

fn pictures(paths: &Paths) -> Result<()> {
    browser::with_inputs(paths, paths.npm(["run", "--silent", "shots"])).run()?;
    say(format_args!("shots: the pictures are in {}", paths.results.join("shots").display()));
    Ok(())
}

/// Has the native command write the reports that the browser tests compare the page's with: every analysis of the
/// first preset, with the demo model.
fn native_reports(paths: &Paths) -> Result<()> {
    let reports = reports(paths);
    fs::create_dir_all(reports.parent().context("it lies in a folder")?)?;
    let reports = reports.to_string_lossy();
    let words =
        ["run", "--analysis", "all", "--model", "www/models/demo", "--device", "cpu", "--json", &reports];
    let command = paths.command(&paths.program("patchlab").to_string_lossy(), words);
    command.stdout_null().run().context("`patchlab run` failed")?;
    Ok(())
}

/// Where [`native_reports`] are.
fn reports(paths: &Paths) -> PathBuf {
    paths.results.join("native/all.json")
}

/// The same study in shards, on two of Dask's workers of which one is killed, is [`native_reports`] byte for byte.
fn shards_on_dask(paths: &Paths) -> Result<()> {
    let python = setup::dask(paths)?;
    let words: [OsString; 3] = [
        "tests/fixtures/dask_shards.py".into(),
        paths.program("patchlab").into_os_string(),
        reports(paths).into_os_string(),
    ];
    paths.command(&python.to_string_lossy(), words).run().context("the study in shards is not the whole")?;
    Ok(())
}

/// Tells the tests whether to run those that take long.
fn asking_for(full: bool, command: Expression) -> Expression {
    if full { command.env("PATCHLAB_FULL", "1") } else { command }
}

/// The steps of a run and how long each took.
#[derive(Default)]
struct Steps {
    done: Vec<(&'static str, f64, bool)>,
}

impl Steps {
    fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        say(format_args!("\n== {name}"));
        let start = Instant::now();
        let result = step();
        self.done.push((name, start.elapsed().as_secs_f64(), result.is_ok()));
        result.with_context(|| format!("failed: {name}"))
    }

    fn summarise(&self) {
        say("\n== summary");
        for (name, seconds, good) in &self.done {
            say(format_args!("{seconds:8.1} s  {name}{}", if *good { "" } else { ": FAILED" }));
        }
    }
}
