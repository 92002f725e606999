//! Two tabs of one browser.

use futures_util::future::join;
use patchlab::error::Error;
use patchlab::model::plan::PIECE;
use patchlab::model::source::Source as _;

use super::{HEADER, LENGTH, WEIGHTS, World, address, begin, network, weights};
use crate::downloads::platform::{Clock as _, Locks as _};
use crate::downloads::testing::Fault;

#[test]
fn two_tabs_fetch_each_piece_once() {
    let world = World::new();
    let (first, second) = (world.tab(), world.tab());
    let opened = world.clock.run(join(first.read(&address()), second.read(&address())));
    for (opened, tab) in [(opened.0, &first), (opened.1, &second)] {
        assert!(opened.expect("it opens") == weights(1), "other bytes than the host's");
        let bytes = tab.context.progress.bytes();
        assert_eq!(bytes.network + bytes.storage, LENGTH as f64);
    }
    let asked = world.host.take_asked();
    let mut large: Vec<u64> = asked
        .iter()
        .filter(|asked| asked.is_large())
        .filter_map(|asked| Some(asked.range.as_ref()?.start))
        .collect();
    large.sort_unstable();
    assert_eq!(large, [0, 1, 2, 3].map(|piece| HEADER + piece * PIECE));
}

/// Locks were once held by pieces that waited for the pause to end.
#[test]
fn a_paused_tab_does_not_hold_up_another() {
    let world = World::new();
    // Every piece of the first tab fails once, so that all of them want a further attempt while it is paused.
    world.host.misbehave(|asked| {
        if asked.is_large() && asked.tries == 0 { Fault::Status(503, None) } else { Fault::None }
    });
    let (first, second) = (world.tab(), world.tab());
    let other = async {
        world.clock.sleep(200.0).await;
        assert_eq!(world.locks.held(), Vec::<String>::new(), "locks are held before a retry");
        first.cancel.pause(true);
        world.clock.sleep(2000.0).await;
        assert_eq!(world.locks.held(), Vec::<String>::new(), "a paused tab holds locks");
        let started = world.clock.now();
        let opened = second.read(&address()).await;
        assert!(world.clock.now() - started < 20_000.0, "{} ms", world.clock.now() - started);
        first.cancel.pause(false);
        opened
    };
    let (opened, other) = world.clock.run(join(first.read(&address()), other));
    assert!(other.expect("it opens") == weights(1), "other bytes than the host's");
    assert!(opened.expect("it opens, too") == weights(1), "other bytes than the host's");
}

/// A pause may also begin while a piece waits for another tab's lock.
#[test]
fn a_lock_that_comes_during_a_pause_is_given_back() {
    let world = World::new();
    let key = first_piece(&world);
    let guard = world.clock.run(world.locks.hold(&key));
    let tab = world.tab();
    let other = async {
        world.clock.sleep(1000.0).await;
        tab.cancel.pause(true);
        drop(guard);
        world.host.take_asked();
        world.clock.sleep(1000.0).await;
        assert_eq!(world.host.take_asked(), [], "a paused download sends requests");
        assert_eq!(world.locks.held(), Vec::<String>::new(), "a paused tab holds locks");
        tab.cancel.pause(false);
    };
    let (opened, ()) = world.clock.run(join(tab.read(&address()), other));
    assert!(opened.expect("it opens") == weights(1), "other bytes than the host's");
}

/// Opens the model and loses its first piece; returns that piece's key.
fn first_piece(world: &World) -> String {
    world.open().expect("it opens");
    let key = world.store.keys().into_iter().find(|key| key.contains(&format!("bytes={HEADER}-")));
    let key = key.expect("the first piece is stored");
    world.store.lose(&key);
    key
}

#[test]
fn whoever_waits_for_another_tab_is_told_and_does_not_wait_for_ever() {
    let world = World::new();
    let key = first_piece(&world);
    // A tab that is frozen.
    let guard = world.clock.run(world.locks.hold(&key));
    let tab = world.tab();
    let bytes = world.clock.run(tab.read(&address())).expect("it opens");
    assert!(bytes == weights(1), "other bytes than the host's");
    assert!(tab.noted("Another tab is fetching the same weights."));
    assert!(world.clock.now() > 100_000.0 && world.clock.now() < 200_000.0, "{} ms", world.clock.now());
    drop(guard);
}

/// Stored pieces were once named by their ranges alone: a tab that had begun with the old version stored its bytes where
/// another, which had seen the new one, took them for its own.
#[test]
fn versions_are_never_mixed() {
    let world = World::new();
    // The old version's pieces come slowly, so that they are stored after the new version's first requests.
    world.host.misbehave(
        |asked| if asked.is_large() && asked.tries == 0 { Fault::Slow(300.0) } else { Fault::None },
    );
    let (first, second) = (world.tab(), world.tab());
    let later = async {
        world.clock.sleep(400.0).await;
        world.serve_weights(2);
        second.read(&address()).await
    };
    let (old, new) = world.clock.run(join(first.read(&address()), later));
    assert!(new.expect("it opens") == weights(2), "the new version's tab has other bytes");
    // The old version's tab has what it had requested before, or is told.
    assert!(matches!(old, Err(Error::SourceChanged(_))), "{old:?}");

    let tab = world.tab();
    let bytes = world.clock.run(tab.read(&address())).expect("it opens");
    assert!(bytes == weights(2), "what is stored is mixed");
}

#[test]
fn a_file_that_changes_while_it_is_fetched_is_refused() {
    let world = World::new();
    let tab = world.tab();
    let read = world.clock.run(async {
        let files = address().files(tab.context.clone()).await?;
        begin(&files.weights).await?;
        world.serve_weights(2);
        files.weights.read(HEADER..HEADER + PIECE).await
    });
    assert!(matches!(read, Err(Error::SourceChanged(url)) if url == WEIGHTS));
    let (bytes, arrived) = world.open().expect("it opens");
    assert!(bytes == weights(2), "other bytes than the host's");
    assert_eq!(network(&arrived), LENGTH);
}
