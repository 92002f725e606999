//! What is stored, and when it is all there.

use patchlab::model::plan::PIECE;

use super::{BASE, HEADER, LENGTH, PIECES, WEIGHTS, World, address, network, weights};
use crate::downloads::address::Address;
use crate::downloads::testing::Fault;

/// The whole file, in its other encoding.
fn half() -> Address {
    Address { half: true, ..address() }
}

/// The header's two reads and the pieces of weights, as their keys end.
fn ranges() -> Vec<String> {
    let mut ranges = vec!["bytes=0-8".to_owned(), format!("bytes=8-{HEADER}")];
    for piece in 0..PIECES {
        let start = HEADER + piece * PIECE;
        ranges.push(format!("bytes={start}-{}", LENGTH.min(start + PIECE)));
    }
    ranges
}

/// Reads of the header are stored like pieces of weights, and once counted as such: a model with two pieces missing was
/// then "complete".
#[test]
fn a_model_is_complete_when_every_byte_that_is_read_is_stored() {
    let world = World::new();
    world.open().expect("it opens");
    let keys = world.store.keys();
    for missing in ranges() {
        let [model] = &world.stored()[..] else { panic!("one model") };
        assert!(model.complete && !model.half);
        assert_eq!((model.bytes, model.base.as_str(), model.name.as_str()), (LENGTH as f64, BASE, "m"));

        assert_eq!(world.store.lose(&missing), 1, "{missing} is stored once: {keys:?}");
        assert!(!world.stored()[0].complete, "complete without {missing}");
        let (_, arrived) = world.open().expect("it opens");
        assert!(network(&arrived) > 0, "{missing} is fetched again");
    }
}

/// Pieces of the same range were once counted twice if they were stored in both encodings.
#[test]
fn a_piece_that_is_stored_in_both_encodings_counts_once() {
    let world = World::new();
    world.host.misbehave(|asked| match &asked.range {
        // Only the first two pieces can be had.
        Some(range) if range.start >= HEADER + 2 * PIECE => Fault::Status(403, None),
        _ => Fault::None,
    });
    for address in [half(), address()] {
        let tab = world.tab();
        world.clock.run(tab.read(&address)).expect_err("pieces are missing");
    }
    assert!(!world.stored()[0].complete);

    world.host.misbehave(|_| Fault::None);
    world.open().expect("it opens");
    let model = &world.stored()[0];
    assert!(model.complete && !model.half, "the rounded pieces have been replaced");
    assert_eq!(model.bytes, LENGTH as f64);
}

#[test]
fn fp32_is_stored_as_fp16_and_read_as_it_was_the_first_time() {
    let world = World::new();
    let tab = world.tab();
    let first = world.clock.run(tab.read(&half())).expect("it opens");
    assert!(first != weights(1), "nothing was rounded");
    let model = &world.stored()[0];
    assert!(model.complete && model.half);
    assert_eq!(model.bytes as u64, HEADER + (LENGTH - HEADER) / 2);

    let tab = world.tab();
    let second = world.clock.run(tab.read(&half())).expect("it opens");
    assert!(second == first, "other numbers than the first time");
    assert_eq!(network(&tab.context.progress.bytes()), 0);
}

#[test]
fn an_interrupted_download_goes_on_with_what_is_stored() {
    let world = World::new();
    world.host.misbehave(|asked| match &asked.range {
        Some(range) if range.start >= HEADER + PIECE && asked.is_large() => Fault::Unreachable,
        _ => Fault::None,
    });
    let error = world.open().expect_err("pieces are missing").to_string();
    assert!(error.contains("cannot be reached") && error.contains("is kept"), "{error}");
    world.host.misbehave(|_| Fault::None);
    let (bytes, arrived) = world.open().expect("it opens");
    assert!(bytes == weights(1), "other bytes than the host's");
    assert_eq!(arrived.storage as u64, HEADER + PIECE);
}

#[test]
fn a_changed_file_is_fetched_anew_and_the_old_one_deleted() {
    let world = World::new();
    world.open().expect("it opens");
    let entries = world.store.keys().len();
    world.serve_weights(2);
    let (bytes, arrived) = world.open().expect("it opens");
    assert!(bytes == weights(2), "other bytes than the host's");
    assert_eq!((network(&arrived), arrived.storage), (LENGTH, 0.0));
    assert_eq!(world.store.keys().len(), entries, "{:?}", world.store.keys());
}

