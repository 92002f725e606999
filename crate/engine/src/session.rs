//! An open model and the analyses it can run. Between calls the session keeps the model and the scores of edges
//! ([`analyses::KeptScores`]).

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use patchlab_kernels::Tensor;
use serde::{Deserialize, Serialize};

use crate::analyses::{self, Analysis, Job, KeptScores, Viewer};
use crate::device::{self, Adapter, DeviceInfo, DevicePreference, Picked};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::figures::Report;
use crate::graph::Graph;
use crate::host::{self, Host, Progress, ProgressUnit};
use crate::model::checkpoint::Checkpoint;
use crate::model::plan::ReadPlan;
use crate::model::source::Source;
use crate::model::{Config, Model};
use crate::portion::{Portion, Sizes};
use crate::readback;
use crate::recorded::Recorded;
use crate::reference::Reference;
use crate::tokens::Tokenizer;
use crate::truth::Truth;

/// The files of a model.
#[derive(Debug)]
pub struct Files<S> {
    /// The model's name, for display.
    pub name: String,
    /// `config.json`.
    pub config: String,
    /// The tokenizer.
    pub tokenizer: TokenizerFiles,
    /// `reference.json`, if there is one.
    pub reference: Option<String>,
    /// `truth.json`, if there is one.
    pub truth: Option<String>,
    /// `model.safetensors`.
    pub weights: S,
}

/// Where a model's tokenizer comes from.
#[derive(Debug, Clone)]
pub enum TokenizerFiles {
    /// GPT-2's own, which is built in.
    Gpt2,
    /// `tokenizer.json`.
    Json(Vec<u8>),
    /// `vocab.json` and `merges.txt`, and those of [`crate::tokens::ADDED`] that there are.
    VocabAndMerges {
        /// Tokens and their ids.
        vocab: String,
        /// What is joined into tokens, in order.
        merges: String,
        /// The files that say which tokens were added later.
        added: Vec<String>,
    },
}

impl TokenizerFiles {
    fn read(&self) -> Result<Tokenizer> {
        match self {
            TokenizerFiles::Gpt2 => Tokenizer::gpt2(),
            TokenizerFiles::Json(bytes) => Tokenizer::from_json(bytes),
            TokenizerFiles::VocabAndMerges { vocab, merges, added } => {
                Tokenizer::from_vocab_and_merges(vocab, merges, added)
            }
        }
    }
}

/// A request to run one analysis on one experiment. It carries all its inputs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The analysis's name in the catalogue.
    pub analysis: String,
    /// The prompts.
    pub experiment: Experiment,
    /// Settings; missing ones take their defaults.
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(type = "Record<string, string | number | boolean>", optional))]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// The sizes and the device of the open model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ModelInfo {
    /// The model's name, for display.
    pub name: String,
    /// Number of layers.
    pub n_layers: usize,
    /// Heads per layer.
    pub n_heads: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Neurons per layer.
    pub d_mlp: usize,
    /// Tokens in the vocabulary.
    pub d_vocab: usize,
    /// Longest prompt in tokens, `<|endoftext|>` included.
    pub n_ctx: usize,
    /// Number of parameters that are used; stored causal masks are not.
    pub parameters: f64,
    /// The device it runs on.
    pub device: DeviceInfo,
    /// What a reader of its numbers has to know of its files; null if there is nothing.
    pub note: Option<String>,
}

/// A model on a device, with its tokenizer.
#[derive(Debug)]
pub struct Session {
    model: Model,
    tokenizer: Tokenizer,
    reference: Option<Reference>,
    truth: Option<Truth>,
    info: ModelInfo,
    kept: KeptScores,
    /// There when the GPU's kernels are compiled.
    prepared: Option<Tensor<1>>,
}

