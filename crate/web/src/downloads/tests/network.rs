//! Faults of networks and hosts.

use std::rc::Rc;

use futures_util::future::join;
use patchlab::error::Error;
use patchlab::model::plan::PIECE;

use super::{BASE, HEADER, LENGTH, PIECES, WEIGHTS, World, address, begin, network, weights};
use crate::downloads::platform::Clock as _;
use crate::downloads::retry::retry_after;
use crate::downloads::testing::{FakeFile, Fault, VirtualClock};
use patchlab::model::source::Source as _;

#[test]
fn three_pieces_are_fetched_at_once() {
    let world = World::new();
    world.open().expect("it opens");
    assert_eq!(world.host.most_in_flight() as u64, 3 * PIECE);
}

#[test]
fn a_piece_goes_on_where_it_was_cut() {
    let world = World::new();
    world.host.misbehave(|asked| {
        if asked.is_large() && asked.tries == 0 { Fault::CutAfter(3 << 20) } else { Fault::None }
    });
    let (bytes, arrived) = world.open().expect("it opens");
    assert!(bytes == weights(1), "other bytes than the host's");
    assert_eq!(network(&arrived), LENGTH, "nothing comes twice");
    let again: Vec<_> = world.host.take_asked().into_iter().filter(|asked| asked.tries == 1).collect();
    let starts: Vec<u64> = again.iter().filter_map(|asked| Some(asked.range.as_ref()?.start)).collect();
    assert!(starts.contains(&(HEADER + (3 << 20))), "{starts:?}");
}

#[test]
fn a_host_that_is_gone_for_good_is_given_up() {
    let world = World::new();
    world.host.misbehave(|asked| if asked.is_large() { Fault::Status(503, None) } else { Fault::None });
    let tab = world.tab();
    let error = world.clock.run(tab.read(&address())).expect_err("there are no weights");
    assert!(
        error.to_string().contains("has a problem (HTTP 503). What has been fetched is kept."),
        "{error}"
    );
    assert!(tab.noted("Trying again in 8 s"));
    let first = HEADER + PIECE;
    let asked = world.host.take_asked().into_iter().filter(|asked| asked.range == Some(HEADER..first));
    assert_eq!(asked.count(), 6);
}

#[test]
fn a_silent_host_is_asked_again() {
    let world = World::new();
    world.host.misbehave(|asked| {
        if asked.is_large() && asked.tries == 0 { Fault::SilentAfter(1 << 20) } else { Fault::None }
    });
    let tab = world.tab();
    world.clock.run(tab.read(&address())).expect("it opens");
    assert!(tab.noted("The host has sent nothing for 5 seconds."));
    assert!(world.clock.now() > 15_000.0 && world.clock.now() < 60_000.0, "{} ms", world.clock.now());
}

#[test]
fn bodies_that_are_too_long_are_not_trusted() {
    let world = World::new();
    world
        .host
        .misbehave(|asked| if asked.is_large() && asked.tries == 0 { Fault::Longer } else { Fault::None });
    let (bytes, arrived) = world.open().expect("it opens");
    assert!(bytes == weights(1), "other bytes than the host's");
    assert_eq!(network(&arrived), LENGTH, "what was discarded does not count");
}

#[test]
fn the_download_waits_for_the_network() {
    let world = World::new();
    world.host.misbehave(|asked| {
        if asked.is_large() && asked.tries == 0 { Fault::CutAfter(1 << 20) } else { Fault::None }
    });
    let tab = world.tab();
    let outage = async {
        world.clock.sleep(130.0).await;
        world.host.set_online(false);
        world.clock.sleep(600_000.0).await;
        world.host.set_online(true);
    };
    let (opened, ()) = world.clock.run(join(tab.read(&address()), outage));
    opened.expect("it opens");
    assert!(tab.noted("This machine is offline."));
}

#[test]
fn a_host_without_ranges_is_read_once() {
    let world = World::new();
    let file = FakeFile { bytes: Rc::new(weights(1)), etag: Some("\"1\"".to_owned()), no_ranges: true };
    world.host.serve(WEIGHTS, file);
    let tab = world.tab();
    let bytes = world.clock.run(async {
        let weights = address().files(tab.context.clone()).await?.weights;
        let mut bytes = begin(&weights).await?;
        for piece in 0..PIECES {
            let start = HEADER + piece * PIECE;
            bytes.extend(weights.read(start..LENGTH.min(start + PIECE)).await?);
        }
        Ok::<_, Error>(bytes)
    });
    assert!(bytes.expect("it opens") == weights(1), "other bytes than the host's");
    let asked = world.host.take_asked().into_iter().filter(|asked| asked.url == WEIGHTS);
    assert_eq!(asked.count(), 1);
    assert_eq!(network(&tab.context.progress.bytes()), LENGTH);
}

