//! What was fetched stays in the browser's storage (Cache API), piece by piece, and is read from there next time.
//!
//! Storage that is refused or full is no error: the model then comes from the network each time.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Response, WorkerGlobalScope};

use crate::error::{Error, Result};
use crate::model::source::Source;
use crate::report::WeightBytes;
use crate::web::http::{Remote, Version};
use crate::web::js::say;

/// The one cache of this page for weights; its name changes when the layout of its entries does.
const CACHE: &str = "patchlab-weights-1";

/// A file at an address, with its pieces kept in storage.
pub(super) struct Stored {
    remote: Remote,
    url: String,
    /// None: storage is not to be had, or failed.
    cache: Option<Cache>,
    /// Whether the file's version stands in storage already.
    noted: Cell<bool>,
    counted: Rc<Cell<WeightBytes>>,
}

impl Stored {
    /// The file at `url`; the counter is told where its bytes come from.
    pub(super) async fn open(url: String, counted: Rc<Cell<WeightBytes>>) -> Self {
        let cache = match open_cache().await {
            Ok(cache) => Some(cache),
            Err(error) => {
                log::warn!("weights will not be kept, the browser's storage cannot be used: {}", say(&error));
                None
            }
        };
        let version = match &cache {
            Some(cache) => version(cache, &url).await,
            None => None,
        };
        let noted = Cell::new(version.is_some());
        Self { remote: Remote::new(url.clone(), version), url, cache, noted, counted }
    }

    async fn stored(&self, range: &Range<u64>) -> Option<Vec<u8>> {
        // Without a noted version nobody knows which file a piece belongs to.
        let cache = self.cache.as_ref().filter(|_| self.noted.get())?;
        let bytes = get(cache, &piece_key(&self.url, range)).await.ok()??;
        (bytes.len() as u64 == range.end - range.start).then_some(bytes)
    }

    async fn store(&self, range: &Range<u64>, bytes: &[u8]) -> Result<(), JsValue> {
        let Some(cache) = &self.cache else { return Ok(()) };
        if !self.noted.get() {
            let version = serde_json::to_vec(&self.remote.version()).unwrap_or_default();
            put(cache, &version_key(&self.url), &version).await?;
            self.noted.set(true);
        }
        put(cache, &piece_key(&self.url, range), bytes).await
    }

    fn count(&self, add: impl FnOnce(&mut WeightBytes)) {
        let mut bytes = self.counted.get();
        add(&mut bytes);
        self.counted.set(bytes);
    }
}

impl Source for Stored {
    fn name(&self) -> &str {
        &self.url
    }

    fn len(&self) -> Option<u64> {
        self.remote.len()
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let size = (range.end - range.start) as f64;
        self.count(|bytes| bytes.total += size);
        if let Some(bytes) = self.stored(&range).await {
            self.count(|bytes| bytes.storage += size);
            return Ok(bytes);
        }
        let fetched = self.remote.read(range.clone()).await;
        if let (Err(Error::SourceChanged(_)), Some(cache)) = (&fetched, &self.cache) {
            // What is stored belongs to the old file. Without a version no piece of it is trusted again.
            forget(cache, &self.url).await;
        }
        let bytes = fetched?;
        self.count(|bytes| bytes.network += size);
        if let Err(error) = self.store(&range, &bytes).await {
            log::warn!("a piece of the weights was not kept: {}", say(&error));
        }
        Ok(bytes)
    }
}

async fn open_cache() -> Result<Cache, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into()?;
    JsFuture::from(scope.caches()?.open(CACHE)).await?.dyn_into()
}

async fn version(cache: &Cache, url: &str) -> Option<Version> {
    let bytes = get(cache, &version_key(url)).await.ok()??;
    serde_json::from_slice(&bytes).ok()?
}

async fn forget(cache: &Cache, url: &str) {
    if let Err(error) = JsFuture::from(cache.delete_with_str(&version_key(url))).await {
        log::warn!("an old version could not be removed from storage: {}", say(&error));
    }
}

/// Keys are addresses that no host serves: the file's own, with a query that says which piece.
fn piece_key(url: &str, range: &Range<u64>) -> String {
    format!("{}patchlab-bytes={}-{}", with_query(url), range.start, range.end)
}

fn version_key(url: &str) -> String {
    format!("{}patchlab-version", with_query(url))
}

fn with_query(url: &str) -> String {
    format!("{url}{}", if url.contains('?') { '&' } else { '?' })
}

async fn get(cache: &Cache, key: &str) -> Result<Option<Vec<u8>>, JsValue> {
    let found = JsFuture::from(cache.match_with_str(key)).await?;
    let Ok(response) = found.dyn_into::<Response>() else { return Ok(None) };
    let buffer = JsFuture::from(response.array_buffer()?).await?;
    Ok(Some(Uint8Array::new(&buffer).to_vec()))
}

async fn put(cache: &Cache, key: &str, bytes: &[u8]) -> Result<(), JsValue> {
    // A JavaScript copy: the response outlives this borrow of wasm's memory.
    let copy = Uint8Array::from(bytes);
    let response = Response::new_with_opt_buffer_source(Some(&copy))?;
    JsFuture::from(cache.put_with_str(key, &response)).await?;
    Ok(())
}
