//! The worker's engine, as JavaScript sees it: open a model, check an experiment, run an analysis.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use js_sys::Function;
use patchlab::device::{Adapter, DevicePreference};
use patchlab::error::{Error, Result};
use patchlab::experiment::Experiment;
use patchlab::host::{Progress, Quiet};
use patchlab::protocol::{Opened, WeightBytes, check, read_circuit, write_circuit};
use patchlab::session::{Request, Session};
use patchlab::tokens::Tokenizer;
use wasm_bindgen::prelude::*;

use crate::browser::disk::DiskFile;
use crate::browser::store::BrowserStore;
use crate::choice::Choice;
use crate::downloads::address::Address;
use crate::downloads::cancel::CancelToken;
use crate::downloads::context::Context;
use crate::downloads::record;
use crate::downloads::storage::Storage;
use crate::page::Page;
use crate::{adapter, browser, js, logger};

/// The worker's engine: at most one open model.
#[wasm_bindgen]
#[derive(Default)]
pub struct Engine {
    session: RefCell<Option<Rc<Session>>>,
    /// The calls to `open` and `run` that have begun, by the number that JavaScript gave them.
    calls: RefCell<HashMap<u32, Rc<CancelToken>>>,
}

#[wasm_bindgen]
impl Engine {
    /// An engine without a model.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a model in place of the one that is open; the old one stays, and computes, until then, and if this fails.
    /// `choice` is a `ModelChoice`, `device` a `DevicePreference`; answers `Opened`. `halved`: how often the memory for
    /// activations is halved, because an engine before this one ran out of it.
    ///
    /// # Errors
    /// As [`crate::catalogue`].
    pub async fn open(
        &self,
        call: u32,
        choice: JsValue,
        device: JsValue,
        progress: Function,
        halved: u32,
    ) -> Result<JsValue, JsValue> {
        let begun = self.begin(call);
        let host = Page::new(progress, begun.token.clone());
        let wanted: DevicePreference = js::take(&device).map_err(js::thrown)?;
        let opened = self.open_choice(&choice, wanted, &host).await.map_err(js::thrown)?;
        if let Some(session) = self.session.borrow().as_ref() {
            session.halve_budget(halved);
        }
        js::give(&opened)
    }

    /// Tokens and problems of an `Experiment`; answers `Checked`. Works without a model, too.
    ///
    /// # Errors
    /// As [`crate::catalogue`].
    pub fn check(&self, experiment: JsValue) -> Result<JsValue, JsValue> {
        let experiment = Experiment::from_json(&js::json(&experiment)).map_err(js::thrown)?;
        let checked = match self.session.borrow().as_ref() {
            Some(session) => check(&experiment, session.tokenizer(), Some(session.info().n_ctx)),
            None => Tokenizer::gpt2().and_then(|gpt2| check(&experiment, &gpt2, None)),
        };
        js::give(&checked.map_err(js::thrown)?)
    }

    /// Reads a circuit of the open model, a list of edges or a circuit file; answers `ReadCircuit`.
    ///
    /// # Errors
    /// As [`crate::catalogue`]; code `no-model` if none is open.
    pub fn circuit(&self, text: &str) -> Result<JsValue, JsValue> {
        let session = self.session.borrow().clone().ok_or_else(js::no_model)?;
        js::give(&read_circuit(&session.model().config, text).map_err(js::thrown)?)
    }

    /// The text of a circuit file, of a `WriteCircuit`.
    ///
    /// # Errors
    /// As [`Self::circuit`].
    pub fn circuit_file(&self, circuit: JsValue) -> Result<String, JsValue> {
        let circuit = js::take(&circuit).map_err(js::thrown)?;
        let session = self.session.borrow().clone().ok_or_else(js::no_model)?;
        write_circuit(&session.model().config, &circuit).map_err(js::thrown)
    }

