//! Files that the user chose from disk.

use std::ops::Range;

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File};

use crate::js::{say, unreadable};
use patchlab::error::Result;
use patchlab::model::sharded::{self, INDEX, Sharded};
use patchlab::model::source::{Source, ends_early};
use patchlab::session::{Files, TokenizerFiles};
use patchlab::text;
use patchlab::tokens::ADDED;

pub(crate) struct Chosen {
    pub(crate) name: String,
    pub(crate) files: Vec<File>,
}

impl Chosen {
    /// The model's files; the weights are read when they are needed.
    pub(crate) async fn files(self) -> Result<Files<Sharded<DiskFile>>> {
        let find = |name: &str| self.files.iter().find(|file| file.name() == name);
        let need = |name: &str| {
            find(name).ok_or_else(|| {
                unreadable(
                    name,
                    "it is not among the chosen files. Choose config.json and all files of the weights together",
                )
            })
        };
        let config = text(need("config.json")?).await?;
        let tokenizer = if let Some(json) = find("tokenizer.json") {
            TokenizerFiles::Json(text(json).await?.into_bytes())
        } else if let (Some(vocab), Some(merges)) = (find("vocab.json"), find("merges.txt")) {
            let mut added = Vec::new();
            for file in ADDED.iter().filter_map(|name| find(name)) {
                added.push(text(file).await?);
            }
            TokenizerFiles::VocabAndMerges { vocab: text(vocab).await?, merges: text(merges).await?, added }
        } else {
            TokenizerFiles::Gpt2
        };
        // A fine-tune's weights may have any name, and be in several files.
        let mut weights: Vec<&File> = match find("model.safetensors") {
            Some(file) => vec![file],
            None => self.files.iter().filter(|file| file.name().ends_with(".safetensors")).collect(),
        };
        if let (None, Some(index)) = (find("model.safetensors"), find(INDEX)) {
            let names = sharded::files_of(INDEX, &text(index).await?)?;
            weights = names.iter().map(|name| need(name)).collect::<Result<_>>()?;
        }
        if weights.is_empty() {
            weights.push(need("model.safetensors")?);
        }
        weights.sort_by_key(|file| file.name());
        let mut sources: Vec<DiskFile> =
            weights.into_iter().map(|file| DiskFile { name: file.name(), file: file.clone() }).collect();
        let weights = match sources.len() {
            1 => Sharded::whole(sources.remove(0)),
            _ => Sharded::join(INDEX, sources).await?,
        };
        let reference = match find("reference.json") {
            Some(file) => Some(text(file).await?),
            None => None,
        };
        let truth = match find("truth.json") {
            Some(file) => Some(text(file).await?),
            None => None,
        };
        Ok(Files { name: self.name, config, tokenizer, reference, truth, weights })
    }
}

pub(crate) struct DiskFile {
    name: String,
    file: File,
}

impl DiskFile {
    pub(crate) fn size(&self) -> f64 {
        self.file.size()
    }
}

impl Source for DiskFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Option<u64> {
        Some(self.size() as u64)
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let part = self.file.slice_with_f64_and_f64(range.start as f64, range.end as f64);
        let bytes = match part {
            Ok(part) => bytes(&part).await,
            Err(error) => Err(error),
        };
        let bytes = bytes.map_err(|error| unreadable(&self.name, say(&error)))?;
        if bytes.len() as u64 == range.end - range.start {
            Ok(bytes)
        } else {
            Err(ends_early(&self.name, range.end))
        }
    }
}

async fn bytes(blob: &Blob) -> Result<Vec<u8>, JsValue> {
    let buffer = JsFuture::from(blob.array_buffer()).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

async fn text(file: &File) -> Result<String> {
    let bytes = bytes(file).await.map_err(|error| unreadable(&file.name(), say(&error)))?;
    text::decode(&bytes).map_err(|what| unreadable(&file.name(), format!("it is {what}")))
}
