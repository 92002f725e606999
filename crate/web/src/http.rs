//! What is asked of a host, and what its answers say.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use gloo_net::http::{Request, Response};
use js_sys::Uint8Array;
use web_sys::RequestCache;

use crate::body::Body;
use crate::js::release;
use crate::patience::{Trouble, wait_for};
use crate::transfer::Transfer;
use patchlab::error::{Error, Result};
use patchlab::model::source::ends_early;

/// Which state of a file this is, as far as its host says.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Version {
    /// The host's name for it.
    pub(super) etag: Option<String>,
    /// When it was changed last.
    pub(super) modified: Option<String>,
    /// The file's length.
    pub(super) len: Option<u64>,
}

impl Version {
    fn of(response: &Response) -> Self {
        let headers = response.headers();
        let range = headers.get("content-range");
        let of_range = range.and_then(|range| range.rsplit('/').next().and_then(|len| len.parse().ok()));
        // The length of a whole answer counts only where nobody has packed it.
        let whole = response.status() == 200 && headers.get("content-encoding").is_none();
        let of_whole = || headers.get("content-length").filter(|_| whole).and_then(|len| len.parse().ok());
        Self {
            etag: headers.get("etag"),
            modified: headers.get("last-modified"),
            len: of_range.or_else(of_whole),
        }
    }

    /// Whether another state of the file can be told from this one.
    pub(super) fn tells(&self) -> bool {
        self.etag.is_some() || self.modified.is_some()
    }

    /// Whether these are known to be two states. Where both have an ETag, times do not count: the servers of one
    /// host may disagree on them.
    fn differs(&self, other: &Self) -> bool {
        fn unequal<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
            matches!((a, b), (Some(a), Some(b)) if a != b)
        }
        let both_tagged = self.etag.is_some() && other.etag.is_some();
        unequal(&self.etag, &other.etag)
            || unequal(&self.len, &other.len)
            || (!both_tagged && unequal(&self.modified, &other.modified))
    }
}

/// Sends a request; the answer's headers are there, its body is still to come.
pub(super) async fn send(
    url: &str,
    range: Option<Range<u64>>,
    cache: RequestCache,
    transfer: &Transfer,
) -> Result<(Response, Body), Trouble> {
    let abortable = transfer.flow.abortable();
    let mut request = Request::get(url).cache(cache).abort_signal(abortable.signal().as_ref());
    if let Some(range) = range {
        request = request.header("Range", &format!("bytes={}-{}", range.start, range.end - 1));
    }
    let sent = wait_for(transfer, Box::pin(request.send())).await?;
    let response = sent.map_err(|error| {
        Trouble::passing(format!(
            "cannot be reached, or it does not allow other pages to read its files ({error})"
        ))
    })?;
    let status = response.status();
    match status {
        200..=299 => {
            let body = Body::of(&response, abortable)?;
            Ok((response, body))
        }
        408 | 425 | 429 | 500..=599 => {
            let asked: Option<f64> = response.headers().get("retry-after").and_then(|wait| wait.parse().ok());
            let what = if status == 429 { "asks to wait" } else { "has a problem" };
            let why = format!("{what} (HTTP {status})");
            Err(Trouble::Passing { why, wait: asked.map(|seconds| 1000.0 * seconds) })
        }
        status => Err(Trouble::Refused(status)),
    }
}

/// A file at an address, read by ranges; from a host that knows no ranges, read through in order.
pub(super) struct Remote {
    pub(super) url: String,
    /// What the first answer said of the file; every later answer must agree.
    version: RefCell<Option<Version>>,
    /// Whether the host is known to answer with ranges.
    ranges: Cell<bool>,
    whole: RefCell<Option<Whole>>,
}

/// A file that comes as a whole.
struct Whole {
    body: Body,
    /// Where in the file the bytes begin that come next.
    at: u64,
    /// Bytes that came and were not wanted yet.
    spare: Option<Uint8Array>,
}

impl Remote {
    /// The file at `url`, of the version that was seen before, if it was.
    pub(super) fn new(url: String, version: Option<Version>) -> Self {
        Self { url, version: RefCell::new(version), ranges: Cell::new(false), whole: RefCell::default() }
    }

    /// What is known of the file.
    pub(super) fn version(&self) -> Option<Version> {
        self.version.borrow().clone()
    }

    /// Whether several parts can be asked for at once.
    pub(super) fn has_ranges(&self) -> bool {
        self.ranges.get()
    }

    /// Asks for the first bytes, only to see whether the file is still the same.
    pub(super) async fn ask(&self, transfer: &Transfer) -> Result<(), Trouble> {
        let (response, body) = send(&self.url, Some(0..8), RequestCache::NoStore, transfer).await?;
        self.same_file(&response)?;
        self.ranges.set(response.status() == 206);
        drop(body);
        Ok(())
    }

