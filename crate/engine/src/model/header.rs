//! The header of a safetensors file, with 64-bit sizes: `safetensors` itself reads offsets as `usize`, which in wasm32
//! ends at 4 GiB.

use std::collections::HashMap;

use safetensors::Dtype;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::model::source::{Source, ends_early};
use crate::text;

/// The longest header that is read. The largest model of this family has half a megabyte of it; safetensors allows
/// 100 MB, and a hostile one of that length takes gigabytes to parse.
const LONGEST_HEADER: u64 = 8 << 20;

/// One tensor's entry in the header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct TensorEntry {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
    /// Start and end, counted from the end of the header.
    pub(crate) data_offsets: (u64, u64),
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    _metadata: Option<HashMap<String, String>>,
    #[serde(flatten)]
    tensors: HashMap<String, TensorEntry>,
}

/// Reads a file's header: its tensors, and where their bytes begin.
///
/// # Errors
/// [`Error::Checkpoint`] if the file is no safetensors file or shorter than its header says.
pub(crate) async fn read<S: Source>(source: &S) -> Result<(HashMap<String, TensorEntry>, u64)> {
    let refuse = |reason: String| Error::Checkpoint { name: source.name().to_owned(), reason };
    let foreign = "it is not a safetensors file";

    if source.len().is_some_and(|len| len < 8) {
        return Err(refuse(format!("{foreign}: it is shorter than a header's length")));
    }
    let head = source.read(0..8).await?;
    let length = <[u8; 8]>::try_from(head.as_slice())
        .map(u64::from_le_bytes)
        .map_err(|_| refuse(format!("{foreign}: it is shorter than a header's length")))?;
    if let Some(what) = text::what(&head).filter(|_| length > LONGEST_HEADER) {
        return Err(refuse(format!("{foreign}, but {what}")));
    }
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
    let tensors = parse(&header).map_err(|reason| refuse(format!("{foreign}: {reason}")))?;

    let data = 8 + length;
    let end = tensors.values().map(|entry| entry.data_offsets.1).max().unwrap_or(0);
    let whole = data
        .checked_add(end)
        .ok_or_else(|| refuse(format!("{foreign}: its tensors would end at byte {end}")))?;
    if source.len().is_some_and(|len| len < whole) {
        return Err(ends_early(source.name(), whole));
    }
    Ok((tensors, data))
}

/// Parses a header and checks that its tensors lie one after the other, each as long as its shape says.
/// The error is a reason, to be shown behind the file's name.
pub(crate) fn parse(json: &[u8]) -> Result<HashMap<String, TensorEntry>, String> {
    let header: Header =
        serde_json::from_slice(json).map_err(|error| format!("{:.300}", error.to_string()))?;
    let mut entries: Vec<_> = header.tensors.iter().collect();
    entries.sort_unstable_by_key(|(_, entry)| entry.data_offsets);
    let mut expected = 0;
    for (name, entry) in entries {
        let (start, end) = entry.data_offsets;
        if start != expected || end < start {
            return Err(format!(
                "tensor `{name:.100}` lies at bytes {start} to {end}, not from {expected} on"
            ));
        }
        if entry.bytes() != Some(end - start) {
            let length = end - start;
            return Err(format!("tensor `{name:.100}` has {length} bytes, which do not fit its shape"));
        }
        expected = end;
    }
    Ok(header.tensors)
}

impl TensorEntry {
    /// Its length by shape and number format; none if that is no whole number of bytes, or overflows.
    fn bytes(&self) -> Option<u64> {
        let numbers = self.shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size))?;
        let bits = numbers.checked_mul(self.dtype.bitsize() as u64)?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GPT-2 XL in fp32 is 6.4 GB. The types are written out: with `usize` this would not compile.
    #[test]
    fn offsets_beyond_four_gigabytes_are_read() {
        let json = br#"{
            "__metadata__": { "format": "pt" },
            "a": { "dtype": "F32", "shape": [5000000000], "data_offsets": [0, 20000000000] },
            "b": { "dtype": "F16", "shape": [2, 3], "data_offsets": [20000000000, 20000000012] }
        }"#;
        let tensors = parse(json).expect("a good header");
        let offsets: (u64, u64) = tensors["b"].data_offsets;
        let size: u64 = tensors["a"].shape[0];
        assert_eq!((offsets, size), ((20_000_000_000, 20_000_000_012), 5_000_000_000));
    }

    #[test]
    fn gaps_overlaps_and_wrong_lengths_are_refused() {
        for (offsets, dtype, said) in [
            ("[4, 8]", "F32", "not from 0 on"),
            ("[0, 8]", "F32", "do not fit its shape"),
            ("[4, 0]", "F32", "`x`"),
            ("[0, 1]", "F4", "do not fit its shape"),
            ("[0, -4]", "F32", "invalid value"),
            ("[0, 4]", "F7", "unknown variant"),
        ] {
            let json =
                format!(r#"{{ "x": {{ "dtype": "{dtype}", "shape": [1], "data_offsets": {offsets} }} }}"#);
            let reason = parse(json.as_bytes()).expect_err(offsets);
            assert!(reason.contains(said), "{reason}");
        }
        let vast =
            br#"{ "x": { "dtype": "F32", "shape": [4294967296, 4294967296, 2], "data_offsets": [0, 0] } }"#;
        assert!(parse(vast).is_err(), "the product overflows");
    }
}
