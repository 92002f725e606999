//! Requests for files at an address, and what their responses say of a file's version.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use patchlab::error::{Error, Result};
use patchlab::model::source::ends_early;

use crate::downloads::context::Context;
use crate::downloads::platform::{CacheMode, Request, Response, sha256};
use crate::downloads::retry::{FetchError, retry_after, with_stall_timeout};

/// Bytes read at once where they are not kept, or their number is not known.
const SCRATCH: usize = 64 << 10;

/// Which version of a file this is, as far as its host says.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Version {
    pub(crate) etag: Option<String>,
    /// `Last-Modified`.
    pub(crate) modified: Option<String>,
    /// The file's length.
    pub(crate) len: Option<u64>,
}

impl Version {
    fn of(response: &dyn Response) -> Self {
        let range = response.header("content-range");
        let of_range = range.and_then(|range| range.rsplit('/').next()?.parse().ok());
        // The length of a whole response counts only if it was not compressed.
        let whole = response.status() == 200 && response.header("content-encoding").is_none();
        let of_whole = || response.header("content-length").filter(|_| whole)?.parse().ok();
        Self {
            etag: response.header("etag"),
            modified: response.header("last-modified"),
            len: of_range.or_else(of_whole),
        }
    }

    /// A short name of this version, for keys; none if another version could not be told from it.
    pub(crate) fn tag(&self) -> Option<String> {
        // As in `differs`, dates do not count beside an ETag.
        let (kind, value) = match (&self.etag, &self.modified) {
            (Some(etag), _) => ("etag", etag),
            (None, Some(modified)) => ("modified", modified),
            (None, None) => return None,
        };
        Some(sha256(format!("{kind} {value} {:?}", self.len).as_bytes())[..16].to_owned())
    }

    /// Whether these are known to be two versions. Where both have an ETag, dates do not count: the servers of one
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

/// Bytes of known number that arrive in order, perhaps over several requests.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    pub(crate) fn new(length: u64) -> Self {
        Self { bytes: vec![0; length as usize], filled: 0 }
    }

    pub(crate) fn filled(&self) -> usize {
        self.filled
    }

    fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }

    /// Forgets what has arrived, which also does not count as progress.
    pub(crate) fn discard(&mut self, context: &Context) {
        context.progress.discarded(std::mem::take(&mut self.filled));
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes; an empty buffer stays.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.filled = 0;
        std::mem::take(&mut self.bytes)
    }

    /// Reads what comes next; false at the body's end.
    async fn read_from(
        &mut self,
        response: &mut dyn Response,
        context: &Context,
    ) -> Result<bool, FetchError> {
        let count = read(response, &mut self.bytes[self.filled..], context).await?;
        self.filled += count;
        if count > 0 {
            context.progress.received(count);
        }
        Ok(count > 0)
    }
}

/// Sends a request. Resolves when the response's headers are there.
pub(crate) async fn send(request: Request<'_>, context: &Context) -> Result<Box<dyn Response>, FetchError> {
    let sent = with_stall_timeout(context, context.platform.http.send(request)).await?;
    let response = sent.map_err(|error| {
        FetchError::transient(format!(
            "cannot be reached, or it does not allow other pages to read its files ({error})"
        ))
    })?;
    match response.status() {
        200..=299 => Ok(response),
        status @ (408 | 425 | 429 | 500..=599) => {
            let asked = response.header("retry-after");
            let retry_after = asked.and_then(|asked| retry_after(&asked, &*context.platform.clock));
            let what = if status == 429 { "asks to wait" } else { "has a problem" };
            Err(FetchError::Transient { why: format!("{what} (HTTP {status})"), retry_after })
        }
        status => Err(FetchError::Status(status)),
    }
}

/// Reads the next bytes of a body; 0 at its end.
async fn read(response: &mut dyn Response, into: &mut [u8], context: &Context) -> Result<usize, FetchError> {
    let read = with_stall_timeout(context, response.read(into)).await?;
    read.map_err(|error| FetchError::transient(format!("has cut the connection ({error})")))
}

/// Reads a whole body of unknown length.
pub(crate) async fn read_all(
    response: &mut dyn Response,
    longest: usize,
    context: &Context,
) -> Result<Vec<u8>, FetchError> {
    let (mut bytes, mut scratch) = (Vec::new(), vec![0; SCRATCH]);
    loop {
        let count = read(response, &mut scratch, context).await?;
        if count == 0 {
            return Ok(bytes);
        }
        if bytes.len() + count > longest {
            return Err(FetchError::transient("sends more than such a file can hold"));
        }
        bytes.extend_from_slice(&scratch[..count]);
    }
}

