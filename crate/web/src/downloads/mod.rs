//! Downloads of models: fetched in parts, retried, paused, stored, and shared by all tabs of a browser.
//!
//! Nothing here knows JavaScript: [`platform`] has the traits that stand for the browser, and the tests drive everything
//! natively. Read in this order: [`platform`], [`context`], [`retry`], [`remote`], [`storage`], [`record`], [`parts`],
//! [`download`], [`sidecar`], [`address`].

pub(crate) mod address;
pub(crate) mod cancel;
pub(crate) mod context;
pub(crate) mod download;
pub(crate) mod parts;
pub(crate) mod platform;
pub(crate) mod progress;
pub(crate) mod record;
pub(crate) mod remote;
pub(crate) mod retry;
pub(crate) mod sidecar;
pub(crate) mod storage;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
