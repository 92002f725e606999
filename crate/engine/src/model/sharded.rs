//! A checkpoint in several safetensors files, as large ones are saved: `model-00001-of-00002.safetensors`, and so on, with
//! `model.safetensors.index.json` beside them. Together they are read like one file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::header::{self, TensorEntry};
use crate::model::plan::ReadPlan;
use crate::model::source::{Source, ends_early};

/// The name of the file that lists the others.
pub const INDEX: &str = "model.safetensors.index.json";

/// Most files of a checkpoint; the largest model of this family needs two.
const MOST_FILES: usize = 64;

/// The files that an index names, in order.
///
/// # Errors
/// [`Error::Checkpoint`] if the text is no index, or names files elsewhere.
pub fn files_of(name: &str, text: &str) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: HashMap<String, String>,
    }
    let refuse = |reason: String| Error::Checkpoint { name: name.to_owned(), reason };
    let index: Index = serde_json::from_str(text).map_err(|error| {
        refuse(format!("it is not a list of a checkpoint\u{2019}s files: {:.300}", error.to_string()))
    })?;
    let files: BTreeSet<String> = index.weight_map.into_values().collect();
    let is_plain = |file: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !file.starts_with('.') && file.ends_with(".safetensors") && file.chars().all(plain)
    };
    if let Some(file) = files.iter().find(|file| !is_plain(file)) {
        return Err(refuse(format!("`{}` is no plain name of a safetensors file", file.escape_debug())));
    }
    if files.is_empty() || files.len() > MOST_FILES {
        return Err(refuse(format!("it names {} files; 1 to {MOST_FILES} are read", files.len())));
    }
    Ok(files.into_iter().collect())
}

/// A checkpoint in one file or several.
#[derive(Debug)]
pub struct Sharded<S> {
    name: String,
    /// The header of all files together; empty if there is only one, which has its own.
    header: Vec<u8>,
    files: Vec<Shard<S>>,
}

/// One of the files.
#[derive(Debug)]
struct Shard<S> {
    source: S,
    /// Where in the file its tensors begin.
    data: u64,
    /// Where they stand in the whole.
    range: Range<u64>,
}

impl<S: Source> Sharded<S> {
    /// A checkpoint in one file.
    pub fn whole(source: S) -> Self {
        let range = 0..source.len().unwrap_or(u64::MAX);
        Self {
            name: source.name().to_owned(),
            header: Vec::new(),
            files: vec![Shard { source, data: 0, range }],
        }
    }

    /// Reads the headers of several files.
    ///
    /// # Errors
    /// As [`header::read`]; [`Error::Checkpoint`] if a tensor is in two of them.
    pub async fn join(name: &str, sources: Vec<S>) -> Result<Self> {
        let mut all: BTreeMap<String, Entry> = BTreeMap::new();
        let (mut files, mut end) = (Vec::new(), 0);
        for source in sources {
            let (tensors, data) = header::read(&source).await?;
            let start = end;
            for (tensor, TensorEntry { dtype, shape, data_offsets: (first, last) }) in tensors {
                let offset = |at: u64| at.checked_add(start);
                let (Some(first), Some(last)) = (offset(first), offset(last)) else {
                    return Err(ends_early(source.name(), u64::MAX));
                };
                end = end.max(last);
                let entry = Entry { dtype: format!("{dtype:?}"), shape, data_offsets: (first, last) };
                if all.insert(tensor.clone(), entry).is_some() {
                    let reason = format!("tensor `{tensor:.100}` is in two of its files");
                    return Err(Error::Checkpoint { name: name.to_owned(), reason });
                }
            }
            files.push(Shard { source, data, range: start..end });
        }
        let json = serde_json::to_vec(&all).map_err(|error| Error::BuiltIn(error.to_string()))?;
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.extend(json);
        let length = header.len() as u64;
        for file in &mut files {
            file.range = file.range.start + length..file.range.end + length;
        }
        Ok(Self { name: name.to_owned(), header, files })
    }

    /// The files.
    pub fn sources(&self) -> impl Iterator<Item = &S> {
        self.files.iter().map(|file| &file.source)
    }
}

/// A tensor's entry in the header of the whole.
#[derive(Serialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The part of a range that lies within another.
fn common(a: &Range<u64>, b: &Range<u64>) -> Range<u64> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

impl<S: Source> Source for Sharded<S> {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Option<u64> {
        match &self.files[..] {
            [file] if self.header.is_empty() => file.source.len(),
            files => files.last().map(|file| file.range.end),
        }
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let length = self.header.len() as u64;
        let own = common(&range, &(0..length));
        let mut bytes = self.header[own.start.min(length) as usize..own.end.min(length) as usize].to_vec();
        for file in &self.files {
            let part = common(&range, &file.range);
            if !part.is_empty() {
                let within = |at: u64| at - file.range.start + file.data;
                bytes.extend(file.source.read(within(part.start)..within(part.end)).await?);
            }
        }
        if bytes.len() as u64 == range.end - range.start {
            Ok(bytes)
        } else {
            Err(ends_early(&self.name, range.end))
        }
    }

    fn prefetch(&self, plan: &ReadPlan) {
        if self.header.is_empty() {
            self.files.iter().for_each(|file| file.source.prefetch(plan));
            return;
        }
        for file in &self.files {
            let within = |at: u64| at - file.range.start + file.data;
            let parts =
                plan.runs().iter().map(|run| common(run, &file.range)).filter(|part| !part.is_empty());
            let parts = parts.map(|part| within(part.start)..within(part.end)).collect();
            file.source.prefetch(&ReadPlan::new(parts, plan.dtype()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_files_beside_it() {
        let read = |text: &str| files_of("index", text);
        let index = r#"{"metadata": {"total_size": 8}, "weight_map": {"b": "m-2.safetensors", "a": "m-1.safetensors", "c": "m-2.safetensors"}}"#;
        assert_eq!(read(index).expect("a good index"), ["m-1.safetensors", "m-2.safetensors"]);
        for (text, said) in [
            ("[]", "not a list"),
            (r#"{"weight_map": {}}"#, "names 0 files"),
            (r#"{"weight_map": {"a": "../secret.safetensors"}}"#, "no plain name"),
            (r#"{"weight_map": {"a": "https://a/b.safetensors"}}"#, "no plain name"),
            (r#"{"weight_map": {"a": "pytorch_model-1.bin"}}"#, "no plain name"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
