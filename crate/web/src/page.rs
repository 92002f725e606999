//! The page as the host of a call: it hears of progress and previews, and may cancel.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use js_sys::Function;
use patchlab::analyses::Viewer;
use patchlab::figures::Part;
use patchlab::host::Host;
use patchlab::host::Progress;
use patchlab::protocol::Preview;

use crate::js;
use crate::transfer::{Flow, Transfer};

/// A picture that fills in need not do so more often.
const PREVIEW_MS: f64 = 400.0;

/// How long the engine computes between looks at the worker's messages. A timer of 0 ms takes 4 ms when it comes again and
/// again, so that a look at every step would take longer than small models do.
const LOOK_MS: f64 = 25.0;

/// The page as the host of a call.
pub(super) struct Page {
    pub(super) progress: Function,
    preview: Option<Function>,
    /// When the last preview was made, in milliseconds.
    last: Cell<f64>,
    /// When messages were looked at last, in milliseconds.
    looked: Cell<f64>,
    pub(super) flow: Rc<Flow>,
    /// The download that is running, which knows better how far it has come than its reader does.
    pub(super) transfer: RefCell<Option<Rc<Transfer>>>,
}

impl Page {
    /// The host of a call that begins now.
    pub(super) fn new(progress: Function, preview: Option<Function>, flow: Rc<Flow>) -> Self {
        let now = js::now();
        let (last, looked) = (Cell::new(now), Cell::new(now));
        Self { progress, preview, last, looked, flow, transfer: RefCell::default() }
    }
}

impl Host for Page {
    fn progress(&self, progress: Progress) {
        match self.transfer.borrow().as_ref() {
            Some(transfer) => transfer.tell_now(),
            None => js::tell(&self.progress, &progress),
        }
    }

    fn cancelled(&self) -> bool {
        self.flow.stopped()
    }

    fn pause(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            if js::now() - self.looked.get() >= LOOK_MS {
                // A macrotask: only between macrotasks can the worker hear a message.
                TimeoutFuture::new(0).await;
                self.looked.set(js::now());
            }
        })
    }
}

impl Viewer for Page {
    fn wants_preview(&self) -> bool {
        self.preview.is_some() && js::now() - self.last.get() > PREVIEW_MS
    }

    fn preview(&self, index: usize, part: &Part) {
        if let Some(preview) = &self.preview {
            js::tell(preview, &Preview { index, part: part.clone() });
            self.last.set(js::now());
        }
    }
}
