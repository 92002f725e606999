//! One part of a checkpoint: from storage, or from the network and then kept.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use js_sys::Uint8Array;

use crate::digest::sha256;
use crate::http::{Remote, read_shard};
use crate::js::release;
use crate::locks::Lock;
use crate::patience::{Trouble, insist};
use crate::record::{HALF_PIECE, PIECE, Record, forget_weights};
use crate::small::with_query;
use crate::store::Store;
use crate::transfer::Transfer;
use patchlab::error::{Error, Result};
use patchlab::model::half;

/// How often in a row a part is asked for without getting any further.
const TRIES: u32 = 6;
/// How often a shard may come damaged.
const DAMAGED_TRIES: u32 = 2;

/// A part of a checkpoint that is fetched and kept as one.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Where in the checkpoint it stands.
    pub(super) range: Range<u64>,
    /// Its key in storage.
    pub(super) key: String,
    /// The address and SHA-256 of a mirror's shard.
    pub(super) shard: Option<(String, String)>,
}

/// Who has the checkpoint.
pub(super) enum Host {
    /// It is a file.
    File(Remote),
    /// It is a mirror's shards.
    Mirror,
}

/// Gets parts of one checkpoint.
pub(super) struct Fetcher {
    host: Host,
    record: Record,
    /// Whether the record is in storage.
    noted: Cell<bool>,
    /// Whether fp32 is to be kept as fp16, and whether the file is all fp32.
    half: bool,
    all_f32: Cell<bool>,
    /// Whether the file turned out to have changed: what was fetched before is worth nothing.
    changed: Cell<bool>,
    /// Where parts are kept.
    pub(super) store: Rc<Store>,
    /// The call that they are for.
    pub(super) transfer: Rc<Transfer>,
}

impl Fetcher {
    pub(super) fn new(
        host: Host,
        record: Record,
        store: Rc<Store>,
        transfer: Rc<Transfer>,
        half: bool,
    ) -> Self {
        let noted = Cell::new(record.version.is_some());
        Self {
            host,
            record,
            noted,
            half,
            all_f32: Cell::new(false),
            changed: Cell::new(false),
            store,
            transfer,
        }
    }

    /// The address, for messages and keys.
    pub(super) fn address(&self) -> &str {
        &self.record.weights
    }

    /// The file's length, if its host said it.
    pub(super) fn len(&self) -> Option<u64> {
        match &self.host {
            Host::File(remote) => remote.version().and_then(|version| version.len),
            Host::Mirror => None,
        }
    }

