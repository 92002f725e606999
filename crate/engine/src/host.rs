//! Progress reporting and cancellation for long calls.

use std::future::{Future, ready};
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Progress of a long call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Progress {
    /// What is being done, for display.
    pub stage: String,
    /// Amount done so far, in `unit`.
    pub done: f64,
    /// Total amount, in `unit`.
    pub total: f64,
    /// What `done` and `total` count.
    pub unit: ProgressUnit,
    /// Why it is stalled, for display: a server that sends nothing, a connection being retried.
    pub note: Option<String>,
}

/// What [`Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ProgressUnit {
    /// Bytes of weights.
    Bytes,
    /// Prompts run.
    Prompts,
    /// Hook points read.
    Sites,
    /// Checks made.
    Checks,
    /// Points of the residual stream read.
    Points,
    /// Patches run, each on every prompt of a group.
    Patches,
    /// Circuits run, likewise.
    Circuits,
    /// Tokens that were added to a text.
    Tokens,
}

/// The caller of a long call. In the browser it is the page's worker; natively it prints, or is silent.
pub trait Host {
    /// Called with the progress made so far.
    fn progress(&self, progress: Progress);

    /// Whether the call should be cancelled.
    fn cancelled(&self) -> bool;

    /// Yields, so that a cancellation can arrive. A no-op natively.
    fn pause(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(ready(()))
    }
}

/// A host that ignores progress and never cancels.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Host for Quiet {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// Reports progress in prompts and checks for cancellation.
///
/// # Errors
/// [`Error::Cancelled`].
pub(crate) async fn step(host: &dyn Host, stage: &str, done: usize, total: usize) -> Result<()> {
    Work::new(host, stage, ProgressUnit::Prompts, total).done(done).await
}

/// Counts the work of a long call and reports it to the host.
pub struct Work<'a> {
    host: &'a dyn Host,
    stage: String,
    unit: ProgressUnit,
    done: usize,
    total: usize,
}

impl<'a> Work<'a> {
    /// Nothing done yet.
    pub fn new(host: &'a dyn Host, stage: &str, unit: ProgressUnit, total: usize) -> Self {
        Self { host, stage: stage.to_owned(), unit, done: 0, total }
    }

    /// All counted work done, for a call that goes on with something uncounted.
    pub(crate) fn finished(host: &'a dyn Host, stage: &str, unit: ProgressUnit, total: usize) -> Self {
        Self { done: total, ..Self::new(host, stage, unit, total) }
    }

    /// Reports that `more` is done and checks for cancellation.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub async fn done(&mut self, more: usize) -> Result<()> {
        self.done += more;
        self.host.progress(self.progress(None));
        self.check().await
    }

    /// Reports a note while nothing is counted, and checks for cancellation.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(crate) async fn note(&self, note: String) -> Result<()> {
        self.host.progress(self.progress(Some(note)));
        self.check().await
    }

    fn progress(&self, note: Option<String>) -> Progress {
        Progress {
            stage: self.stage.clone(),
            done: self.done as f64,
            total: self.total as f64,
            unit: self.unit,
            note,
        }
    }

    /// Checks for cancellation.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub async fn check(&self) -> Result<()> {
        self.host.pause().await;
        if self.host.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
