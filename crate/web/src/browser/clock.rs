//! Time in the browser.

use futures_util::future::LocalBoxFuture;
use gloo_timers::future::TimeoutFuture;

use crate::downloads::platform::Clock;
use crate::js;

pub(crate) struct BrowserClock;

impl Clock for BrowserClock {
    fn now(&self) -> f64 {
        js::now()
    }

    fn date(&self) -> f64 {
        js_sys::Date::now()
    }

    fn sleep(&self, milliseconds: f64) -> LocalBoxFuture<'static, ()> {
        Box::pin(TimeoutFuture::new(milliseconds as u32))
    }
}
