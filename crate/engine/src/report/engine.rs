//! What the page shows of the engine itself: the open model, its device, how far a call has come.

use serde::{Deserialize, Serialize};

/// The model a session has open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Opened {
    /// The model.
    pub model: ModelInfo,
    /// Where its weights came from.
    pub bytes: WeightBytes,
}

/// Bytes of weights, by where they came from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct WeightBytes {
    /// All that were read.
    pub total: f64,
    /// Fetched from the network now.
    pub network: f64,
    /// Read from the browser's storage.
    pub storage: f64,
    /// Why they are not all kept in the browser's storage, in words; null if they are, or if they are files from disk.
    pub unkept: Option<String>,
}

/// A model of which weights are kept in the browser's storage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct StoredModel {
    /// The address of its folder: what `forget` takes.
    pub base: String,
    /// The name under which it was opened.
    pub name: String,
    /// Bytes that it takes up.
    pub bytes: f64,
    /// Whether all its weights are there, so that it opens without the network.
    pub complete: bool,
    /// Whether its weights are kept as fp16, though its host has fp32.
    pub half: bool,
}

/// The device a model runs on, and why this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct DeviceInfo {
    /// Which kind.
    pub kind: DeviceKind,
    /// The name shown: "WebGPU, Apple M2", "CPU".
    pub name: String,
    /// Why this one was picked.
    pub reason: String,
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// Burn's Flex backend on the processor.
    Cpu,
    /// Burn's wgpu backend: WebGPU in the browser, Vulkan, Metal or DX12 natively.
    Wgpu,
}

/// How far a long call has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Progress {
    /// What is being done, in words.
    pub stage: String,
    /// How much is done, in `unit`.
    pub done: f64,
    /// How much there is in all, in `unit`.
    pub total: f64,
    /// What is counted.
    pub unit: ProgressUnit,
    /// What holds it up, in words: a host that sends nothing, a connection that is tried again.
    pub note: Option<String>,
}

/// What [`Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ProgressUnit {
    /// Bytes of weights.
    Bytes,
    /// Prompts run.
    Prompts,
    /// Hook points read.
    Sites,
    /// Checks made.
    Checks,
    /// Points of the residual stream read.
    Points,
    /// Patches run, each on every prompt of a group.
    Patches,
}
