//! A model at an address: which of its files are there, as a hub has them or as a mirror.

use std::rc::Rc;

use patchlab::error::Result;
use patchlab::model::mirror::{self, Manifest};
use patchlab::session::{Files, TokenizerFiles};
use patchlab::text;

use crate::downloads::context::Context;
use crate::downloads::download::Download;
use crate::downloads::record::{Contents, Record, forget_others};
use crate::downloads::sidecar::{self, Sidecar};

/// A model at an address: `ModelChoice` of `docs/protocol.md`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Address {
    pub(crate) name: String,
    /// The folder's address; ends in `/`.
    pub(crate) base: String,
    /// A folder that is used instead if there is a model in it.
    pub(crate) beside: Option<String>,
    /// Whether the tokenizer is known to be GPT-2's, which is built in.
    pub(crate) gpt2_tokenizer: bool,
    /// Whether there are reference values beside the model.
    pub(crate) has_reference: bool,
    /// Whether fp32 weights are to be stored as fp16.
    pub(crate) half: bool,
}

/// A folder, and the `config.json` that was found in it.
struct Folder {
    /// Where files are fetched from.
    url: String,
    /// Its address as it was given.
    base: String,
    config: String,
}

impl Address {
    /// The model's files. The weights are fetched when they are read.
    ///
    /// # Errors
    /// Those of the sidecar files, and [`patchlab::Error::Cancelled`].
    pub(crate) async fn files(&self, context: Rc<Context>) -> Result<Files<Download>> {
        context.cancel.unless_cancelled(self.find_files(&context)).await
    }

    async fn find_files(&self, context: &Rc<Context>) -> Result<Files<Download>> {
        let Folder { url, base, config } = self.folder(context).await?;
        let at = |name: &str| format!("{url}{name}");
        let tokenizer = if self.gpt2_tokenizer {
            TokenizerFiles::Gpt2
        } else if let Some(json) = sidecar::find(&at("tokenizer.json"), context).await? {
            TokenizerFiles::Json(json.bytes)
        } else if let Some(vocab) = sidecar::find(&at("vocab.json"), context).await? {
            let merges = sidecar::text(&at("merges.txt"), context).await?;
            let added = match sidecar::find(&at("added_tokens.json"), context).await? {
                Some(added) => Some(sidecar::decode(&at("added_tokens.json"), added.bytes)?),
                None => None,
            };
            TokenizerFiles::VocabAndMerges {
                vocab: sidecar::decode(&at("vocab.json"), vocab.bytes)?,
                merges,
                added,
            }
        } else {
            TokenizerFiles::Gpt2
        };
        let reference = if self.has_reference {
            Some(sidecar::text(&at("reference.json"), context).await?)
        } else {
            None
        };

        let name = self.name.clone();
        let manifest = mirror::manifest_of(&config).map(|file| at(&file));
        let weights = manifest.clone().unwrap_or_else(|| at("model.safetensors"));
        forget_others(&context.storage, &base, &weights).await;
        let contents = Contents::Ranges(Vec::new());
        let record = Record { name: name.clone(), base, weights, version: None, contents };
        let weights = match manifest {
            Some(manifest) => {
                let read = Manifest::from_json(&manifest, &sidecar::text(&manifest, context).await?)?;
                Download::mirror(&url, &read, record, context.clone()).await
            }
            None => Download::file(record, context.clone(), self.half).await,
        };
        Ok(Files { name, config, tokenizer, reference, weights })
    }

    /// The folder to use: the one beside the page if there is a model in it, else the one at the address.
    async fn folder(&self, context: &Context) -> Result<Folder> {
        if let Some(beside) = &self.beside
            && let Ok(Some(file)) = sidecar::find(&format!("{beside}config.json"), context).await
            && let Ok(config) = text::decode(&file.bytes)
            // Some hosts answer with a page of their own where they have no file.
            && serde_json::from_str::<serde_json::Value>(&config).is_ok()
        {
            return Ok(Folder { url: beside.clone(), base: beside.clone(), config });
        }
        let address = format!("{}config.json", self.base);
        let found = sidecar::find(&address, context).await?;
        let Sidecar { bytes, commit } = found.ok_or_else(|| sidecar::missing(&address))?;
        // A branch can move while its files are fetched; the commit that it is at stays what it is.
        let url = match commit {
            Some(commit) => self.base.replace("/resolve/main/", &format!("/resolve/{commit}/")),
            None => self.base.clone(),
        };
        Ok(Folder { url, base: self.base.clone(), config: sidecar::decode(&address, bytes)? })
    }
}
