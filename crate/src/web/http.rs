//! Files at an address, read by HTTP ranges.

use std::cell::RefCell;
use std::ops::Range;

use gloo_net::http::{Request, Response};
use web_sys::RequestCache;

use crate::error::{Error, Result};
use crate::model::source::Source;
use crate::web::unreadable;

/// A file at an address.
pub(super) struct Remote {
    url: String,
    /// What the first answer said of the file; every later answer must say the same.
    version: RefCell<Option<Version>>,
}

/// Which file this is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Version {
    /// The host's name for this state of the file, if it gives one.
    pub(super) etag: Option<String>,
    /// The file's length, if the host says it.
    pub(super) len: Option<u64>,
}

impl Remote {
    /// The file at `url`, of the version that was seen before, if it was.
    pub(super) fn new(url: String, version: Option<Version>) -> Self {
        Self { url, version: RefCell::new(version) }
    }

    /// What is known of the file.
    pub(super) fn version(&self) -> Option<Version> {
        self.version.borrow().clone()
    }

    /// Notes the answer's version, or compares it with the one noted.
    fn same_file(&self, response: &Response) -> Result<()> {
        let headers = response.headers();
        let range = headers.get("content-range");
        let len = range.and_then(|range| range.rsplit('/').next().and_then(|len| len.parse().ok()));
        let seen = Version { etag: headers.get("etag"), len };
        let mut version = self.version.borrow_mut();
        match version.as_ref() {
            Some(first) if differs(&first.etag, &seen.etag) || differs(&first.len, &seen.len) => {
                Err(Error::SourceChanged(self.url.clone()))
            }
            Some(_) => Ok(()),
            None => {
                *version = Some(seen);
                Ok(())
            }
        }
    }
}

/// Whether both are known and not the same.
fn differs<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if a != b)
}

impl Source for Remote {
    fn name(&self) -> &str {
        &self.url
    }

    fn len(&self) -> Option<u64> {
        self.version.borrow().as_ref().and_then(|version| version.len)
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        // The weights are kept in the page's own storage: a second copy in the HTTP cache helps nobody.
        let request = Request::get(&self.url).cache(RequestCache::NoStore).header("Range", &header);
        let response = request.send().await.map_err(|error| unreachable(&self.url, &error))?;
        match response.status() {
            206 => {}
            200 => {
                return Err(unreadable(
                    &self.url,
                    "the host sends the whole file instead of the part that was asked for (no HTTP range \
                     requests). Use another host, or download the files and open them from disk",
                ));
            }
            416 => return Err(crate::model::source::ends_early(&self.url, range.end)),
            status => return Err(refused(&self.url, status)),
        }
        self.same_file(&response)?;
        let bytes = response.binary().await.map_err(|error| unreachable(&self.url, &error))?;
        if bytes.len() as u64 == range.end - range.start {
            Ok(bytes)
        } else {
            Err(crate::model::source::ends_early(&self.url, range.end))
        }
    }
}

/// A small file as a whole; none if the host does not have it.
pub(super) async fn fetch(url: &str) -> Result<Option<Vec<u8>>> {
    let response = Request::get(url).send().await.map_err(|error| unreachable(url, &error))?;
    match response.status() {
        200..=299 => response.binary().await.map(Some).map_err(|error| unreachable(url, &error)),
        404 | 410 => Ok(None),
        status => Err(refused(url, status)),
    }
}

/// A small text file that must be there.
pub(super) async fn fetch_text(url: &str) -> Result<String> {
    let bytes = fetch(url).await?.ok_or_else(|| refused(url, 404))?;
    String::from_utf8(bytes).map_err(|_| unreadable(url, "it is not text"))
}

fn refused(url: &str, status: u16) -> Error {
    let what = match status {
        401 | 403 => "the host does not let anyone read it",
        404 | 410 => "there is no such file. Check the address",
        429 => "the host asks to wait. Try again in a few minutes",
        500..=599 => "the host has a problem. Try again later",
        _ => "the host refused",
    };
    unreadable(url, format!("{what} (HTTP {status})"))
}

fn unreachable(url: &str, error: &gloo_net::Error) -> Error {
    unreadable(
        url,
        format!(
            "the host cannot be reached, or it does not allow other pages to read its files ({error}). Check \
             the address and the connection, then try again"
        ),
    )
}
