//! Where a model's bytes come from. The engine asks for ranges and never for a whole checkpoint.
//!
//! The browser's sources (HTTP ranges, chosen files, storage) are in `web`; here are the trait and its
//! in-memory and native twins.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::model::plan::ReadPlan;

/// A file that can be read by ranges.
///
/// The futures are not `Send`: in the browser they hold JavaScript values, and natively they are ready at once.
#[allow(async_fn_in_trait)]
pub trait Source {
    /// The file's name or address, for messages.
    fn name(&self) -> &str;

    /// The file's length in bytes, if it is known before reading.
    fn len(&self) -> Option<u64>;

    /// Whether the file is known to be empty.
    fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The bytes of `range`, exactly.
    ///
    /// # Errors
    /// [`Error::Source`] if the bytes cannot be had; [`Error::Checkpoint`] if the file ends before the range.
    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>>;

    /// A hint: what will be read next, mostly in this order. A slow source may fetch ahead.
    fn prefetch(&self, _plan: &ReadPlan) {}
}

/// A file in memory.
#[derive(Debug, Clone)]
pub struct MemorySource {
    name: String,
    bytes: Vec<u8>,
}

impl MemorySource {
    /// Names `bytes`.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes }
    }
}

impl Source for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Option<u64> {
        Some(self.bytes.len() as u64)
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let bytes = usize::try_from(range.start)
            .ok()
            .zip(usize::try_from(range.end).ok())
            .and_then(|(start, end)| self.bytes.get(start..end));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| ends_early(&self.name, range.end))
    }
}

/// A file on disk.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug)]
pub struct FileSource {
    name: String,
    file: std::fs::File,
    len: u64,
}

#[cfg(not(target_family = "wasm"))]
impl FileSource {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`Error::Source`] if it cannot be opened.
    #[expect(clippy::disallowed_methods, reason = "this is the native source; the browser has no files")]
    pub fn open(path: &std::path::Path) -> Result<Self> {
        let name = path.display().to_string();
        let opened = std::fs::File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (len, file) = opened.map_err(|error| unreadable(&name, &error))?;
        Ok(Self { name, file, len })
    }
}

#[cfg(not(target_family = "wasm"))]
impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Option<u64> {
        Some(self.len)
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        use std::io::{Read, Seek, SeekFrom};
        if range.end > self.len {
            return Err(ends_early(&self.name, range.end));
        }
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(range.start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| unreadable(&self.name, &error))?;
        Ok(bytes)
    }
}

#[cfg(not(target_family = "wasm"))]
fn unreadable(name: &str, error: &std::io::Error) -> Error {
    Error::Source { what: name.to_owned(), reason: error.to_string() }
}

/// The file is shorter than its own header says.
pub fn ends_early(name: &str, wanted: u64) -> Error {
    Error::Checkpoint {
        name: name.to_owned(),
        reason: format!(
            "it ends before byte {wanted}, which its header points to: only the beginning is there"
        ),
    }
}