impl Session {
    /// Opens a model on the device that `wanted` and `adapter` select ([`device::decide`]). `host` receives the bytes of
    /// weights read so far; a source that reports its own progress is opened with [`crate::host::Quiet`].
    ///
    /// # Errors
    /// Anything that can be wrong with the files or the device, and [`Error::Cancelled`].
    pub async fn open<S: Source>(
        files: Files<S>,
        wanted: DevicePreference,
        adapter: &Adapter,
        host: &dyn Host,
    ) -> Result<Self> {
        let mut config = Config::from_json(&files.config)?;
        let tokenizer = files.tokenizer.read()?;
        let reference = files.reference.as_deref().map(Reference::from_json).transpose()?;
        let truth = files.truth.as_deref().map(|text| Truth::from_json(text, &Graph::new(&config)));
        let truth = truth.transpose()?;
        if tokenizer.len() > config.d_vocab {
            return Err(Error::Config(format!(
                "vocab_size is {}, but the tokenizer has {} tokens. Add the \
                 tokenizer.json that belongs to this model.",
                config.d_vocab,
                tokenizer.len()
            )));
        }
        let checkpoint = Checkpoint::open(Reporting::new(files.weights, host)).await?;
        let note = config.settle(&files.config, checkpoint.has_head());
        let Picked { info: chosen, device, budget } = device::pick(wanted, adapter, config.d_model).await?;
        // Compiled while the weights are on their way.
        let prepared = patchlab_kernels::prepare(config.d_model, config.d_head, &device);
        let mut model = Model::load(config, &checkpoint, &device).await?;
        model.budget = Arc::new(budget);

        let c = &model.config;
        let info = ModelInfo {
            name: files.name,
            n_layers: c.n_layers,
            n_heads: c.n_heads,
            d_model: c.d_model,
            d_head: c.d_head,
            d_mlp: c.d_mlp,
            d_vocab: c.d_vocab,
            n_ctx: c.n_ctx,
            parameters: c.parameters() as f64,
            device: chosen,
            note,
        };
        Ok(Self { model, tokenizer, reference, truth, info, kept: KeptScores::default(), prepared })
    }

    /// Waits until the GPU's kernels are compiled. Without this the first analysis would wait for them.
    ///
    /// # Errors
    /// [`Error::Compute`], [`Error::Cancelled`].
    pub async fn ready(&self, host: &dyn Host) -> Result<()> {
        if let Some(prepared) = &self.prepared {
            host::step(host, "Preparing the GPU", 0, 1).await?;
            readback::read(prepared.clone()).await?;
        }
        Ok(())
    }

    /// The open model's sizes and device.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The loaded model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Halves what activations may take, `times` times: another engine ran out of memory on this device.
    pub fn halve_budget(&self, times: u32) {
        (0..times).all(|_| self.model.budget.halve());
    }

    /// Has sweeps on a processor run so many chunks side by side, whatever the processor is
    /// ([`Budget::set_threads`](crate::model::Budget::set_threads)).
    pub fn set_threads(&self, threads: usize) {
        self.model.budget.set_threads(threads);
    }

    /// Runs one analysis. Where the device runs out of memory, it begins again in chunks of half the size.
    ///
    /// # Errors
    /// [`Error::UnknownAnalysis`], [`Error::Setting`], [`Error::Compute`], [`Error::OutOfMemory`],
    /// [`Error::Cancelled`]. Problems with single pairs are not errors: they are in the report's `problems`.
    pub async fn run(&self, request: &Request, viewer: &dyn Viewer) -> Result<Report> {
        let report = self.run_portion(request, &Portion::WHOLE, viewer).await?;
        let finite = report.is_finite();
        Ok(report.remarked(finite))
    }

    /// Runs a portion of an analysis, for [`crate::shards`] to put together. That numbers are not finite is said of the whole.
    ///
    /// # Errors
    /// As [`Self::run`]; [`Error::Shards`] for a portion of an analysis that is not cut so.
    pub async fn run_portion(
        &self,
        request: &Request,
        portion: &Portion,
        viewer: &dyn Viewer,
    ) -> Result<Report> {
        if *portion != Portion::WHOLE {
            self.check(request, portion)?;
        }
        loop {
            match self.run_once(request, portion, viewer).await {
                Err(Error::OutOfMemory) if self.model.budget.halve() => {
                    let bytes = self.model.budget.work();
                    log::warn!("out of memory on the GPU: {} KiB for a chunk from now on", bytes >> 10);
                    device::recover(&self.model.device).await;
                }
                report => return report,
            }
        }
    }

