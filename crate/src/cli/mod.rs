//! The command line, made from the catalogue of analyses: each analysis is a subcommand, each setting an option.

mod folder;
mod print;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use patchlab::analyses::{ALL, Analysis, Range, Setting};
use patchlab::device::{Adapter, Wanted, native_adapter};
use patchlab::host::Host;
use patchlab::report::{Progress, Report};
use patchlab::{Experiment, Request, Session};

/// Runs the command that was typed.
pub(crate) fn main() -> ExitCode {
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
        .subcommands(ALL.iter().map(|analysis| analysis_command(analysis)))
        .subcommands([presets, types])
}

fn analysis_command(analysis: &Analysis) -> Command {
    Command::new(analysis.name)
        .about(analysis.title)
        .long_about(analysis.description)
        .arg(
            Arg::new("experiment")
                .value_name("EXPERIMENT.json")
                .value_parser(value_parser!(PathBuf))
                .help("The experiment document (docs/experiment.md); a preset is used if it is left out"),
        )
        .arg(
            Arg::new("model")
                .long("model")
                .value_name("DIR")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("A folder with config.json and model.safetensors, and tokenizer.json if it is not GPT-2's"),
        )
        .arg(
            Arg::new("device")
                .long("device")
                .value_parser(["auto", "cpu", "wgpu"])
                .default_value("auto")
                .help("Where to run: Burn's Flex on the processor, or wgpu"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .value_name("OUT")
                .value_parser(value_parser!(PathBuf))
                .help("Write the report as JSON to this file; `-` for standard output instead of the text"),
        )
        .arg(
            Arg::new("no-bos")
                .long("no-bos")
                .action(ArgAction::SetTrue)
                .help("Do not prepend <|endoftext|>"),
        )
        .args(analysis.settings.iter().map(setting_argument))
}

fn setting_argument(setting: &Setting) -> Arg {
    let (kind, range) = match setting.range {
        Range::Text { .. } => ("TEXT", String::new()),
        Range::Count { default, min, max } => ("N", format!(" [{min} to {max}, default {default}]")),
        Range::Choice { default, options } => {
            ("WORD", format!(" [{}; default {default}]", options.join(", ")))
        }
        Range::Flag { default } => ("yes|no", format!(" [default {}]", if default { "yes" } else { "no" })),
    };
    Arg::new(setting.name)
        .long(setting.name.replace('_', "-"))
        .value_name(kind)
        .allow_hyphen_values(true)
        .help(format!("{}{range}", setting.description))
}

fn dispatch(matches: &ArgMatches) -> Result<()> {
    match matches.subcommand() {
        Some(("types", _)) => say(&patchlab::types::declarations()),
        Some(("presets", _)) => say(&serde_json::to_string_pretty(&patchlab::presets::presets()?)?),
        Some((name, matches)) => analyse(patchlab::analyses::find(name)?, matches),
        None => unreachable!("clap requires a subcommand"),
    }
}

fn analyse(analysis: &Analysis, matches: &ArgMatches) -> Result<()> {
    let request = request(analysis, matches)?;
    let folder = matches.get_one::<PathBuf>("model").context("--model is required")?;
    let report = pollster::block_on(async {
        let wanted = match matches.get_one::<String>("device").map(String::as_str) {
            Some("cpu") => Wanted::Cpu,
            Some("wgpu") => Wanted::Wgpu,
            _ => Wanted::Auto,
        };
        let adapter = match wanted {
            Wanted::Cpu => Adapter::None("not asked for".to_owned()),
            _ => native_adapter().await,
        };
        let session = Session::open(folder::files(folder)?, wanted, &adapter, &Terminal).await?;
        let device = &session.info().device;
        eprintln!("{} on {} ({})", session.info().name, device.name, device.reason);
        anyhow::Ok(session.run(&request, &Terminal).await?)
    })?;
    deliver(&report, matches.get_one::<PathBuf>("json"))
}

fn request(analysis: &Analysis, matches: &ArgMatches) -> Result<Request> {
    let mut experiment = match matches.get_one::<PathBuf>("experiment") {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            Experiment::from_json(&text).with_context(|| path.display().to_string())?
        }
        None => {
            let presets = patchlab::presets::presets()?;
            presets.into_iter().next().context("there are no presets")?.experiment
        }
    };
    experiment.prepend_bos &= !matches.get_flag("no-bos");
    let typed = |setting: &Setting| {
        let value = matches.get_one::<String>(setting.name)?;
        Some((setting.name.to_owned(), value.as_str().into()))
    };
    let settings = analysis.settings.iter().filter_map(typed).collect();
    Ok(Request { analysis: analysis.name.to_owned(), experiment, settings })
}

/// Prints the report, or writes it as JSON.
fn deliver(report: &Report, json: Option<&PathBuf>) -> Result<()> {
    let text = || serde_json::to_string_pretty(report);
    match json {
        Some(path) if path.as_os_str() == "-" => return say(&text()?),
        Some(path) => fs::write(path, text()? + "\n").with_context(|| path.display().to_string())?,
        None => {}
    }
    say(&print::report(report))
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
