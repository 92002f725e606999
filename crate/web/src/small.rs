//! A model's small files: from the network while it can be reached, else as they were the last time.

use std::cell::Cell;

use web_sys::RequestCache;

use crate::http::send;
use crate::js::unreadable;
use crate::patience::{Trouble, insist};
use crate::store::Store;
use crate::transfer::Transfer;
use patchlab::error::Result;

/// How often a small file is asked for.
const TRIES: u32 = 3;
/// More than any of them can hold (a tokenizer's is 2 MB).
const MOST_BYTES: usize = 64 << 20;
/// The hub's header that names the commit which it took a file from.
const COMMIT: &str = "x-repo-commit";

/// Where a model's small files come from.
pub(super) struct SmallFiles<'a> {
    /// Where they are kept.
    pub(super) store: &'a Store,
    /// The call that wants them.
    pub(super) transfer: &'a Transfer,
}

/// A small file.
pub(super) struct SmallFile {
    /// Its content.
    pub(super) bytes: Vec<u8>,
    /// The commit of the repository that it is from, if the host says so.
    pub(super) commit: Option<String>,
}

impl SmallFiles<'_> {
    /// The file at `url`; none if the host does not have it.
    pub(super) async fn find(&self, url: &str) -> Result<Option<SmallFile>> {
        let got = Cell::new(None);
        let attempt = async || {
            let (response, mut body) = send(url, None, RequestCache::NoCache, self.transfer).await?;
            let commit = response.headers().get(COMMIT);
            got.set(Some(SmallFile { bytes: body.rest(self.transfer, MOST_BYTES).await?, commit }));
            Ok(())
        };
        let asked = insist(self.transfer, TRIES, false, || 0, attempt).await;
        match (asked, got.take()) {
            (Ok(()), Some(file)) => {
                self.keep(url, &file).await;
                Ok(Some(file))
            }
            (Ok(()), None) | (Err(Trouble::Refused(404 | 410)), _) => Ok(None),
            (Err(trouble @ Trouble::Passing { .. }), _) => match self.kept(url).await {
                Some(file) => Ok(Some(file)),
                None => Err(trouble.into_error(url, "Check the address and the connection, then try again")),
            },
            (Err(trouble), _) => Err(trouble.into_error(url, "")),
        }
    }

    /// A text file that must be there.
    pub(super) async fn text(&self, url: &str) -> Result<String> {
        let missing = || Trouble::Refused(404).into_error(url, "");
        text(url, self.find(url).await?.ok_or_else(missing)?.bytes)
    }

    async fn keep(&self, url: &str, file: &SmallFile) {
        self.store.put(&file_key(url), &js_sys::Uint8Array::from(file.bytes.as_slice())).await;
        if let Some(commit) = &file.commit {
            self.store.put_text(&commit_key(url), commit).await;
        }
    }

    async fn kept(&self, url: &str) -> Option<SmallFile> {
        let bytes = self.store.get(&file_key(url)).await?.to_vec();
        Some(SmallFile { bytes, commit: self.store.get_text(&commit_key(url)).await })
    }
}

/// The text of a small file.
pub(super) fn text(url: &str, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| unreadable(url, "it is not text"))
}

/// Keys are addresses that no host serves: the file's own, with a query.
fn file_key(url: &str) -> String {
    format!("{}patchlab-file", with_query(url))
}

fn commit_key(url: &str) -> String {
    format!("{}patchlab-commit", with_query(url))
}

/// An address to which a key's own words can be added.
pub(super) fn with_query(url: &str) -> String {
    format!("{url}{}", if url.contains('?') { '&' } else { '?' })
}