/// The keys say which version the pieces are of.
#[test]
fn without_the_record_pieces_of_the_same_version_are_used() {
    let world = World::new();
    world.open().expect("it opens");
    assert_eq!(world.store.lose("patchlab-version"), 1);
    let (bytes, arrived) = world.open().expect("it opens");
    assert!(bytes == weights(1), "other bytes than the host's");
    assert_eq!(network(&arrived), 8, "until the first response the version is not known");

    world.store.lose("patchlab-version");
    world.serve_weights(2);
    let (bytes, arrived) = world.open().expect("it opens");
    assert!(bytes == weights(2), "other bytes than the host's");
    assert_eq!(network(&arrived), LENGTH);
}

#[test]
fn a_host_that_names_no_versions_has_nothing_stored() {
    let world = World::new();
    world.host.serve_bytes(WEIGHTS, &weights(1));
    let (_, arrived) = world.open().expect("it opens");
    assert!(arrived.unkept.is_some_and(|why| why.contains("neither ETag nor Last-Modified")));
    assert!(world.store.keys().iter().all(|key| !key.contains("bytes=")), "{:?}", world.store.keys());
}

#[test]
fn what_has_no_room_is_not_stored() {
    let world = World::new();
    world.store.set_room(5e6);
    let (_, arrived) = world.open().expect("it opens");
    assert!(arrived.unkept.is_some_and(|why| why.contains("has room for 5 MB more, and 17 MB are needed")));
    assert!(!world.stored()[0].complete);

    let full = World::new();
    full.store.set_capacity(10_000_000);
    let (_, arrived) = full.open().expect("it opens");
    assert!(arrived.unkept.is_some_and(|why| why.contains("storage is full")));
    let (_, arrived) = full.open().expect("it opens");
    assert!(arrived.storage as u64 > 2 * PIECE, "what had room is used");
}

#[test]
fn a_forgotten_model_leaves_nothing() {
    let world = World::new();
    let missing_tokenizer = Address { gpt2_tokenizer: false, ..address() };
    let tab = world.tab();
    world.clock.run(tab.read(&missing_tokenizer)).expect("it opens");
    world.clock.run(crate::downloads::record::forget(&tab.context.storage, BASE));
    assert_eq!(world.store.keys(), Vec::<String>::new());
}

fn shard(megabytes: usize, fill: u8) -> Vec<u8> {
    vec![fill; megabytes << 20]
}

/// Shards of equal content share one entry. Counted by entries, such a mirror was never complete.
#[test]
fn a_mirror_with_equal_shards_is_complete() {
    let world = World::new();
    let shards = [shard(1, 7), shard(2, 0), shard(2, 0)];
    world.serve_mirror(&shards);
    let (bytes, _) = world.open().expect("it opens");
    assert!(bytes == shards.concat(), "other bytes than the mirror's");
    assert!(world.stored()[0].complete);
    world.host.set_online(false);
    let (bytes, arrived) = world.open().expect("it opens offline");
    assert!(bytes == shards.concat(), "other bytes than the mirror's");
    assert_eq!(network(&arrived), 0);

    assert_eq!(world.store.lose("patchlab-shard"), 2);
    assert!(!world.stored()[0].complete);
}

/// Three shards at once would be 300 MB where each has 100 MB.
#[test]
fn large_shards_are_not_fetched_together() {
    for (megabytes, together) in [(3, 9), (6, 12), (9, 9), (20, 20)] {
        let world = World::new();
        let shards: Vec<_> = (0..5).map(|index| shard(megabytes, index)).collect();
        world.serve_mirror(&shards);
        let (bytes, _) = world.open().expect("it opens");
        assert!(bytes == shards.concat(), "other bytes than the mirror's");
        assert_eq!(world.host.most_in_flight(), together << 20, "shards of {megabytes} MiB");
    }
}

#[test]
fn a_damaged_shard_is_fetched_once_more() {
    let world = World::new();
    let shards = [shard(1, 1), shard(1, 2)];
    let urls = world.serve_mirror(&shards);
    let damaged = urls[1].clone();
    let url = damaged.clone();
    world.host.misbehave(
        move |asked| if asked.url == url && asked.tries == 0 { Fault::Corrupt } else { Fault::None },
    );
    let (bytes, arrived) = world.open().expect("it opens");
    assert!(bytes == shards.concat(), "other bytes than the mirror's");
    assert_eq!(network(&arrived), 2 << 20, "the damaged one does not count");

    let always = World::new();
    always.serve_mirror(&shards);
    let url = damaged.clone();
    always.host.misbehave(move |asked| if asked.url == url { Fault::Corrupt } else { Fault::None });
    let error = always.open().expect_err("it is damaged").to_string();
    assert!(error.contains("shard-1.bin") && error.contains("SHA-256"), "{error}");
    assert_eq!(always.host.take_asked().iter().filter(|asked| asked.url == damaged).count(), 2);
}
