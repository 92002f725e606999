//! A call while it runs: how far its download has come, what holds it up, and whether it may go on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use js_sys::Function;
use web_sys::AbortController;

use crate::js;
use patchlab::error::{Error, Result};
use patchlab::host::{Progress, ProgressUnit};
use patchlab::protocol::WeightBytes;

/// Progress is told no more often, in milliseconds.
const TELL_MS: f64 = 100.0;
/// How often what waits looks whether it may go on, in milliseconds.
const LOOK_MS: u32 = 100;

/// The user's hand on a call. Each call has its own, so that what is left of an old one stays stopped.
#[derive(Default)]
pub(super) struct Flow {
    /// The flow that this one is a part of: what stops or pauses it stops or pauses this one.
    whole: Option<Rc<Flow>>,
    stopped: Cell<bool>,
    paused: Cell<bool>,
    in_flight: RefCell<Vec<AbortController>>,
}

impl Flow {
    /// A part of `whole` that can end before it does.
    pub(super) fn within(whole: &Rc<Flow>) -> Self {
        Self { whole: Some(whole.clone()), ..Self::default() }
    }

    /// Ends everything that runs or waits under it.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
        // A copy of the list: what is aborted may take itself off it.
        let in_flight = self.in_flight.borrow().clone();
        in_flight.iter().for_each(AbortController::abort);
    }

    /// Whether it was stopped.
    pub(super) fn stopped(&self) -> bool {
        self.stopped.get() || self.whole.as_ref().is_some_and(|whole| whole.stopped())
    }

    fn paused(&self) -> bool {
        self.paused.get() || self.whole.as_ref().is_some_and(|whole| whole.paused())
    }

    /// Lets nothing new begin, or lets it begin again.
    pub(super) fn pause(&self, paused: bool) {
        self.paused.set(paused);
    }

    /// Waits while it is paused.
    pub(super) async fn may_go_on(&self) -> Result<()> {
        while self.paused() && !self.stopped() {
            TimeoutFuture::new(LOOK_MS).await;
        }
        if self.stopped() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Waits for so many milliseconds, or until it is stopped.
    pub(super) async fn wait(&self, milliseconds: f64) -> Result<()> {
        let until = js::now() + milliseconds;
        while js::now() < until && !self.stopped() {
            TimeoutFuture::new(LOOK_MS.min((until - js::now()).max(1.0) as u32)).await;
        }
        if self.stopped() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// A controller that stopping aborts, and so does dropping it: an unfinished request then ends.
    pub(super) fn abortable(self: &Rc<Self>) -> Abortable {
        let controller = AbortController::new().ok();
        self.watch(controller.as_ref());
        if self.stopped() {
            controller.iter().for_each(AbortController::abort);
        }
        Abortable { controller, flow: self.clone() }
    }

    fn watch(&self, controller: Option<&AbortController>) {
        self.in_flight.borrow_mut().extend(controller.cloned());
        self.whole.iter().for_each(|whole| whole.watch(controller));
    }

    fn unwatch(&self, controller: &AbortController) {
        self.in_flight.borrow_mut().retain(|other| other != controller);
        self.whole.iter().for_each(|whole| whole.unwatch(controller));
    }
}

/// A request that can be ended from outside.
pub(super) struct Abortable {
    controller: Option<AbortController>,
    flow: Rc<Flow>,
}

impl Abortable {
    /// What the request listens to.
    pub(super) fn signal(&self) -> Option<web_sys::AbortSignal> {
        self.controller.as_ref().map(AbortController::signal)
    }
}

impl Drop for Abortable {
    fn drop(&mut self) {
        if let Some(controller) = &self.controller {
            controller.abort();
            self.flow.unwatch(controller);
        }
    }
}

/// The bytes of one download, by where they came from, told to the page as they come.
pub(super) struct Transfer {
    /// A part of the call that it belongs to, which ends with it.
    pub(super) flow: Rc<Flow>,
    progress: Function,
    told: Cell<f64>,
    bytes: RefCell<WeightBytes>,
    note: RefCell<Option<String>>,
}

impl Transfer {
    /// Nothing has come yet.
    pub(super) fn new(call: &Rc<Flow>, progress: Function) -> Self {
        let flow = Rc::new(Flow::within(call));
        let (told, bytes, note) = (Cell::new(0.0), RefCell::default(), RefCell::default());
        Self { flow, progress, told, bytes, note }
    }

    /// So much is still to come, besides what has come.
    pub(super) fn expect(&self, rest: f64) {
        let mut bytes = self.bytes.borrow_mut();
        bytes.total = bytes.network + bytes.storage + rest;
    }

    /// Bytes came from the network.
    pub(super) fn arrived(&self, count: u32) {
        self.bytes.borrow_mut().network += f64::from(count);
        *self.note.borrow_mut() = None;
        self.tell();
    }

    /// Bytes that came turned out to be useless.
    pub(super) fn discard(&self, count: u32) {
        self.bytes.borrow_mut().network -= f64::from(count);
    }

    /// Bytes were in storage.
    pub(super) fn found(&self, count: u32) {
        self.bytes.borrow_mut().storage += f64::from(count);
        self.tell();
    }

    /// Says what holds the download up.
    pub(super) fn note(&self, note: impl Into<String>) {
        *self.note.borrow_mut() = Some(note.into());
        self.tell_now();
    }

    /// The weights are not all kept; the first reason is the one that counts.
    pub(super) fn unkept(&self, why: &str) {
        self.bytes.borrow_mut().unkept.get_or_insert_with(|| why.to_owned());
    }

    /// What has come so far.
    pub(super) fn bytes(&self) -> WeightBytes {
        let mut bytes = self.bytes.borrow().clone();
        bytes.total = bytes.network + bytes.storage;
        bytes
    }

    /// Tells the page, if it was not told just now.
    fn tell(&self) {
        if js::now() - self.told.get() > TELL_MS {
            self.tell_now();
        }
    }

    /// Tells the page.
    pub(super) fn tell_now(&self) {
        self.told.set(js::now());
        let bytes = self.bytes.borrow();
        if bytes.total == 0.0 && self.note.borrow().is_none() {
            return; // the header is being read, and nobody knows yet how much there is
        }
        let done = bytes.network + bytes.storage;
        let progress = Progress {
            stage: "Loading weights".to_owned(),
            done,
            total: bytes.total.max(done),
            unit: ProgressUnit::Bytes,
            note: self.note.borrow().clone(),
        };
        js::tell(&self.progress, &progress);
    }
}
