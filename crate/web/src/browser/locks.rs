//! The browser's Web Locks.

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::AbortController;

use crate::downloads::platform::{Guard, Locks};

#[wasm_bindgen]
extern "C" {
    // web-sys has it behind an unstable flag only.
    #[wasm_bindgen(catch, js_namespace = ["navigator", "locks"], js_name = request)]
    fn request(name: &str, options: &Object, held: &Function) -> Result<Promise, JsValue>;
}

pub(crate) struct BrowserLocks;

enum State {
    Waiting,
    /// Held until this is called.
    Held(Function),
    /// Nobody waits for it any more.
    Dropped,
}

impl Locks for BrowserLocks {
    fn hold<'a>(&'a self, name: &'a str) -> LocalBoxFuture<'a, Guard> {
        Box::pin(async move {
            let state = Rc::new(RefCell::new(State::Waiting));
            let withdraw = AbortController::new().ok();
            let signal = withdraw.as_ref().map(AbortController::signal);
            // Made before the lock is there: dropping this future must withdraw the request, or release what was granted
            // meanwhile.
            let guard = Guard::new({
                let state = state.clone();
                move || {
                    withdraw.iter().for_each(AbortController::abort);
                    if let State::Held(release) = state.replace(State::Dropped) {
                        release.call0(&JsValue::NULL).ok(); // it only settles a promise
                    }
                }
            });
            let acquired = Promise::new(&mut |acquired, failed| {
                let state = state.clone();
                // The lock is held as long as the promise that this returns is pending.
                let held = Closure::once_into_js(move || {
                    if matches!(*state.borrow(), State::Dropped) {
                        return Promise::resolve(&JsValue::NULL);
                    }
                    let until = Promise::new(&mut |done, _| *state.borrow_mut() = State::Held(done));
                    acquired.call0(&JsValue::NULL).ok(); // it only settles a promise
                    until
                });
                let options = Object::new();
                if let Some(signal) = &signal {
                    Reflect::set(&options, &"signal".into(), signal).ok(); // a plain object takes any field
                }
                let requested = request(name, &options, held.unchecked_ref());
                spawn_local(async move {
                    // No locks (an old browser, or no secure context), or the request was withdrawn.
                    let refused = match requested {
                        Ok(lock) => JsFuture::from(lock).await.err(),
                        Err(error) => Some(error),
                    };
                    if let Some(error) = refused {
                        failed.call1(&JsValue::NULL, &error).ok(); // it only settles a promise
                    }
                });
            });
            // Without locks nothing is held, and two tabs may fetch the same.
            JsFuture::from(acquired).await.ok();
            guard
        })
    }
}
