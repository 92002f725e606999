//! The model that the user chose, and its files: at an address, as a hub has them or as a mirror, or from disk.

use std::rc::Rc;

use js_sys::{Array, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use crate::disk::Chosen;
use crate::download::Download;
use crate::patience::Trouble;
use crate::record::{Record, forget_others};
use crate::small::{SmallFile, SmallFiles, text};
use crate::store::Store;
use crate::transfer::Transfer;
use patchlab::error::{Error, Result};
use patchlab::model::mirror::{self, Manifest};
use patchlab::session::{Files, TokenizerFiles};

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
    /// The folder's address; ends in `/`.
    base: String,
    /// A folder that is taken instead if it is there.
    beside: Option<String>,
    /// Whether the tokenizer is known to be GPT-2's, which need not be fetched.
    gpt2_tokenizer: bool,
    /// Whether there are reference values beside it.
    has_reference: bool,
    /// Whether fp32 weights are to be kept as fp16.
    half: bool,
}

/// A folder, and the `config.json` that was found in it.
struct Folder {
    /// Where files are fetched from.
    url: String,
    /// Where it was said to be.
    base: String,
    config: String,
}

impl Choice {
    /// Reads the choice. Files cannot pass through serde, so it is taken apart by hand.
    pub(super) fn from_js(choice: &JsValue) -> Result<Self> {
        let get = |name: &str| Reflect::get(choice, &JsValue::from(name)).ok();
        let text = |name: &str| get(name).and_then(|value| value.as_string());
        let flag = |name: &str| get(name).is_some_and(|value| value.is_truthy());
        let name = text("name").unwrap_or_default();
        match (text("from").as_deref(), text("base"), get("files")) {
            (Some("address"), Some(base), _) => Ok(Choice::Address(Address {
                name,
                base: with_slash(base),
                beside: text("beside").map(with_slash),
                gpt2_tokenizer: text("tokenizer").as_deref() == Some("gpt2"),
                has_reference: flag("reference"),
                half: flag("half"),
            })),
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
    pub(super) async fn files(&self, store: Rc<Store>, transfer: Rc<Transfer>) -> Result<Files<Download>> {
        let small = SmallFiles { store: &store, transfer: &transfer };
        let Folder { url, base, config } = self.folder(&small).await?;
        let at = |name: &str| format!("{url}{name}");
        let tokenizer = if self.gpt2_tokenizer {
            TokenizerFiles::Gpt2
        } else if let Some(json) = small.find(&at("tokenizer.json")).await? {
            TokenizerFiles::Json(json.bytes)
        } else if let Some(vocab) = small.find(&at("vocab.json")).await? {
            let merges = small.text(&at("merges.txt")).await?;
            TokenizerFiles::VocabAndMerges(text(&at("vocab.json"), vocab.bytes)?, merges)
        } else {
            TokenizerFiles::Gpt2
        };
        let reference =
            if self.has_reference { Some(small.text(&at("reference.json")).await?) } else { None };

        let name = self.name.clone();
        let manifest = mirror::manifest_of(&config).map(|file| at(&file));
        let weights = manifest.clone().unwrap_or_else(|| at("model.safetensors"));
        let record = Record { name: name.clone(), base, weights, version: None, entries: 0 };
        forget_others(&store, &record).await;
        let weights = match manifest {
            Some(manifest) => {
                let read = Manifest::from_json(&manifest, &small.text(&manifest).await?)?;
                Download::mirror(&url, &read, record, store, transfer).await
            }
            None => Download::file(record, store, transfer, self.half).await,
        };
        Ok(Files { name, config, tokenizer, reference, weights })
    }

    /// Finds the folder to take: the one beside the page if there is a model in it, else the one at the address.
    async fn folder(&self, small: &SmallFiles<'_>) -> Result<Folder> {
        if let Some(beside) = &self.beside
            && let Ok(Some(file)) = small.find(&format!("{beside}config.json")).await
            && let Ok(config) = String::from_utf8(file.bytes)
            // Some hosts answer with a page of their own where they have no file.
            && serde_json::from_str::<serde_json::Value>(&config).is_ok()
        {
            return Ok(Folder { url: beside.clone(), base: beside.clone(), config });
        }
        let address = format!("{}config.json", self.base);
        let SmallFile { bytes, commit } =
            small.find(&address).await?.ok_or_else(|| Trouble::Refused(404).into_error(&address, ""))?;
        // A branch can move while its files are fetched; the commit that it is at stays what it is.
        let url = match commit {
            Some(commit) => self.base.replace("/resolve/main/", &format!("/resolve/{commit}/")),
            None => self.base.clone(),
        };
        Ok(Folder { url, base: self.base.clone(), config: text(&address, bytes)? })
    }
}

fn with_slash(mut folder: String) -> String {
    if !folder.ends_with('/') {
        folder.push('/');
    }
    folder
}