    /// Whether the checkpoint is one file, of which any part can be had.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.host, Host::File(_))
    }

    /// Whether several parts may be on their way at once.
    pub(super) fn takes_several(&self) -> bool {
        match &self.host {
            Host::File(remote) => remote.has_ranges(),
            Host::Mirror => true,
        }
    }

    /// Notes that every number that will be read is fp32.
    pub(super) fn set_all_f32(&self, all_f32: bool) {
        self.all_f32.set(all_f32);
    }

    /// Whether parts are kept as fp16.
    pub(super) fn keeps_half(&self) -> bool {
        self.half && self.all_f32.get()
    }

    /// A part of the file.
    pub(super) fn part(&self, range: Range<u64>) -> Piece {
        let key = format!("{}{PIECE}{}-{}", with_query(self.address()), range.start, range.end);
        Piece { range, key, shard: None }
    }

    /// The part's bytes.
    ///
    /// # Errors
    /// [`Error::Source`] if neither storage nor the host has them, [`Error::SourceChanged`], [`Error::Cancelled`].
    pub(super) async fn piece(&self, piece: &Piece) -> Result<Uint8Array> {
        if let Some(bytes) = self.stored(piece).await {
            return Ok(bytes);
        }
        // Another tab may be fetching it; then it is in storage when the lock is free.
        let _lock = match self.store.closed() {
            None => Some(Lock::hold(&piece.key, &self.transfer).await?),
            Some(_) => None,
        };
        if let Some(bytes) = self.stored(piece).await {
            return Ok(bytes);
        }
        let fetched = self.fetch(piece).await;
        if let Err(Error::SourceChanged(_)) = &fetched {
            self.changed.set(true);
            forget_weights(&self.store, self.address()).await;
        }
        let bytes = fetched?;
        self.keep(piece, bytes).await
    }

    async fn stored(&self, piece: &Piece) -> Option<Uint8Array> {
        // Without a version nobody knows which file a part belongs to.
        if self.is_file() && !self.noted.get() {
            return None;
        }
        let mut bytes = None;
        if self.keeps_half()
            && let Some(halves) = self.store.get(&half_key(piece)).await
        {
            bytes = Some(Uint8Array::from(half::widen(&halves.to_vec()).as_slice()));
            release(&halves);
        }
        if bytes.is_none() {
            bytes = self.store.get(&piece.key).await;
        }
        let bytes = bytes.filter(|bytes| u64::from(bytes.length()) == piece.range.end - piece.range.start)?;
        self.transfer.found(bytes.length());
        Some(bytes)
    }

    /// Keeps the part, and returns it as it will be read the next time.
    async fn keep(&self, piece: &Piece, bytes: Uint8Array) -> Result<Uint8Array> {
        if let Host::File(remote) = &self.host
            && !remote.version().is_some_and(|version| version.tells())
        {
            self.store.close("their host does not say when it changes them (neither ETag nor Last-Modified)");
        }
        if self.store.closed().is_none() && !self.noted.get() {
            self.note_record(self.record.entries).await;
        }
        let halves = if self.keeps_half() { half::narrow(&bytes.to_vec()) } else { None };
        let kept = match halves {
            Some(halves) => {
                release(&bytes);
                let copy = Uint8Array::from(halves.as_slice());
                self.put(&half_key(piece), &copy).await;
                release(&copy);
                Uint8Array::from(half::widen(&halves).as_slice())
            }
            None => {
                self.put(&piece.key, &bytes).await;
                bytes
            }
        };
        if let Some(why) = self.store.closed() {
            self.transfer.unkept(&why);
        }
        Ok(kept)
    }

    /// Keeps an entry; if another part has meanwhile shown that the file changed, it goes again.
    async fn put(&self, key: &str, bytes: &Uint8Array) {
        self.store.put(key, bytes).await;
        if self.changed.get() {
            self.store.delete(key).await;
        }
    }

    /// Keeps the record of what is fetched, with the number of entries that its parts will have.
    pub(super) async fn note_record(&self, entries: usize) {
        let version = match &self.host {
            Host::File(remote) => remote.version(),
            Host::Mirror => None,
        };
        if self.is_file() && !version.as_ref().is_some_and(|version| version.tells()) {
            return;
        }
        self.noted.set(true);
        Record { version, entries, ..self.record.clone() }.write(&self.store).await;
    }

    /// Bytes of the checkpoint's parts that are in storage.
    pub(super) async fn stored_bytes(&self) -> f64 {
        self.store.list(&with_query(self.address())).await.iter().map(|entry| entry.bytes).sum()
    }

    async fn fetch(&self, piece: &Piece) -> Result<Uint8Array> {
        let bytes = Uint8Array::new_with_length((piece.range.end - piece.range.start) as u32);
        let got = Cell::new(0);
        for damaged in 1..=DAMAGED_TRIES {
            let attempt = async || match (&self.host, &piece.shard) {
                (Host::File(remote), _) => remote.read(&piece.range, &bytes, &got, &self.transfer).await,
                (Host::Mirror, Some((url, _))) => read_shard(url, &bytes, &got, &self.transfer).await,
                (Host::Mirror, None) => Err(Trouble::passing("has no such part")),
            };
            let fetched = insist(&self.transfer, TRIES, true, || got.get(), attempt).await;
            let address = piece.shard.as_ref().map_or(self.address(), |(url, _)| url);
            let kept = if self.store.closed().is_none() { "What has been fetched is kept. " } else { "" };
            let advice = format!("{kept}Try again when the connection is better");
            fetched.map_err(|trouble| trouble.into_error(address, &advice))?;
            let Some((url, digest)) = &piece.shard else { break };
            if sha256(&bytes).await == *digest {
                break;
            }
            if damaged == DAMAGED_TRIES {
                return Err(Error::Checkpoint {
                    name: url.clone(),
                    reason: "its content is not what the mirror's manifest says (SHA-256)".to_owned(),
                });
            }
        }
        Ok(bytes)
    }
}

fn half_key(piece: &Piece) -> String {
    piece.key.replace(PIECE, HALF_PIECE)
}
