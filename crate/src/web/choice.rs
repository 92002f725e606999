//! The model that the user chose: at an address, or as files from disk.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use js_sys::{Array, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File};

use crate::error::{Error, Result};
use crate::model::source::{Source, ends_early};
use crate::report::WeightBytes;
use crate::session::{Files, TokenizerFiles};
use crate::web::http::{fetch, fetch_text};
use crate::web::js::say;
use crate::web::stored::Stored;
use crate::web::unreadable;

/// `ModelChoice` of `docs/protocol.md`.
pub(super) enum Choice {
    /// At an address.
    Address(Address),
    /// From disk.
    Files(Chosen),
}

/// A model at an address.
pub(super) struct Address {
    name: String,
    /// Ends in `/`.
    base: String,
    /// Whether the tokenizer is known to be GPT-2's, which need not be fetched.
    gpt2_tokenizer: bool,
    /// Whether there are reference values beside it.
    has_reference: bool,
}

/// Files that the user chose.
pub(super) struct Chosen {
    name: String,
    files: Vec<File>,
}

/// Where the bytes came from, told while they come.
pub(super) type Counted = Rc<Cell<WeightBytes>>;

impl Choice {
    /// Reads the choice. Files cannot pass through serde, so it is taken apart by hand.
    pub(super) fn from_js(choice: &JsValue) -> Result<Self> {
        let get = |name: &str| Reflect::get(choice, &JsValue::from(name)).ok();
        let text = |name: &str| get(name).and_then(|value| value.as_string());
        let name = text("name").unwrap_or_default();
        match (text("from").as_deref(), text("base"), get("files")) {
            (Some("address"), Some(base), _) => {
                let slash = if base.ends_with('/') { "" } else { "/" };
                let gpt2_tokenizer = text("tokenizer").as_deref() == Some("gpt2");
                let has_reference = get("reference").is_some_and(|value| value.is_truthy());
                let base = format!("{base}{slash}");
                Ok(Choice::Address(Address { name, base, gpt2_tokenizer, has_reference }))
            }
            (Some("files"), _, Some(files)) => {
                let files = Array::from(&files).iter().filter_map(|file| file.dyn_into().ok()).collect();
                Ok(Choice::Files(Chosen { name, files }))
            }
            _ => Err(Error::Document("a model choice needs `from` and `base` or `files`".to_owned())),
        }
    }
}

impl Address {
    /// The model's files; the weights are fetched when they are read.
    pub(super) async fn files(self) -> Result<(Files<Stored>, Counted)> {
        let at = |name: &str| format!("{}{name}", self.base);
        let config = fetch_text(&at("config.json")).await?;
        let tokenizer = if self.gpt2_tokenizer {
            TokenizerFiles::Gpt2
        } else if let Some(json) = fetch(&at("tokenizer.json")).await? {
            TokenizerFiles::Json(json)
        } else if fetch(&at("vocab.json")).await?.is_some() {
            TokenizerFiles::VocabAndMerges(
                fetch_text(&at("vocab.json")).await?,
                fetch_text(&at("merges.txt")).await?,
            )
        } else {
            TokenizerFiles::Gpt2
        };
        let reference =
            if self.has_reference { Some(fetch_text(&at("reference.json")).await?) } else { None };
        let counted = Counted::default();
        let weights = Stored::open(at("model.safetensors"), counted.clone()).await;
        Ok((Files { name: self.name, config, tokenizer, reference, weights }, counted))
    }
}

impl Chosen {
    /// The model's files; the weights are read when they are needed.
    pub(super) async fn files(self) -> Result<Files<DiskFile>> {
        let find = |name: &str| self.files.iter().find(|file| file.name() == name);
        let need = |name: &str| {
            find(name).ok_or_else(|| {
                unreadable(
                    name,
                    "it is not among the chosen files. Choose config.json and model.safetensors together",
                )
            })
        };
        let config = text(need("config.json")?).await?;
        let tokenizer = if let Some(json) = find("tokenizer.json") {
            TokenizerFiles::Json(text(json).await?.into_bytes())
        } else if let (Some(vocab), Some(merges)) = (find("vocab.json"), find("merges.txt")) {
            TokenizerFiles::VocabAndMerges(text(vocab).await?, text(merges).await?)
        } else {
            TokenizerFiles::Gpt2
        };
        // A fine-tune's weights may have any name; there is one checkpoint among the files.
        let weights = match find("model.safetensors") {
            Some(file) => file,
            None => self
                .files
                .iter()
                .find(|file| file.name().ends_with(".safetensors"))
                .map_or_else(|| need("model.safetensors"), Ok)?,
        };
        let weights = DiskFile { name: weights.name(), file: weights.clone() };
        let reference = match find("reference.json") {
            Some(file) => Some(text(file).await?),
            None => None,
        };
        Ok(Files { name: self.name, config, tokenizer, reference, weights })
    }
}

/// A file from disk.
pub(super) struct DiskFile {
    name: String,
    file: File,
}

impl DiskFile {
    /// Its length in bytes.
    pub(super) fn size(&self) -> f64 {
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
    String::from_utf8(bytes).map_err(|_| unreadable(&file.name(), "it is not text"))
}
