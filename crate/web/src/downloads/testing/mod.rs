//! In-memory twins of the browser: a clock that advances when everything sleeps, a store and locks that several tabs share,
//! and a host that misbehaves as it is told to.

mod clock;
mod host;
mod store;

pub(super) use clock::VirtualClock;
pub(super) use host::{FakeFile, FakeHost, Fault};
pub(super) use store::{MemoryLocks, MemoryStore};
