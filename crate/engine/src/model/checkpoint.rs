//! A safetensors checkpoint, read tensor by tensor and in pieces, never as a whole.

use std::collections::HashMap;
use std::ops::Range;

use safetensors::Dtype;

use crate::error::{Error, Result};
use crate::model::half::{Append, append_bf16, append_f16, append_f32};
use crate::model::header::{self, TensorEntry};
use crate::model::plan::{PIECE, ReadPlan};
use crate::model::source::Source;

/// The token embedding, which every checkpoint has, and the output head.
const EMBEDDING: &str = "wte.weight";
const HEAD: &str = "lm_head.weight";

/// Numbers for which there is room at once: a block of the vocabulary, and any layer's matrix of a middling model.
const ROOM: usize = (32 << 20) / 4;

/// An open checkpoint: its header is read and checked, its tensors are still where they were.
#[derive(Debug)]
pub struct Checkpoint<S> {
    source: S,
    tensors: HashMap<String, TensorEntry>,
    /// Where in the file the tensors' bytes begin.
    data: u64,
    /// What stands before GPT-2's names: nothing, `transformer.`, or what a wrapper around the model has added.
    prefix: String,
    /// The name of the output head, if the file has one.
    head: Option<String>,
}

impl<S: Source> Checkpoint<S> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file is no safetensors file or shorter than its header says.
    pub async fn open(source: S) -> Result<Self> {
        let (tensors, data) = header::read(&source).await?;
        let prefix = prefix_of(&tensors);
        let head = head_of(&tensors);
        Ok(Self { source, tensors, data, prefix, head })
    }

    /// The name in the file of GPT-2's tensor `name`.
    fn stored_name(&self, name: &str) -> String {
        // The head stands outside of `transformer` in every layout.
        if name == HEAD {
            self.head.clone().unwrap_or_else(|| HEAD.to_owned())
        } else {
            format!("{}{name}", self.prefix)
        }
    }

    /// Whether the file has an output head, `lm_head.weight`.
    pub fn has_head(&self) -> bool {
        self.head.is_some()
    }

    fn entry(&self, name: &str) -> Result<(String, &TensorEntry)> {
        let stored = self.stored_name(name);
        match self.tensors.get(&stored) {
            Some(entry) => Ok((stored, entry)),
            None => Err(Error::TensorMissing(stored)),
        }
    }

    /// Checks that every wanted tensor is there, with its shape and in a format that can be read, and hints to the
    /// source what will be read: nothing that is not wanted (GPT-2's files hold 50 MB of causal masks).
    /// Returns the bytes that a source which fetches ahead will fetch.
    ///
    /// # Errors
    /// [`Error::TensorMissing`], [`Error::TensorShape`], [`Error::TensorDtype`].
    pub fn plan(&self, wanted: &[(String, Vec<usize>)]) -> Result<u64> {
        let mut ranges = Vec::new();
        for (name, shape) in wanted {
            let (stored, entry) = self.entry(name)?;
            if !entry.shape.iter().copied().eq(shape.iter().map(|&size| size as u64)) {
                return Err(Error::TensorShape {
                    name: stored,
                    expected: shape.clone(),
                    // A hostile shape may have any number of axes; the message shows a few.
                    found: entry
                        .shape
                        .iter()
                        .take(8)
                        .map(|&size| size.try_into().unwrap_or(usize::MAX))
                        .collect(),
                });
            }
            if !matches!(entry.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                return Err(Error::TensorDtype { name: stored, dtype: format!("{:?}", entry.dtype) });
            }
            ranges.push(self.range(entry));
        }
        let mut dtypes = self.tensors.values().map(|entry| entry.dtype);
        let dtype = dtypes.next().filter(|first| dtypes.all(|other| other == *first));
        let plan = ReadPlan::new(ranges, dtype);
        self.source.prefetch(&plan);
        Ok(plan.bytes())
    }

    /// Where in the file a tensor stands.
    fn range(&self, entry: &TensorEntry) -> Range<u64> {
        let (start, end) = entry.data_offsets;
        self.data + start..self.data + end
    }

    /// The order in which tensors stand in the file: reading in this order lets a source fetch each byte once.
    pub fn place(&self, name: &str) -> u64 {
        self.entry(name).map_or(0, |(_, entry)| self.range(entry).start)
    }

    /// Reads `count` numbers of tensor `name`, from number `first` on, as f32.
    ///
    /// # Errors
    /// As [`Source::read`]; [`Error::TensorMissing`]; [`Error::TensorNotFinite`].
    pub async fn read(&self, name: &str, first: usize, count: usize) -> Result<Vec<f32>> {
        let (stored, entry) = self.entry(name)?;
        let (width, append): (u64, Append) = match entry.dtype {
            Dtype::F16 => (2, append_f16),
            Dtype::BF16 => (2, append_bf16),
            _ => (4, append_f32),
        };
        let mut at = self.range(entry).start + first as u64 * width;
        let end = at + count as u64 * width;

        // Room is made for what has come, and not for all that the header claims: the file may end at any byte.
        let mut numbers: Vec<f32> = Vec::with_capacity(count.min(ROOM));
        while at < end {
            let next = end.min(at.saturating_add(PIECE));
            let bytes = self.source.read(at..next).await?;
            let ready = bytes.len() / width as usize;
            if numbers.capacity() - numbers.len() < ready {
                numbers.reserve_exact((count - numbers.len()).min(numbers.len().max(ready)));
            }
            append(&bytes, &mut numbers);
            at = next;
        }
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err(Error::TensorNotFinite(stored))
        }
    }
}

