//! What is known of a model whose weights are stored: an entry beside them.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use patchlab::protocol::StoredModel;

use crate::downloads::remote::Version;
use crate::downloads::storage::{Encoding, RECORD, Storage, Stored, record_key, with_query};

/// A model with some of its weights stored.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Record {
    /// The name under which it was opened.
    pub(crate) name: String,
    /// The address of its folder, as it was given.
    pub(crate) base: String,
    /// The address of its weights (of a mirror: of its manifest).
    pub(crate) weights: String,
    /// Which version of the file is stored; none for a mirror, whose shards are named by their digests.
    pub(crate) version: Option<Version>,
    /// Everything of this file that must be stored for the model to open without the network.
    pub(crate) contents: Contents,
    /// How many files the checkpoint has; each has a record.
    #[serde(default = "one")]
    pub(crate) files: usize,
}

fn one() -> usize {
    1
}

/// The parts of a checkpoint that are read.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Contents {
    /// Ranges of a file, header included; none before they are known.
    Ranges(Vec<Range<u64>>),
    /// SHA-256 of a mirror's shards. Shards of equal content are stored once.
    Shards(Vec<String>),
}

impl Contents {
    /// Adds what was read before these ranges were known.
    pub(crate) fn with_header(mut self, header: &[Range<u64>]) -> Self {
        if let Contents::Ranges(ranges) = &mut self {
            ranges.extend_from_slice(header);
        }
        self
    }

    /// Whether all of it is among what is stored.
    fn are_in(&self, stored: &[Stored], tag: Option<&str>) -> bool {
        match self {
            Contents::Ranges(ranges) => {
                let mut pieces: Vec<&Range<u64>> = stored
                    .iter()
                    .filter_map(|stored| match stored {
                        Stored::Piece { tag: own, range, .. } => (Some(own.as_str()) == tag).then_some(range),
                        Stored::Shard { .. } => None,
                    })
                    .collect();
                pieces.sort_unstable_by_key(|range| range.start);
                !ranges.is_empty() && ranges.iter().all(|range| covers(&pieces, range))
            }
            Contents::Shards(shards) => {
                let digests: HashSet<&str> = stored
                    .iter()
                    .filter_map(|stored| match stored {
                        Stored::Shard { sha256 } => Some(sha256.as_str()),
                        Stored::Piece { .. } => None,
                    })
                    .collect();
                !shards.is_empty() && shards.iter().all(|shard| digests.contains(shard.as_str()))
            }
        }
    }
}

/// Whether `pieces`, in order of their starts, cover `range` without a gap.
fn covers(pieces: &[&Range<u64>], range: &Range<u64>) -> bool {
    let mut at = range.start;
    for piece in pieces {
        if piece.start <= at {
            at = at.max(piece.end);
        }
    }
    at >= range.end
}

impl Record {
    /// The record of the weights at an address.
    pub(crate) async fn find(storage: &Storage, weights: &str) -> Option<Self> {
        serde_json::from_str(&storage.get_text(&record_key(weights)).await?).ok()
    }

    pub(crate) async fn write(&self, storage: &Storage) {
        if let Ok(text) = serde_json::to_string(self) {
            storage.put_text(&record_key(&self.weights), &text).await;
        }
    }
}

/// Deletes the weights at an address, and their record.
async fn forget_weights(storage: &Storage, weights: &str) {
    for entry in storage.list(&with_query(weights)).await {
        storage.delete(&entry.key).await;
    }
}

/// Deletes other weights than these of the model whose folder is `base`: of a commit that the branch has left.
pub(crate) async fn forget_others(storage: &Storage, base: &str, weights: &[String]) {
    for other in records(storage).await {
        if other.base == base && !weights.contains(&other.weights) {
            forget_weights(storage, &other.weights).await;
        }
    }
}

/// All records.
async fn records(storage: &Storage) -> Vec<Record> {
    let mut records = Vec::new();
    for entry in storage.list("").await.iter().filter(|entry| entry.key.ends_with(RECORD)) {
        let text = storage.get_text(&entry.key).await;
        records.extend(text.and_then(|text| serde_json::from_str::<Record>(&text).ok()));
    }
    records
}

/// The models with some of their weights stored.
pub(crate) async fn stored(storage: &Storage) -> Vec<StoredModel> {
    let entries = storage.list("").await;
    let mut models: BTreeMap<String, (StoredModel, usize)> = BTreeMap::new();
    for record in records(storage).await {
        let (mut bytes, mut parts) = (0.0, Vec::new());
        for entry in &entries {
            if let Some(part) = Stored::parse(&record.weights, &entry.key) {
                bytes += entry.bytes;
                parts.push(part);
            }
        }
        let half = |part: &Stored| matches!(part, Stored::Piece { encoding: Encoding::Half, .. });
        let tag = record.version.as_ref().and_then(Version::tag);
        let none = StoredModel {
            bytes: 0.0,
            complete: false,
            half: false,
            base: record.base.clone(),
            name: record.name.clone(),
        };
        let (model, missing) = models.entry(record.base.clone()).or_insert((none, record.files));
        model.bytes += bytes;
        model.half |= parts.iter().any(half);
        *missing -= usize::from(record.contents.are_in(&parts, tag.as_deref())).min(*missing);
    }
    models.into_values().map(|(model, missing)| StoredModel { complete: missing == 0, ..model }).collect()
}

/// Deletes everything of the model whose folder is `base`, and nothing of models in folders below it.
pub(crate) async fn forget(storage: &Storage, base: &str) {
    // The folder as it was given, and the commit's that it led to.
    let mut folders = vec![base.to_owned()];
    for record in records(storage).await {
        if record.base == base {
            folders.extend(record.weights.rsplit_once('/').map(|(folder, _)| format!("{folder}/")));
            forget_weights(storage, &record.weights).await;
        }
    }
    for entry in storage.list("").await {
        let is_in = |folder: &String| {
            let name = entry.key.strip_prefix(folder.as_str()).and_then(|rest| rest.split('?').next());
            name.is_some_and(|name| !name.contains('/'))
        };
        if folders.iter().any(is_in) {
            storage.delete(&entry.key).await;
        }
    }
}
