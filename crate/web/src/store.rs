//! What was fetched stays in the browser's storage, and is checked when it is read back.
//!
//! It is the Cache API: it needs no locks between tabs, its writes are whole or not at all, and reading through it
//! costs 3 ms per MiB (docs/speed.md compares). Storage that is refused or full
//! is no error: the weights are then in memory only, and the page says so.

use std::cell::RefCell;

use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Headers, Request, Response, ResponseInit, StorageEstimate, WorkerGlobalScope};

use crate::digest::sha256;
use crate::js::say;

/// The one cache of this page for weights; its name changes when the layout of its entries does.
const CACHE: &str = "patchlab-weights-2";
/// Headers of every entry: the SHA-256 and the length of its content.
const DIGEST: &str = "X-Patchlab-SHA256";
const LENGTH: &str = "X-Patchlab-Bytes";

/// The browser's storage for weights.
pub(super) struct Store {
    cache: Option<Cache>,
    /// Why nothing is put into it any more.
    closed: RefCell<Option<String>>,
}

/// An entry, without its content.
pub(super) struct Entry {
    /// Its key.
    pub(super) key: String,
    /// Bytes of its content.
    pub(super) bytes: f64,
}

impl Store {
    /// Opens the storage, if there is one.
    pub(super) async fn open() -> Self {
        let (cache, closed) = match open_cache().await {
            Ok(cache) => (Some(cache), None),
            Err(error) => {
                (None, Some(format!("this browser does not let the page keep anything ({})", say(&error))))
            }
        };
        Self { cache, closed: RefCell::new(closed) }
    }

    /// Puts nothing into it from now on; what is there can still be read.
    pub(super) fn close(&self, why: impl Into<String>) {
        self.closed.borrow_mut().get_or_insert_with(|| why.into());
    }

    /// Why nothing is put into it, if that is so.
    pub(super) fn closed(&self) -> Option<String> {
        self.closed.borrow().clone()
    }

    /// The content of an entry. One whose content is damaged is deleted, as if it had not been there.
    pub(super) async fn get(&self, key: &str) -> Option<Uint8Array> {
        let cache = self.cache.as_ref()?;
        let response: Response = JsFuture::from(cache.match_with_str(key)).await.ok()?.dyn_into().ok()?;
        let expected = response.headers().get(DIGEST).ok()?;
        let buffer = JsFuture::from(response.array_buffer().ok()?).await;
        let bytes = buffer.map(|buffer| Uint8Array::new(&buffer)).ok();
        match bytes {
            Some(bytes) if expected == Some(sha256(&bytes).await) => Some(bytes),
            _ => {
                self.delete(key).await;
                None
            }
        }
    }

    /// Keeps `bytes`. If that fails, nothing is kept any more.
    pub(super) async fn put(&self, key: &str, bytes: &Uint8Array) {
        let (Some(cache), None) = (&self.cache, self.closed()) else { return };
        if let Err(error) = put(cache, key, bytes).await {
            self.close(format!("this browser's storage is full or cannot be written ({})", say(&error)));
        }
    }

    /// Deletes an entry, if it is there.
    pub(super) async fn delete(&self, key: &str) {
        if let Some(cache) = &self.cache
            && let Err(error) = JsFuture::from(cache.delete_with_str(key)).await
        {
            log::warn!("an entry could not be removed from storage: {}", say(&error));
        }
    }

    /// The entries whose keys begin with `prefix`.
    pub(super) async fn list(&self, prefix: &str) -> Vec<Entry> {
        let Some(cache) = &self.cache else { return Vec::new() };
        let Ok(keys) = JsFuture::from(cache.keys()).await else { return Vec::new() };
        let mut entries = Vec::new();
        for request in Array::from(&keys).iter().filter_map(|key| key.dyn_into::<Request>().ok()) {
            let key = request.url();
            if key.starts_with(prefix) {
                let found = JsFuture::from(cache.match_with_str(&key)).await.ok();
                let response = found.and_then(|found| found.dyn_into::<Response>().ok());
                let length = response.and_then(|response| response.headers().get(LENGTH).ok().flatten());
                entries
                    .push(Entry { key, bytes: length.and_then(|length| length.parse().ok()).unwrap_or(0.0) });
            }
        }
        entries
    }

    /// Keeps a small document.
    pub(super) async fn put_text(&self, key: &str, text: &str) {
        self.put(key, &Uint8Array::from(text.as_bytes())).await;
    }

    /// A small document.
    pub(super) async fn get_text(&self, key: &str) -> Option<String> {
        String::from_utf8(self.get(key).await?.to_vec()).ok()
    }
}

/// Bytes that may still be stored, as far as the browser says.
pub(super) async fn room() -> Option<f64> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into().ok()?;
    let storage = scope.navigator().storage();
    if storage.is_undefined() {
        return None; // no secure context
    }
    let estimate = JsFuture::from(storage.estimate().ok()?).await.ok()?;
    let estimate: StorageEstimate = estimate.unchecked_into(); // a dictionary, which has no class of its own
    Some(estimate.get_quota()? - estimate.get_usage()?)
}

async fn open_cache() -> Result<Cache, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into()?;
    let caches = scope.caches()?;
    if caches.is_undefined() {
        return Err(JsValue::from("it was not loaded over https"));
    }
    JsFuture::from(caches.open(CACHE)).await?.dyn_into()
}

async fn put(cache: &Cache, key: &str, bytes: &Uint8Array) -> Result<(), JsValue> {
    let headers = Headers::new()?;
    headers.set(DIGEST, &sha256(bytes).await)?;
    headers.set(LENGTH, &bytes.length().to_string())?;
    let init = ResponseInit::new();
    init.set_headers(&headers);
    let response = Response::new_with_opt_js_u8_array_and_init(Some(bytes), &init)?;
    JsFuture::from(cache.put_with_str(key, &response)).await?;
    Ok(())
}