#[test]
fn cancelling_ends_all_requests_and_waits() {
    for fault in [Fault::SilentAfter(1 << 20), Fault::Status(429, Some("60")), Fault::Slow(1000.0)] {
        let world = World::new();
        world.host.misbehave(move |asked| if asked.is_large() { fault } else { Fault::None });
        let tab = world.tab();
        let cancel = async {
            world.clock.sleep(3000.0).await;
            tab.cancel.cancel();
        };
        let (opened, ()) = world.clock.run(join(tab.read(&address()), cancel));
        assert!(matches!(opened, Err(Error::Cancelled)), "{fault:?}");
        assert_eq!((world.clock.now(), world.host.in_flight()), (3000.0, 0), "{fault:?}");
        assert_eq!(world.locks.held(), Vec::<String>::new());
    }
}

#[test]
fn a_paused_download_sends_no_further_request() {
    let world = World::new();
    let tab = world.tab();
    let pause = async {
        world.clock.sleep(200.0).await;
        tab.cancel.pause(true);
        let before = world.host.take_asked().len();
        world.clock.sleep(100_000.0).await;
        let meanwhile = world.host.take_asked();
        assert_eq!((before > 2, meanwhile.len()), (true, 0), "{meanwhile:?}");
        tab.cancel.pause(false);
    };
    let (opened, ()) = world.clock.run(join(tab.read(&address()), pause));
    assert!(opened.expect("it opens") == weights(1), "other bytes than the host's");
    assert!(world.clock.now() < 110_000.0);
}

#[test]
fn retry_after_is_a_number_of_seconds_or_a_date() {
    let clock = VirtualClock::default();
    clock.set_date(784_111_777_000.0); // Sun, 06 Nov 1994 08:49:37 GMT
    for (header, expected) in [
        ("2", Some(2000.0)),
        (" 0.5 ", Some(500.0)),
        ("nan", None),
        ("inf", None),
        ("-3", None),
        ("soon", None),
        ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30_000.0)),
        ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0.0)),
    ] {
        assert_eq!(retry_after(header, &clock), expected, "{header}");
    }
}

#[test]
fn a_host_that_asks_to_wait_is_left_alone_meanwhile() {
    // The first retry waits at least its own half second, and at most a minute.
    for (header, from, to) in
        [("nan", 500.0, 1000.0), ("20", 20_000.0, 21_000.0), ("3600", 60_000.0, 61_000.0)]
    {
        let world = World::new();
        // One piece alone: others that are fetched later would wait after it.
        world.host.misbehave(move |asked| match &asked.range {
            Some(range) if range.start == HEADER && asked.tries == 0 => Fault::Status(429, Some(header)),
            _ => Fault::None,
        });
        world.open().expect("it opens");
        let took = world.clock.now();
        assert!(took > from && took < to, "{header}: {took} ms");
    }
}

/// Time is measured on a clock that is never set back. On the system's, an hour set back was an hour without progress
/// reports, and one in which cancelling was not heard.
#[test]
fn a_date_that_is_set_back_stops_nothing() {
    let world = World::new();
    world.clock.set_date(1.7e12);
    world.host.misbehave(|asked| match (asked.is_large(), asked.tries) {
        (true, 0) => Fault::Status(503, None),
        (true, _) => Fault::Slow(50.0),
        _ => Fault::None,
    });
    let tab = world.tab();
    let set_back = async {
        world.clock.sleep(700.0).await;
        world.clock.set_date(1.7e12 - 3_600_000.0);
        tab.reported.borrow().len()
    };
    let (opened, before) = world.clock.run(join(tab.read(&address()), set_back));
    opened.expect("it opens");
    assert!(world.clock.now() < 5000.0, "{} ms", world.clock.now());
    assert!(tab.reported.borrow().len() > before + 5, "no progress was reported any more");
}

#[test]
fn a_model_that_is_not_there_is_said_to_be_missing() {
    let world = World::new();
    world.host.misbehave(|asked| {
        if asked.url == format!("{BASE}config.json") { Fault::Status(404, None) } else { Fault::None }
    });
    let error = world.open().expect_err("there is none").to_string();
    assert!(error.contains("config.json") && error.contains("no such file"), "{error}");
}
