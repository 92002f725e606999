//! One part of a checkpoint: from storage, or from the network and then stored.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};

use patchlab::error::{Error, Result};
use patchlab::model::half;
use patchlab::model::plan::{Dtype, ReadPlan};

use crate::downloads::context::Context;
use crate::downloads::platform::Guard;
use crate::downloads::record::{Contents, Record};
use crate::downloads::remote::{Buffer, RemoteFile, fetch_shard};
use crate::downloads::retry::{FetchError, Retries};
use crate::downloads::storage::{Encoding, Stored, piece_key, shard_key, with_query};

/// Attempts in a row without progress.
const ATTEMPTS: u32 = 6;
/// How often a shard may arrive damaged.
const DAMAGED_ATTEMPTS: u32 = 2;
/// Seconds of waiting for another tab's lock after which the user is told, and after which the part is fetched anyway.
const LOCK_QUIET_S: u32 = 5;
const LOCK_LIMIT_S: u32 = 120;

/// A part of a checkpoint that is fetched and stored as one.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Its place in the checkpoint.
    pub(crate) range: Range<u64>,
    /// Set for a part of a mirror.
    pub(crate) shard: Option<ShardAddress>,
}

/// Where a mirror's shard is, and what it must be.
#[derive(Debug, Clone)]
pub(crate) struct ShardAddress {
    pub(crate) url: String,
    pub(crate) sha256: String,
}

impl Part {
    pub(crate) fn len(&self) -> u64 {
        self.range.end - self.range.start
    }
}

/// Gets the parts of one checkpoint.
pub(crate) struct Parts {
    pub(crate) context: Rc<Context>,
    /// The file; none for a mirror.
    file: Option<RemoteFile>,
    record: Record,
    /// Whether the user wants fp32 stored as fp16, and whether the file is all fp32.
    half: bool,
    all_f32: Cell<bool>,
    /// Whether fp16 pieces are stored that this opening has no use for.
    unused_halves: Cell<bool>,
    /// What was read before there was a plan.
    header: RefCell<Vec<Range<u64>>>,
}

impl Parts {
    pub(crate) fn new(context: Rc<Context>, file: Option<RemoteFile>, record: Record, half: bool) -> Self {
        let (all_f32, unused_halves, header) = (Cell::new(false), Cell::new(false), RefCell::default());
        Self { context, file, record, half, all_f32, unused_halves, header }
    }

    /// The address of the weights, for messages and keys.
    pub(crate) fn address(&self) -> &str {
        &self.record.weights
    }

    /// The file's length, if its host said it.
    pub(crate) fn len(&self) -> Option<u64> {
        self.file.as_ref()?.version()?.len
    }

    pub(crate) fn is_mirror(&self) -> bool {
        self.file.is_none()
    }

    /// Whether several parts may be fetched at once.
    pub(crate) fn are_independent(&self) -> bool {
        self.file.as_ref().is_none_or(RemoteFile::has_ranges)
    }

    pub(crate) fn set_plan(&self, plan: &ReadPlan) {
        self.all_f32.set(plan.dtype() == Some(Dtype::F32));
    }

    /// Whether parts are stored as fp16.
    pub(crate) fn stores_half(&self) -> bool {
        self.half && self.all_f32.get()
    }

    /// A part of the header, which is read before there is a plan.
    pub(crate) async fn header(&self, range: Range<u64>) -> Result<Vec<u8>> {
        self.header.borrow_mut().push(range.clone());
        self.get(&Part { range, shard: None }).await
    }

    /// The part's bytes.
    ///
    /// # Errors
    /// [`Error::Source`] if neither storage nor the host has them; [`Error::SourceChanged`].
    pub(crate) async fn get(&self, part: &Part) -> Result<Vec<u8>> {
        if let Some(bytes) = self.stored(part).await {
            return Ok(bytes);
        }
        let context = &*self.context;
        let mut retries = Retries::new(context, ATTEMPTS, true);
        let mut damaged = 0;
        let mut buffer: Option<Buffer> = None;
        loop {
            // Whoever waits holds no lock: another tab may want the part meanwhile.
            context.cancel.resumed().await;
            let lock = self.lock(part).await;
            if context.cancel.is_paused() {
                continue;
            }
            if let Some(bytes) = self.stored(part).await {
                buffer.iter_mut().for_each(|buffer| buffer.discard(context));
                return Ok(bytes);
            }
            let buffer = buffer.get_or_insert_with(|| Buffer::new(part.len()));
            let before = buffer.filled();
            match self.fetch(part, buffer).await {
                Ok(()) if self.is_intact(part, buffer).await => {
                    return Ok(self.store(part, buffer.take()).await);
                }
                Ok(()) => {
                    damaged += 1;
                    if damaged == DAMAGED_ATTEMPTS {
                        return Err(Error::Checkpoint {
                            name: self.address_of(part).to_owned(),
                            reason: "its content is not what the mirror's manifest says (SHA-256)".to_owned(),
                        });
                    }
                }
                Err(error) => {
                    drop(lock);
                    let advanced = buffer.filled() > before;
                    retries.after(error, advanced).await.map_err(|error| self.failure(part, error))?;
                }
            }
        }
    }

    fn failure(&self, part: &Part, error: FetchError) -> Error {
        let kept =
            if self.context.storage.closed().is_none() { "What has been fetched is kept. " } else { "" };
        error.into_error(self.address_of(part), &format!("{kept}Try again when the connection is better"))
    }

