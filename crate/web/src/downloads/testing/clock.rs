//! Virtual time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::LocalBoxFuture;

use crate::downloads::platform::Clock;

/// A test that takes longer than this, in virtual milliseconds, waits for something that never comes.
const LONGEST_MS: f64 = 24.0 * 3_600_000.0;

/// A clock that stands still while anything can run.
#[derive(Clone, Default)]
pub(crate) struct VirtualClock(Rc<Time>);

#[derive(Default)]
struct Time {
    now: Cell<f64>,
    /// What is added to `now` for the system's date.
    date: Cell<f64>,
    timers: RefCell<BTreeMap<(u64, u64), Waker>>,
    next_id: Cell<u64>,
}

impl VirtualClock {
    /// Sets the system's date, in milliseconds since 1970.
    pub(crate) fn set_date(&self, date: f64) {
        self.0.date.set(date - self.0.now.get());
    }

    /// Runs a future to its end. Panics if it waits and no timer is left.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            if !woken.0.swap(false, Ordering::Relaxed) {
                self.advance();
            }
        }
    }

    fn advance(&self) {
        let first = self.0.timers.borrow_mut().pop_first();
        let ((deadline, _), waker) = first.expect("everything waits, and no timer is left");
        self.0.now.set(self.0.now.get().max(f64::from_bits(deadline)));
        assert!(self.0.now.get() < LONGEST_MS, "it waits for something that never comes");
        waker.wake();
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> f64 {
        self.0.now.get()
    }

    fn date(&self) -> f64 {
        self.0.now.get() + self.0.date.get()
    }

    fn sleep(&self, milliseconds: f64) -> LocalBoxFuture<'static, ()> {
        let id = self.0.next_id.get();
        self.0.next_id.set(id + 1);
        let deadline = self.0.now.get() + milliseconds.max(0.0);
        Box::pin(Sleep { time: self.0.clone(), deadline, id })
    }
}

struct Sleep {
    time: Rc<Time>,
    deadline: f64,
    id: u64,
}

impl Sleep {
    /// Positive numbers are ordered as their bits are.
    fn key(&self) -> (u64, u64) {
        (self.deadline.to_bits(), self.id)
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.time.now.get() >= self.deadline {
            return Poll::Ready(());
        }
        self.time.timers.borrow_mut().insert(self.key(), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.time.timers.borrow_mut().remove(&self.key());
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
