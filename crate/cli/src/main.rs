//! `patchlab`: the page's session without a browser, JSON in and JSON out.
//!
//! What `run --help` says of analyses and settings is made from the catalogue.

#![expect(clippy::disallowed_methods, reason = "the native command has files and may wait")]

mod arguments;
mod bench;
mod catalogue;
mod folder;
mod mirror;
mod print;
mod shards;
mod types;

use std::fs;
use std::future::ready;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use patchlab::analyses::{Reading, Viewer};
use patchlab::device::{Adapter, DevicePreference, native_adapter};
use patchlab::figures::{Part, Report};
use patchlab::host::Host;
use patchlab::host::Progress;
use patchlab::model::flops;
use patchlab::notebook::{NotebookRequest, notebook};
use patchlab::protocol::{WriteCircuit, write_circuit};
use patchlab::recorded::Listed;
use patchlab::templates::{Template, templates};
use patchlab::tokens::Tokenizer;
use patchlab::{Error, Experiment, Session};

use arguments::{
    Arguments, BenchArguments, Command, GenerateArguments, ModelArguments, NotebookArguments,
    RecordArguments, RunArguments, TemplateArguments,
};
use catalogue::Selection;

/// glibc's allocator gives the memory of large activations back to the system and has it zeroed again for the next, which takes
/// a tenth of the time of a sweep on two threads (docs/development.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match dispatch(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("patchlab: {}", print::quiet(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Run(arguments) => match (&arguments.plan, arguments.shard) {
            (Some(plan), Some(shard)) => shards::run(plan, shard, &arguments),
            _ => run(&arguments),
        },
        Command::Generate(arguments) => generate(&arguments),
        Command::Shard(arguments) => shards::shard(&arguments),
        Command::Merge(arguments) => shards::merge(&arguments),
        Command::Record(arguments) => record(&arguments),
        Command::Notebook(arguments) => say(&notebook(&notebook_request(arguments)?)?),
        Command::Mirror(arguments) => mirror::write(&arguments.model, &arguments.out, arguments.dtype),
        Command::Bench(arguments) => bench(&arguments),
        Command::Presets => say(&serde_json::to_string_pretty(&patchlab::presets::presets()?)?),
        Command::Template(arguments) => say(&template(&arguments)?),
        Command::Types => say(&types::declarations()),
    }
}

async fn open(model: &ModelArguments) -> Result<Session> {
    let wanted = DevicePreference::from(model.device);
    let adapter = match wanted {
        DevicePreference::Cpu => Adapter::None("not asked for".to_owned()),
        _ => native_adapter().await,
    };
    let session =
        Session::open(folder::files(&model.folder)?, wanted, &adapter, &Terminal::default()).await?;
    let device = &session.info().device;
    eprintln!("{} on {} ({})", session.info().name, device.name, device.reason);
    if let Some(note) = &session.info().note {
        eprintln!("{note}");
    }
    Ok(session)
}

/// An experiment made from a template, or the list of templates.
fn template(arguments: &TemplateArguments) -> Result<String> {
    let Some(name) = &arguments.name else {
        let line = |template: &Template| {
            let corruptions = template.corruptions.iter().map(|one| format!("  {}: {}", one.name, one.note));
            format!("{}: {}\n{}", template.name, template.note, corruptions.collect::<Vec<_>>().join("\n"))
        };
        return Ok(templates()?.iter().map(line).collect::<Vec<_>>().join("\n\n"));
    };
    let TemplateArguments { corruption, pairs, seed, .. } = arguments;
    let tokenizer = Tokenizer::gpt2()?;
    let made = Template::find(name)?.experiment(&tokenizer, corruption.as_deref(), *pairs, *seed)?;
    Ok(serde_json::to_string_pretty(&made)?)
}

fn bench(arguments: &BenchArguments) -> Result<()> {
    let rows = pollster::block_on(async {
        bench::bench(&open(&arguments.model).await?, arguments.workload, arguments.repeats).await
    })?;
    say(&serde_json::to_string_pretty(&rows)?)
}

fn run(arguments: &RunArguments) -> Result<()> {
    let mut experiment = experiment(arguments.experiment.experiment.as_deref())?;
    experiment.prepend_bos &= !arguments.no_bos;
    let selection = arguments.analysis.as_ref().context("--analysis says what is run")?;
    let mut settings = arguments.settings.clone();
    if let Some(path) = &arguments.circuit {
        settings.push(format!("edges={}", folder::text_of(path)?));
    }
    let requests = catalogue::requests(selection, &settings, &experiment)?;
    let viewer = Terminal { recorded: arguments.recorded.as_deref() };
    let reports = pollster::block_on(async {
        let session = open(&arguments.model).await?;
        if let Some(threads) = arguments.threads {
            session.set_threads(threads.into());
        }
        let mut reports = Vec::new();
        for request in &requests {
            flops::take();
            let start = Instant::now();
            reports.push(session.run(request, &viewer).await?);
            let (seconds, operations) = (start.elapsed().as_secs_f64(), flops::take() as f64 / 1e9);
            eprintln!("{}: {seconds:.2} s, {operations:.3} GFLOP", request.analysis);
        }
        if let Some(path) = &arguments.save_circuit {
            let file = circuit_of(&session, &reports)?;
            fs::write(path, file).with_context(|| path.display().to_string())?;
        }
        anyhow::Ok(reports)
    })?;
    deliver(&reports, *selection == Selection::All, arguments.json.as_deref())
}

