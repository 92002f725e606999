//! What an analysis hands to its reader: plain data in chart words, with labels, units and per-prompt values.
//!
//! Reports are the only results that leave the engine. The page draws them, the native command prints them
//! and writes them as JSON; both see the same document. TypeScript types are generated from these types
//! (`www/types/`, checked by a test).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::experiment::Place;

/// The result of one analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Report {
    /// The analysis's name in the catalogue.
    pub analysis: String,
    /// A heading.
    pub title: String,
    /// The model's name, as shown in the header.
    pub model: String,
    /// The device it ran on.
    pub device: String,
    /// The figures, in reading order.
    pub parts: Vec<Part>,
    /// What could not be computed, and why. The rest of the report stands.
    pub problems: Vec<Problem>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Part {
    /// Rows and columns.
    Table(Table),
    /// One dot per prompt and the mean, per group.
    Dots(Dots),
    /// Prompts as tokens.
    Tokens(TokenRows),
}

/// A table with typed columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Table {
    /// A heading.
    pub title: String,
    /// One sentence on how to read it, or nothing.
    pub note: Option<String>,
    /// The columns, from left to right.
    pub columns: Vec<Column>,
    /// The rows, from top to bottom; each has one cell per column.
    pub rows: Vec<Row>,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// What its cells are, which decides how they are drawn.
    pub quantity: Quantity,
}

/// What a number or a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Words.
    Text,
    /// A token, drawn with visible spaces and its id.
    Token,
    /// A whole number: a rank, a position.
    Count,
    /// A logit, in nats, up to an additive constant per prompt.
    Logit,
    /// A difference of two logits, in nats; drawn as a bar around 0.
    LogitDifference,
    /// A probability from 0 to 1; drawn as a bar.
    Probability,
    /// The natural logarithm of a probability, in nats.
    LogProbability,
}

/// A row of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Row {
    /// One cell per column.
    pub cells: Vec<Cell>,
    /// Why the row stands out, or nothing.
    pub mark: Option<Mark>,
}

/// Why a row stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It is the answer's.
    Answer,
    /// It is the distractor's.
    Distractor,
    /// It is the mean of the rows above it.
    Mean,
}

/// A cell of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(untagged)]
pub enum Cell {
    /// A number in the column's quantity.
    Number(f64),
    /// Words.
    Text(String),
    /// A token.
    Token(Token),
    /// Nothing to say here.
    Empty,
}

/// A token as shown: its id in the vocabulary and its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Token {
    /// The id.
    pub id: u32,
    /// The text, spaces included; bytes that are no UTF-8 on their own appear as U+FFFD.
    pub text: String,
}

/// One dot per prompt and the mean, per group, on one axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Dots {
    /// A heading.
    pub title: String,
    /// One sentence on how to read it, or nothing.
    pub note: Option<String>,
    /// The axis's label.
    pub axis: String,
    /// What the values are.
    pub quantity: Quantity,
    /// The groups, from top to bottom.
    pub series: Vec<DotSeries>,
}

/// The dots of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct DotSeries {
    /// The group's name.
    pub name: String,
    /// The group's index in the experiment.
    pub group: usize,
    /// One point per prompt.
    pub points: Vec<Dot>,
    /// The mean over the prompts.
    pub mean: f64,
}

/// The value of one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Dot {
    /// The prompt.
    pub label: String,
    /// Its value, in the [`Dots::quantity`].
    pub value: f64,
}

/// Prompts as rows of tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct TokenRows {
    /// A heading.
    pub title: String,
    /// The prompts.
    pub rows: Vec<TokenRow>,
}

/// One prompt as tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct TokenRow {
    /// What the prompt is: "clean", "corrupted", ...
    pub label: String,
    /// Its tokens, `<|endoftext|>` included where it is prepended.
    pub tokens: Vec<Token>,
}

/// Something the user should change, at the field that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Problem {
    /// Where it stands.
    pub place: Option<Place>,
    /// A short stable name of the kind of fault.
    pub code: String,
    /// What is wrong and what to change.
    pub message: String,
}

/// What the editor shows under each pair: the tokens of its four fields, and where the prompts differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PairTokens {
    /// Tokens of the clean prompt, `<|endoftext|>` included where it is prepended.
    pub clean: Vec<Token>,
    /// Tokens of the corrupted prompt, likewise.
    pub corrupted: Vec<Token>,
    /// Tokens of the answer; usable only if there is exactly one.
    pub answer: Vec<Token>,
    /// Tokens of the distractor; usable only if there is exactly one.
    pub distractor: Vec<Token>,
    /// The positions at which clean and corrupted differ.
    pub differing: Vec<usize>,
}

/// The tokens and the problems of a whole experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Checked {
    /// For each group, for each pair, its tokens.
    pub groups: Vec<Vec<PairTokens>>,
    /// Everything that keeps a pair from being run.
    pub problems: Vec<Problem>,
}

/// The model a session has open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct ModelInfo {
    /// The name shown.
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
    /// Numbers in the checkpoint that are used.
    pub parameters: f64,
    /// The device it is on.
    pub device: DeviceInfo,
}

/// The answer to opening a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Opened {
    /// The model.
    pub model: ModelInfo,
    /// Where its weights came from.
    pub bytes: WeightBytes,
}

/// Bytes of weights, by where they came from.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, TS)]
pub struct WeightBytes {
    /// All that were read.
    pub total: f64,
    /// Fetched from the network now.
    pub network: f64,
    /// Read from the browser's storage.
    pub storage: f64,
}

/// The device a model runs on, and why this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DeviceInfo {
    /// Which kind.
    pub kind: DeviceKind,
    /// The name shown: "WebGPU, Apple M2", "CPU".
    pub name: String,
    /// Why this one was picked.
    pub reason: String,
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// Burn's Flex backend on the processor.
    Cpu,
    /// Burn's wgpu backend: WebGPU in the browser, Vulkan, Metal or DX12 natively.
    Wgpu,
}

/// How far a long call has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Progress {
    /// What is being done, in words.
    pub stage: String,
    /// How much is done, in `unit`.
    pub done: f64,
    /// How much there is in all, in `unit`.
    pub total: f64,
    /// What is counted.
    pub unit: Unit,
}

/// What [`Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes of weights.
    Bytes,
    /// Prompts run.
    Prompts,
}