    /// Runs a `Request`; answers a `Report`. `preview` receives figures that are not complete yet, as `Preview`s; `read`
    /// answers a promise of the text of a file that comes with the page.
    ///
    /// # Errors
    /// As [`crate::catalogue`]; code `no-model` if none is open.
    pub async fn run(
        &self,
        call: u32,
        request: JsValue,
        progress: Function,
        preview: Function,
        read: Function,
    ) -> Result<JsValue, JsValue> {
        let begun = self.begin(call);
        let host = Page::new(progress, begun.token.clone()).with(preview, read);
        let request: Request = js::take(&request).map_err(js::thrown)?;
        let session = self.session.borrow().clone();
        let session = session.ok_or_else(js::no_model)?;
        let report = session.run(&request, &host).await;
        logger::fatal().map_err(js::thrown)?;
        js::give(&report.map_err(js::thrown)?)
    }

    /// Stops a call; it then ends with code `cancelled`.
    pub fn cancel(&self, call: u32) {
        if let Some(token) = self.calls.borrow().get(&call) {
            token.cancel();
        }
    }

    /// Pauses a call or resumes it. A paused download sends no further request; a paused run goes on where it was.
    pub fn pause(&self, call: u32, paused: bool) {
        if let Some(token) = self.calls.borrow().get(&call) {
            token.pause(paused);
        }
    }

    /// The models whose weights are stored in this browser, in whole or in part: `StoredModel[]`.
    ///
    /// # Errors
    /// As [`crate::catalogue`].
    pub async fn stored(&self) -> Result<JsValue, JsValue> {
        js::give(&record::stored(&storage().await).await)
    }

    /// Deletes what is stored of the model whose folder has the address `base`.
    pub async fn forget(&self, base: String) {
        record::forget(&storage().await, &base).await;
    }
}

impl Engine {
    /// Takes note of a call, until what is returned is dropped.
    fn begin(&self, call: u32) -> Begun<'_> {
        let token = Rc::new(CancelToken::default());
        self.calls.borrow_mut().insert(call, token.clone());
        Begun { engine: self, call, token }
    }

    async fn open_choice(&self, choice: &JsValue, wanted: DevicePreference, host: &Page) -> Result<Opened> {
        let adapter = match wanted {
            DevicePreference::Cpu => Adapter::None("not asked for".to_owned()),
            _ => adapter::find().await,
        };
        let (session, bytes) = match Choice::from_js(choice)? {
            Choice::Address(address) => match open_address(&address, wanted, &adapter, host).await {
                // Once more, for the new version of the file.
                Err(Error::SourceChanged(_)) => open_address(&address, wanted, &adapter, host).await?,
                opened => opened?,
            },
            Choice::Files(chosen) => {
                let files = chosen.files().await?;
                let bytes = WeightBytes {
                    total: files.weights.sources().map(DiskFile::size).sum(),
                    ..WeightBytes::default()
                };
                (Session::open(files, wanted, &adapter, host).await?, bytes)
            }
        };
        session.ready(host).await?;
        logger::fatal()?;
        let model = session.info().clone();
        *self.session.borrow_mut() = Some(Rc::new(session));
        Ok(Opened { model, bytes })
    }
}

/// A call that has begun and not ended.
struct Begun<'a> {
    engine: &'a Engine,
    call: u32,
    token: Rc<CancelToken>,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.engine.calls.borrow_mut().remove(&self.call);
    }
}

/// Opens the model at an address.
async fn open_address(
    address: &Address,
    wanted: DevicePreference,
    adapter: &Adapter,
    host: &Page,
) -> Result<(Session, WeightBytes)> {
    let progress = host.progress.clone();
    let report = move |done: &Progress| js::tell(&progress, done);
    let context = Rc::new(Context::new(browser::platform().await, host.cancel.clone(), report));
    let files = address.files(context.clone()).await?;
    // The download reports to the page itself, and stops when the call is cancelled.
    let session = Session::open(files, wanted, adapter, &Quiet).await?;
    Ok((session, context.progress.bytes()))
}

async fn storage() -> Storage {
    Storage::new(Rc::new(BrowserStore::open().await))
}
