//! SHA-256, by the browser where it offers it (in secure contexts), else by Rust, a few times slower.

use js_sys::{Reflect, Uint8Array};
use sha2::{Digest, Sha256};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::WorkerGlobalScope;

/// The digest of `bytes`, in hexadecimal.
pub(super) async fn sha256(bytes: &Uint8Array) -> String {
    let digest = match by_browser(bytes).await {
        Ok(digest) => digest,
        Err(_) => Sha256::digest(bytes.to_vec()).to_vec(),
    };
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn by_browser(bytes: &Uint8Array) -> Result<Vec<u8>, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into()?;
    let crypto = scope.crypto()?;
    if !Reflect::has(&crypto, &"subtle".into())? || Reflect::get(&crypto, &"subtle".into())?.is_undefined() {
        return Err(JsValue::from("no SubtleCrypto"));
    }
    let digest = JsFuture::from(crypto.subtle().digest_with_str_and_js_u8_array("SHA-256", bytes)?).await?;
    Ok(Uint8Array::new(&digest).to_vec())
}
