//! Values across the border: plain data in, plain data out, errors as objects.

use js_sys::{Function, Reflect, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::WorkerGlobalScope;

use patchlab::Place;
use patchlab::error::{Error, Result};

/// What JavaScript catches.
#[derive(Serialize)]
struct Thrown<'a> {
    code: &'a str,
    message: String,
    place: Option<Place>,
}

/// Plain data for JavaScript: objects, arrays, strings and numbers, as JSON would have them.
pub(super) fn give<T: Serialize>(value: &T) -> Result<JsValue, JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&serializer).map_err(JsValue::from)
}

/// Plain data from JavaScript as JSON: reading the objects directly would pass over fields that the documents do not have,
/// and a misspelt one is to be an error here as it is natively.
pub(super) fn json(value: &JsValue) -> String {
    let text = js_sys::JSON::stringify(value).ok().and_then(|text| text.as_string());
    text.unwrap_or_default()
}

/// What a call is given, as plain data.
pub(super) fn take<T: DeserializeOwned>(value: &JsValue) -> Result<T> {
    serde_json::from_str(&json(value)).map_err(|error| Error::Call(error.to_string()))
}

/// An error for JavaScript to catch.
pub(super) fn thrown(error: Error) -> JsValue {
    object(error.code(), error.to_string(), error.place())
}

/// The error of a run without a model.
pub(super) fn no_model() -> JsValue {
    object("no-model", "No model is open. Choose one above.".to_owned(), None)
}

fn object(code: &str, message: String, place: Option<Place>) -> JsValue {
    give(&Thrown { code, message: message.clone(), place }).unwrap_or_else(|_| JsValue::from(message))
}

/// What a caught JavaScript value says.
pub(super) fn say(error: &JsValue) -> String {
    Reflect::get(error, &JsValue::from("message"))
        .ok()
        .and_then(|message| message.as_string())
        .or_else(|| error.as_string())
        .unwrap_or_else(|| format!("{error:?}"))
}

/// Calls the page. An error there is the page's own fault: the computation goes on, the developer is told.
pub(super) fn tell(listener: &Function, what: &impl Serialize) {
    let told = give(what).and_then(|value| listener.call1(&JsValue::NULL, &value));
    if let Err(error) = told {
        web_sys::console::error_1(&error);
    }
}

/// Frees the memory of bytes that are no longer needed. Left to the garbage collector, a download would pile up
/// a hundred megabytes of them. The array is empty afterwards.
pub(super) fn release(bytes: &Uint8Array) {
    let buffer = bytes.buffer();
    let transfer = Reflect::get(&buffer, &JsValue::from("transfer")).ok();
    if let Some(transfer) = transfer.and_then(|transfer| transfer.dyn_into::<Function>().ok()) {
        // A buffer that cannot be transferred stays until it is collected.
        transfer.call1(&buffer, &JsValue::from(0)).ok();
    }
}

/// An error of the browser's, as a [`Error::Source`].
pub(super) fn unreadable(what: &str, reason: impl Into<String>) -> Error {
    Error::Source { what: what.to_owned(), reason: reason.into() }
}

/// Whether the browser thinks that there is a network.
pub(super) fn online() -> bool {
    let scope = js_sys::global().dyn_into::<WorkerGlobalScope>();
    scope.map_or(true, |scope| scope.navigator().on_line())
}

/// Milliseconds since some moment. Unlike `Date.now`, it is never set back.
pub(super) fn now() -> f64 {
    let scope = js_sys::global().dyn_into::<WorkerGlobalScope>();
    let performance = scope.ok().and_then(|scope| scope.performance());
    performance.map_or_else(js_sys::Date::now, |performance| performance.now())
}
