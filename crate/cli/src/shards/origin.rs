//! What a shard was computed with. Shards that differ in it are not put together: their last digits would differ.

use std::path::Path;

use anyhow::{Context as _, Result};
use patchlab::device::DeviceKind;
use patchlab::model::source::Source as _;
use patchlab::{Session, TokenizerFiles};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::folder;

/// Bytes of weights that are read at once.
const PIECE: u64 = 4 << 20;

/// Program, model and device of a shard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    /// This program's version.
    pub(super) program: String,
    /// The model's name, which reports show.
    pub(super) model: String,
    /// SHA-256 of its configuration, tokenizer, reference, truth and weights.
    pub(super) digest: String,
    /// The device's name.
    pub(super) device: String,
    /// The instructions that matrices are multiplied with, if the device is a processor. Others add in another order.
    pub(super) processor: Option<String>,
}

impl Origin {
    /// Of an open model and its folder, all of whose weights are read again.
    pub(super) async fn of(session: &Session, folder: &Path) -> Result<Self> {
        let device = &session.info().device;
        Ok(Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            model: session.info().name.clone(),
            digest: digest(folder).await?,
            device: device.name.clone(),
            processor: (device.kind == DeviceKind::Cpu).then(processor),
        })
    }

    /// In words, for a message.
    pub(super) fn describe(&self) -> String {
        let Self { program, model, digest, device, processor } = self;
        let processor = processor.as_ref().map_or_else(String::new, |processor| format!(" ({processor})"));
        format!("model {model:?} ({digest:.8}) on {device}{processor}, patchlab {program}")
    }
}

async fn digest(folder: &Path) -> Result<String> {
    let files = folder::files(folder)?;
    let mut hash = Sha256::new();
    let mut text = |text: &[u8]| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    text(files.config.as_bytes());
    match &files.tokenizer {
        TokenizerFiles::Gpt2 => text(b"gpt2"),
        TokenizerFiles::Json(json) => text(json),
        TokenizerFiles::VocabAndMerges { vocab, merges, added } => {
            [vocab, merges].into_iter().chain(added).for_each(|file| text(file.as_bytes()));
        }
    }
    text(files.reference.unwrap_or_default().as_bytes());
    // Planted models have one, and their reports depend on it.
    files.truth.iter().for_each(|truth| text(truth.as_bytes()));
    let length = files.weights.len().with_context(|| format!("{}: no length", files.weights.name()))?;
    let mut start = 0;
    while start < length {
        let end = length.min(start + PIECE);
        hash.update(files.weights.read(start..end).await?);
        start = end;
    }
    Ok(format!("{:x}", hash.finalize()))
}

/// The kind of processor, by what decides which loops run.
fn processor() -> String {
    let mut words = vec![std::env::consts::ARCH];
    #[cfg(target_arch = "x86_64")]
    {
        let known = [
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("fma", std::arch::is_x86_feature_detected!("fma")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ];
        words.extend(known.into_iter().filter(|(_, there)| *there).map(|(name, _)| name));
    }
    words.join(" ")
}
