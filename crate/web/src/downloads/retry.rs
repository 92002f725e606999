//! How long a host is waited for, and when a failed request is sent again.

use std::future::Future;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::{Either, select};

use patchlab::error::{Error, Result};

use crate::downloads::context::Context;
use crate::downloads::platform::Clock;

/// Seconds without a byte after which the user is told, and after which the request is given up.
const QUIET_S: u32 = 5;
const STALLED_S: u32 = 15;
/// The first delay before a retry, the longest, and the longest that a host may ask for, in milliseconds.
const DELAY_MS: f64 = 500.0;
const LONGEST_DELAY_MS: f64 = 8_000.0;
const LONGEST_ASKED_MS: f64 = 60_000.0;

/// Why a request failed.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// A retry may help.
    Transient {
        /// What happened, as the end of "the host ...".
        why: String,
        /// How long the host asked to wait, in milliseconds.
        retry_after: Option<f64>,
    },
    /// The host refused with this status, and would again.
    Status(u16),
    /// A retry will not help.
    Fatal(Error),
}

impl FetchError {
    pub(crate) fn transient(why: impl Into<String>) -> Self {
        FetchError::Transient { why: why.into(), retry_after: None }
    }

    /// The error for the user, about the file at `url`. `advice` ends the message of a transient one.
    pub(crate) fn into_error(self, url: &str, advice: &str) -> Error {
        let reason = match self {
            FetchError::Fatal(error) => return error,
            FetchError::Transient { why, .. } => format!("the host {why}. {advice}"),
            FetchError::Status(status) => {
                let what = match status {
                    401 | 403 => "the host does not let anyone read it",
                    404 | 410 => "there is no such file. Check the address",
                    _ => "the host refused",
                };
                format!("{what} (HTTP {status})")
            }
        };
        Error::Source { what: url.to_owned(), reason }
    }
}

impl From<Error> for FetchError {
    fn from(error: Error) -> Self {
        FetchError::Fatal(error)
    }
}

/// The delay that a `Retry-After` header asks for, in milliseconds: a number of seconds, or a date.
pub(crate) fn retry_after(header: &str, clock: &dyn Clock) -> Option<f64> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0).then_some(1000.0 * seconds);
    }
    let date = httpdate::parse_http_date(header).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let now = Duration::from_millis(clock.date() as u64);
    Some(date.saturating_sub(now).as_millis() as f64)
}

/// Waits for something that a host sends; gives up when nothing has come for [`STALLED_S`] seconds.
pub(crate) async fn with_stall_timeout<T>(
    context: &Context,
    pending: impl Future<Output = T> + Unpin,
) -> Result<T, FetchError> {
    let mut pending = pending;
    for second in 1..=STALLED_S {
        match select(pending, context.platform.clock.sleep(1000.0)).await {
            Either::Left((output, _)) => return Ok(output),
            Either::Right(((), unfinished)) => pending = unfinished,
        }
        if second >= QUIET_S {
            context.progress.note(format!("The host has sent nothing for {second} seconds."));
        }
    }
    Err(FetchError::transient(format!("has sent nothing for {STALLED_S} seconds")))
}

/// Counts the failures of one file or piece and waits between its attempts.
pub(crate) struct Retries<'a> {
    context: &'a Context,
    /// Failures in a row that are allowed, less one.
    attempts: u32,
    /// Whether to wait for the network while this machine is offline, and to say so.
    through_offline: bool,
    failed: u32,
}

impl<'a> Retries<'a> {
    /// At most so many attempts in a row without any progress.
    pub(crate) fn new(context: &'a Context, attempts: u32, through_offline: bool) -> Self {
        Self { context, attempts, through_offline, failed: 0 }
    }

    /// Waits until the next attempt, or returns the error if there is to be none. `advanced`: the failed attempt got
    /// further than those before.
    pub(crate) async fn after(&mut self, error: FetchError, advanced: bool) -> Result<(), FetchError> {
        let FetchError::Transient { why, retry_after } = error else { return Err(error) };
        let Context { platform, progress, .. } = self.context;
        if self.through_offline && !platform.http.online() {
            progress.note("This machine is offline. The download goes on when the network is back.");
            while !platform.http.online() {
                platform.clock.sleep(DELAY_MS).await;
            }
            self.failed = 0;
            return Ok(());
        }
        self.failed = if advanced { 1 } else { self.failed + 1 };
        if self.failed >= self.attempts || !platform.http.online() {
            return Err(FetchError::Transient { why, retry_after });
        }
        let own = (DELAY_MS * f64::from(1 << (self.failed - 1))).min(LONGEST_DELAY_MS);
        let delay = retry_after.map_or(own, |asked| asked.clamp(own, LONGEST_ASKED_MS));
        if self.through_offline {
            let seconds = (delay / 1000.0).ceil();
            progress.note(format!("The host {why}. Trying again in {seconds} s."));
        }
        platform.clock.sleep(delay).await;
        Ok(())
    }
}
