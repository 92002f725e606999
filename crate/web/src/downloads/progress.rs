//! How many bytes of a model have arrived and from where, and what holds the download up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use patchlab::host::{Progress, ProgressUnit};
use patchlab::protocol::WeightBytes;

use crate::downloads::platform::Clock;

/// Shortest time between two reports, in milliseconds.
const REPORT_MS: f64 = 100.0;

/// The progress of one download, reported while it runs.
pub(crate) struct DownloadProgress {
    report: Box<dyn Fn(&Progress)>,
    clock: Rc<dyn Clock>,
    /// Time of the last report.
    reported: Cell<f64>,
    bytes: RefCell<WeightBytes>,
    note: RefCell<Option<String>>,
}

impl DownloadProgress {
    pub(crate) fn new(clock: Rc<dyn Clock>, report: impl Fn(&Progress) + 'static) -> Self {
        Self {
            report: Box::new(report),
            clock,
            reported: Cell::new(f64::NEG_INFINITY),
            bytes: RefCell::default(),
            note: RefCell::default(),
        }
    }

    /// Adds to the total: what has arrived, and `rest` more of one of the checkpoint's files.
    pub(crate) fn expect(&self, rest: f64) {
        let mut bytes = self.bytes.borrow_mut();
        bytes.total = bytes.total.max(bytes.network + bytes.storage) + rest;
    }

    /// Counts bytes from the network. What held the download up is over.
    pub(crate) fn received(&self, count: usize) {
        self.bytes.borrow_mut().network += count as f64;
        *self.note.borrow_mut() = None;
        self.report_sometimes();
    }

    /// Takes back bytes from the network that turned out to be useless.
    pub(crate) fn discarded(&self, count: usize) {
        self.bytes.borrow_mut().network -= count as f64;
    }

    /// Counts bytes from storage.
    pub(crate) fn found(&self, count: usize) {
        self.bytes.borrow_mut().storage += count as f64;
        *self.note.borrow_mut() = None;
        self.report_sometimes();
    }

    /// Says what holds the download up.
    pub(crate) fn note(&self, note: impl Into<String>) {
        *self.note.borrow_mut() = Some(note.into());
        self.report_now();
    }

    /// Says why not everything is stored. The first reason stays.
    pub(crate) fn unkept(&self, why: &str) {
        self.bytes.borrow_mut().unkept.get_or_insert_with(|| why.to_owned());
    }

    /// Everything that has arrived.
    pub(crate) fn bytes(&self) -> WeightBytes {
        let mut bytes = self.bytes.borrow().clone();
        bytes.total = bytes.network + bytes.storage;
        bytes
    }

    fn report_sometimes(&self) {
        let complete = {
            let bytes = self.bytes.borrow();
            bytes.network + bytes.storage >= bytes.total
        };
        if complete || self.clock.now() - self.reported.get() > REPORT_MS {
            self.report_now();
        }
    }

    fn report_now(&self) {
        self.reported.set(self.clock.now());
        let bytes = self.bytes.borrow();
        if bytes.total == 0.0 && self.note.borrow().is_none() {
            return; // The header is being read, and the total is not known yet.
        }
        let done = bytes.network + bytes.storage;
        (self.report)(&Progress {
            stage: "Loading weights".to_owned(),
            done,
            total: bytes.total.max(done),
            unit: ProgressUnit::Bytes,
            note: self.note.borrow().clone(),
        });
    }
}