    /// Fills a file of recorded values (docs/recorded.md) with this model's own.
    ///
    /// # Errors
    /// [`Error::Recorded`] if the text is not such a file or does not fit the analyses; as [`Self::run`].
    pub async fn record(&self, recorded: &str, viewer: &dyn Viewer) -> Result<Recorded> {
        let none = Experiment { groups: Vec::new(), prepend_bos: true };
        analyses::record(&self.job(&none, &Portion::WHOLE, viewer), recorded, &self.info.name).await
    }

    fn job<'a>(
        &'a self,
        experiment: &'a Experiment,
        portion: &'a Portion,
        viewer: &'a dyn Viewer,
    ) -> Job<'a> {
        let Self { model, tokenizer, reference, truth, kept, .. } = self;
        let (reference, truth) = (reference.as_ref(), truth.as_ref());
        Job { model, tokenizer, reference, truth, kept, experiment, viewer, portion }
    }

    /// Refuses a portion that the request is not cut into.
    fn check(&self, request: &Request, portion: &Portion) -> Result<()> {
        let config = &self.model.config;
        let (n_layers, n_heads, d_mlp) = (config.n_layers, config.n_heads, config.d_mlp);
        let sizes = Sizes { n_layers, n_heads, d_mlp, positions: config.n_ctx };
        let division = Analysis::find(&request.analysis)?.division(&request.settings, &sizes)?;
        let group =
            portion.group.is_none_or(|group| division.by_group && group < request.experiment.groups.len());
        let layers = portion
            .layers
            .iter()
            .flatten()
            .all(|layer| portion.group.is_some() && division.layers.contains(layer));
        if group && layers {
            return Ok(());
        }
        let what = match (portion.group, &portion.layers) {
            (Some(group), None) => format!("group {group}"),
            (_, layers) => format!("layers {:?}", layers.as_deref().unwrap_or_default()),
        };
        Err(Error::Shards(format!(
            "`{}` with these settings and this model has no {what} that is computed alone. Make the plan again, with this model",
            request.analysis
        )))
    }

    async fn run_once(&self, request: &Request, portion: &Portion, viewer: &dyn Viewer) -> Result<Report> {
        let analysis = Analysis::find(&request.analysis)?;
        let job = self.job(&request.experiment, portion, viewer);
        let findings = analysis.run(&request.settings, &job).await?;
        Ok(Report {
            analysis: analysis.name.to_owned(),
            title: analysis.title.to_owned(),
            model: self.info.name.clone(),
            device: self.info.device.name.clone(),
            parts: findings.parts,
            problems: findings.problems,
        })
    }
}

/// A source that reports to a host how much of the plan was read, and stops reading when the host cancels.
struct Reporting<'a, S> {
    source: S,
    host: &'a dyn Host,
    done: Cell<u64>,
    /// 0 until there is a plan: the header is not reported.
    total: Cell<u64>,
}

impl<'a, S> Reporting<'a, S> {
    fn new(source: S, host: &'a dyn Host) -> Self {
        Self { source, host, done: Cell::new(0), total: Cell::new(0) }
    }
}

impl<S: Source> Source for Reporting<'_, S> {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn len(&self) -> Option<u64> {
        self.source.len()
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        self.host.pause().await;
        if self.host.cancelled() {
            return Err(Error::Cancelled);
        }
        let bytes = self.source.read(range).await?;
        if self.total.get() > 0 {
            self.done.set(self.done.get() + bytes.len() as u64);
            self.host.progress(Progress {
                stage: "Loading weights".to_owned(),
                done: self.done.get() as f64,
                total: self.total.get() as f64,
                unit: ProgressUnit::Bytes,
                note: None,
            });
        }
        Ok(bytes)
    }

    fn prefetch(&self, plan: &ReadPlan) {
        self.total.set(plan.wanted());
        self.source.prefetch(plan);
    }
}
