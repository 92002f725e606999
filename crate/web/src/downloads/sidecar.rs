//! A model's sidecar files (`config.json`, the tokenizer's, ...): from the network while it can be reached, else as they
//! were the last time. That there is no such file is remembered, too.

use patchlab::error::{Error, Result};
use patchlab::text;

use crate::downloads::context::Context;
use crate::downloads::platform::{CacheMode, Request};
use crate::downloads::remote::{read_all, send};
use crate::downloads::retry::{FetchError, Retries};
use crate::downloads::storage::with_query;

const ATTEMPTS: u32 = 3;
/// More than any sidecar file holds (a tokenizer's has 2 MB).
const MOST_BYTES: usize = 64 << 20;
/// The hub's header that names the commit which it took a file from.
const COMMIT: &str = "x-repo-commit";

/// A sidecar file.
pub(crate) struct Sidecar {
    pub(crate) bytes: Vec<u8>,
    /// The commit of the repository that it is from, if the host says so.
    pub(crate) commit: Option<String>,
}

/// The file at `url`; none if the host does not have it.
pub(crate) async fn find(url: &str, context: &Context) -> Result<Option<Sidecar>> {
    let mut retries = Retries::new(context, ATTEMPTS, false);
    let error = loop {
        context.cancel.resumed().await;
        match fetch(url, context).await {
            Ok(file) => {
                store(url, &file, context).await;
                return Ok(Some(file));
            }
            Err(error) => {
                if let Err(error) = retries.after(error, false).await {
                    break error;
                }
            }
        }
    };
    match error {
        FetchError::Status(404 | 410) => {
            context.storage.put_text(&missing_key(url), "").await;
            context.storage.delete(&file_key(url)).await;
            Ok(None)
        }
        FetchError::Transient { .. } => match stored(url, context).await {
            Some(file) => Ok(Some(file)),
            None if context.storage.get(&missing_key(url)).await.is_some() => Ok(None),
            None => Err(error.into_error(url, "Check the address and the connection, then try again")),
        },
        error => Err(error.into_error(url, "")),
    }
}

/// A text file that must be there.
pub(crate) async fn text(url: &str, context: &Context) -> Result<String> {
    decode(url, find(url, context).await?.ok_or_else(|| missing(url))?.bytes)
}

/// The text of a sidecar file.
pub(crate) fn decode(url: &str, bytes: Vec<u8>) -> Result<String> {
    let not_text = |what| Error::Source { what: url.to_owned(), reason: format!("it is {what}") };
    text::decode(&bytes).map_err(not_text)
}

/// The error of a file that must be there and is not.
pub(crate) fn missing(url: &str) -> Error {
    FetchError::Status(404).into_error(url, "")
}

async fn fetch(url: &str, context: &Context) -> Result<Sidecar, FetchError> {
    let request = Request { url, range: None, cache: CacheMode::Revalidate };
    let mut response = send(request, context).await?;
    let commit = response.header(COMMIT);
    Ok(Sidecar { bytes: read_all(&mut *response, MOST_BYTES, context).await?, commit })
}

async fn store(url: &str, file: &Sidecar, context: &Context) {
    context.storage.put(&file_key(url), &file.bytes).await;
    if let Some(commit) = &file.commit {
        context.storage.put_text(&commit_key(url), commit).await;
    }
}

async fn stored(url: &str, context: &Context) -> Option<Sidecar> {
    let bytes = context.storage.get(&file_key(url)).await?;
    Some(Sidecar { bytes, commit: context.storage.get_text(&commit_key(url)).await })
}

fn file_key(url: &str) -> String {
    format!("{}patchlab-file", with_query(url))
}

fn commit_key(url: &str) -> String {
    format!("{}patchlab-commit", with_query(url))
}

fn missing_key(url: &str) -> String {
    format!("{}patchlab-missing", with_query(url))
}
