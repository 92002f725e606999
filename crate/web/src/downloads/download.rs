//! A checkpoint at an address: its parts come from storage or from the network, a few at a time, in order.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::Poll;

use futures_util::future::{FutureExt as _, LocalBoxFuture};

use patchlab::error::{Error, Result};
use patchlab::model::mirror::{Manifest, Shard};
use patchlab::model::plan::ReadPlan;
use patchlab::model::source::{Source, ends_early};

use crate::downloads::context::Context;
use crate::downloads::parts::{Part, Parts, ShardAddress};
use crate::downloads::record::{Contents, Record};
use crate::downloads::remote::RemoteFile;
use crate::downloads::retry::FetchError;
use crate::downloads::storage::{Stored, shard_key, with_query};

/// Most parts in memory at once, fetched or on their way: enough to fill a fast connection. They lie in the module's
/// memory, which never shrinks.
const PARTS_AT_ONCE: usize = 3;
/// Most bytes of them, unless a single part has more (a mirror's shard may have 100 MB).
const BYTES_AT_ONCE: u64 = 16 << 20;

/// A checkpoint at an address.
pub(crate) struct Download {
    parts: Rc<Parts>,
    layout: RefCell<Layout>,
    /// The parts that are on their way or here, by their starts. They make progress while a read waits.
    window: RefCell<BTreeMap<u64, Slot>>,
    /// Whether storage is still to be prepared for the parts.
    unprepared: Cell<bool>,
    /// The length of a mirror's checkpoint.
    len: Option<u64>,
}

/// How the checkpoint is cut into parts.
enum Layout {
    /// A file; the plan is empty until there is one.
    Plan(ReadPlan),
    /// A mirror's shards, in order.
    Shards(Vec<Part>),
}

enum Slot {
    Pending(LocalBoxFuture<'static, Result<Vec<u8>>>),
    Done(Result<Rc<Vec<u8>>>),
}

impl Download {
    /// The file that `record` describes. Where a record of it is stored, the version in that is used as long as the host
    /// does not say that it has another one.
    pub(crate) async fn file(record: Record, context: Rc<Context>, half: bool) -> Self {
        let known = Record::find(&context.storage, &record.weights).await;
        let mut file = RemoteFile::new(record.weights.clone(), known.and_then(|known| known.version));
        context.cancel.resumed().await;
        if file.version().is_some()
            && let Err(FetchError::Fatal(Error::SourceChanged(_))) = file.revalidate(&context).await
        {
            file = RemoteFile::new(record.weights.clone(), None);
        }
        Self::new(Parts::new(context, Some(file), record, half), Layout::Plan(ReadPlan::default()), None)
    }

    /// The mirror in the folder `url`, whose manifest `record` describes.
    pub(crate) async fn mirror(url: &str, manifest: &Manifest, record: Record, context: Rc<Context>) -> Self {
        let part = |(shard, range): (&Shard, Range<u64>)| Part {
            range,
            shard: Some(ShardAddress { url: format!("{url}{}", shard.file), sha256: shard.sha256.clone() }),
        };
        let shards = manifest.shards.iter().zip(manifest.ranges()).map(part).collect();
        // Shards of an earlier version of the mirror are of no use any more.
        for entry in context.storage.list(&with_query(&record.weights)).await {
            let unknown = |key: &str| {
                manifest.shards.iter().all(|shard| shard_key(&record.weights, &shard.sha256) != key)
            };
            if matches!(Stored::parse(&record.weights, &entry.key), Some(Stored::Shard { .. }))
                && unknown(&entry.key)
            {
                context.storage.delete(&entry.key).await;
            }
        }
        context.progress.expect(manifest.bytes as f64);
        let parts = Parts::new(context, None, record, false);
        let download = Self::new(parts, Layout::Shards(shards), Some(manifest.bytes));
        download.unprepared.set(true);
        download
    }

    fn new(parts: Parts, layout: Layout, len: Option<u64>) -> Self {
        Self {
            parts: Rc::new(parts),
            layout: RefCell::new(layout),
            window: RefCell::default(),
            unprepared: Cell::new(false),
            len,
        }
    }

