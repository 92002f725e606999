//! A checkpoint at an address: its parts come from storage or from the network, a few at a time, in order.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use js_sys::{Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use crate::fetcher::{Fetcher, Host, Piece};
use crate::http::Remote;
use crate::js::release;
use crate::patience::Trouble;
use crate::record::{Record, SHARD, forget_weights};
use crate::small::with_query;
use crate::store::{Store, room};
use crate::transfer::Transfer;
use patchlab::error::{Error, Result};
use patchlab::model::mirror::Manifest;
use patchlab::model::plan::Plan;
use patchlab::model::source::{Source, ends_early};

/// How many parts are on their way at once: enough to fill a fast connection, and 16 MiB of memory.
const AT_ONCE: usize = 4;

/// A checkpoint at an address.
pub(super) struct Download {
    fetcher: Rc<Fetcher>,
    parts: RefCell<Parts>,
    /// Parts that are on their way or here, by where they begin.
    coming: RefCell<BTreeMap<u64, Coming>>,
    /// Whether it is still to be seen if the parts have room in storage.
    to_prepare: Cell<bool>,
    len: Cell<Option<u64>>,
}

/// The parts that will be read.
enum Parts {
    /// Of a file; nothing until they are planned.
    Planned(Plan),
    /// A mirror's shards.
    Shards(Vec<Piece>),
}

impl Default for Parts {
    fn default() -> Self {
        Parts::Planned(Plan::default())
    }
}

/// A part on its way. The promise is settled when it is here, and never fails: failures come with the rest.
struct Coming {
    settled: Promise,
    outcome: Rc<RefCell<Option<Result<Uint8Array>>>>,
}

impl Download {
    /// The file that `record` tells of.
    pub(super) async fn file(record: Record, store: Rc<Store>, transfer: Rc<Transfer>, half: bool) -> Self {
        let kept = Record::find(&store, &record.weights).await;
        let version = kept.and_then(|kept| kept.version);
        let mut remote = Remote::new(record.weights.clone(), version.clone());
        let is_old = match &version {
            // Nobody knows of which state of the file the parts are that may be there.
            None => true,
            Some(_) => {
                let asked = remote.ask(&transfer).await;
                matches!(asked, Err(Trouble::Lasting(Error::SourceChanged(_))))
            }
        };
        if is_old {
            forget_weights(&store, &record.weights).await;
            remote = Remote::new(record.weights.clone(), None);
        }
        let record = Record { version: remote.version(), ..record };
        Self::new(Fetcher::new(Host::File(remote), record, store, transfer, half), Parts::default())
    }

    /// The mirror in the folder `base`, whose manifest `record` tells of.
    pub(super) async fn mirror(
        base: &str,
        manifest: &Manifest,
        record: Record,
        store: Rc<Store>,
        transfer: Rc<Transfer>,
    ) -> Self {
        let keys = with_query(&record.weights);
        let pieces: Vec<Piece> = manifest
            .shards
            .iter()
            .zip(manifest.ranges())
            .map(|(shard, range)| Piece {
                range,
                key: format!("{keys}{SHARD}{}", shard.sha256),
                shard: Some((format!("{base}{}", shard.file), shard.sha256.clone())),
            })
            .collect();
        // Shards of an earlier state of the mirror are of no use any more.
        for entry in store.list(&format!("{keys}{SHARD}")).await {
            if !pieces.iter().any(|piece| piece.key == entry.key) {
                store.delete(&entry.key).await;
            }
        }
        transfer.expect(manifest.bytes as f64);
        let download =
            Self::new(Fetcher::new(Host::Mirror, record, store, transfer, false), Parts::Shards(pieces));
        download.len.set(Some(manifest.bytes));
        download.to_prepare.set(true);
        download
    }

    fn new(fetcher: Fetcher, parts: Parts) -> Self {
        Self {
            fetcher: Rc::new(fetcher),
            parts: RefCell::new(parts),
            coming: RefCell::default(),
            to_prepare: Cell::new(false),
            len: Cell::new(None),
        }
    }

    /// Sees, once, whether what is not stored yet has room in storage, and notes what will be there.
    async fn prepare(&self) {
        if !self.to_prepare.replace(false) {
            return;
        }
        let (bytes, entries) = match &*self.parts.borrow() {
            Parts::Planned(plan) => (plan.bytes(), plan.pieces()),
            Parts::Shards(shards) => (self.len.get().unwrap_or(0), shards.len() as u64),
        };
        let expected = bytes as f64 / if self.fetcher.keeps_half() { 2.0 } else { 1.0 };
        self.fetcher.note_record(entries as usize).await;
        let here: f64 = self.fetcher.stored_bytes().await;
        let needed = (expected - here).max(0.0);
        if let Some(room) = room().await
            && room < needed
        {
            let megabytes = |bytes: f64| (bytes / 1e6).max(0.0).ceil();
            self.fetcher.store.close(format!(
                "this browser has room for {} MB more, and {} MB are needed",
                megabytes(room),
                megabytes(needed)
            ));
        }
    }

