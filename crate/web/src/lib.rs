//! The page's WebAssembly module: the engine's calls for the worker, and the browser's sources of weights. The only
//! package that knows JavaScript.
//!
//! `www/engine/worker.js` calls what is exported here; `docs/protocol.md` is the contract.

mod adapter;
mod browser;
mod choice;
mod constructors;
mod downloads;
mod engine;
mod js;
mod logger;
mod page;

use patchlab::figures::Grid;
use patchlab::figures::summary;
use patchlab::notebook::NotebookRequest;
use wasm_bindgen::prelude::*;

pub use engine::Engine;

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
    js::give(&patchlab::analyses::ALL)
}

/// The experiments that come with Patchlab: `Preset[]`.
///
/// # Errors
/// As [`catalogue`].
#[wasm_bindgen]
pub fn presets() -> Result<JsValue, JsValue> {
    js::give(&patchlab::presets::presets().map_err(js::thrown)?)
}

/// The `Experiment` of a file: the document, JSON lines, or a table.
///
/// # Errors
/// As [`catalogue`].
#[wasm_bindgen]
pub fn read(text: &str) -> Result<JsValue, JsValue> {
    js::give(&patchlab::Experiment::read(text).map_err(js::thrown)?)
}

/// The study of a `NotebookRequest` as the text of an `.ipynb` file for TransformerLens.
///
/// # Errors
/// As [`catalogue`].
#[wasm_bindgen]
pub fn notebook(request: JsValue) -> Result<String, JsValue> {
    let request: NotebookRequest = js::take(&request).map_err(js::thrown)?;
    patchlab::notebook::notebook(&request).map_err(js::thrown)
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
