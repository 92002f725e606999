//! The only place that knows JavaScript: the engine's three calls for the worker, and the browser's sources.
//!
//! `www/engine/worker.js` calls what is exported here; `docs/protocol.md` is the contract.

mod adapter;
mod body;
mod choice;
mod constructors;
mod digest;
mod disk;
mod download;
mod fetcher;
mod http;
mod js;
mod locks;
mod logger;
mod patience;
mod record;
mod small;
mod store;
mod transfer;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::device::{Adapter, Wanted};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::host::Host;
use crate::notebook::NotebookRequest;
use crate::prompts;
use crate::report::{Grid, Opened, Part, Preview, Progress, WeightBytes};
use crate::session::{Request, Session};
use crate::summary;
use crate::tokens::Tokenizer;
use choice::{Address, Choice};
use store::Store;
use transfer::{Flow, Transfer};

/// Runs once, when the module is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    constructors::run();
    console_error_panic_hook::set_once();
    logger::install();
}

/// The analyses that there are: `AnalysisInfo[]`.
///
/// # Errors
/// As a JavaScript object `{ code, message, place }`, like every call here.
#[wasm_bindgen]
pub fn catalogue() -> Result<JsValue, JsValue> {
    js::give(&crate::analyses::catalogue())
}

/// The experiments that come with Patchlab: `Preset[]`.
///
/// # Errors
/// As [`catalogue`].
#[wasm_bindgen]
pub fn presets() -> Result<JsValue, JsValue> {
    js::give(&crate::presets::presets().map_err(js::thrown)?)
}

/// The study of a `NotebookRequest` as the text of an `.ipynb` file for TransformerLens.
///
/// # Errors
/// As [`catalogue`].
#[wasm_bindgen]
pub fn notebook(request: JsValue) -> Result<String, JsValue> {
    let request: NotebookRequest = js::take(&request).map_err(js::thrown)?;
    crate::notebook::notebook(&request).map_err(js::thrown)
}

/// One group's panel of a `Grid` minus another's: a `Panel`, or null if they cannot be compared.
///
/// # Errors
/// As [`catalogue`].
#[wasm_bindgen]
pub fn difference(grid: JsValue, group: usize, minus: usize) -> Result<JsValue, JsValue> {
    let grid: Grid = js::take(&grid).map_err(js::thrown)?;
    js::give(&summary::difference(&grid, group, minus))
}

/// The worker's engine: at most one open model.
#[wasm_bindgen]
#[derive(Default)]
pub struct Engine {
    session: RefCell<Option<Rc<Session>>>,
    /// Of the call that is running.
    flow: RefCell<Rc<Flow>>,
}

#[wasm_bindgen]
impl Engine {
    /// An engine without a model.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a model in place of the one that is open; the old one stays if this fails.
    /// `choice` is a `ModelChoice`, `device` a `Wanted`; answers `Opened`.
    ///
    /// # Errors
    /// As [`catalogue`].
    pub async fn open(
        &self,
        choice: JsValue,
        device: JsValue,
        progress: Function,
    ) -> Result<JsValue, JsValue> {
        let host = self.host(progress);
        let wanted: Wanted = js::take(&device).map_err(js::thrown)?;
        let opened = self.open_choice(&choice, wanted, &host).await.map_err(js::thrown)?;
        js::give(&opened)
    }

    /// Tokens and problems of an `Experiment`; answers `Checked`. Works without a model, too.
    ///
    /// # Errors
    /// As [`catalogue`].
    pub fn check(&self, experiment: JsValue) -> Result<JsValue, JsValue> {
        let experiment: Experiment = js::take(&experiment).map_err(js::thrown)?;
        let checked = match self.session.borrow().as_ref() {
            Some(session) => session.check(&experiment),
            None => Tokenizer::gpt2().and_then(|gpt2| prompts::check(&experiment, &gpt2, usize::MAX)),
        };
        js::give(&checked.map_err(js::thrown)?)
    }

    /// Runs a `Request`; answers a `Report`. `preview` hears of figures that are not complete yet, as `Preview`s.
    ///
    /// # Errors
    /// As [`catalogue`]; code `no-model` if none is open.
    pub async fn run(
        &self,
        request: JsValue,
        progress: Function,
        preview: Function,
    ) -> Result<JsValue, JsValue> {
        let host = Page { preview: Some(preview), ..self.host(progress) };
        let request: Request = js::take(&request).map_err(js::thrown)?;
        let session = self.session.borrow().clone();
        let session = session.ok_or_else(js::no_model)?;
        let report = session.run(&request, &host).await;
        logger::fatal().map_err(js::thrown)?;
        js::give(&report.map_err(js::thrown)?)
    }

