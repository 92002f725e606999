//! What is stored, under which keys, and why some things are not.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use crate::downloads::platform::{Entry, Store};

/// How the key of a record ends.
pub(crate) const RECORD: &str = "patchlab-version";
/// What stands before a file's version in the keys of its pieces.
const VERSION: &str = "patchlab-v=";
const PIECE: &str = "patchlab-bytes=";
const HALF_PIECE: &str = "patchlab-f16-bytes=";
const SHARD: &str = "patchlab-shard=";

/// The store of one opening. After the first failure nothing more is stored; what is there can still be read.
pub(crate) struct Storage {
    pub(crate) store: Rc<dyn Store>,
    closed: RefCell<Option<String>>,
}

impl Storage {
    pub(crate) fn new(store: Rc<dyn Store>) -> Self {
        let closed = RefCell::new(store.unavailable());
        Self { store, closed }
    }

    /// Stores nothing from now on. The first reason stays.
    pub(crate) fn close(&self, why: impl Into<String>) {
        self.closed.borrow_mut().get_or_insert_with(|| why.into());
    }

    /// Why nothing is stored, if that is so.
    pub(crate) fn closed(&self) -> Option<String> {
        self.closed.borrow().clone()
    }

    pub(crate) async fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.store.get(key).await
    }

    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) {
        if self.closed().is_none()
            && let Err(why) = self.store.put(key, bytes).await
        {
            self.close(format!("this browser's storage is full or cannot be written ({why})"));
        }
    }

    pub(crate) async fn delete(&self, key: &str) {
        self.store.delete(key).await;
    }

    pub(crate) async fn list(&self, prefix: &str) -> Vec<Entry> {
        self.store.list(prefix).await
    }

    pub(crate) async fn get_text(&self, key: &str) -> Option<String> {
        String::from_utf8(self.get(key).await?).ok()
    }

    pub(crate) async fn put_text(&self, key: &str, text: &str) {
        self.put(key, text.as_bytes()).await;
    }
}

/// Number format of a stored piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As its host has it.
    Original,
    /// Rounded from fp32 to fp16.
    Half,
}

/// An address to which a key's own words can be added. No host serves it, so keys cannot collide with addresses.
pub(crate) fn with_query(url: &str) -> String {
    format!("{url}{}", if url.contains('?') { '&' } else { '?' })
}

pub(crate) fn record_key(weights: &str) -> String {
    format!("{}{RECORD}", with_query(weights))
}

/// The key of a piece of the file at `url` in its version `tag`.
pub(crate) fn piece_key(url: &str, tag: &str, range: &Range<u64>, encoding: Encoding) -> String {
    let kind = match encoding {
        Encoding::Original => PIECE,
        Encoding::Half => HALF_PIECE,
    };
    format!("{}{VERSION}{tag}&{kind}{}-{}", with_query(url), range.start, range.end)
}

/// The key of a shard of the mirror whose manifest is at `manifest`.
pub(crate) fn shard_key(manifest: &str, sha256: &str) -> String {
    format!("{}{SHARD}{sha256}", with_query(manifest))
}

/// What an entry beside a model's record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stored {
    /// A piece of a file.
    Piece { tag: String, range: Range<u64>, encoding: Encoding },
    /// A mirror's shard.
    Shard { sha256: String },
}

impl Stored {
    /// Reads the key of a part of the weights at `weights`; none for other keys.
    pub(crate) fn parse(weights: &str, key: &str) -> Option<Self> {
        let rest = key.strip_prefix(&with_query(weights))?;
        if let Some(sha256) = rest.strip_prefix(SHARD) {
            return Some(Stored::Shard { sha256: sha256.to_owned() });
        }
        let (tag, piece) = rest.strip_prefix(VERSION)?.split_once('&')?;
        let (range, encoding) = match piece.strip_prefix(HALF_PIECE) {
            Some(range) => (range, Encoding::Half),
            None => (piece.strip_prefix(PIECE)?, Encoding::Original),
        };
        let (start, end) = range.split_once('-')?;
        let range = start.parse().ok()?..end.parse().ok()?;
        Some(Stored::Piece { tag: tag.to_owned(), range, encoding })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back() {
        let url = "https://host/model.safetensors";
        for encoding in [Encoding::Original, Encoding::Half] {
            let key = piece_key(url, "1f16", &(8..5_000_000_000), encoding);
            let expected = Stored::Piece { tag: "1f16".to_owned(), range: 8..5_000_000_000, encoding };
            assert_eq!(Stored::parse(url, &key), Some(expected));
            assert_eq!(Stored::parse("https://host/other", &key), None);
        }
        let shard = Stored::Shard { sha256: "ab".to_owned() };
        assert_eq!(Stored::parse(url, &shard_key(url, "ab")), Some(shard));
        assert_eq!(Stored::parse(url, &record_key(url)), None);
    }
}
