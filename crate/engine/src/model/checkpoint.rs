//! A safetensors checkpoint, read tensor by tensor and in pieces, never as a whole.

use std::collections::HashMap;
use std::ops::Range;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::{Error, Result};
use crate::model::plan::Plan;
use crate::model::source::{Source, ends_early};

/// The longest header that is read. The largest model of this family has half a megabyte of it; safetensors allows
/// 100 MB, of which a made-up one becomes gigabytes while it is parsed.
const LONGEST_HEADER: u64 = 8 << 20;

/// Numbers for which there is room at once: a block of the vocabulary, and any layer's matrix of a middling model.
const ROOM: usize = (32 << 20) / 4;

/// An open checkpoint: its header is read and checked, its tensors are still where they were.
#[derive(Debug)]
pub struct Checkpoint<S> {
    source: S,
    tensors: HashMap<String, TensorInfo>,
    /// Where in the file the tensors' bytes begin.
    data: u64,
    /// `transformer.` if the file's names carry it, else nothing.
    prefix: &'static str,
    /// What will be fetched.
    plan: Plan,
    /// The piece fetched last: neighbouring tensors share pieces.
    last: Option<(Range<u64>, Vec<u8>)>,
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
            return Err(refuse(format!(
                "{foreign}: its first eight bytes call for a header of {length} bytes, and at most {LONGEST_HEADER} \
                 are read"
            )));
        }
        if source.len().is_some_and(|len| len < 8 + length) {
            return Err(ends_early(source.name(), 8 + length));
        }
        let header = source.read(8..8 + length).await?;
        // Reading it also checks it: offsets without gaps or overlaps, shapes that fit them.
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| refuse(format!("{foreign}: {:.300}", error.to_string())))?;

        let data = 8 + length;
        let tensors: HashMap<String, TensorInfo> =
            metadata.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        let end = tensors.values().map(|info| info.data_offsets.1 as u64).max().unwrap_or(0);
        let whole = data
            .checked_add(end)
            .ok_or_else(|| refuse(format!("{foreign}: its tensors would end at byte {end}")))?;
        if source.len().is_some_and(|len| len < whole) {
            return Err(ends_early(source.name(), whole));
        }
        let prefix = if tensors.contains_key("transformer.wte.weight") { "transformer." } else { "" };
        Ok(Self { source, tensors, data, prefix, plan: Plan::default(), last: None })
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
    /// what to fetch: neighbours together, at most [`super::plan::PIECE`] bytes at once, and nothing that is not wanted
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
                    // A made-up shape may have any number of axes; the message shows a few.
                    found: info.shape.iter().take(8).copied().collect(),
                });
            }
            if !matches!(info.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                return Err(Error::TensorDtype { name: stored, dtype: format!("{:?}", info.dtype) });
            }
            ranges.push(self.range(info));
        }
        let all_f32 = self.tensors.values().all(|info| info.dtype == Dtype::F32);
        self.plan = Plan::new(ranges, all_f32);
        self.source.plan(&self.plan);
        Ok(self.plan.bytes())
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

        // Room is made for what has come, and not for all that the header claims: the file may end at any byte.
        let mut numbers: Vec<f32> = Vec::with_capacity(count.min(ROOM));
        let mut bytes = Vec::new();
        let mut at = start;
        while at < end {
            let piece = self.plan.piece(at).ok_or_else(|| Error::TensorMissing(stored.clone()))?;
            if self.last.as_ref().is_none_or(|(last, _)| *last != piece) {
                self.last = None; // the old piece goes before the new one comes
                let fetched = self.source.read(piece.clone()).await?;
                arrived(piece.end - piece.start)?;
                self.last = Some((piece.clone(), fetched));
            }
            let next = end.min(piece.end);
            if let Some((_, fetched)) = &self.last {
                let within = (at - piece.start) as usize..(next - piece.start) as usize;
                bytes.extend_from_slice(&fetched[within]);
            }
            // A number may lie across the end of a piece: its first bytes wait for the next one.
            let ready = bytes.len() / width;
            if numbers.capacity() - numbers.len() < ready {
                numbers.reserve_exact((count - numbers.len()).min(numbers.len().max(ready)));
            }
            widen(&bytes[..ready * width], dtype, &mut numbers);
            bytes.drain(..ready * width);
            at = next;
        }
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err(Error::TensorNotFinite(stored))
        }
    }
}

/// Appends the little-endian numbers of format `dtype` in `bytes` to `numbers`, as f32.
fn widen(bytes: &[u8], dtype: Dtype, numbers: &mut Vec<f32>) {
    let pairs = bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    match dtype {
        Dtype::F16 => numbers.extend(pairs.map(|pair| f16::from_le_bytes(pair).to_f32())),
        Dtype::BF16 => numbers.extend(pairs.map(|pair| bf16::from_le_bytes(pair).to_f32())),
        _ => {
            let fours = bytes.chunks_exact(4).map(|four| [four[0], four[1], four[2], four[3]]);
            numbers.extend(fours.map(f32::from_le_bytes));
        }
    }
}