/// The circuit of the first group of a report, as a file.
fn circuit_of(session: &Session, reports: &[Report]) -> Result<String> {
    let grid = reports.iter().filter(|report| report.analysis == "circuit").flat_map(|report| &report.parts);
    let grid = grid.filter_map(|part| if let Part::Edges(grid) = part { Some(grid) } else { None }).next();
    let values = grid.and_then(|grid| Some((grid, &grid.panels.first()?.values.first()?.mean)));
    let (grid, values) = values.context("--save-circuit: no circuit was run; use --analysis circuit")?;
    let members = grid.columns.ticks.iter().zip(values).filter(|(_, value)| value.is_some());
    let edges: Vec<String> = members.map(|(name, _)| name.clone()).collect();
    // Where edges were named, their numbers are no scores.
    let scored = grid.measures.first().is_some_and(|measure| measure.name == "change");
    let circuit = WriteCircuit { edges, scores: if scored { values.clone() } else { Vec::new() } };
    Ok(write_circuit(&session.model().config, &circuit)?)
}

fn generate(arguments: &GenerateArguments) -> Result<()> {
    let experiment = experiment(arguments.experiment.as_deref())?;
    let own = [format!("prompt={}", arguments.prompt), format!("tokens={}", arguments.tokens)];
    let settings = [&own[..], &arguments.settings].concat();
    let requests = catalogue::requests(&Selection::One("generate".to_owned()), &settings, &experiment)?;
    let reports = pollster::block_on(async {
        let session = open(&arguments.model).await?;
        let mut reports = Vec::new();
        for request in &requests {
            reports.push(session.run(request, &Terminal::default()).await?);
        }
        anyhow::Ok(reports)
    })?;
    deliver(&reports, false, arguments.json.as_deref())
}

fn record(arguments: &RecordArguments) -> Result<()> {
    let text = match &arguments.like {
        Some(path) => folder::text_of(path)?,
        None => RECORDED[1].1.to_owned(),
    };
    let recorded = pollster::block_on(async {
        anyhow::Ok(open(&arguments.model).await?.record(&text, &Terminal::default()).await?)
    })?;
    let listed = Listed { file: "values.json".to_owned(), model: recorded.model.clone() };
    fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    for (name, text) in [
        ("index.json", serde_json::to_string(&[&listed])?),
        (listed.file.as_str(), serde_json::to_string(&recorded)?),
    ] {
        let path = arguments.out.join(name);
        fs::write(&path, text + "\n").with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// The experiment that was named, or the first preset.
fn experiment(named: Option<&Path>) -> Result<Experiment> {
    match named {
        Some(path) => {
            let text = folder::text_of(path)?;
            Experiment::read(&text).with_context(|| path.display().to_string())
        }
        None => {
            let presets = patchlab::presets::presets()?;
            Ok(presets.into_iter().next().context("there are no presets")?.experiment)
        }
    }
}

fn notebook_request(arguments: NotebookArguments) -> Result<NotebookRequest> {
    Ok(NotebookRequest {
        experiment: experiment(arguments.experiment.experiment.as_deref())?,
        analyses: catalogue::for_notebook(&arguments.analyses),
        model: arguments.model,
        tokenizer: arguments.tokenizer,
    })
}

/// Prints the reports, and writes them as JSON, as a list or the only one there is.
fn deliver(reports: &[Report], list: bool, json: Option<&Path>) -> Result<()> {
    let text = |pretty: bool| match (list, pretty) {
        (true, true) => serde_json::to_string_pretty(reports),
        (true, false) => serde_json::to_string(reports),
        (false, true) => serde_json::to_string_pretty(&reports[0]),
        (false, false) => serde_json::to_string(&reports[0]),
    };
    match json {
        Some(path) if path.as_os_str() == "-" => return say(&text(true)?),
        // Indented, the numbers of a sweep would take three times the room.
        Some(path) => {
            fs::write(path, text(false)? + "\n").with_context(|| path.display().to_string())?;
        }
        None => {}
    }
    say(&reports.iter().map(print::report).collect::<Vec<_>>().join("\n"))
}

/// Prints. A pager that closes early has read enough: that is no error.
fn say(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{}", print::quiet(text)) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}

/// Progress on standard error, one line that overwrites itself.
#[derive(Default)]
struct Terminal<'a> {
    /// A folder of recorded values, in place of those that come along.
    recorded: Option<&'a Path>,
}

/// The recorded values that come along.
const RECORDED: [(&str, &str); 2] = [
    ("recorded/index.json", include_str!("../../../www/recorded/index.json")),
    ("recorded/gpt2-small.json", include_str!("../../../www/recorded/gpt2-small.json")),
];

impl Viewer for Terminal<'_> {
    fn file<'a>(&'a self, path: &'a str) -> Reading<'a> {
        let found = match (self.recorded, path.strip_prefix("recorded/")) {
            (Some(folder), Some(name)) => {
                fs::read_to_string(folder.join(name)).map_err(|error| error.to_string())
            }
            _ => {
                let known =
                    RECORDED.iter().find(|(known, _)| *known == path).map(|(_, text)| (*text).to_owned());
                known.ok_or_else(|| "no such file comes along".to_owned())
            }
        };
        Box::pin(ready(found.map(Some).map_err(|reason| Error::Source { what: path.to_owned(), reason })))
    }
}

impl Host for Terminal<'_> {
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
