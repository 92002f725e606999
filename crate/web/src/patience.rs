//! How long a host is waited for, and how often it is asked again.

use std::future::Future;

use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;

use crate::js;
use crate::js::unreadable;
use crate::transfer::Transfer;
use patchlab::error::{Error, Result};

/// Seconds without a byte after which the user is told, and after which the request is given up.
const QUIET_S: u32 = 5;
const STALLED_S: u32 = 15;
/// The first pause before trying again, the longest, and the longest that a host may ask for, in milliseconds.
const PAUSE_MS: f64 = 500.0;
const LONGEST_PAUSE_MS: f64 = 8_000.0;
const LONGEST_ASKED_MS: f64 = 60_000.0;

/// Why an attempt failed.
pub(super) enum Trouble {
    /// Trying again may help.
    Passing {
        /// What happened, as the end of "the host ...".
        why: String,
        /// How long the host asked to wait, in milliseconds.
        wait: Option<f64>,
    },
    /// The host refused with this status, and will again.
    Refused(u16),
    /// Trying again will not help.
    Lasting(Error),
}

impl Trouble {
    /// Trying again may help.
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Trouble::Passing { why: why.into(), wait: None }
    }

    /// The error that it ends in, for the file at `url`; `advice` stands at the message's end.
    pub(super) fn into_error(self, url: &str, advice: &str) -> Error {
        match self {
            Trouble::Lasting(error) => error,
            Trouble::Passing { why, .. } => unreadable(url, format!("the host {why}. {advice}")),
            Trouble::Refused(status) => {
                let what = match status {
                    401 | 403 => "the host does not let anyone read it",
                    404 | 410 => "there is no such file. Check the address",
                    _ => "the host refused",
                };
                unreadable(url, format!("{what} (HTTP {status})"))
            }
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Lasting(error)
    }
}

/// Waits for something that a host sends, but not for ever.
pub(super) async fn wait_for<T>(
    transfer: &Transfer,
    answer: impl Future<Output = T> + Unpin,
) -> Result<T, Trouble> {
    let mut answer = answer;
    for second in 1..=STALLED_S {
        match select(answer, TimeoutFuture::new(1000)).await {
            Either::Left((answer, _)) => return Ok(answer),
            Either::Right(((), unfinished)) => answer = unfinished,
        }
        if transfer.flow.stopped() {
            return Err(Error::Cancelled.into());
        }
        if second >= QUIET_S {
            transfer.note(format!("The host has sent nothing for {second} seconds."));
        }
    }
    Err(Trouble::passing(format!("has sent nothing for {STALLED_S} seconds")))
}

/// Tries until it succeeds, fails for good, or has failed `tries` times in a row without getting any further.
/// While this machine is offline, failing does not count if `through_offline`.
pub(super) async fn insist(
    transfer: &Transfer,
    tries: u32,
    through_offline: bool,
    come_so_far: impl Fn() -> u32,
    mut attempt: impl AsyncFnMut() -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let mut failed = 0;
    loop {
        transfer.flow.may_go_on().await?;
        let before = come_so_far();
        let (why, wait) = match attempt().await {
            Ok(()) => return Ok(()),
            Err(_) if transfer.flow.stopped() => return Err(Error::Cancelled.into()),
            Err(Trouble::Passing { why, wait }) => (why, wait),
            Err(trouble) => return Err(trouble),
        };
        if through_offline && !js::online() {
            transfer.note("This machine is offline. The download goes on when the network is back.");
            while !js::online() {
                transfer.flow.wait(PAUSE_MS).await?;
            }
            failed = 0;
            continue;
        }
        failed = if come_so_far() > before { 1 } else { failed + 1 };
        if failed >= tries || !js::online() {
            return Err(Trouble::passing(why));
        }
        let own = (PAUSE_MS * f64::from(1 << (failed - 1))).min(LONGEST_PAUSE_MS);
        let pause = wait.map_or(own, |asked| asked.clamp(own, LONGEST_ASKED_MS));
        if through_offline {
            let seconds = (pause / 1000.0).ceil();
            transfer.note(format!("The host {why}. Trying again in {seconds} s."));
        }
        transfer.flow.wait(pause).await?;
    }
}
