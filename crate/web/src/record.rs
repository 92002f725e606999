//! What is known of a model whose weights are kept: an entry in storage beside them.

use crate::http::Version;
use crate::small::with_query;
use crate::store::Store;
use patchlab::protocol::StoredModel;

/// How the key of a record ends.
const RECORD: &str = "patchlab-version";
/// How the keys of weights begin, after the file's address.
pub(super) const PIECE: &str = "patchlab-bytes=";
pub(super) const HALF_PIECE: &str = "patchlab-f16-bytes=";
pub(super) const SHARD: &str = "patchlab-shard=";

/// A model of which something is kept.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Record {
    /// The name under which it was opened.
    pub(super) name: String,
    /// The address of its folder, as it was given.
    pub(super) base: String,
    /// The address of its weights (of a mirror: of its manifest).
    pub(super) weights: String,
    /// Which state of the file is kept; nothing of a mirror, whose shards go by their digests.
    pub(super) version: Option<Version>,
    /// How many entries its weights have when they are all there; 0 until it is known.
    pub(super) entries: usize,
}

impl Record {
    /// The record of the weights at an address.
    pub(super) async fn find(store: &Store, weights: &str) -> Option<Self> {
        serde_json::from_str(&store.get_text(&key(weights)).await?).ok()
    }

    /// Keeps it.
    pub(super) async fn write(&self, store: &Store) {
        if let Ok(text) = serde_json::to_string(self) {
            store.put_text(&key(&self.weights), &text).await;
        }
    }
}

fn key(weights: &str) -> String {
    format!("{}{RECORD}", with_query(weights))
}

/// Deletes the weights at an address, and their record.
pub(super) async fn forget_weights(store: &Store, weights: &str) {
    for entry in store.list(&with_query(weights)).await {
        store.delete(&entry.key).await;
    }
}

/// Deletes other weights of the model whose folder is `base`: of a commit that the branch has left.
pub(super) async fn forget_others(store: &Store, record: &Record) {
    for other in records(store).await {
        if other.base == record.base && other.weights != record.weights {
            forget_weights(store, &other.weights).await;
        }
    }
}

/// The records that there are.
async fn records(store: &Store) -> Vec<Record> {
    let mut records = Vec::new();
    for entry in store.list("").await.iter().filter(|entry| entry.key.ends_with(RECORD)) {
        let text = store.get_text(&entry.key).await;
        records.extend(text.and_then(|text| serde_json::from_str::<Record>(&text).ok()));
    }
    records
}

/// The models of which something is kept.
pub(super) async fn stored(store: &Store) -> Vec<StoredModel> {
    let entries = store.list("").await;
    let mut models = Vec::new();
    for record in records(store).await {
        let prefix = with_query(&record.weights);
        let pieces = || {
            entries
                .iter()
                .filter_map(|entry| Some((entry.key.strip_prefix(&prefix)?, entry.bytes)))
                .filter(|(key, _)| [PIECE, HALF_PIECE, SHARD].iter().any(|kind| key.starts_with(kind)))
        };
        let half = pieces().any(|(key, _)| key.starts_with(HALF_PIECE));
        let complete = record.entries > 0 && pieces().count() >= record.entries;
        let bytes = pieces().map(|(_, bytes)| bytes).sum();
        models.push(StoredModel { base: record.base, name: record.name, bytes, complete, half });
    }
    models
}

/// Deletes everything of the model whose folder is `base`, and nothing of models in folders below it.
pub(super) async fn forget(store: &Store, base: &str) {
    // The folder as it was given, and the commit's that it led to.
    let mut folders = vec![base.to_owned()];
    for record in records(store).await {
        if record.base == base {
            folders.extend(record.weights.rsplit_once('/').map(|(folder, _)| format!("{folder}/")));
            forget_weights(store, &record.weights).await;
        }
    }
    for entry in store.list("").await {
        let is_in = |folder: &String| {
            let name = entry.key.strip_prefix(folder.as_str()).and_then(|rest| rest.split('?').next());
            name.is_some_and(|name| !name.contains('/'))
        };
        if folders.iter().any(is_in) {
            store.delete(&entry.key).await;
        }
    }
}
