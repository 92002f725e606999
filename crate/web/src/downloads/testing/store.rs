//! Storage and locks in memory. Clones are other tabs of the same browser.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures_util::future::LocalBoxFuture;

use crate::downloads::platform::{Clock, Entry, Guard, Locks, Store};
use crate::downloads::testing::VirtualClock;

/// How long an access takes, so that tabs come between each other's accesses.
const ACCESS_MS: f64 = 1.0;

#[derive(Clone)]
pub(crate) struct MemoryStore {
    clock: VirtualClock,
    entries: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    room: Rc<Cell<Option<f64>>>,
    /// Bytes after which writing fails, whatever `room` says.
    capacity: Rc<Cell<usize>>,
}

impl MemoryStore {
    pub(crate) fn new(clock: &VirtualClock) -> Self {
        Self {
            clock: clock.clone(),
            entries: Rc::default(),
            room: Rc::default(),
            capacity: Rc::new(Cell::new(usize::MAX)),
        }
    }

    pub(crate) fn set_room(&self, room: f64) {
        self.room.set(Some(room));
    }

    pub(crate) fn set_capacity(&self, bytes: usize) {
        self.capacity.set(bytes);
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.entries.borrow().keys().cloned().collect()
    }

    /// Deletes the entries whose keys contain `text`; returns how many those were.
    pub(crate) fn lose(&self, text: &str) -> usize {
        let before = self.entries.borrow().len();
        self.entries.borrow_mut().retain(|key, _| !key.contains(text));
        before - self.entries.borrow().len()
    }

    fn bytes(&self) -> usize {
        self.entries.borrow().values().map(Vec::len).sum()
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            self.clock.sleep(ACCESS_MS).await;
            self.entries.borrow().get(key).cloned()
        })
    }

    fn put<'a>(&'a self, key: &'a str, bytes: &'a [u8]) -> LocalBoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            self.clock.sleep(ACCESS_MS).await;
            if self.bytes() + bytes.len() > self.capacity.get() {
                return Err("no room".to_owned());
            }
            self.entries.borrow_mut().insert(key.to_owned(), bytes.to_vec());
            Ok(())
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, ()> {
        Box::pin(async move {
            self.clock.sleep(ACCESS_MS).await;
            self.entries.borrow_mut().remove(key);
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> LocalBoxFuture<'a, Vec<Entry>> {
        Box::pin(async move {
            self.clock.sleep(ACCESS_MS).await;
            let entries = self.entries.borrow();
            let matching = entries.iter().filter(|(key, _)| key.starts_with(prefix));
            matching.map(|(key, bytes)| Entry { key: key.clone(), bytes: bytes.len() as f64 }).collect()
        })
    }

    fn room(&self) -> LocalBoxFuture<'_, Option<f64>> {
        Box::pin(async { self.room.get() })
    }
}

#[derive(Clone, Default)]
pub(crate) struct MemoryLocks(Rc<Held>);

#[derive(Default)]
struct Held {
    names: RefCell<BTreeSet<String>>,
    waiting: RefCell<Vec<Waker>>,
}

impl MemoryLocks {
    /// The names of the locks that are held.
    pub(crate) fn held(&self) -> Vec<String> {
        self.0.names.borrow().iter().cloned().collect()
    }
}

impl Locks for MemoryLocks {
    fn hold<'a>(&'a self, name: &'a str) -> LocalBoxFuture<'a, Guard> {
        Box::pin(async move {
            poll_fn(|context| {
                if self.0.names.borrow_mut().insert(name.to_owned()) {
                    return Poll::Ready(());
                }
                self.0.waiting.borrow_mut().push(context.waker().clone());
                Poll::Pending
            })
            .await;
            let (held, name) = (self.0.clone(), name.to_owned());
            Guard::new(move || {
                held.names.borrow_mut().remove(&name);
                held.waiting.take().into_iter().for_each(Waker::wake);
            })
        })
    }
}