    /// Stops the call that is running; it then ends with code `cancelled`.
    pub fn cancel(&self) {
        self.flow.borrow().stop();
    }

    /// Lets the running call's download ask for nothing more, or lets it go on.
    pub fn pause(&self, paused: bool) {
        self.flow.borrow().pause(paused);
    }

    /// The models of which weights are kept in this browser: `StoredModel[]`.
    ///
    /// # Errors
    /// As [`catalogue`].
    pub async fn stored(&self) -> Result<JsValue, JsValue> {
        js::give(&record::stored(&Store::open().await).await)
    }

    /// Deletes what is kept of the model whose folder has the address `base`.
    pub async fn forget(&self, base: String) {
        record::forget(&Store::open().await, &base).await;
    }
}

impl Engine {
    /// The host of a new call.
    fn host(&self, progress: Function) -> Page {
        let flow = Rc::new(Flow::default());
        *self.flow.borrow_mut() = flow.clone();
        Page {
            progress,
            preview: None,
            last: Cell::new(js::now()),
            looked: Cell::new(js::now()),
            flow,
            transfer: RefCell::default(),
        }
    }

    async fn open_choice(&self, choice: &JsValue, wanted: Wanted, host: &Page) -> Result<Opened> {
        let adapter = match wanted {
            Wanted::Cpu => Adapter::None("not asked for".to_owned()),
            _ => adapter::find().await,
        };
        let (session, bytes) = match Choice::from_js(choice)? {
            Choice::Address(address) => match open_address(&address, wanted, &adapter, host).await {
                // What had come was of an old file and is gone; once more for the new one.
                Err(Error::SourceChanged(_)) => open_address(&address, wanted, &adapter, host).await?,
                opened => opened?,
            },
            Choice::Files(chosen) => {
                let files = chosen.files().await?;
                let bytes = WeightBytes { total: files.weights.size(), ..WeightBytes::default() };
                (Session::open(files, wanted, &adapter, host).await?, bytes)
            }
        };
        logger::fatal()?;
        let model = session.info().clone();
        *self.session.borrow_mut() = Some(Rc::new(session));
        Ok(Opened { model, bytes })
    }
}

/// Opens the model at an address.
async fn open_address(
    address: &Address,
    wanted: Wanted,
    adapter: &Adapter,
    host: &Page,
) -> Result<(Session, WeightBytes)> {
    let transfer = Rc::new(Transfer::new(&host.flow, host.progress.clone()));
    *host.transfer.borrow_mut() = Some(transfer.clone());
    let files = address.files(Rc::new(Store::open().await), transfer.clone()).await?;
    let session = Session::open(files, wanted, adapter, host).await;
    *host.transfer.borrow_mut() = None;
    Ok((session?, transfer.bytes()))
}

/// A picture that fills in need not do so more often.
const PREVIEW_MS: f64 = 400.0;

/// How long the engine computes between looks at the worker's messages. A timer of 0 ms takes 4 ms when it comes again and
/// again, so that a look at every step would take longer than small models do.
const LOOK_MS: f64 = 25.0;

/// The page as the host of a call.
struct Page {
    progress: Function,
    preview: Option<Function>,
    /// When the last preview was made, in milliseconds.
    last: Cell<f64>,
    /// When messages were looked at last, in milliseconds.
    looked: Cell<f64>,
    flow: Rc<Flow>,
    /// The download that is running, which knows better how far it has come than its reader does.
    transfer: RefCell<Option<Rc<Transfer>>>,
}

impl Host for Page {
    fn progress(&self, progress: Progress) {
        match self.transfer.borrow().as_ref() {
            Some(transfer) => transfer.tell_now(),
            None => js::tell(&self.progress, &progress),
        }
    }

    fn wants_preview(&self) -> bool {
        self.preview.is_some() && js::now() - self.last.get() > PREVIEW_MS
    }

    fn preview(&self, index: usize, part: &Part) {
        if let Some(preview) = &self.preview {
            js::tell(preview, &Preview { index, part: part.clone() });
            self.last.set(js::now());
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

/// An error of the browser's, as a [`Error::Source`].
fn unreadable(what: &str, reason: impl Into<String>) -> Error {
    Error::Source { what: what.to_owned(), reason: reason.into() }
}
