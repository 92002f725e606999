//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use patchlab::device::DevicePreference;

use crate::bench::Workload;
use crate::catalogue::{self, Selection};
use crate::mirror::Dtype;

/// GPT-2 under the microscope: the page's analyses, natively
#[derive(Parser)]
#[command(name = "patchlab", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run one analysis of an experiment, or all of them
    #[command(
        after_help = "`patchlab run --help` lists the analyses and their settings.",
        after_long_help = catalogue::help()
    )]
    Run(RunArguments),
    /// Continue a text, and beside it with interventions held: the analysis `generate`
    Generate(GenerateArguments),
    /// Cut a study into shards that any scheduler can run (docs/shards.md): writes DIR/plan.json
    Shard(ShardArguments),
    /// Put the shards of a plan together: what `run` would have given, bit for bit
    Merge(MergeArguments),
    /// Write down this model's values of the figures that `recorded` compares, for other machines to compare with
    Record(RecordArguments),
    /// Print a Jupyter notebook that repeats analyses with TransformerLens
    Notebook(NotebookArguments),
    /// Write a checkpoint as shards that any static host can serve beside the page
    Mirror(MirrorArguments),
    /// Measure what the engine's work takes; prints JSON (docs/speed.md)
    Bench(BenchArguments),
    /// Print the experiments that come with Patchlab, as JSON
    Presets,
    /// Print an experiment made from a template: texts with slots, filled with words; without a name the templates that there are
    Template(TemplateArguments),
    /// Print the TypeScript declarations of everything the page receives
    Types,
}

#[derive(Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArgument,
    /// The analysis, or all of them with their defaults; they are listed below
    #[arg(
        long, value_name = "NAME|all", value_parser = catalogue::selection(), hide_possible_values = true,
        required_unless_present = "plan"
    )]
    pub(crate) analysis: Option<Selection>,
    /// A setting of the analysis; may be repeated. With `all`, of every analysis that has it
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Threads to run on; as many as this machine has if it is left out. Last digits depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// The plan whose shard is run; the shard's file is written beside it
    #[arg(
        long, value_name = "PLAN.json", requires = "shard",
        conflicts_with_all = ["experiment", "analysis", "settings", "json", "no_bos", "threads"]
    )]
    pub(crate) plan: Option<PathBuf>,
    /// Which shard of the plan, from 0
    #[arg(long, value_name = "K", requires = "plan")]
    pub(crate) shard: Option<usize>,
    /// Read the setting `edges` from this file: a list of edges, or a circuit file of EAP-IG (docs/circuits.md)
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    pub(crate) circuit: Option<PathBuf>,
    /// Write the circuit of the first group to this file, as EAP-IG reads it
    #[arg(long, value_name = "OUT", conflicts_with = "plan")]
    pub(crate) save_circuit: Option<PathBuf>,
    /// Write the report as JSON to this file, with `all` a list of reports; `-` for standard output instead of the
    /// text
    #[arg(long, value_name = "OUT")]
    pub(crate) json: Option<PathBuf>,
    /// Do not prepend <|endoftext|>
    #[arg(long)]
    pub(crate) no_bos: bool,
    /// A folder of recorded values for the analysis `recorded`, in place of those that come along (docs/recorded.md)
    #[arg(long, value_name = "DIR")]
    pub(crate) recorded: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct GenerateArguments {
    /// The text that goes on; the experiment's first prompt if it is left out
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prompt: String,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// How many tokens are added
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) tokens: u32,
    /// Another setting of `generate`, such as temperature=0.8 or steer=blocks.2.hook_resid_post; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    /// The experiment that a direction is taken from; the first preset if it is left out
    #[arg(long, value_name = "EXPERIMENT.json")]
    pub(crate) experiment: Option<PathBuf>,
    /// Write the report as JSON to this file; `-` for standard output instead of the text
    #[arg(long, value_name = "OUT")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ShardArguments {
    /// The experiment: a document, JSON lines or a table (docs/experiment.md)
    #[arg(value_name = "EXPERIMENT.json")]
    pub(crate) experiment: PathBuf,
    /// How many shards
    #[arg(value_name = "N")]
    pub(crate) shards: usize,
    /// The analysis, or all of them with their defaults (`patchlab run --help`)
    #[arg(
        long, value_name = "NAME|all", value_parser = catalogue::selection(), hide_possible_values = true
    )]
    pub(crate) analysis: Selection,
    /// A setting of the analysis; may be repeated. With `all`, of every analysis that has it
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    /// Do not prepend <|endoftext|>
    #[arg(long)]
    pub(crate) no_bos: bool,
    /// Threads that each shard runs on, on every machine; as many as this one has if it is left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// The model's folder, of which only config.json is read: what takes longest is then cut by layers, too
    #[arg(long = "model", value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// The folder for the plan and the shards; all machines must see it
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Args)]
pub(crate) struct MergeArguments {
    /// The plan; its shards are beside it
    #[arg(value_name = "PLAN.json")]
    pub(crate) plan: PathBuf,
    /// Write the report as JSON to this file, with `all` a list of reports; `-` for standard output instead of the
    /// text
    #[arg(long, value_name = "OUT")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct RecordArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// The file whose figures are taken; that of GPT-2 small if it is left out
    #[arg(long, value_name = "FILE")]
    pub(crate) like: Option<PathBuf>,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Args)]
pub(crate) struct NotebookArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArgument,
    /// An analysis, may be repeated; or all of them, with their defaults
    #[arg(long = "analysis", value_name = "NAME|all", default_value = "all")]
    pub(crate) analyses: Vec<String>,
    /// The checkpoint, on the Hugging Face hub or a folder
    #[arg(long, value_name = "NAME", default_value = "openai-community/gpt2")]
    pub(crate) model: String,
    /// Its tokenizer, likewise
    #[arg(long, value_name = "NAME", default_value = "openai-community/gpt2")]
    pub(crate) tokenizer: String,
}

#[derive(Args)]
pub(crate) struct MirrorArguments {
    /// A folder with config.json and model.safetensors
    #[arg(value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The number format; f16 needs half the room and rounds
    #[arg(long, value_name = "dtype", default_value = "f32")]
    pub(crate) dtype: Dtype,
}

#[derive(Args)]
pub(crate) struct BenchArguments {
    /// What to measure
    #[arg(value_name = "what")]
    pub(crate) workload: Workload,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// How often; with 1 there is no warming up
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) repeats: usize,
}

#[derive(Args)]
pub(crate) struct TemplateArguments {
    /// The template
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How prompts are corrupted; the first way that the template has if it is left out
    #[arg(long, value_name = "NAME")]
    pub(crate) corruption: Option<String>,
    /// How many pairs
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) pairs: usize,
    /// Another seed makes other pairs
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

#[derive(Args)]
pub(crate) struct ExperimentArgument {
    /// The experiment: a document, JSON lines or a table (docs/experiment.md); the first preset if it is left out
    #[arg(value_name = "EXPERIMENT.json")]
    pub(crate) experiment: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ModelArguments {
    /// A folder with config.json and model.safetensors, and tokenizer.json if it is not GPT-2's; or a mirror
    #[arg(long = "model", value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Where to run: Burn's Flex on the processor, or wgpu
    #[arg(long, value_name = "device", default_value = "auto")]
    pub(crate) device: Device,
}

/// [`DevicePreference`] as it is typed.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Device {
    Auto,
    Cpu,
    Wgpu,
}

impl From<Device> for DevicePreference {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => DevicePreference::Auto,
            Device::Cpu => DevicePreference::Cpu,
            Device::Wgpu => DevicePreference::Wgpu,
        }
    }
}