    /// The part that holds byte `at`.
    fn part(&self, at: u64) -> Option<Piece> {
        match &*self.parts.borrow() {
            Parts::Planned(plan) => plan.piece(at).map(|range| self.fetcher.part(range)),
            Parts::Shards(shards) => shards.iter().find(|piece| piece.range.contains(&at)).cloned(),
        }
    }

    /// The part after one that ends at `end`.
    fn part_after(&self, end: u64) -> Option<Piece> {
        match &*self.parts.borrow() {
            Parts::Planned(plan) => plan.piece_after(end).map(|range| self.fetcher.part(range)),
            Parts::Shards(_) => self.part(end),
        }
    }

    /// Starts parts until as many are on their way as may be, from `first` on.
    fn start_from(&self, first: &Piece) {
        let mut coming = self.coming.borrow_mut();
        coming.retain(|&start, _| start >= first.range.start);
        let mut next = Some(first.clone());
        for _ in 0..if self.fetcher.takes_several() { AT_ONCE } else { 1 } {
            let Some(piece) = next else { break };
            next = self.part_after(piece.range.end);
            coming.entry(piece.range.start).or_insert_with(|| self.start(piece));
        }
    }

    fn start(&self, piece: Piece) -> Coming {
        let outcome: Rc<RefCell<Option<Result<Uint8Array>>>> = Rc::default();
        let (fetcher, slot) = (self.fetcher.clone(), outcome.clone());
        let settled = future_to_promise(async move {
            let fetched = fetcher.piece(&piece).await;
            *slot.borrow_mut() = Some(fetched);
            Ok(JsValue::UNDEFINED)
        });
        Coming { settled, outcome }
    }

    /// The bytes of a part, which stay here until a later one is asked for.
    async fn bytes_of(&self, piece: &Piece) -> Result<Uint8Array> {
        self.start_from(piece);
        let part = |coming: &Coming| (coming.settled.clone(), coming.outcome.clone());
        let coming = self.coming.borrow().get(&piece.range.start).map(part);
        let Some((settled, outcome)) = coming else { return Err(Error::Cancelled) };
        // It never fails.
        JsFuture::from(settled).await.ok();
        let fetched = outcome.borrow_mut().take();
        match fetched {
            Some(Ok(bytes)) => {
                *outcome.borrow_mut() = Some(Ok(bytes.clone()));
                Ok(bytes)
            }
            Some(Err(error)) => Err(error),
            None => Err(Error::Cancelled),
        }
    }
}

impl Source for Download {
    fn name(&self) -> &str {
        self.fetcher.address()
    }

    fn len(&self) -> Option<u64> {
        self.len.get().or_else(|| self.fetcher.len())
    }

    fn plan(&self, plan: &Plan) {
        if self.fetcher.is_file() {
            self.fetcher.set_all_f32(plan.all_f32);
            self.fetcher.transfer.expect(plan.bytes() as f64);
            *self.parts.borrow_mut() = Parts::Planned(plan.clone());
            self.to_prepare.set(true);
        }
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        self.prepare().await;
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let mut at = range.start;
        while at < range.end {
            let (from, part) = match self.part(at) {
                Some(piece) => (piece.range.start, self.bytes_of(&piece).await?),
                // The header, which is read before anything is planned.
                None if self.fetcher.is_file() => {
                    (at, self.fetcher.piece(&self.fetcher.part(at..range.end)).await?)
                }
                None => return Err(ends_early(self.name(), range.end)),
            };
            let end = range.end.min(from + u64::from(part.length()));
            let within = part.subarray((at - from) as u32, (end - from) as u32);
            within.copy_to(&mut bytes[(at - range.start) as usize..(end - range.start) as usize]);
            at = end;
            if at == from + u64::from(part.length()) {
                // It is read in order, so nobody will ask for this part again.
                self.coming.borrow_mut().remove(&from);
                release(&part);
            }
        }
        Ok(bytes)
    }
}

/// What is still on its way when nobody reads any more need not come.
impl Drop for Download {
    fn drop(&mut self) {
        self.fetcher.transfer.flow.stop();
    }
}
