//! Every error Patchlab reports, worded so that the reader knows what to do about it.
//!
//! Bad input is an [`Error`], never a panic. [`Error::code`] is for tests and for JavaScript to branch on;
//! the page does not show it.

use crate::place::Place;

/// What went wrong and what to do about it. The `Display` text is the message a user reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the experiment cannot be used as typed.
    #[error("{message}")]
    Field {
        /// Where in the experiment the problem is.
        place: Place,
        /// The kind of problem: `empty-prompt`, `unequal-lengths`, ...
        code: &'static str,
        /// What is wrong and what to change.
        message: String,
    },
    /// The experiment document is not JSON of the documented shape.
    #[error("This is not an experiment document: {0}. The format is described in docs/experiment.md.")]
    Document(String),
    /// `reference.json`, which comes with a model, is not of the documented shape or does not fit its tokenizer.
    #[error(
        "reference.json, which came with the model: {0}. Without that file the model opens, and is not compared."
    )]
    Reference(String),
    /// `truth.json`, which comes with a planted model, is not of the documented shape or does not fit the model.
    #[error(
        "truth.json, which came with the model: {0}. Without that file the model opens, and circuits are not scored. \
         docs/planted.md says where it comes from."
    )]
    Truth(String),
    /// A file of recorded values is not of the documented shape, or does not fit the analyses.
    #[error("The recorded values: {0}. docs/recorded.md describes the file.")]
    Recorded(String),
    /// A call with something else than what it takes.
    #[error("This call does not take what it was given: {0}. docs/protocol.md says what each call takes.")]
    Call(String),
    /// A file that is part of Patchlab is damaged.
    #[error("A part of Patchlab is damaged: {0}. Load the page again, or build the command again.")]
    BuiltIn(String),
    /// `config.json` does not describe a model of GPT-2's architecture.
    #[error("config.json: {0}")]
    Config(String),
    /// The file is not a safetensors checkpoint, or is a truncated one.
    #[error("{name}: {reason}. Fetch or choose the file again.")]
    Checkpoint {
        /// The file's name.
        name: String,
        /// What the reader found.
        reason: String,
    },
    /// A tensor that the configuration requires is missing from the checkpoint.
    #[error(
        "The checkpoint has no tensor `{0}`. Is it a GPT-2 checkpoint, and does config.json belong to it?"
    )]
    TensorMissing(String),
    /// A tensor's shape is not the one that the configuration requires.
    #[error(
        "Tensor `{name}` has shape {found:?}, but config.json calls for {expected:?}. \
         The two files do not belong together."
    )]
    TensorShape {
        /// The tensor's name in the checkpoint.
        name: String,
        /// The shape that follows from `config.json`.
        expected: Vec<usize>,
        /// The shape in the checkpoint's header.
        found: Vec<usize>,
    },
    /// A tensor is stored in a dtype that Patchlab does not read.
    #[error("Tensor `{name}` is stored as {dtype}. Save the checkpoint as F32, F16 or BF16.")]
    TensorDtype {
        /// The tensor's name in the checkpoint.
        name: String,
        /// The dtype in the file's header.
        dtype: String,
    },
    /// A weight is NaN or infinite.
    #[error(
        "Tensor `{0}` holds values that are not finite numbers. The checkpoint is damaged or the training \
         diverged."
    )]
    TensorNotFinite(String),
    /// The tokenizer's files cannot be read.
    #[error("The tokenizer cannot be read: {0}")]
    Tokenizer(String),
    /// A file or an address cannot be read.
    #[error("{what} cannot be read: {reason}.")]
    Source {
        /// The file or the address.
        what: String,
        /// What the system or the server said, and what to try.
        reason: String,
    },
    /// The remote file changed between requests.
    #[error("{0} changed on its server while it was being read. Open it again to fetch the new version.")]
    SourceChanged(String),
    /// No device of the requested kind is available.
    #[error("{0}")]
    Device(String),
    /// The device failed while it was computing.
    #[error("The device failed while computing ({0}). Open the model again, or choose the CPU as device.")]
    Compute(String),
    /// The device has no room for even the smallest part of the work.
    #[error(
        "The GPU ran out of memory. Close other pages and programs that use it, use fewer or shorter prompts, or \
         choose the CPU as device."
    )]
    OutOfMemory,
    /// A setting of an analysis is outside what the model or the analysis allows.
    #[error("Setting `{name}`: {message}")]
    Setting {
        /// The setting's name in the catalogue.
        name: String,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// No analysis has this name.
    #[error("There is no analysis `{name}`. There are: {known}.")]
    UnknownAnalysis {
        /// The requested name.
        name: String,
        /// The names in the catalogue.
        known: String,
    },
    /// A hook point's name does not parse, or the model or the recorded run does not have it.
    #[error(
        "There is no site `{0}` in this model. Names are TransformerLens's, like `blocks.0.attn.hook_z`."
    )]
    UnknownSite(String),
    /// A recorded run does not have this site.
    #[error("The run did not record {0}.")]
    NotRecorded(String),
    /// A prompt without a token.
    #[error("A prompt has no tokens. Write at least one word, or prepend `<|endoftext|>`.")]
    EmptyPrompt,
    /// A token that the model does not have.
    #[error("Token {id} is not among the model's {tokens}. Does the tokenizer belong to the model?")]
    UnknownToken {
        /// Its id.
        id: u32,
        /// Size of the vocabulary.
        tokens: usize,
    },
    /// An intervention cannot be read, or cannot act on this model and these prompts.
    #[error("Intervention: {0}")]
    Intervention(String),
    /// A planned patch matched no activation; without this error the run would silently be unpatched.
    #[error("The patch at {0} did not fire. It names a site or an index that this run does not have.")]
    PatchUnfired(String),
    /// Portions of a study that do not fit together, or cannot be made.
    #[error("Shards: {0}. docs/shards.md describes how a study is cut.")]
    Shards(String),
    /// The user cancelled.
    #[error("Cancelled.")]
    Cancelled,
}

impl Error {
    /// Stable, machine-readable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Field { code, .. } => code,
            Error::Document(_) => "document",
            Error::Reference(_) => "reference",
            Error::Truth(_) => "truth",
            Error::Recorded(_) => "recorded",
            Error::Call(_) => "call",
            Error::BuiltIn(_) => "built-in",
            Error::Config(_) => "config",
            Error::Checkpoint { .. } => "checkpoint",
            Error::TensorMissing(_) => "tensor-missing",
            Error::TensorShape { .. } => "tensor-shape",
            Error::TensorDtype { .. } => "tensor-dtype",
            Error::TensorNotFinite(_) => "tensor-not-finite",
            Error::Tokenizer(_) => "tokenizer",
            Error::Source { .. } => "source",
            Error::SourceChanged(_) => "source-changed",
            Error::Device(_) => "device",
            Error::Compute(_) | Error::OutOfMemory => "compute",
            Error::Setting { .. } => "setting",
            Error::UnknownAnalysis { .. } => "unknown-analysis",
            Error::UnknownSite(_) => "unknown-site",
            Error::NotRecorded(_) => "not-recorded",
            Error::EmptyPrompt => "empty-prompt",
            Error::UnknownToken { .. } => "unknown-token",
            Error::Intervention(_) => "intervention",
            Error::PatchUnfired(_) => "patch-unfired",
            Error::Shards(_) => "shards",
            Error::Cancelled => "cancelled",
        }
    }

    /// The field of the experiment that the error is about, if any.
    pub fn place(&self) -> Option<Place> {
        match self {
            Error::Field { place, .. } => Some(*place),
            _ => None,
        }
    }
}

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;
