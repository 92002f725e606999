//! A safetensors checkpoint, read tensor by tensor and in pieces, never as a whole.

use std::collections::HashMap;
use std::ops::Range;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::{Error, Result};
use crate::model::source::{Source, ends_early};

/// Safetensors' own limit on the header.
const LONGEST_HEADER: u64 = 100_000_000;

/// Bytes asked for at once: large enough for a fast network, small enough for a moving progress bar.
const PIECE: u64 = 4 << 20;

/// Unwanted bytes between two wanted tensors that are cheaper to fetch than to ask twice.
const GAP: u64 = 64 << 10;

/// An open checkpoint: its header is read and checked, its tensors are still where they were.
#[derive(Debug)]
pub struct Checkpoint<S> {
    source: S,
    tensors: HashMap<String, TensorInfo>,
    /// Where in the file the tensors' bytes begin.
    data: u64,
    /// `transformer.` if the file's names carry it, else nothing.
    prefix: &'static str,
    /// The ranges of the file that will be fetched, in order.
    pieces: Vec<Range<u64>>,
    /// The piece fetched last, by index: neighbouring tensors share pieces.
    last: Option<(usize, Vec<u8>)>,
}

impl<S: Source> Checkpoint<S> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file is no safetensors file or shorter than its header says.
    pub async fn open(source: S) -> Result<Self> {
        let refuse = |reason: String| Error::Checkpoint { name: source.name().to_owned(), reason };
        let foreign = "it is not a safetensors file";

        if source.len().is_some_and(|len| len < 8) {
            return Err(refuse(format!("{foreign}: it is shorter than a header's length")));
        }
        let head = source.read(0..8).await?;
        let length = <[u8; 8]>::try_from(head.as_slice())
            .map(u64::from_le_bytes)
            .map_err(|_| refuse(format!("{foreign}: it is shorter than a header's length")))?;
        if length > LONGEST_HEADER {
            return Err(refuse(format!("{foreign}: its first eight bytes are no header length")));
        }
        if source.len().is_some_and(|len| len < 8 + length) {
            return Err(ends_early(source.name(), 8 + length));
        }
        let header = source.read(8..8 + length).await?;
        // Reading it also checks it: offsets without gaps or overlaps, shapes that fit them.
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| refuse(format!("{foreign}: {error}")))?;

        let data = 8 + length;
        let tensors: HashMap<String, TensorInfo> =
            metadata.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        let end = tensors.values().map(|info| info.data_offsets.1 as u64).max().unwrap_or(0);
        if source.len().is_some_and(|len| len < data + end) {
            return Err(ends_early(source.name(), data + end));
        }
        let prefix = if tensors.contains_key("transformer.wte.weight") { "transformer." } else { "" };
        Ok(Self { source, tensors, data, prefix, pieces: Vec::new(), last: None })
    }

    /// The name in the file of GPT-2's tensor `name`.
    fn stored_name(&self, name: &str) -> String {
        // The head stands outside of `transformer` in every layout.
        if name == "lm_head.weight" { name.to_owned() } else { format!("{}{name}", self.prefix) }
    }

    fn info(&self, name: &str) -> Result<(String, &TensorInfo)> {
        let stored = self.stored_name(name);
        match self.tensors.get(&stored) {
            Some(info) => Ok((stored, info)),
            None => Err(Error::TensorMissing(stored)),
        }
    }

    /// Checks that every wanted tensor is there, with its shape and in a format that can be read, and plans
    /// what to fetch: neighbours together, at most [`PIECE`] bytes at once, and nothing that is not wanted
    /// (GPT-2's files hold 50 MB of causal masks). Returns the bytes to be fetched.
    ///
    /// # Errors
    /// [`Error::TensorMissing`], [`Error::TensorShape`], [`Error::TensorDtype`].
    pub fn plan(&mut self, wanted: &[(String, Vec<usize>)]) -> Result<u64> {
        let mut ranges = Vec::new();
        for (name, shape) in wanted {
            let (stored, info) = self.info(name)?;
            if info.shape != *shape {
                return Err(Error::TensorShape {
                    name: stored,
                    expected: shape.clone(),
                    found: info.shape.clone(),
                });
            }
            if !matches!(info.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                return Err(Error::TensorDtype { name: stored, dtype: format!("{:?}", info.dtype) });
            }
            ranges.push(self.range(info));
        }
        ranges.sort_unstable_by_key(|range| range.start);
        let mut runs: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match runs.last_mut() {
                Some(run) if range.start <= run.end + GAP => run.end = run.end.max(range.end),
                _ => runs.push(range),
            }
        }
        self.pieces = runs
            .into_iter()
            .flat_map(|run| {
                let starts = run.clone().step_by(PIECE as usize);
                starts.map(move |start| start..run.end.min(start + PIECE))
            })
            .collect();
        Ok(self.pieces.iter().map(|piece| piece.end - piece.start).sum())
    }

    /// Where in the file a tensor stands.
    fn range(&self, info: &TensorInfo) -> Range<u64> {
        let (start, end) = info.data_offsets;
        self.data + start as u64..self.data + end as u64
    }

    /// The order in which tensors stand in the file: reading in this order fetches each piece once.
    pub fn place(&self, name: &str) -> u64 {
        self.info(name).map_or(0, |(_, info)| self.range(info).start)
    }

    /// Reads `count` numbers of tensor `name`, from number `first` on, as f32.
    /// `arrived` is told of each fetched piece's bytes and may end the reading with an error.
    ///
    /// # Errors
    /// As [`Source::read`]; [`Error::TensorMissing`] if the tensor was not planned;
    /// [`Error::TensorNotFinite`]; what `arrived` returns.
    pub async fn read(
        &mut self,
        name: &str,
        first: usize,
        count: usize,
        arrived: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Vec<f32>> {
        let (stored, info) = self.info(name)?;
        let dtype = info.dtype;
        let width = if dtype == Dtype::F32 { 4 } else { 2 };
        let start = self.range(info).start + (first * width) as u64;
        let end = start + (count * width) as u64;

        let mut bytes = Vec::with_capacity(count * width);
        let mut at = start;
        while at < end {
            let holds = |piece: &Range<u64>| piece.contains(&at);
            let index = self.pieces.iter().position(holds).ok_or(Error::TensorMissing(stored.clone()))?;
            let piece = self.pieces[index].clone();
            if self.last.as_ref().is_none_or(|(last, _)| *last != index) {
                self.last = None; // the old piece goes before the new one comes
                let fetched = self.source.read(piece.clone()).await?;
                arrived(piece.end - piece.start)?;
                self.last = Some((index, fetched));
            }
            let next = end.min(piece.end);
            if let Some((_, fetched)) = &self.last {
                let within = (at - piece.start) as usize..(next - piece.start) as usize;
                bytes.extend_from_slice(&fetched[within]);
            }
            at = next;
        }
        let numbers = widen(&bytes, dtype);
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err(Error::TensorNotFinite(stored))
        }
    }
}

/// Little-endian numbers of format `dtype` as f32.
fn widen(bytes: &[u8], dtype: Dtype) -> Vec<f32> {
    let pairs = bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    match dtype {
        Dtype::F16 => pairs.map(|pair| f16::from_le_bytes(pair).to_f32()).collect(),
        Dtype::BF16 => pairs.map(|pair| bf16::from_le_bytes(pair).to_f32()).collect(),
        _ => {
            let fours = bytes.chunks_exact(4).map(|four| [four[0], four[1], four[2], four[3]]);
            fours.map(f32::from_le_bytes).collect()
        }
    }
}
