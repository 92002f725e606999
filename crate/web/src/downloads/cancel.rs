//! Cancels or pauses one call.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, Waker};

use futures_util::future::{Either, select};

use patchlab::error::{Error, Result};

/// The user's hold on one call: it may be paused and resumed, and cancelled for good.
#[derive(Debug, Default)]
pub(crate) struct CancelToken {
    cancelled: Cell<bool>,
    paused: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl CancelToken {
    pub(crate) fn cancel(&self) {
        self.cancelled.set(true);
        self.wake();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.paused.set(paused);
        self.wake();
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.get()
    }

    /// Waits while the call is paused and not cancelled.
    pub(crate) async fn resumed(&self) {
        self.until(|| !self.paused.get() || self.cancelled.get()).await;
    }

    /// Runs `work` until it ends or the call is cancelled; then `work` is dropped, and with it its requests and locks.
    ///
    /// # Errors
    /// [`Error::Cancelled`], and those of `work`.
    pub(crate) async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match select(pin!(self.until(|| self.cancelled.get())), pin!(work)).await {
            Either::Left(((), _)) => Err(Error::Cancelled),
            Either::Right((result, _)) => result,
        }
    }

    async fn until(&self, condition: impl Fn() -> bool) {
        poll_fn(|context| {
            if condition() {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    fn wake(&self) {
        // Taken out first: what is woken may come back at once.
        let waiting = self.waiting.take();
        waiting.into_iter().for_each(Waker::wake);
    }
}
