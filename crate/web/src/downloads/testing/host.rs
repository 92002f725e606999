//! A host of files that misbehaves as it is told to, and remembers what it was asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::ops::Range;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;

use crate::downloads::platform::{Clock, Http, Request, Response};
use crate::downloads::testing::VirtualClock;

/// Bytes that come at once, and how often, unless a fault says otherwise.
const CHUNK: usize = 256 << 10;
const CHUNK_MS: f64 = 10.0;

/// A file, and what its host says of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeFile {
    pub(crate) bytes: Rc<Vec<u8>>,
    pub(crate) etag: Option<String>,
    pub(crate) no_ranges: bool,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) range: Option<Range<u64>>,
    /// How many requests with the same address and end came before: a range that is tried again keeps its end.
    pub(crate) tries: usize,
}

impl Asked {
    /// Whether it is for a whole piece of weights, and not for a header or a sidecar file.
    pub(crate) fn is_large(&self) -> bool {
        self.range.as_ref().is_some_and(|range| range.end - range.start > 100_000)
    }
}

/// What goes wrong with one response.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    None,
    Unreachable,
    /// A status without a file, and its `Retry-After`.
    Status(u16, Option<&'static str>),
    /// The connection ends after so many bytes.
    CutAfter(usize),
    /// After so many bytes nothing comes any more.
    SilentAfter(usize),
    /// Milliseconds for each chunk.
    Slow(f64),
    /// The first byte is another one.
    Corrupt,
    /// One byte more than was asked for.
    Longer,
}

#[derive(Clone)]
pub(crate) struct FakeHost(Rc<State>);

type Misbehave = Box<dyn Fn(&Asked) -> Fault>;

struct State {
    clock: VirtualClock,
    files: RefCell<BTreeMap<String, FakeFile>>,
    fault: RefCell<Misbehave>,
    online: Cell<bool>,
    asked: RefCell<Vec<Asked>>,
    /// Bytes of all responses that are under way, now and at most.
    in_flight: Cell<usize>,
    most_in_flight: Cell<usize>,
}

impl FakeHost {
    pub(crate) fn new(clock: &VirtualClock) -> Self {
        Self(Rc::new(State {
            clock: clock.clone(),
            files: RefCell::default(),
            fault: RefCell::new(Box::new(|_| Fault::None)),
            online: Cell::new(true),
            asked: RefCell::default(),
            in_flight: Cell::new(0),
            most_in_flight: Cell::new(0),
        }))
    }

    pub(crate) fn serve(&self, url: &str, file: FakeFile) {
        self.0.files.borrow_mut().insert(url.to_owned(), file);
    }

    /// Serves a file without a version.
    pub(crate) fn serve_bytes(&self, url: &str, bytes: &[u8]) {
        self.serve(url, FakeFile { bytes: Rc::new(bytes.to_vec()), ..FakeFile::default() });
    }

    /// What is wrong with responses from now on.
    pub(crate) fn misbehave(&self, fault: impl Fn(&Asked) -> Fault + 'static) {
        *self.0.fault.borrow_mut() = Box::new(fault);
    }

    pub(crate) fn set_online(&self, online: bool) {
        self.0.online.set(online);
    }

    /// All requests since this was asked last.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        self.0.asked.take()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.0.in_flight.get()
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.0.most_in_flight.get()
    }
}

impl Http for FakeHost {
    fn send<'a>(&'a self, request: Request<'a>) -> LocalBoxFuture<'a, Result<Box<dyn Response>, String>> {
        Box::pin(async move {
            let end = request.range.as_ref().map(|range| range.end);
            let same = |other: &&Asked| {
                other.url == request.url && other.range.as_ref().map(|range| range.end) == end
            };
            let tries = self.0.asked.borrow().iter().filter(same).count();
            let asked = Asked { url: request.url.to_owned(), range: request.range.clone(), tries };
            let fault = (self.0.fault.borrow())(&asked);
            self.0.asked.borrow_mut().push(asked);
            self.0.clock.sleep(CHUNK_MS).await;
            if fault == Fault::Unreachable || !self.0.online.get() {
                return Err("made up".to_owned());
            }
            let file = self.0.files.borrow().get(request.url).cloned();
            let (status, file) = match (fault, file) {
                (Fault::Status(status, _), _) => (status, FakeFile::default()),
                (_, None) => (404, FakeFile::default()),
                (_, Some(file)) if request.range.is_some() && !file.no_ranges => (206, file),
                (_, Some(file)) => (200, file),
            };
            let whole = 0..file.bytes.len();
            let range = match &request.range {
                Some(range) if status == 206 => range.start as usize..(range.end as usize).min(whole.end),
                _ => whole,
            };
            Ok(Box::new(FakeResponse::new(self.0.clone(), status, file, range, fault)) as Box<dyn Response>)
        })
    }

    fn online(&self) -> bool {
        self.0.online.get()
    }
}

struct FakeResponse {
    host: Rc<State>,
    status: u16,
    file: FakeFile,
    range: Range<usize>,
    sent: usize,
    fault: Fault,
}

impl FakeResponse {
    fn new(host: Rc<State>, status: u16, file: FakeFile, range: Range<usize>, fault: Fault) -> Self {
        host.in_flight.set(host.in_flight.get() + range.len());
        host.most_in_flight.set(host.most_in_flight.get().max(host.in_flight.get()));
        Self { host, status, file, range, sent: 0, fault }
    }
}

impl Drop for FakeResponse {
    fn drop(&mut self) {
        self.host.in_flight.set(self.host.in_flight.get() - self.range.len());
    }
}

impl Response for FakeResponse {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<String> {
        match (name, self.fault) {
            ("etag", _) => self.file.etag.clone(),
            ("retry-after", Fault::Status(_, retry_after)) => retry_after.map(str::to_owned),
            ("content-range", _) if self.status == 206 => {
                let Range { start, end } = self.range;
                Some(format!("bytes {start}-{}/{}", end - 1, self.file.bytes.len()))
            }
            _ => None,
        }
    }

    fn read<'a>(&'a mut self, buffer: &'a mut [u8]) -> LocalBoxFuture<'a, Result<usize, String>> {
        Box::pin(async move {
            let clock = self.host.clock.clone();
            clock
                .sleep(if let Fault::Slow(milliseconds) = self.fault { milliseconds } else { CHUNK_MS })
                .await;
            let limit = match self.fault {
                Fault::CutAfter(limit) | Fault::SilentAfter(limit) => limit,
                _ => usize::MAX,
            };
            if self.sent >= limit {
                match self.fault {
                    Fault::SilentAfter(_) => pending::<()>().await,
                    _ => return Err("made up".to_owned()),
                }
            }
            let left = &self.file.bytes[self.range.start + self.sent.min(self.range.len())..self.range.end];
            let count = left.len().min(buffer.len()).min(CHUNK).min(limit - self.sent);
            buffer[..count].copy_from_slice(&left[..count]);
            if self.fault == Fault::Corrupt && self.sent == 0 && count > 0 {
                buffer[0] ^= 0xff;
            }
            self.sent += count;
            if self.fault == Fault::Longer && count == 0 && self.sent == self.range.len() {
                self.sent += 1;
                return Ok(1);
            }
            Ok(count)
        })
    }
}
