//! The page as the host of a call: it receives progress and previews, and may cancel.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use js_sys::{Function, Promise};
use patchlab::analyses::{Reading, Viewer};
use patchlab::figures::Part;
use patchlab::host::Host;
use patchlab::host::Progress;
use patchlab::protocol::Preview;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

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
    /// Answers a promise of the text of a file that comes with the page.
    read: Option<Function>,
    /// Time of the last preview.
    previewed: Cell<f64>,
    /// When messages could be handled last.
    yielded: Cell<f64>,
    pub(super) cancel: Rc<CancelToken>,
}

impl Page {
    /// The host of a call that begins now.
    pub(super) fn new(progress: Function, cancel: Rc<CancelToken>) -> Self {
        let now = js::now();
        Self {
            progress,
            preview: None,
            read: None,
            previewed: Cell::new(now),
            yielded: Cell::new(now),
            cancel,
        }
    }

    /// The same for a call that shows previews and may read files that come with the page.
    pub(super) fn with(self, preview: Function, read: Function) -> Self {
        Self { preview: Some(preview), read: Some(read), ..self }
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

    fn file<'a>(&'a self, path: &'a str) -> Reading<'a> {
        Box::pin(async move {
            let Some(read) = &self.read else { return Ok(None) };
            let failed = |error: &JsValue| js::unreadable(path, js::say(error));
            let text = read.call1(&JsValue::NULL, &JsValue::from(path)).map_err(|error| failed(&error))?;
            let text = JsFuture::from(Promise::from(text)).await.map_err(|error| failed(&error))?;
            Ok(text.as_string())
        })
    }
}
