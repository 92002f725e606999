//! The page as the host of a call: it receives progress and previews, and may cancel.

use std::cell::Cell;
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

use crate::downloads::cancel::CancelToken;
use crate::js;

/// Shortest time between two previews.
const PREVIEW_MS: f64 = 400.0;

/// How long the engine computes before the worker's messages are handled. Repeated timers of 0 ms take 4 ms each, which at
/// every step would be longer than small models take.
const YIELD_MS: f64 = 25.0;

/// The page as the host of a call.
pub(super) struct Page {
    pub(super) progress: Function,
    preview: Option<Function>,
    /// Time of the last preview.
    previewed: Cell<f64>,
    /// When messages could be handled last.
    yielded: Cell<f64>,
    pub(super) cancel: Rc<CancelToken>,
}

impl Page {
    /// The host of a call that begins now.
    pub(super) fn new(progress: Function, preview: Option<Function>, cancel: Rc<CancelToken>) -> Self {
        let now = js::now();
        Self { progress, preview, previewed: Cell::new(now), yielded: Cell::new(now), cancel }
    }
}

impl Host for Page {
    fn progress(&self, progress: Progress) {
        js::tell(&self.progress, &progress);
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    fn pause(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            if js::now() - self.yielded.get() >= YIELD_MS {
                // A macrotask: the worker handles messages only between macrotasks.
                TimeoutFuture::new(0).await;
                self.yielded.set(js::now());
            }
            // Where another call goes first.
            self.cancel.resumed().await;
        })
    }
}

impl Viewer for Page {
    fn wants_preview(&self) -> bool {
        self.preview.is_some() && js::now() - self.previewed.get() > PREVIEW_MS
    }

    fn preview(&self, index: usize, part: &Part) {
        if let Some(preview) = &self.preview {
            js::tell(preview, &Preview { index, part: part.clone() });
            self.previewed.set(js::now());
        }
    }
}