    /// Reads `range` into `bytes`, from byte `got` on, which goes up as bytes come.
    pub(super) async fn read(
        &self,
        range: &Range<u64>,
        bytes: &Uint8Array,
        got: &Cell<u32>,
        transfer: &Transfer,
    ) -> Result<(), Trouble> {
        let start = range.start + u64::from(got.get());
        let reading = self.whole.borrow_mut().take().filter(|whole| whole.at <= start);
        let mut whole = match reading {
            Some(whole) => whole,
            None => {
                let asked = start..range.end;
                let sent = send(&self.url, Some(asked), RequestCache::NoStore, transfer).await;
                let (response, body) = sent.map_err(|trouble| match trouble {
                    Trouble::Refused(416) => ends_early(&self.url, range.end).into(),
                    trouble => trouble,
                })?;
                self.same_file(&response)?;
                if response.status() == 206 {
                    self.ranges.set(true);
                    check_start(&response, start)?;
                    return fill(body, bytes, got, transfer).await;
                }
                Whole { body, at: 0, spare: None }
            }
        };
        whole.read(start, bytes, got, transfer).await?;
        *self.whole.borrow_mut() = Some(whole);
        Ok(())
    }

    /// Notes the answer's version, or compares it with the one noted.
    fn same_file(&self, response: &Response) -> Result<()> {
        let seen = Version::of(response);
        let mut version = self.version.borrow_mut();
        match version.as_ref() {
            Some(first) if first.differs(&seen) => Err(Error::SourceChanged(self.url.clone())),
            Some(_) => Ok(()),
            None => {
                *version = Some(seen);
                Ok(())
            }
        }
    }
}

/// An answer with another part of the file than was asked for is none.
fn check_start(response: &Response, start: u64) -> Result<(), Trouble> {
    let range = response.headers().get("content-range");
    let said = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
    match said {
        Some(said) if said != start => Err(Trouble::passing("has sent another part than was asked for")),
        _ => Ok(()),
    }
}

/// Reads a body that should fill the rest of `bytes`.
async fn fill(
    mut body: Body,
    bytes: &Uint8Array,
    got: &Cell<u32>,
    transfer: &Transfer,
) -> Result<(), Trouble> {
    while let Some(chunk) = body.next(transfer).await? {
        if chunk.length() > bytes.length() - got.get() {
            // What came before it is not to be trusted either.
            transfer.discard(got.replace(0));
            return Err(Trouble::passing("has sent more than was asked for"));
        }
        let count = chunk.length();
        bytes.set(&chunk, got.get());
        release(&chunk);
        got.set(got.get() + count);
        transfer.arrived(count);
    }
    if got.get() < bytes.length() {
        Err(Trouble::passing("has sent less than was asked for"))
    } else {
        Ok(())
    }
}

impl Whole {
    async fn read(
        &mut self,
        start: u64,
        bytes: &Uint8Array,
        got: &Cell<u32>,
        transfer: &Transfer,
    ) -> Result<(), Trouble> {
        debug_assert!(self.at <= start);
        while got.get() < bytes.length() {
            let chunk = match self.spare.take() {
                Some(chunk) => chunk,
                None => match self.body.next(transfer).await? {
                    Some(chunk) => chunk,
                    None => return Err(Trouble::passing("has sent less than the whole file")),
                },
            };
            let next = self.at + u64::from(chunk.length());
            // What stands before the wanted part was read before, or nobody wants it.
            let unwanted = start.saturating_sub(self.at).min(u64::from(chunk.length())) as u32;
            let wanted = (chunk.length() - unwanted).min(bytes.length() - got.get());
            bytes.set(&chunk.subarray(unwanted, unwanted + wanted), got.get());
            got.set(got.get() + wanted);
            if wanted > 0 {
                transfer.arrived(wanted);
            }
            let used = unwanted + wanted;
            self.at += u64::from(used);
            if self.at < next {
                self.spare = Some(chunk.subarray(used, chunk.length()));
            } else {
                release(&chunk);
            }
        }
        Ok(())
    }
}

/// Reads a file that comes as a whole into a part of the weights of a known size.
pub(super) async fn read_shard(
    url: &str,
    bytes: &Uint8Array,
    got: &Cell<u32>,
    transfer: &Transfer,
) -> Result<(), Trouble> {
    transfer.discard(got.replace(0));
    let (_, body) = send(url, None, RequestCache::NoStore, transfer).await?;
    fill(body, bytes, got, transfer).await
}
