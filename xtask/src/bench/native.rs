//! The engine natively. With a Python, rounds of both take turns, so that both see the same machine; what counts is the
//! median of the rounds' ratios.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use crate::native;
use crate::paths::Paths;
use crate::run::say;

/// What `bench native` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// A folder with config.json and model.safetensors
    model: PathBuf,
    /// How often
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// cpu or wgpu
    #[arg(long, default_value = "cpu")]
    device: String,
    /// A Python with transformer-lens 2.18, timed in turns with the engine
    #[arg(long)]
    python: Option<PathBuf>,
    /// forward, experiment1, neurons, growth or edges
    #[arg(long, default_value = "experiment1")]
    what: String,
}

/// Measures.
pub(super) fn measure(paths: &Paths, folder: &Path, options: &Options) -> Result<()> {
    native::programs(paths)?;
    let model = std::path::absolute(&options.model)?;
    let (what, device) = (options.what.as_str(), options.device.as_str());
    // A forward pass is short enough to be repeated within a round.
    let (rounds, each) = match (&options.python, what) {
        (None, _) => (1, options.repeats),
        (_, "forward") => (options.repeats, 9),
        _ => (options.repeats, 1),
    };
    let (mut all, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let each = each.to_string();
        let words: [OsString; 8] = [
            "bench".into(),
            what.into(),
            "--model".into(),
            model.clone().into(),
            "--device".into(),
            device.into(),
            "--repeats".into(),
            each.into(),
        ];
        let program = paths.program("patchlab").to_string_lossy().into_owned();
        let printed = paths.command(&program, words).read().context("the native command failed")?;
        let rows: Value = serde_json::from_str(&printed)?;
        let mut round = json!({ "rows": rows });
        if let Some(python) = &options.python {
            let theirs = python_seconds(paths, python, what, &model, device)?;
            let (ours, runs) = total(&rows)?;
            let ratio = theirs * runs / ours;
            say(format_args!(
                "{ours:.3} s; in Python {theirs:.4} s each, {:.3} s for {runs}: {ratio:.2} times as long",
                theirs * runs
            ));
            round["python_seconds_each"] = json!(theirs);
            round["ratio"] = json!(ratio);
            ratios.push(ratio);
        }
        all.push(round);
    }
    let mut result = json!({ "what": what, "device": device, "machine": machine(), "rounds": all });
    if let Some(ratio) = median(&mut ratios) {
        say(format_args!("Python takes {ratio:.2} times as long (median of {rounds} rounds)"));
        result["ratio"] = json!(ratio);
    }
    let out = folder.join(format!("{what}-{device}.json"));
    fs::write(&out, format!("{result:#}\n"))?;
    say(format_args!("bench: {}", out.display()));
    Ok(())
}

/// What one patch, or one forward pass, takes in Python.
fn python_seconds(paths: &Paths, python: &Path, what: &str, model: &Path, device: &str) -> Result<f64> {
    let device = if device == "wgpu" { "cuda" } else { "cpu" };
    let what = match what {
        "forward" => "forward",
        "edges" => "edge",
        _ => "patch",
    };
    let words: [OsString; 4] =
        ["tests/fixtures/time_python.py".into(), what.into(), model.into(), device.into()];
    let printed = paths.command(&python.to_string_lossy(), words).read().context("Python failed")?;
    let last = printed.lines().last().unwrap_or_default();
    last.parse().with_context(|| format!("Python printed {last:?} in place of seconds"))
}

/// The seconds of all rows together, and how many runs of the model they stand for.
fn total(rows: &Value) -> Result<(f64, f64)> {
    let (mut seconds, mut runs) = (0.0, 0.0);
    for row in rows.as_array().context("rows are a list")? {
        let times = row["seconds"].as_array().context("a row has seconds")?;
        seconds +=
            median(&mut times.iter().filter_map(Value::as_f64).collect::<Vec<_>>()).context("no times")?;
        runs += row["patches"].as_f64().filter(|&patches| patches > 0.0).unwrap_or(1.0);
    }
    Ok((seconds, runs))
}

fn median(numbers: &mut [f64]) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = numbers.get(middle)?;
    Some(if numbers.len().is_multiple_of(2) { (numbers[middle - 1] + upper) / 2.0 } else { *upper })
}

/// The processor, as far as the system tells, and how many threads it has for us.
fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{threads} x {}", name.unwrap_or(std::env::consts::ARCH))
}
