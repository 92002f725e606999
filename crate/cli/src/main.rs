//! `patchlab`: the page's session without a browser, JSON in and JSON out.
//!
//! What `run --help` says of analyses and settings is made from the catalogue.

#![expect(clippy::disallowed_methods, reason = "the native command has files and may wait")]

mod bench;
mod folder;
mod mirror;
mod print;
mod types;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use patchlab::analyses::{ALL, Analysis, Setting, SettingRange, Viewer};
use patchlab::device::{Adapter, DevicePreference, native_adapter};
use patchlab::figures::Report;
use patchlab::host::Host;
use patchlab::host::Progress;
use patchlab::model::flops;
use patchlab::notebook::{NotebookAnalysis, NotebookRequest};
use patchlab::{Experiment, Request, Session};

use mirror::Dtype;

/// Runs the command that was typed.
fn main() -> ExitCode {
    let matches = command().get_matches();
    match dispatch(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("patchlab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    let types =
        Command::new("types").about("Print the TypeScript declarations of everything the page receives");
    let presets = Command::new("presets").about("Print the experiments that come with Patchlab, as JSON");
    Command::new("patchlab")
        .about("GPT-2 under the microscope: the page's analyses, natively")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([run_command(), notebook_command(), mirror_command(), bench_command(), presets, types])
}

fn notebook_command() -> Command {
    let name = |id: &'static str, value: &'static str, help: &'static str| {
        Arg::new(id).long(id).value_name(value).default_value("openai-community/gpt2").help(help)
    };
    Command::new("notebook")
        .about("Print a Jupyter notebook that repeats analyses with TransformerLens")
        .arg(experiment_argument())
        .arg(
            Arg::new("analysis")
                .long("analysis")
                .value_name("NAME|all")
                .action(ArgAction::Append)
                .default_value("all")
                .help("An analysis, may be repeated; or all of them, with their defaults"),
        )
        .arg(name("model", "NAME", "The checkpoint, on the Hugging Face hub or a folder"))
        .arg(name("tokenizer", "NAME", "Its tokenizer, likewise"))
}

fn mirror_command() -> Command {
    let folder = |name: &'static str, help: &'static str| {
        Arg::new(name).value_name("DIR").required(true).value_parser(value_parser!(PathBuf)).help(help)
    };
    Command::new("mirror")
        .about("Write a checkpoint as shards that any static host can serve beside the page")
        .arg(folder("model", "A folder with config.json and model.safetensors"))
        .arg(folder("out", "The folder to write to").long("out"))
        .arg(
            Arg::new("dtype")
                .long("dtype")
                .value_parser(["f32", "f16"])
                .default_value("f32")
                .help("The number format; f16 needs half the room and rounds"),
        )
}

fn experiment_argument() -> Arg {
    Arg::new("experiment")
        .value_name("EXPERIMENT.json")
        .value_parser(value_parser!(PathBuf))
        .help("The experiment document (docs/experiment.md); the first preset if it is left out")
}

fn model_argument() -> Arg {
    Arg::new("model")
        .long("model")
        .value_name("DIR")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("A folder with config.json and model.safetensors, and tokenizer.json if it is not GPT-2's; or a mirror")
}

fn device_argument() -> Arg {
    Arg::new("device")
        .long("device")
        .value_parser(["auto", "cpu", "wgpu"])
        .default_value("auto")
        .help("Where to run: Burn's Flex on the processor, or wgpu")
}

fn bench_command() -> Command {
    Command::new("bench")
        .about("Measure what the engine's work takes; prints JSON (docs/speed.md)")
        .arg(Arg::new("what").required(true).value_parser(bench::WHAT).help("What to measure"))
        .arg(model_argument())
        .arg(device_argument())
        .arg(
            Arg::new("repeats")
                .long("repeats")
                .value_name("N")
                .value_parser(value_parser!(usize))
                .default_value("5")
                .help("How often; with 1 there is no warming up"),
        )
}

fn run_command() -> Command {
    Command::new("run")
        .about("Run one analysis of an experiment, or all of them")
        .arg(experiment_argument())
        .arg(
            Arg::new("analysis")
                .long("analysis")
                .value_name("NAME|all")
                .required(true)
                .value_parser(PossibleValuesParser::new(
                    ALL.iter().map(|analysis| analysis.name).chain(["all"]),
                ))
                .hide_possible_values(true)
                .help("The analysis, or all of them with their defaults; they are listed below"),
        )
        .arg(
            Arg::new("set").long("set").value_name("KEY=VALUE").action(ArgAction::Append).help(
                "A setting of the analysis; may be repeated. With `all`, of every analysis that has it",
            ),
        )
        .arg(model_argument())
        .arg(device_argument())
        .arg(Arg::new("json").long("json").value_name("OUT").value_parser(value_parser!(PathBuf)).help(
            "Write the report as JSON to this file, with `all` a list of reports; `-` for standard output \
                     instead of the text",
        ))
        .arg(
            Arg::new("no-bos").long("no-bos").action(ArgAction::SetTrue).help("Do not prepend <|endoftext|>"),
        )
        .after_long_help(catalogue())
        .after_help("`patchlab run --help` lists the analyses and their settings.")
}

/// The analyses and their settings, in words.
fn catalogue() -> String {
    let setting = |setting: &Setting| {
        format!("      {}: {} [{}]\n", setting.name, setting.description, range(&setting.range))
    };
    let analysis = |analysis: &Analysis| {
        let settings: String = analysis.settings.iter().map(setting).collect();
        format!("  {}\n      {}\n{settings}", analysis.name, analysis.description)
    };
    format!("Analyses:\n{}", ALL.iter().map(analysis).collect::<Vec<_>>().join("\n"))
}

/// What a setting may be, in words.
fn range(range: &SettingRange) -> String {
    match range {
        SettingRange::Text { default: "" } => "text, empty by default".to_owned(),
        SettingRange::Text { default } => format!("text, default {default}"),
        SettingRange::Count { default, min, max } => format!("{min} to {max}, default {default}"),
        SettingRange::Choice { default, options } => format!("{}; default {default}", options.join(", ")),
        SettingRange::Flag { default } => {
            format!("yes or no, default {}", if *default { "yes" } else { "no" })
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Result<()> {
    match matches.subcommand() {
        Some(("types", _)) => say(&types::declarations()),
        Some(("presets", _)) => say(&serde_json::to_string_pretty(&patchlab::presets::presets()?)?),
        Some(("run", matches)) => run(matches),
        Some(("mirror", matches)) => {
            let folder = |name: &str| matches.get_one::<PathBuf>(name).context("clap asks for both folders");
            let half = matches.get_one::<String>("dtype").is_some_and(|dtype| dtype == "f16");
            mirror::write(folder("model")?, folder("out")?, if half { Dtype::F16 } else { Dtype::F32 })
        }
        Some(("bench", matches)) => bench(matches),
        Some(("notebook", matches)) => say(&patchlab::notebook::notebook(&notebook_request(matches)?)?),
        _ => unreachable!("clap knows the subcommands"),
    }
}

/// Opens the model that `--model` and `--device` name.
async fn open(matches: &ArgMatches) -> Result<Session> {
    let folder = matches.get_one::<PathBuf>("model").context("--model is required")?;
    let wanted = match matches.get_one::<String>("device").map(String::as_str) {
        Some("cpu") => DevicePreference::Cpu,
        Some("wgpu") => DevicePreference::Wgpu,
        _ => DevicePreference::Auto,
    };
    let adapter = match wanted {
        DevicePreference::Cpu => Adapter::None("not asked for".to_owned()),
        _ => native_adapter().await,
    };
    let session = Session::open(folder::files(folder)?, wanted, &adapter, &Terminal).await?;
    let device = &session.info().device;
    eprintln!("{} on {} ({})", session.info().name, device.name, device.reason);
    Ok(session)
}

fn bench(matches: &ArgMatches) -> Result<()> {
    let what = matches.get_one::<String>("what").context("clap asks for it")?;
    let repeats = matches.get_one::<usize>("repeats").copied().unwrap_or(1);
    let rows = pollster::block_on(async { bench::bench(&open(matches).await?, what, repeats).await })?;
    say(&serde_json::to_string_pretty(&rows)?)
}

fn run(matches: &ArgMatches) -> Result<()> {
    let requests = requests(matches)?;
    let reports = pollster::block_on(async {
        let session = open(matches).await?;
        let mut reports = Vec::new();
        for request in &requests {
            flops::take();
            let start = Instant::now();
            reports.push(session.run(request, &Terminal).await?);
            let (seconds, operations) = (start.elapsed().as_secs_f64(), flops::take() as f64 / 1e9);
            eprintln!("{}: {seconds:.2} s, {operations:.3} GFLOP", request.analysis);
        }
        anyhow::Ok(reports)
    })?;
    let json = matches.get_one::<PathBuf>("json");
    if matches.get_one::<String>("analysis").is_some_and(|name| name == "all") {
        deliver(&reports, &reports, json)
    } else {
        deliver(&reports[0], &reports, json)
    }
}

/// The experiment that was named, or the first preset.
fn experiment(matches: &ArgMatches) -> Result<Experiment> {
    match matches.get_one::<PathBuf>("experiment") {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            Experiment::from_json(&text).with_context(|| path.display().to_string())
        }
        None => {
            let presets = patchlab::presets::presets()?;
            Ok(presets.into_iter().next().context("there are no presets")?.experiment)
        }
    }
}

fn notebook_request(matches: &ArgMatches) -> Result<NotebookRequest> {
    let text = |id: &str| matches.get_one::<String>(id).cloned().unwrap_or_default();
    let names: Vec<&String> = matches.get_many("analysis").unwrap_or_default().collect();
    let wanted =
        ALL.iter().filter(|analysis| names.iter().any(|name| *name == "all" || *name == analysis.name));
    let analysis = |analysis: &Analysis| NotebookAnalysis {
        name: analysis.name.to_owned(),
        settings: serde_json::Map::new(),
    };
    Ok(NotebookRequest {
        model: text("model"),
        tokenizer: text("tokenizer"),
        experiment: experiment(matches)?,
        analyses: wanted.map(analysis).collect(),
    })
}

/// One request, or one for every analysis.
fn requests(matches: &ArgMatches) -> Result<Vec<Request>> {
    let mut experiment = experiment(matches)?;
    experiment.prepend_bos &= !matches.get_flag("no-bos");

    let name = matches.get_one::<String>("analysis").context("--analysis is required")?;
    let given = matches.get_many::<String>("set").unwrap_or_default();
    let given: Vec<(&str, &str)> = given
        .map(|text| text.split_once('=').with_context(|| format!("--set {text}: write KEY=VALUE")))
        .collect::<Result<_>>()?;
    let analyses = ALL.iter().filter(|analysis| name == "all" || analysis.name == name);
    let request = |analysis: &Analysis| {
        let has = |key: &str| analysis.settings.iter().any(|setting| setting.name == key);
        // A single analysis is given everything, so that it refuses what it does not have.
        let own = given.iter().filter(|(key, _)| name != "all" || has(key));
        let settings = own.map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        Request { analysis: analysis.name.to_owned(), experiment: experiment.clone(), settings }
    };
    let requests: Vec<Request> = analyses.map(request).collect();
    let unknown = |(key, _): &&(&str, &str)| {
        !ALL.iter().flat_map(|analysis| analysis.settings).any(|setting| setting.name == *key)
    };
    match given.iter().find(unknown) {
        Some((key, _)) if name == "all" => anyhow::bail!("--set {key}: no analysis has this setting"),
        _ => Ok(requests),
    }
}

/// Prints the reports, or writes `document` as JSON.
fn deliver(document: &impl serde::Serialize, reports: &[Report], json: Option<&PathBuf>) -> Result<()> {
    match json {
        Some(path) if path.as_os_str() == "-" => return say(&serde_json::to_string_pretty(document)?),
        // Indented, the numbers of a sweep would take three times the room.
        Some(path) => {
            fs::write(path, serde_json::to_string(document)? + "\n")
                .with_context(|| path.display().to_string())?;
        }
        None => {}
    }
    say(&reports.iter().map(print::report).collect::<Vec<_>>().join("\n"))
}

/// Prints. A pager that closes early has read enough: that is no error.
fn say(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}

/// Progress on standard error, one line that overwrites itself.
struct Terminal;

impl Viewer for Terminal {}

impl Host for Terminal {
    fn progress(&self, progress: Progress) {
        use std::io::IsTerminal as _;
        if std::io::stderr().is_terminal() {
            let share = 100.0 * progress.done / progress.total.max(1.0);
            eprint!(
                "\r{} {share:3.0}%\x1b[K{}",
                progress.stage,
                if share >= 100.0 { "\r\x1b[K" } else { "" }
            );
        }
    }

    fn cancelled(&self) -> bool {
        false // Ctrl-C ends the process.
    }
}
