//! The manifest of a mirror: a checkpoint in shards that any static host can serve.
//!
//! The shards put together are a safetensors file. Each is fetched as a whole, so the host does not have to support ranges,
//! and is checked against its SHA-256.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The only format there is.
pub const FORMAT: &str = "patchlab-mirror-1";
/// The manifest's usual name; a mirror's `config.json` names it in the field [`FIELD`].
pub const MANIFEST: &str = "mirror.json";
/// The field of `config.json` that says that its folder is a mirror.
pub const FIELD: &str = "patchlab_mirror";

/// Longest shard that a reader holds in memory.
const LONGEST_SHARD: u64 = 100_000_000;

/// `mirror.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Bytes of all shards together.
    pub bytes: u64,
    /// The shards, in order.
    pub shards: Vec<Shard>,
    /// What is in them, for people and other programs: the file's own header says the same.
    pub tensors: BTreeMap<String, Tensor>,
}

/// A part of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its name in the mirror's folder.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A tensor of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    /// Its number format: `F32`, `F16`, `BF16`.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

impl Manifest {
    /// Reads a manifest and checks that it can be what it says.
    ///
    /// # Errors
    /// [`Error::Checkpoint`], naming the manifest.
    pub fn from_json(name: &str, text: &str) -> Result<Self> {
        let refuse = |reason: String| Error::Checkpoint { name: name.to_owned(), reason };
        let manifest: Self = serde_json::from_str(text).map_err(|error| {
            refuse(format!("it is not the manifest of a mirror: {:.300}", error.to_string()))
        })?;
        if manifest.format != FORMAT {
            return Err(refuse(format!(
                "its format is `{:.60}`, and this page reads `{FORMAT}`",
                manifest.format
            )));
        }
        for Shard { file, bytes, sha256 } in &manifest.shards {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if file.is_empty() || file.starts_with('.') || !file.chars().all(plain) {
                return Err(refuse(format!(
                    "the shard's name `{}` is no plain file name",
                    file.escape_debug()
                )));
            }
            if *bytes == 0 || *bytes > LONGEST_SHARD {
                return Err(refuse(format!(
                    "shard `{file}` has {bytes} bytes; 1 to {LONGEST_SHARD} are allowed"
                )));
            }
            if sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)) {
                return Err(refuse(format!("the SHA-256 of shard `{file}` is no SHA-256")));
            }
        }
        let sum: u64 = manifest.shards.iter().map(|shard| shard.bytes).sum();
        if sum != manifest.bytes {
            return Err(refuse(format!("its shards have {sum} bytes, and it says {}", manifest.bytes)));
        }
        Ok(manifest)
    }

    /// Where in the checkpoint each shard stands.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let mut start = 0;
        let range = |shard: &Shard| {
            let range = start..start + shard.bytes;
            start = range.end;
            range
        };
        self.shards.iter().map(range).collect()
    }
}

/// The name of the manifest that a `config.json` says it has beside it.
pub fn manifest_of(config: &str) -> Option<String> {
    let config: serde_json::Value = serde_json::from_str(config).ok()?;
    let name = config.get(FIELD)?.as_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!name.is_empty() && !name.starts_with('.') && name.chars().all(plain)).then(|| name.to_owned())
}
