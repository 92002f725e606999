//! What WebGPU offers here, asked before anything is computed.

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::js::say;
use patchlab::device::Adapter;

/// Looks for an adapter.
pub(super) async fn find() -> Adapter {
    match look().await {
        Ok(adapter) => adapter,
        Err(error) => Adapter::None(say(&error)),
    }
}

async fn look() -> Result<Adapter, JsValue> {
    let navigator = get(&js_sys::global(), "navigator")?;
    let gpu = get(&navigator, "gpu")?;
    if gpu.is_undefined() {
        return Ok(Adapter::None(
            "this browser has no WebGPU, or the page was not loaded over https".to_owned(),
        ));
    }
    let options = Object::new();
    Reflect::set(&options, &"powerPreference".into(), &"high-performance".into())?;
    let request: Function = get(&gpu, "requestAdapter")?.dyn_into()?;
    let promise: Promise = request.call1(&gpu, &options)?.dyn_into()?;
    let adapter = JsFuture::from(promise).await?;
    if adapter.is_null() || adapter.is_undefined() {
        return Ok(Adapter::None("this browser offers no WebGPU adapter".to_owned()));
    }

    let info = get(&adapter, "info")?;
    let text = |name: &str| {
        let value = if info.is_object() { get(&info, name).ok()?.as_string()? } else { return None };
        (!value.is_empty()).then_some(value)
    };
    let name = text("description").unwrap_or_else(|| {
        let parts: Vec<String> = [text("vendor"), text("architecture")].into_iter().flatten().collect();
        if parts.is_empty() { "unnamed adapter".to_owned() } else { parts.join(" ") }
    });
    // The flag moved from the adapter to its info while the standard was young.
    let flag = |object: &JsValue| {
        object.is_object() && get(object, "isFallbackAdapter").is_ok_and(|flag| flag.is_truthy())
    };
    Ok(Adapter::Some { name, fallback: flag(&adapter) || flag(&info) })
}

fn get(object: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    Reflect::get(object, &JsValue::from(name))
}
