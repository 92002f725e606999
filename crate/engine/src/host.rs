//! What a long call needs from whoever called it: someone to tell, and leave to go on.

use std::future::{Future, ready};
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How far a long call has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Progress {
    /// What is being done, in words.
    pub stage: String,
    /// How much is done, in `unit`.
    pub done: f64,
    /// How much there is in all, in `unit`.
    pub total: f64,
    /// What is counted.
    pub unit: ProgressUnit,
    /// What holds it up, in words: a host that sends nothing, a connection that is tried again.
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
}

/// The caller of a long call. The browser's is in `web`; natively it prints, or is silent.
pub trait Host {
    /// Hears how far the call has come.
    fn progress(&self, progress: Progress);

    /// Whether the call should stop.
    fn cancelled(&self) -> bool;

    /// Lets other work in, so that a cancellation can arrive. Natively there is none to let in.
    fn pause(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(ready(()))
    }
}

/// A host that hears nothing and never cancels.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Host for Quiet {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// Tells the host and asks whether to go on.
///
/// # Errors
/// [`Error::Cancelled`] if not.
pub async fn step(host: &dyn Host, stage: &str, done: usize, total: usize) -> Result<()> {
    Work::new(host, stage, ProgressUnit::Prompts, total).done(done).await
}

/// A long call's progress: so much of so much is done.
pub struct Work<'a> {
    host: &'a dyn Host,
    stage: String,
    unit: ProgressUnit,
    done: usize,
    total: usize,
}

impl<'a> Work<'a> {
    /// Begins with nothing done.
    pub fn new(host: &'a dyn Host, stage: &str, unit: ProgressUnit, total: usize) -> Self {
        Self { host, stage: stage.to_owned(), unit, done: 0, total }
    }

    /// A call whose counted work is done, and which goes on with something that is not counted.
    pub fn finished(host: &'a dyn Host, stage: &str, unit: ProgressUnit, total: usize) -> Self {
        Self { done: total, ..Self::new(host, stage, unit, total) }
    }

    /// Tells the host that so much more is done, and asks whether to go on.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if not.
    pub async fn done(&mut self, more: usize) -> Result<()> {
        self.done += more;
        self.host.progress(self.progress(None));
        self.check().await
    }

    /// Tells the host what is going on while nothing is counted, and asks whether to go on.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if not.
    pub async fn note(&self, note: String) -> Result<()> {
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

    /// Asks whether to go on.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if not.
    pub async fn check(&self) -> Result<()> {
        self.host.pause().await;
        if self.host.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