    /// Prepares storage, once, as soon as it is known what will be read.
    async fn prepare(&self) {
        if !self.unprepared.replace(false) {
            return;
        }
        let (contents, bytes) = match &*self.layout.borrow() {
            Layout::Plan(plan) => (Contents::Ranges(plan.runs().to_vec()), plan.bytes()),
            Layout::Shards(parts) => {
                let digests = parts.iter().filter_map(|part| Some(part.shard.as_ref()?.sha256.clone()));
                (Contents::Shards(digests.collect()), parts.iter().map(Part::len).sum())
            }
        };
        self.parts.prepare(contents, bytes).await;
    }

    /// The part that holds byte `at`.
    fn part(&self, at: u64) -> Option<Part> {
        match &*self.layout.borrow() {
            Layout::Plan(plan) => plan.piece(at).map(|range| Part { range, shard: None }),
            Layout::Shards(shards) => shards.iter().find(|part| part.range.contains(&at)).cloned(),
        }
    }

    /// The part after one that ends at `end`.
    fn part_after(&self, end: u64) -> Option<Part> {
        match &*self.layout.borrow() {
            Layout::Plan(plan) => plan.piece_after(end).map(|range| Part { range, shard: None }),
            Layout::Shards(_) => self.part(end),
        }
    }

    /// Moves the window to begin with `first`: parts outside of it are dropped, parts that enter it are started.
    fn move_window(&self, first: &Part) {
        let at_once = if self.parts.are_independent() { PARTS_AT_ONCE } else { 1 };
        let (mut wanted, mut bytes) = (vec![first.clone()], first.len());
        while wanted.len() < at_once
            && let Some(next) = self.part_after(wanted[wanted.len() - 1].range.end)
        {
            bytes += next.len();
            if bytes > BYTES_AT_ONCE {
                break;
            }
            wanted.push(next);
        }
        let mut window = self.window.borrow_mut();
        window.retain(|&start, _| wanted.iter().any(|part| part.range.start == start));
        for part in wanted {
            window.entry(part.range.start).or_insert_with(|| {
                let parts = self.parts.clone();
                Slot::Pending(async move { parts.get(&part).await }.boxed_local())
            });
        }
    }

    /// Drives the whole window until the part that starts at `start` is here.
    async fn arrival(&self, start: u64) -> Result<Rc<Vec<u8>>> {
        let arrived = poll_fn(|context| {
            let mut window = self.window.borrow_mut();
            for slot in window.values_mut() {
                if let Slot::Pending(pending) = slot
                    && let Poll::Ready(result) = pending.poll_unpin(context)
                {
                    *slot = Slot::Done(result.map(Rc::new));
                }
            }
            match window.get_mut(&start) {
                Some(Slot::Pending(_)) => Poll::Pending,
                Some(Slot::Done(Ok(bytes))) => Poll::Ready(Ok(bytes.clone())),
                Some(Slot::Done(Err(error))) => Poll::Ready(Err(std::mem::replace(error, Error::Cancelled))),
                None => Poll::Ready(Err(Error::Cancelled)),
            }
        })
        .await;
        if arrived.is_err() {
            self.window.borrow_mut().remove(&start);
        }
        arrived
    }

    async fn read_parts(&self, range: Range<u64>) -> Result<Vec<u8>> {
        self.prepare().await;
        let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
        let mut at = range.start;
        while at < range.end {
            let Some(part) = self.part(at) else {
                if self.parts.is_mirror() {
                    return Err(ends_early(self.name(), range.end));
                }
                // The header, which is read before there is a plan.
                bytes.extend(self.parts.header(at..range.end).await?);
                break;
            };
            self.move_window(&part);
            let start = part.range.start;
            let whole = self.arrival(start).await?;
            let end = range.end.min(part.range.end);
            bytes.extend_from_slice(&whole[(at - start) as usize..(end - start) as usize]);
            if end == part.range.end {
                // Reading is in order, so this part will not be asked for again.
                self.window.borrow_mut().remove(&start);
            }
            at = end;
        }
        Ok(bytes)
    }
}

impl Source for Download {
    fn name(&self) -> &str {
        self.parts.address()
    }

    fn len(&self) -> Option<u64> {
        self.len.or_else(|| self.parts.len())
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let cancel = &self.parts.context.cancel;
        cancel.unless_cancelled(self.read_parts(range)).await
    }

    fn prefetch(&self, plan: &ReadPlan) {
        if !self.parts.is_mirror() {
            self.parts.set_plan(plan);
            self.parts.context.progress.expect(plan.bytes() as f64);
            *self.layout.borrow_mut() = Layout::Plan(plan.clone());
            self.unprepared.set(true);
        }
    }
}
