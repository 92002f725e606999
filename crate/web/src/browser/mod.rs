//! The browser's side of [`crate::downloads::platform`], and files that the user chose from disk.

pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod http;
pub(crate) mod locks;
pub(crate) mod store;

use std::rc::Rc;

use crate::downloads::platform::Platform;

/// This browser.
pub(crate) async fn platform() -> Platform {
    Platform {
        store: Rc::new(store::BrowserStore::open().await),
        http: Rc::new(http::BrowserHttp),
        clock: Rc::new(clock::BrowserClock),
        locks: Rc::new(locks::BrowserLocks),
    }
}
