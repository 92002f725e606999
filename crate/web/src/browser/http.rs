//! Requests by `fetch`, and their bodies as they come.

use futures_util::future::LocalBoxFuture;
use gloo_net::http;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, ReadableStreamDefaultReader, RequestCache};

use crate::downloads::platform::{CacheMode, Http, Request, Response};
use crate::js::{self, release, say};

pub(crate) struct BrowserHttp;

impl Http for BrowserHttp {
    fn send<'a>(&'a self, request: Request<'a>) -> LocalBoxFuture<'a, Result<Box<dyn Response>, String>> {
        Box::pin(async move {
            let abort = AbortOnDrop(AbortController::new().ok());
            let cache = match request.cache {
                CacheMode::NoStore => RequestCache::NoStore,
                CacheMode::Revalidate => RequestCache::NoCache,
            };
            let signal = abort.0.as_ref().map(AbortController::signal);
            let mut fetch = http::Request::get(request.url).cache(cache).abort_signal(signal.as_ref());
            if let Some(range) = request.range {
                fetch = fetch.header("Range", &format!("bytes={}-{}", range.start, range.end - 1));
            }
            let response = fetch.send().await.map_err(|error| error.to_string())?;
            let response = BrowserResponse { response, reader: None, chunk: None, _abort: abort };
            Ok(Box::new(response) as Box<dyn Response>)
        })
    }

    fn online(&self) -> bool {
        js::online()
    }
}

/// Ends a request that is not wanted any more. A request that is over is not affected.
struct AbortOnDrop(Option<AbortController>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortController::abort);
    }
}

struct BrowserResponse {
    response: http::Response,
    /// Reads the body; none until it is asked for.
    reader: Option<ReadableStreamDefaultReader>,
    /// What has come of the body and was not read yet, and how much of it was.
    chunk: Option<(Uint8Array, u32)>,
    _abort: AbortOnDrop,
}

impl Response for BrowserResponse {
    fn status(&self) -> u16 {
        self.response.status()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.response.headers().get(name)
    }

    fn read<'a>(&'a mut self, buffer: &'a mut [u8]) -> LocalBoxFuture<'a, Result<usize, String>> {
        Box::pin(async move {
            let (chunk, used) = match self.chunk.take() {
                Some(rest) => rest,
                None => match self.next_chunk().await.map_err(|error| say(&error))? {
                    Some(chunk) => (chunk, 0),
                    None => return Ok(0),
                },
            };
            let count = (chunk.length() - used).min(buffer.len() as u32);
            chunk.subarray(used, used + count).copy_to(&mut buffer[..count as usize]);
            if used + count < chunk.length() {
                self.chunk = Some((chunk, used + count));
            } else {
                release(&chunk);
            }
            Ok(count as usize)
        })
    }
}

impl BrowserResponse {
    /// The next bytes, at least one; none at the end.
    async fn next_chunk(&mut self) -> Result<Option<Uint8Array>, JsValue> {
        if self.reader.is_none() {
            let Some(stream) = self.response.body() else { return Ok(None) };
            self.reader = Some(ReadableStreamDefaultReader::new(&stream)?);
        }
        let Some(reader) = &self.reader else { return Ok(None) };
        loop {
            let read = JsFuture::from(reader.read()).await?;
            if Reflect::get(&read, &"done".into())?.is_truthy() {
                return Ok(None);
            }
            let chunk: Uint8Array = Reflect::get(&read, &"value".into())?.dyn_into()?;
            if chunk.length() > 0 {
                return Ok(Some(chunk));
            }
        }
    }
}
