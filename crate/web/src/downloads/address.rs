//! A model at an address: which of its files are there, as a hub has them or as a mirror.

use std::rc::Rc;

use patchlab::error::Result;
use patchlab::model::mirror::{self, Manifest};
use patchlab::model::sharded::{self, INDEX, Sharded};
use patchlab::session::{Files, TokenizerFiles};
use patchlab::text;
use patchlab::tokens::ADDED;

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
    /// Whether a circuit was planted in the model, and what is true of it lies beside it.
    pub(crate) has_truth: bool,
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
    pub(crate) async fn files(&self, context: Rc<Context>) -> Result<Files<Sharded<Download>>> {
        context.cancel.unless_cancelled(self.find_files(&context)).await
    }

    async fn find_files(&self, context: &Rc<Context>) -> Result<Files<Sharded<Download>>> {
        let Folder { url, base, config } = self.folder(context).await?;
        let at = |name: &str| format!("{url}{name}");
        let tokenizer = if self.gpt2_tokenizer {
            TokenizerFiles::Gpt2
        } else if let Some(json) = sidecar::find(&at("tokenizer.json"), context).await? {
            TokenizerFiles::Json(json.bytes)
        } else if let Some(vocab) = sidecar::find(&at("vocab.json"), context).await? {
            let merges = sidecar::text(&at("merges.txt"), context).await?;
            let mut added = Vec::new();
            for name in ADDED {
                if let Some(file) = sidecar::find(&at(name), context).await? {
                    added.push(sidecar::decode(&at(name), file.bytes)?);
                }
            }
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
        let truth = match self.has_truth {
            true => Some(sidecar::text(&at("truth.json"), context).await?),
            false => None,
        };

        let weights = self.weights(&url, base, mirror::manifest_of(&config), context).await?;
        Ok(Files { name: self.name.clone(), config, tokenizer, reference, truth, weights })
    }

    /// The weights in the folder `url`: a mirror's, if it has a manifest of that name, else one file, or those of an index.
    async fn weights(
        &self,
        url: &str,
        base: String,
        manifest: Option<String>,
        context: &Rc<Context>,
    ) -> Result<Sharded<Download>> {
        let at = |name: &str| format!("{url}{name}");
        let record = |weights: &str, files: usize| Record {
            name: self.name.clone(),
            base: base.clone(),
            weights: weights.to_owned(),
            version: None,
            contents: Contents::Ranges(Vec::new()),
            files,
        };
        if let Some(manifest) = manifest {
            let address = at(&manifest);
            forget_others(&context.storage, &base, std::slice::from_ref(&address)).await;
            let read = Manifest::from_json(&address, &sidecar::text(&address, context).await?)?;
            return Ok(Sharded::whole(
                Download::mirror(url, &read, record(&address, 1), context.clone()).await,
            ));
        }
        // GPT-2 itself is one file, and so are the planted models.
        let index = if self.gpt2_tokenizer || self.has_truth {
            None
        } else {
            sidecar::find(&at(INDEX), context).await?
        };
        // Some hosts answer with a page of their own where they have no file.
        let index = index.and_then(|index| text::decode(&index.bytes).ok());
        let files = match index.filter(|index| text::what(index.as_bytes()).is_none()) {
            Some(index) => sharded::files_of(&at(INDEX), &index)?,
            None => vec!["model.safetensors".to_owned()],
        };
        let addresses: Vec<String> = files.iter().map(|file| at(file)).collect();
        forget_others(&context.storage, &base, &addresses).await;
        let mut downloads = Vec::new();
        for address in &addresses {
            downloads.push(Download::file(record(address, files.len()), context.clone(), self.half).await);
        }
        match downloads.len() {
            1 => Ok(Sharded::whole(downloads.remove(0))),
            _ => Sharded::join(&at(INDEX), downloads).await,
        }
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
