//! The model that the user chose, taken out of a JavaScript object.

use js_sys::{Array, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use patchlab::error::{Error, Result};

use crate::browser::disk::Chosen;
use crate::downloads::address::Address;

/// `ModelChoice` of `docs/protocol.md`.
pub(super) enum Choice {
    /// At an address.
    Address(Address),
    /// From disk.
    Files(Chosen),
}

impl Choice {
    /// Reads the choice. Files cannot pass through serde, so it is taken apart by hand.
    pub(super) fn from_js(choice: &JsValue) -> Result<Self> {
        let get = |name: &str| Reflect::get(choice, &JsValue::from(name)).ok();
        let text = |name: &str| get(name).and_then(|value| value.as_string());
        let flag = |name: &str| get(name).is_some_and(|value| value.is_truthy());
        let name = text("name").unwrap_or_default();
        match (text("from").as_deref(), text("base"), get("files")) {
            (Some("address"), Some(base), _) => Ok(Choice::Address(Address {
                name,
                base: with_slash(base),
                beside: text("beside").map(with_slash),
                gpt2_tokenizer: text("tokenizer").as_deref() == Some("gpt2"),
                has_reference: flag("reference"),
                has_truth: flag("truth"),
                half: flag("half"),
            })),
            (Some("files"), _, Some(files)) => {
                let files = Array::from(&files).iter().filter_map(|file| file.dyn_into().ok()).collect();
                Ok(Choice::Files(Chosen { name, files }))
            }
            _ => Err(Error::Call("a model choice needs `from` and `base` or `files`".to_owned())),
        }
    }
}

fn with_slash(mut folder: String) -> String {
    if !folder.ends_with('/') {
        folder.push('/');
    }
    folder
}
