//! Rust's log in the browser's console. A GPU that rejects a shader only logs it and then reads back
//! garbage, so an error of the graphics stack is fatal for whatever was computed.

use std::cell::RefCell;

use log::{Level, LevelFilter, Log, Metadata, Record};
use wasm_bindgen::JsValue;

use patchlab::error::{Error, Result};

thread_local! {
    static FATAL: RefCell<Option<String>> = const { RefCell::new(None) };
}

struct Console;

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = format!("{}: {}", record.target(), record.args());
        if record.level() == Level::Error {
            web_sys::console::error_1(&JsValue::from(&text));
            if ["wgpu", "cubecl", "burn"].iter().any(|name| record.target().starts_with(name)) {
                FATAL.with_borrow_mut(|fatal| fatal.get_or_insert(text).shrink_to_fit());
            }
        } else {
            web_sys::console::warn_1(&JsValue::from(text));
        }
    }

    fn flush(&self) {}
}

/// Starts logging; later calls change nothing.
pub(super) fn install() {
    if log::set_logger(&Console).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

/// Fails if the graphics stack has logged an error since the worker began.
pub(super) fn fatal() -> Result<()> {
    FATAL.with_borrow(|fatal| match fatal {
        Some(text) => Err(Error::Compute(text.clone())),
        None => Ok(()),
    })
}
