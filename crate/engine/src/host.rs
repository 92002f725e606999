//! What a long call needs from whoever called it: someone to tell, and leave to go on.

use std::future::{Future, ready};
use std::pin::Pin;

use crate::error::{Error, Result};
use crate::report::{Part, Progress, ProgressUnit};

/// The caller of a long call. The browser's is in `web`; natively it prints, or is silent.
pub trait Host {
    /// Hears how far the call has come.
    fn progress(&self, progress: Progress);

    /// Whether the call should stop.
    fn cancelled(&self) -> bool;

    /// Whether to show a figure that is not complete yet. Making one costs time, so it is asked first.
    fn wants_preview(&self) -> bool {
        false
    }

    /// Hears of a figure that is not complete yet: the report's part with this index, as far as it has come.
    fn preview(&self, _index: usize, _part: &Part) {}

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

    /// Tells the host that so much more is done, and asks whether to go on.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if not.
    pub async fn done(&mut self, more: usize) -> Result<()> {
        self.done += more;
        self.host.progress(Progress {
            stage: self.stage.clone(),
            done: self.done as f64,
            total: self.total as f64,
            unit: self.unit,
            note: None,
        });
        self.check().await
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