/// What stands before GPT-2's names. Of several models in one file it is the one that stands least deep.
fn prefix_of(tensors: &HashMap<String, TensorEntry>) -> String {
    let prefixes = tensors.keys().filter_map(|name| name.strip_suffix(EMBEDDING));
    let whole = prefixes.filter(|prefix| {
        let is_apart = prefix.is_empty() || prefix.ends_with('.');
        is_apart && tensors.contains_key(&format!("{prefix}wpe.weight"))
    });
    whole.min_by_key(|prefix| (prefix.len(), *prefix)).unwrap_or_default().to_owned()
}

/// The name of the output head, which a wrapper may have prefixed as well.
fn head_of(tensors: &HashMap<String, TensorEntry>) -> Option<String> {
    let heads = tensors
        .keys()
        .filter(|name| name.strip_suffix(HEAD).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    heads.min_by_key(|name| (name.len(), *name)).cloned()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// A file of 20 GB that is all zeros behind its header.
    struct Vast {
        head: Vec<u8>,
        read: RefCell<Vec<Range<u64>>>,
    }

    impl Source for &Vast {
        fn name(&self) -> &str {
            "vast"
        }

        fn len(&self) -> Option<u64> {
            Some(self.head.len() as u64 + 20_000_000_012)
        }

        async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
            self.read.borrow_mut().push(range.clone());
            let byte = |at: u64| self.head.get(at as usize).copied().unwrap_or(0);
            Ok(range.map(byte).collect())
        }
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("nothing here waits"),
        }
    }

    #[test]
    fn tensors_beyond_four_gigabytes_are_read_where_they_are() {
        let json = br#"{"a":{"dtype":"F32","shape":[5000000000],"data_offsets":[0,20000000000]},
            "b":{"dtype":"F16","shape":[2,3],"data_offsets":[20000000000,20000000012]}}"#;
        let mut head = (json.len() as u64).to_le_bytes().to_vec();
        head.extend_from_slice(json);
        let file = Vast { head, read: RefCell::default() };
        let checkpoint = now(Checkpoint::open(&file)).expect("a good file");
        let planned = checkpoint.plan(&[("b".to_owned(), vec![2, 3])]);
        assert_eq!(planned.expect("it is there"), 12);
        assert_eq!(now(checkpoint.read("b", 2, 4)).expect("its numbers"), [0.0; 4]);
        let data = 8 + json.len() as u64 + 20_000_000_000;
        assert_eq!(file.read.borrow().last(), Some(&(data + 4..data + 12)));
    }
}
