//! The state machine of downloads, driven natively against the twins in [`super::testing`].

mod network;
mod shards;
mod storage;
mod tabs;

use std::cell::RefCell;
use std::rc::Rc;

use patchlab::error::{Error, Result};
use patchlab::host::Progress;
use patchlab::model::plan::{Dtype, PIECE, ReadPlan};
use patchlab::model::sharded::Sharded;
use patchlab::model::source::Source;
use patchlab::protocol::{StoredModel, WeightBytes};
use patchlab::session::TokenizerFiles;
use serde_json::json;

use crate::downloads::address::Address;
use crate::downloads::cancel::CancelToken;
use crate::downloads::context::Context;
use crate::downloads::download::Download;
use crate::downloads::platform::{Platform, sha256};
use crate::downloads::record;
use crate::downloads::storage::Storage;
use crate::downloads::testing::{FakeFile, FakeHost, Fault, MemoryLocks, MemoryStore, VirtualClock};

const BASE: &str = "https://hub/model/";
const WEIGHTS: &str = "https://hub/model/model.safetensors";
/// Bytes of the header of a file of weights.
const HEADER: u64 = 1000;
/// Pieces of its weights, the last of which is short.
const PIECES: u64 = 5;
const LENGTH: u64 = HEADER + (PIECES - 1) * PIECE + 4000;

/// A browser and the host of one model.
struct World {
    clock: VirtualClock,
    store: MemoryStore,
    locks: MemoryLocks,
    host: FakeHost,
}

/// One tab's opening.
struct Tab {
    context: Rc<Context>,
    cancel: Rc<CancelToken>,
    reported: Rc<RefCell<Vec<Progress>>>,
}

impl World {
    /// A host with a file of weights, version 1.
    fn new() -> Self {
        let clock = VirtualClock::default();
        let (store, host) = (MemoryStore::new(&clock), FakeHost::new(&clock));
        host.serve_bytes(&format!("{BASE}config.json"), b"{}");
        let world = Self { clock, store, locks: MemoryLocks::default(), host };
        world.serve_weights(1);
        world
    }

    fn serve_weights(&self, version: u32) {
        let (bytes, etag) = (Rc::new(weights(version)), Some(format!("\"{version}\"")));
        self.host.serve(WEIGHTS, FakeFile { bytes, etag, no_ranges: false });
    }

    /// Puts a mirror with these shards in the model's place; returns their addresses.
    fn serve_mirror(&self, shards: &[Vec<u8>]) -> Vec<String> {
        let urls: Vec<String> = (0..shards.len()).map(|index| format!("{BASE}shard-{index}.bin")).collect();
        let entries: Vec<_> = shards
            .iter()
            .enumerate()
            .map(|(index, shard)| {
                let file = format!("shard-{index}.bin");
                json!({ "file": file, "bytes": shard.len(), "sha256": sha256(shard) })
            })
            .collect();
        let bytes: usize = shards.iter().map(Vec::len).sum();
        let manifest =
            json!({ "format": "patchlab-mirror-1", "bytes": bytes, "shards": entries, "tensors": {} });
        self.host.serve_bytes(&format!("{BASE}config.json"), br#"{"patchlab_mirror":"mirror.json"}"#);
        self.host.serve_bytes(&format!("{BASE}mirror.json"), manifest.to_string().as_bytes());
        for (url, shard) in urls.iter().zip(shards) {
            self.host.serve_bytes(url, shard);
        }
        urls
    }

    fn tab(&self) -> Tab {
        let platform = Platform {
            store: Rc::new(self.store.clone()),
            http: Rc::new(self.host.clone()),
            clock: Rc::new(self.clock.clone()),
            locks: Rc::new(self.locks.clone()),
        };
        let (cancel, reported) = (Rc::new(CancelToken::default()), Rc::new(RefCell::new(Vec::new())));
        let sink = reported.clone();
        let report = move |progress: &Progress| sink.borrow_mut().push(progress.clone());
        let context = Rc::new(Context::new(platform, cancel.clone(), report));
        Tab { context, cancel, reported }
    }

    /// Opens the model in a tab of its own and reads all its weights.
    fn open(&self) -> Result<(Vec<u8>, WeightBytes)> {
        let tab = self.tab();
        let bytes = self.clock.run(tab.read(&address()))?;
        Ok((bytes, tab.context.progress.bytes()))
    }

    fn stored(&self) -> Vec<StoredModel> {
        self.clock.run(record::stored(&Storage::new(Rc::new(self.store.clone()))))
    }
}

impl Tab {
    /// Reads a model's weights as the engine does: the header, then everything else in order.
    async fn read(&self, address: &Address) -> Result<Vec<u8>> {
        let weights = address.files(self.context.clone()).await?.weights;
        let mut bytes = begin(&weights).await?;
        let length = weights.len().expect("the length is known");
        while (bytes.len() as u64) < length {
            let at = bytes.len() as u64;
            bytes.extend(weights.read(at..length.min(at + PIECE / 3)).await?);
        }
        Ok(bytes)
    }