    fn address_of<'a>(&'a self, part: &'a Part) -> &'a str {
        part.shard.as_ref().map_or(self.address(), |shard| &shard.url)
    }

    async fn fetch(&self, part: &Part, buffer: &mut Buffer) -> Result<(), FetchError> {
        match (&self.file, &part.shard) {
            (Some(file), _) => file.read(&part.range, buffer, &self.context).await,
            (None, Some(shard)) => fetch_shard(&shard.url, buffer, &self.context).await,
            (None, None) => Err(FetchError::transient("has no such part")),
        }
    }

    async fn is_intact(&self, part: &Part, buffer: &Buffer) -> bool {
        match &part.shard {
            Some(shard) => self.context.platform.store.sha256(buffer.as_slice()).await == shard.sha256,
            None => true,
        }
    }

    /// Waits until no other tab fetches the part; it is then in storage, unless that tab failed. After a while the part
    /// is fetched all the same: the other tab may be frozen.
    async fn lock(&self, part: &Part) -> Option<Guard> {
        let Context { platform, storage, progress, .. } = &*self.context;
        if storage.closed().is_some() {
            return None;
        }
        let name = self.key(part, Encoding::Original)?;
        let mut held = pin!(platform.locks.hold(&name));
        for second in 1..=LOCK_LIMIT_S {
            match select(held, platform.clock.sleep(1000.0)).await {
                Either::Left((guard, _)) => return Some(guard),
                Either::Right(((), waiting)) => held = waiting,
            }
            if second >= LOCK_QUIET_S {
                progress.note("Another tab is fetching the same weights.");
            }
        }
        None
    }

    /// The part's key; none for a file whose version is not known, because its pieces could not be told apart.
    fn key(&self, part: &Part, encoding: Encoding) -> Option<String> {
        match (&self.file, &part.shard) {
            (Some(file), _) => {
                Some(piece_key(self.address(), &file.version()?.tag()?, &part.range, encoding))
            }
            (None, Some(shard)) => Some(shard_key(self.address(), &shard.sha256)),
            (None, None) => None,
        }
    }

    async fn stored(&self, part: &Part) -> Option<Vec<u8>> {
        let storage = &self.context.storage;
        let mut bytes = None;
        if self.stores_half() {
            bytes = storage.get(&self.key(part, Encoding::Half)?).await.map(|halves| half::widen(&halves));
        }
        if bytes.is_none() {
            bytes = storage.get(&self.key(part, Encoding::Original)?).await;
        }
        let bytes = bytes.filter(|bytes| bytes.len() as u64 == part.len())?;
        self.context.progress.found(bytes.len());
        Some(bytes)
    }

    /// Stores the part, and returns it as it will be read the next time.
    async fn store(&self, part: &Part, bytes: Vec<u8>) -> Vec<u8> {
        let Context { storage, progress, .. } = &*self.context;
        let Some(key) = self.key(part, Encoding::Original) else {
            storage.close("their host does not say when it changes them (neither ETag nor Last-Modified)");
            storage.closed().iter().for_each(|why| progress.unkept(why));
            return bytes;
        };
        let mut bytes = bytes;
        match self.key(part, Encoding::Half).zip(self.narrowed(&bytes)) {
            Some((half_key, halves)) => {
                drop(bytes);
                storage.put(&half_key, &halves).await;
                bytes = half::widen(&halves);
            }
            None => {
                storage.put(&key, &bytes).await;
                if self.unused_halves.get()
                    && storage.closed().is_none()
                    && let Some(half_key) = self.key(part, Encoding::Half)
                {
                    storage.delete(&half_key).await;
                }
            }
        }
        storage.closed().iter().for_each(|why| progress.unkept(why));
        bytes
    }

    fn narrowed(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.stores_half() { half::narrow(bytes) } else { None }
    }

    /// Writes the record of a model with these contents, deletes pieces of other versions, and stores nothing if what is
    /// still to be fetched has no room.
    pub(crate) async fn prepare(&self, contents: Contents, bytes: u64) {
        let Context { storage, platform, .. } = &*self.context;
        let version = self.file.as_ref().and_then(RemoteFile::version);
        let tag = version.as_ref().and_then(|version| version.tag());
        if self.is_mirror() || tag.is_some() {
            let contents = contents.with_header(&self.header.borrow());
            Record { version, contents, ..self.record.clone() }.write(storage).await;
        }
        let mut here = 0.0;
        for entry in storage.list(&with_query(self.address())).await {
            match Stored::parse(self.address(), &entry.key) {
                Some(Stored::Piece { tag: other, .. }) if Some(&other) != tag.as_ref() => {
                    storage.delete(&entry.key).await;
                }
                Some(Stored::Piece { encoding: Encoding::Half, .. }) if !self.stores_half() => {
                    self.unused_halves.set(true);
                }
                _ => here += entry.bytes,
            }
        }
        let expected = bytes as f64 / if self.stores_half() { 2.0 } else { 1.0 };
        let needed = (expected - here).max(0.0);
        if let Some(room) = platform.store.room().await
            && room < needed
        {
            let megabytes = |bytes: f64| (bytes / 1e6).max(0.0).ceil();
            storage.close(format!(
                "this browser has room for {} MB more, and {} MB are needed",
                megabytes(room),
                megabytes(needed)
            ));
        }
    }
}