/// Fetches a mirror's shard, which always comes as a whole.
pub(crate) async fn fetch_shard(url: &str, buffer: &mut Buffer, context: &Context) -> Result<(), FetchError> {
    buffer.discard(context);
    let mut response = send(Request { url, range: None, cache: CacheMode::NoStore }, context).await?;
    fill(&mut *response, buffer, context).await
}

/// Reads a body that should fill the rest of the buffer.
async fn fill(response: &mut dyn Response, buffer: &mut Buffer, context: &Context) -> Result<(), FetchError> {
    while !buffer.is_full() {
        if !buffer.read_from(response, context).await? {
            return Err(FetchError::transient("has sent less than was asked for"));
        }
    }
    if read(response, &mut [0], context).await? > 0 {
        // What came before is not to be trusted either.
        buffer.discard(context);
        return Err(FetchError::transient("has sent more than was asked for"));
    }
    Ok(())
}

/// A file at an address, read by ranges; from a host that knows no ranges, read through in order.
pub(crate) struct RemoteFile {
    url: String,
    /// What the first response said of the file. Every later response must agree.
    version: RefCell<Option<Version>>,
    /// Whether the host is known to answer with ranges.
    ranges: Cell<bool>,
    whole: RefCell<Option<WholeBody>>,
}

/// A file that comes as a whole.
struct WholeBody {
    response: Box<dyn Response>,
    /// The place in the file of the next byte.
    at: u64,
}

impl RemoteFile {
    /// The file at `url`, in the version that was seen before, if it was.
    pub(crate) fn new(url: String, version: Option<Version>) -> Self {
        Self { url, version: RefCell::new(version), ranges: Cell::new(false), whole: RefCell::default() }
    }

    /// What is known of the file.
    pub(crate) fn version(&self) -> Option<Version> {
        self.version.borrow().clone()
    }

    /// Whether several parts can be requested at once.
    pub(crate) fn has_ranges(&self) -> bool {
        self.ranges.get()
    }

    /// Requests the first bytes, only to see whether the file is still the same.
    pub(crate) async fn revalidate(&self, context: &Context) -> Result<(), FetchError> {
        let request = Request { url: &self.url, range: Some(0..8), cache: CacheMode::NoStore };
        let response = send(request, context).await?;
        self.check_version(&*response)?;
        self.ranges.set(response.status() == 206);
        Ok(())
    }

    /// Reads `range` into `buffer`, from where the buffer is filled to.
    pub(crate) async fn read(
        &self,
        range: &Range<u64>,
        buffer: &mut Buffer,
        context: &Context,
    ) -> Result<(), FetchError> {
        let start = range.start + buffer.filled() as u64;
        let under_way = self.whole.borrow_mut().take().filter(|whole| whole.at <= start);
        let mut whole = match under_way {
            Some(whole) => whole,
            None => {
                let asked = Some(start..range.end);
                let request = Request { url: &self.url, range: asked, cache: CacheMode::NoStore };
                let mut response = send(request, context).await.map_err(|error| match error {
                    FetchError::Status(416) => ends_early(&self.url, range.end).into(),
                    error => error,
                })?;
                self.check_version(&*response)?;
                if response.status() == 206 {
                    self.ranges.set(true);
                    check_start(&*response, start)?;
                    return fill(&mut *response, buffer, context).await;
                }
                WholeBody { response, at: 0 }
            }
        };
        whole.read(start, buffer, context).await?;
        *self.whole.borrow_mut() = Some(whole);
        Ok(())
    }

    /// Notes the response's version, or compares it with the one noted.
    fn check_version(&self, response: &dyn Response) -> Result<()> {
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

/// Refuses a response that holds another part of the file than was asked for.
fn check_start(response: &dyn Response, start: u64) -> Result<(), FetchError> {
    let range = response.header("content-range");
    let said = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
    match said {
        Some(said) if said != start => Err(FetchError::transient("has sent another part than was asked for")),
        _ => Ok(()),
    }
}

impl WholeBody {
    /// Skips to `start` and fills the buffer.
    async fn read(&mut self, start: u64, buffer: &mut Buffer, context: &Context) -> Result<(), FetchError> {
        let ended = || FetchError::transient("has sent less than the whole file");
        let mut scratch = if self.at < start { vec![0; SCRATCH] } else { Vec::new() };
        while self.at < start {
            let most = (start - self.at).min(SCRATCH as u64) as usize;
            let count = read(&mut *self.response, &mut scratch[..most], context).await?;
            if count == 0 {
                return Err(ended());
            }
            self.at += count as u64;
        }
        while !buffer.is_full() {
            let before = buffer.filled();
            if !buffer.read_from(&mut *self.response, context).await? {
                return Err(ended());
            }
            self.at += (buffer.filled() - before) as u64;
        }
        Ok(())
    }
}
