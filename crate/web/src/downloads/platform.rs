//! What a download needs from its surroundings: storage, HTTP, time, and locks between tabs. `crate::browser` implements
//! these traits; the tests have in-memory twins.

use std::ops::Range;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use sha2::{Digest as _, Sha256};

/// The surroundings of a download.
#[derive(Clone)]
pub(crate) struct Platform {
    pub(crate) store: Rc<dyn Store>,
    pub(crate) http: Rc<dyn Http>,
    pub(crate) clock: Rc<dyn Clock>,
    pub(crate) locks: Rc<dyn Locks>,
}

/// A stored entry, without its content.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Length of its content.
    pub(crate) bytes: f64,
}

/// Storage that outlives the page and is shared by all its tabs. Keys are addresses.
pub(crate) trait Store {
    /// Why nothing can be stored, if that is so.
    fn unavailable(&self) -> Option<String> {
        None
    }

    /// The content of an entry. Damaged entries are deleted and count as missing.
    fn get<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Option<Vec<u8>>>;

    /// Stores an entry as a whole, or fails with a reason.
    fn put<'a>(&'a self, key: &'a str, bytes: &'a [u8]) -> LocalBoxFuture<'a, Result<(), String>>;

    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, ()>;

    /// The entries whose keys begin with `prefix`.
    fn list<'a>(&'a self, prefix: &'a str) -> LocalBoxFuture<'a, Vec<Entry>>;

    /// Bytes that may still be stored, if that is known.
    fn room(&self) -> LocalBoxFuture<'_, Option<f64>>;

    /// SHA-256 in hexadecimal. The browser's own is several times faster than this.
    fn sha256<'a>(&'a self, bytes: &'a [u8]) -> LocalBoxFuture<'a, String> {
        Box::pin(async { sha256(bytes) })
    }
}

/// How a request treats the browser's HTTP cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheMode {
    /// Bypasses it: weights have a store of their own.
    NoStore,
    /// Asks the host whether what is cached is still current.
    Revalidate,
}

/// A GET request.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    pub(crate) url: &'a str,
    pub(crate) range: Option<Range<u64>>,
    pub(crate) cache: CacheMode,
}

pub(crate) trait Http {
    /// Resolves when the response's headers are there. Dropping the future or the response aborts the request.
    fn send<'a>(&'a self, request: Request<'a>) -> LocalBoxFuture<'a, Result<Box<dyn Response>, String>>;

    /// Whether there seems to be a network.
    fn online(&self) -> bool;
}

pub(crate) trait Response {
    fn status(&self) -> u16;

    /// A header, if there is one and this page may see it.
    fn header(&self, name: &str) -> Option<String>;

    /// Reads the next bytes of the body into `buffer`, which is not empty; 0 at the body's end.
    fn read<'a>(&'a mut self, buffer: &'a mut [u8]) -> LocalBoxFuture<'a, Result<usize, String>>;
}

pub(crate) trait Clock {
    /// Milliseconds since some moment, never set back.
    fn now(&self) -> f64;

    /// Milliseconds since 1970 by the system's clock, which anyone may set.
    fn date(&self) -> f64;

    fn sleep(&self, milliseconds: f64) -> LocalBoxFuture<'static, ()>;
}

/// Locks that all tabs of the browser share.
pub(crate) trait Locks {
    /// Waits for the lock of that name. Where there are no locks, the guard holds nothing.
    fn hold<'a>(&'a self, name: &'a str) -> LocalBoxFuture<'a, Guard>;
}

/// Releases a lock when dropped.
#[derive(Default)]
pub(crate) struct Guard {
    release: Option<Box<dyn FnOnce()>>,
}

impl Guard {
    pub(crate) fn new(release: impl FnOnce() + 'static) -> Self {
        Self { release: Some(Box::new(release)) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            release();
        }
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}