    /// Whether any report had this in its note.
    fn noted(&self, text: &str) -> bool {
        let reported = self.reported.borrow();
        reported.iter().any(|progress| progress.note.as_ref().is_some_and(|note| note.contains(text)))
    }
}

/// Reads the header and plans the rest, all fp32.
async fn begin(weights: &Sharded<Download>) -> Result<Vec<u8>> {
    let mut bytes = weights.read(0..8).await?;
    bytes.extend(weights.read(8..HEADER).await?);
    let length = weights.len().unwrap_or(LENGTH);
    let middle = HEADER + (length - HEADER) / 8 * 4;
    weights.prefetch(&ReadPlan::new(vec![HEADER..middle, middle..length], Some(Dtype::F32)));
    Ok(bytes)
}

fn address() -> Address {
    Address { base: BASE.to_owned(), name: "m".to_owned(), gpt2_tokenizer: true, ..Address::default() }
}

/// A file of fp32 numbers, other ones in each version.
fn weights(version: u32) -> Vec<u8> {
    let number = |index: u64| ((index * 7919 + u64::from(version)) % 10_007) as f32 / 64.0;
    (0..LENGTH / 4).flat_map(|index| number(index).to_le_bytes()).collect()
}

/// The bytes of `network`, in whole numbers.
fn network(bytes: &WeightBytes) -> u64 {
    bytes.network as u64
}

#[test]
fn the_second_visit_only_revalidates() {
    let world = World::new();
    let (bytes, arrived) = world.open().expect("it opens");
    assert!(bytes == weights(1), "other bytes than the host's");
    assert_eq!((network(&arrived), arrived.storage, arrived.unkept), (LENGTH, 0.0, None));

    world.host.take_asked();
    let (bytes, arrived) = world.open().expect("it opens");
    assert!(bytes == weights(1), "other bytes than the host's");
    assert_eq!((network(&arrived), arrived.storage as u64), (0, LENGTH));
    let weights: Vec<_> = world.host.take_asked().into_iter().filter(|asked| asked.url == WEIGHTS).collect();
    assert_eq!(weights.iter().map(|asked| asked.range.clone()).collect::<Vec<_>>(), [Some(0..8)]);
}

#[test]
fn progress_ends_at_its_total() {
    let world = World::new();
    world.host.misbehave(|_| Fault::Slow(50.0));
    let tab = world.tab();
    world.clock.run(tab.read(&address())).expect("it opens");
    let reported = tab.reported.borrow();
    assert!(reported.len() > 5);
    assert!(reported.windows(2).all(|two| two[0].done <= two[1].done && two[0].total == two[1].total));
    let last = &reported[reported.len() - 1];
    assert_eq!((last.done, last.total), (LENGTH as f64, LENGTH as f64));
}

#[test]
fn a_tokenizer_that_is_missing_is_remembered() {
    let world = World::new();
    let vocab = Address { gpt2_tokenizer: false, ..address() };
    world.host.serve_bytes(&format!("{BASE}vocab.json"), b"{}");
    world.host.serve_bytes(&format!("{BASE}merges.txt"), b"");
    let open = || {
        let tab = world.tab();
        world.clock.run(async {
            tab.read(&vocab).await?;
            Ok::<_, Error>(vocab.files(tab.context.clone()).await?.tokenizer)
        })
    };
    assert!(matches!(open(), Ok(TokenizerFiles::VocabAndMerges { .. })));
    world.host.misbehave(|_| Fault::Unreachable);
    let offline = open();
    assert!(matches!(offline, Ok(TokenizerFiles::VocabAndMerges { .. })), "{:?}", offline.err());

    // Without any tokenizer files it is GPT-2's, also the second time.
    let bare = World::new();
    let open = || {
        let tab = bare.tab();
        bare.clock.run(async { Ok::<_, Error>(vocab.files(tab.context.clone()).await?.tokenizer) })
    };
    assert!(matches!(open(), Ok(TokenizerFiles::Gpt2)));
    bare.host.set_online(false);
    assert!(matches!(open(), Ok(TokenizerFiles::Gpt2)));
}
