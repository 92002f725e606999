//! Checkpoints: a safetensors header may lie about the bytes behind it, and a server about their number.

use std::ops::Range;

use patchlab::Error;
use patchlab::model::checkpoint::Checkpoint;
use patchlab::model::source::{Source, ends_early};
use pollster::block_on;
use serde_json::{Value, json};

use super::in_words;

/// Name and shape of a requested tensor.
type TensorSpec = (String, Vec<usize>);

/// Maximum size of a single read: the longest header, the largest piece.
const MOST_AT_ONCE: u64 = 16 << 20;

/// A file whose claimed length may be false.
struct Hosted<'a> {
    bytes: &'a [u8],
    len: Option<u64>,
}

impl Source for Hosted<'_> {
    fn name(&self) -> &str {
        "model.safetensors"
    }

    fn len(&self) -> Option<u64> {
        self.len
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        assert!(range.start <= range.end && range.end - range.start <= MOST_AT_ONCE, "asked for {range:?}");
        let there = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let bytes = there.and_then(|(start, end)| self.bytes.get(start..end));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| ends_early(self.name(), range.end))
    }
}

/// Opens a safetensors file, plans and reads all that its header names.
pub fn header(bytes: &[u8]) {
    let wanted = named(bytes);
    // The true length, none (a host may omit it), and a false one.
    for len in [Some(bytes.len() as u64), None, Some(u64::MAX)] {
        let told = block_on(read(Hosted { bytes, len }, &wanted));
        if let Err(error) = told {
            in_words(&error);
        }
    }
}

/// The tensors in the header, by the names under which GPT-2's tensors are requested.
fn named(bytes: &[u8]) -> Vec<TensorSpec> {
    let header = bytes.split_at_checked(8).and_then(|(length, rest)| {
        let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
        serde_json::from_slice(rest.get(..length)?).ok()
    });
    let Some(Value::Object(tensors)) = header else { return Vec::new() };
    let prefix = if tensors.contains_key("transformer.wte.weight") { "transformer." } else { "" };
    let mut wanted = Vec::new();
    for (stored, info) in &tensors {
        let name =
            if stored == "lm_head.weight" { Some(stored.as_str()) } else { stored.strip_prefix(prefix) };
        let shape = info["shape"].as_array().map(|shape| shape.iter().filter_map(Value::as_u64));
        if let (Some(name), Some(shape)) =
            (name.filter(|name| *stored == *name || *name != "lm_head.weight"), shape)
        {
            wanted.push((name.to_owned(), shape.map(|size| size as usize).collect()));
        }
    }
    // No size of a model is 0, so an empty tensor is never requested.
    wanted.retain(|(_, shape): &TensorSpec| !shape.contains(&0));
    wanted
}

async fn read(source: Hosted<'_>, wanted: &[TensorSpec]) -> Result<(), Error> {
    let bytes = source.bytes.len() as u64;
    let honest = source.len == Some(bytes);
    let checkpoint = Checkpoint::open(source).await?;
    let mut wanted = wanted.to_vec();
    let planned = loop {
        match checkpoint.plan(&wanted) {
            // Many files hold masks in other formats; the rest can still be read.
            Err(Error::TensorDtype { name, .. }) => {
                wanted.retain(|(own, _)| *own != name && format!("transformer.{own}") != name);
            }
            planned => break planned?,
        }
    };
    // In file order, as a model is loaded.
    wanted.sort_by_key(|(name, _)| checkpoint.place(name));
    let mut refused = None;
    for (name, shape) in &wanted {
        let count = shape.iter().product();
        match checkpoint.read(name, 0, count).await {
            Ok(numbers) => assert_eq!(numbers.len(), count, "{name}"),
            Err(Error::TensorNotFinite(_)) => {}
            Err(error) => refused = Some(error),
        }
    }
    if honest {
        assert!(refused.is_none(), "its header was accepted, and then {refused:?}");
        assert!(planned <= bytes, "more is planned than there is");
    }
    for (name, shape) in &wanted {
        // Part of a tensor, as the vocabulary's rows are read.
        let count: usize = shape.iter().product();
        let part = checkpoint.read(name, count / 2, count - count / 2).await;
        assert!(!honest || matches!(part, Ok(_) | Err(Error::TensorNotFinite(_))), "{name}: {part:?}");
    }
    refused.map_or(Ok(()), Err)
}

/// A host that claims a file with all of these tensors but has only its header.
pub fn claimed(tensors: &[TensorSpec]) {
    let mut end = 0usize;
    let entries = tensors.iter().map(|(name, shape)| {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        (name.clone(), json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] }))
    });
    let header = Value::Object(entries.collect()).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    for len in [None, Some(u64::MAX)] {
        block_on(async {
            let checkpoint = Checkpoint::open(Hosted { bytes: &bytes, len }).await.expect("a good header");
            let planned = checkpoint.plan(tensors).expect("its own shapes");
            assert_eq!(planned, end as u64);
            for (name, shape) in tensors {
                let read = checkpoint.read(name, 0, shape.iter().product()).await;
                assert!(matches!(read, Err(Error::Checkpoint { .. })), "there is nothing to read");
            }
        });
    }
}

/// A file with a plausible header made from the input's decisions: [`header`] alone rarely gets that far.
pub fn layout(bytes: &[u8]) {
    let mut draws = Draws(bytes);
    let (mut text, mut end) = (String::from("{"), 0u64);
    for index in 0..draws.below(6) {
        let name = match draws.below(8) {
            0 => "wte.weight".to_owned(),
            1 => "transformer.wte.weight".to_owned(),
            2 => "lm_head.weight".to_owned(),
            3 => String::new(),
            4 => "__metadata__".to_owned(),
            _ => format!("h.{index}.attn.bias"),
        };
        let (dtype, width) =
            [("F32", 4), ("F16", 2), ("BF16", 2), ("F64", 8), ("U8", 1), ("F4", 1), ("F7", 1)]
                [draws.below(7)];
        let shape: Vec<u64> = (0..draws.below(4)).map(|_| draws.size()).collect();
        let numbers = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
        let start = end;
        end = numbers.and_then(|numbers| start.checked_add(numbers.checked_mul(width)?)).unwrap_or(u64::MAX);
        let (from, to) = match draws.below(8) {
            0 => (draws.size(), end),
            1 => (start, draws.size()),
            2 => (end, start),
            _ => (start, end),
        };
        let comma = if index == 0 { "" } else { "," };
        let name = Value::from(name);
        text +=
            &format!(r#"{comma}{name}:{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{from},{to}]}}"#);
    }
    text.push('}');
    let length = if draws.below(8) == 0 { draws.size() } else { text.len() as u64 };
    let there = if draws.below(4) == 0 { draws.size() } else { end };
    let mut file = length.to_le_bytes().to_vec();
    file.extend_from_slice(text.as_bytes());
    // Never many bytes: claiming more than there are is the case of interest.
    file.extend((0..there.min(8192)).map(|_| draws.byte()));
    header(&file);
}

/// Bytes as decisions; 0 once they have run out.
struct Draws<'a>(&'a [u8]);

impl Draws<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    /// Small, or where arithmetic overflows.
    fn size(&mut self) -> u64 {
        let near = u64::from(self.byte());
        match self.below(12) {
            0 => u64::MAX - near,
            1 => (1 << 63) - 128 + near,
            2 => (1 << 61) - 128 + near,
            3 => (1 << 32) - 128 + near,
            4 => near << 22,
            5 => near << 48,
            _ => near % 40,
        }
    }
}
