//! Storage in the browser: the Cache API. It needs no locks between tabs, its writes are whole or not at all, and reading
//! through it costs 3 ms per MiB (docs/speed.md compares). Every entry is checked when it is read.

use futures_util::future::LocalBoxFuture;
use js_sys::{Array, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Cache, CacheStorage, Headers, Request, Response, ResponseInit, StorageEstimate, SubtleCrypto,
    WorkerGlobalScope,
};

use crate::downloads::platform::{self, Entry, Store};
use crate::js::{release, say};

/// The one cache of this page for weights; its name changes when the layout of its entries does.
const CACHE: &str = "patchlab-weights-3";
/// The one before, whose keys had no versions.
const OLD_CACHE: &str = "patchlab-weights-2";
/// Headers of every entry: the SHA-256 and the length of its content.
const DIGEST: &str = "X-Patchlab-SHA256";
const LENGTH: &str = "X-Patchlab-Bytes";

/// The cache, or why there is none.
pub(crate) struct BrowserStore {
    cache: Result<Cache, String>,
}

impl BrowserStore {
    pub(crate) async fn open() -> Self {
        let cache = open_cache()
            .await
            .map_err(|error| format!("this browser does not let the page keep anything ({})", say(&error)));
        Self { cache }
    }

    /// An entry's content; none if there is no such entry, an error if it is damaged.
    async fn read(&self, key: &str) -> Result<Option<Vec<u8>>, JsValue> {
        let Ok(cache) = &self.cache else { return Ok(None) };
        let found = JsFuture::from(cache.match_with_str(key)).await;
        let Some(response) = found.ok().and_then(|found| found.dyn_into::<Response>().ok()) else {
            return Ok(None);
        };
        let expected = response.headers().get(DIGEST)?;
        let content = Uint8Array::new(&JsFuture::from(response.array_buffer()?).await?);
        let bytes = content.to_vec();
        release(&content);
        if expected == Some(sha256(&bytes).await) { Ok(Some(bytes)) } else { Err("damaged".into()) }
    }

    async fn write(&self, key: &str, bytes: &[u8]) -> Result<(), JsValue> {
        let cache = self.cache.as_ref().map_err(JsValue::from)?;
        let headers = Headers::new()?;
        headers.set(DIGEST, &sha256(bytes).await)?;
        headers.set(LENGTH, &bytes.len().to_string())?;
        let init = ResponseInit::new();
        init.set_headers(&headers);
        // web-sys takes slices as mutable ones only. The response has a copy of its own.
        let content = Uint8Array::from(bytes);
        let response = Response::new_with_opt_js_u8_array_and_init(Some(&content), &init)?;
        release(&content);
        JsFuture::from(cache.put_with_str(key, &response)).await?;
        Ok(())
    }

    async fn entries(&self, prefix: &str) -> Result<Vec<Entry>, JsValue> {
        let Ok(cache) = &self.cache else { return Ok(Vec::new()) };
        let keys = JsFuture::from(cache.keys()).await?;
        let mut entries = Vec::new();
        for request in Array::from(&keys).iter().filter_map(|key| key.dyn_into::<Request>().ok()) {
            let key = request.url();
            if key.starts_with(prefix) {
                let found = JsFuture::from(cache.match_with_str(&key)).await.ok();
                let response = found.and_then(|found| found.dyn_into::<Response>().ok());
                let length = response.and_then(|response| response.headers().get(LENGTH).ok()?);
                let bytes = length.and_then(|length| length.parse().ok()).unwrap_or(0.0);
                entries.push(Entry { key, bytes });
            }
        }
        Ok(entries)
    }
}

impl Store for BrowserStore {
    fn unavailable(&self) -> Option<String> {
        self.cache.as_ref().err().cloned()
    }

    fn get<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            match self.read(key).await {
                Ok(bytes) => bytes,
                Err(_) => {
                    self.delete(key).await;
                    None
                }
            }
        })
    }

    fn put<'a>(&'a self, key: &'a str, bytes: &'a [u8]) -> LocalBoxFuture<'a, Result<(), String>> {
        Box::pin(async move { self.write(key, bytes).await.map_err(|error| say(&error)) })
    }

    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, ()> {
        Box::pin(async move {
            if let Ok(cache) = &self.cache
                && let Err(error) = JsFuture::from(cache.delete_with_str(key)).await
            {
                log::warn!("an entry could not be removed from storage: {}", say(&error));
            }
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> LocalBoxFuture<'a, Vec<Entry>> {
        Box::pin(async move { self.entries(prefix).await.unwrap_or_default() })
    }

    fn room(&self) -> LocalBoxFuture<'_, Option<f64>> {
        Box::pin(async {
            let scope: WorkerGlobalScope = js_sys::global().dyn_into().ok()?;
            let storage = scope.navigator().storage();
            if storage.is_undefined() {
                return None; // no secure context
            }
            let estimate = JsFuture::from(storage.estimate().ok()?).await.ok()?;
            let estimate: StorageEstimate = estimate.unchecked_into(); // a dictionary, which has no class of its own
            Some(estimate.get_quota()? - estimate.get_usage()?)
        })
    }

    fn sha256<'a>(&'a self, bytes: &'a [u8]) -> LocalBoxFuture<'a, String> {
        Box::pin(sha256(bytes))
    }
}

async fn open_cache() -> Result<Cache, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into()?;
    let caches: CacheStorage = scope.caches()?;
    if caches.is_undefined() {
        return Err(JsValue::from("it was not loaded over https"));
    }
    JsFuture::from(caches.delete(OLD_CACHE)).await.ok(); // it is only in the way
    JsFuture::from(caches.open(CACHE)).await?.dyn_into()
}

/// By the browser where it offers it (in secure contexts), else by Rust, a few times slower.
async fn sha256(bytes: &[u8]) -> String {
    match by_browser(bytes).await {
        Ok(digest) => data_encoding::HEXLOWER.encode(&digest),
        Err(_) => platform::sha256(bytes),
    }
}

async fn by_browser(bytes: &[u8]) -> Result<Vec<u8>, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into()?;
    let subtle: SubtleCrypto = Reflect::get(scope.crypto()?.as_ref(), &"subtle".into())?.dyn_into()?;
    // The browser copies the bytes before this returns.
    let digest = JsFuture::from(subtle.digest_with_str_and_u8_array("SHA-256", bytes)?).await?;
    Ok(Uint8Array::new(&digest).to_vec())
}
