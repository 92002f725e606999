//! Locks that all tabs of the browser share: of two that open the same weights, one fetches a piece.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::transfer::Transfer;
use patchlab::error::{Error, Result};

#[wasm_bindgen]
extern "C" {
    // web-sys has it behind an unstable flag only.
    #[wasm_bindgen(catch, js_namespace = ["navigator", "locks"], js_name = request)]
    fn request(name: &str, options: &Object, held: &Function) -> Result<Promise, JsValue>;
}

/// A lock that is held until this is dropped, or its tab is closed. Where there are no locks, nothing is held.
pub(super) struct Lock {
    release: Rc<RefCell<Option<Function>>>,
}

impl Lock {
    /// Waits for the lock of that name.
    pub(super) async fn hold(name: &str, transfer: &Transfer) -> Result<Self> {
        let wait = transfer.flow.abortable();
        let release: Rc<RefCell<Option<Function>>> = Rc::default();
        let acquired = Promise::new(&mut |acquired, failed| {
            let slot = release.clone();
            // The lock is held as long as the promise that this gives is pending.
            let held = Closure::once_into_js(move || {
                let until = Promise::new(&mut |done, _| *slot.borrow_mut() = Some(done));
                acquired.call0(&JsValue::NULL).ok(); // it only settles a promise
                until
            });
            let options = Object::new();
            if let Some(signal) = wait.signal() {
                Reflect::set(&options, &"signal".into(), &signal).ok(); // a plain object takes any field
            }
            let requested = request(name, &options, held.unchecked_ref());
            spawn_local(async move {
                // No locks (an old browser, or no secure context), or the call was stopped.
                let refused = match requested {
                    Ok(lock) => JsFuture::from(lock).await.err(),
                    Err(error) => Some(error),
                };
                if let Some(error) = refused {
                    failed.call1(&JsValue::NULL, &error).ok(); // it only settles a promise
                }
            });
        });
        match JsFuture::from(acquired).await {
            Err(_) if transfer.flow.stopped() => Err(Error::Cancelled),
            _ => Ok(Self { release }),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(release) = self.release.borrow_mut().take() {
            release.call0(&JsValue::NULL).ok(); // it only settles a promise
        }
    }
}
