//! The body of an answer, read as it comes.

use gloo_net::http::Response;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::ReadableStreamDefaultReader;

use crate::js::say;
use crate::patience::{Trouble, wait_for};
use crate::transfer::{Abortable, Transfer};

/// A body that is being read. Dropping it ends the request.
pub(super) struct Body {
    reader: ReadableStreamDefaultReader,
    _request: Abortable,
}

impl Body {
    /// The body of `response`, which `request` can end.
    pub(super) fn of(response: &Response, request: Abortable) -> Result<Self, Trouble> {
        let stream = response.body().ok_or_else(|| Trouble::passing("has sent no content"))?;
        let reader = ReadableStreamDefaultReader::new(&stream)
            .map_err(|error| Trouble::passing(format!("has sent what cannot be read ({})", say(&error))))?;
        Ok(Self { reader, _request: request })
    }

    /// The next bytes, however many there are; none at the end.
    pub(super) async fn next(&mut self, transfer: &Transfer) -> Result<Option<Uint8Array>, Trouble> {
        let read = wait_for(transfer, JsFuture::from(self.reader.read())).await?;
        let cut = |error: JsValue| Trouble::passing(format!("has cut the connection ({})", say(&error)));
        let read = read.map_err(cut)?;
        let done = Reflect::get(&read, &"done".into()).map_err(cut)?;
        if done.is_truthy() {
            return Ok(None);
        }
        let value = Reflect::get(&read, &"value".into()).map_err(cut)?;
        value.dyn_into().map(Some).map_err(cut)
    }

    /// Everything that is left, of a file that is known to be small.
    pub(super) async fn rest(&mut self, transfer: &Transfer, most: usize) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.next(transfer).await? {
            if bytes.len() + chunk.length() as usize > most {
                return Err(Trouble::passing("sends more than such a file can hold"));
            }
            bytes.extend(chunk.to_vec());
        }
        Ok(bytes)
    }
}
