//! A model's files in a folder.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use patchlab::model::mirror::{self, Manifest};
use patchlab::tokens::ADDED;
use patchlab::{Files, TokenizerFiles, text};

use crate::mirror::{Weights, checkpoint_in};

/// The text of a file in UTF-8, or in UTF-16 with a byte order mark.
pub(crate) fn text_of(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    text::decode(&bytes).map_err(|what| anyhow!("{}: it is {what}", path.display()))
}

/// Finds `config.json`, `model.safetensors` (or a mirror's shards) and the tokenizer's files in `folder`.
pub(crate) fn files(folder: &Path) -> Result<Files<Weights>> {
    let read = |name: &str| text_of(&folder.join(name));
    let has = |name: &str| folder.join(name).exists();
    let tokenizer = if has("tokenizer.json") {
        TokenizerFiles::Json(read("tokenizer.json")?.into_bytes())
    } else if has("vocab.json") && has("merges.txt") {
        TokenizerFiles::VocabAndMerges {
            vocab: read("vocab.json")?,
            merges: read("merges.txt")?,
            added: ADDED.iter().filter(|name| has(name)).map(|name| read(name)).collect::<Result<_>>()?,
        }
    } else {
        TokenizerFiles::Gpt2
    };
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let config = read("config.json")?;
    let weights = match mirror::manifest_of(&config) {
        Some(name) => Weights::Mirror(folder.to_owned(), Manifest::from_json(&name, &read(&name)?)?),
        None => Weights::File(checkpoint_in(folder)?),
    };
    Ok(Files {
        name: name.unwrap_or_else(|| folder.display().to_string()),
        config,
        tokenizer,
        reference: has("reference.json").then(|| read("reference.json")).transpose()?,
        truth: has("truth.json").then(|| read("truth.json")).transpose()?,
        weights,
    })
}
