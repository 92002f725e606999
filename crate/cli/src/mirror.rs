//! `patchlab mirror`: a checkpoint as shards that a static host can serve, and reading such a folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use half::f16;
use patchlab::error::Error;
use patchlab::model::checkpoint::Checkpoint;
use patchlab::model::config::Config;
use patchlab::model::mirror::{FIELD, FORMAT, MANIFEST, Manifest, Shard, Tensor};
use patchlab::model::sharded::{self, INDEX, Sharded};
use patchlab::model::source::{FileSource, Source, ends_early};
use pollster::block_on;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Bytes in a shard: below every host's limit on files, few enough to fetch again after a cut connection.
const SHARD_BYTES: usize = 8 << 20;
/// The file that holds a checkpoint's weights.
pub(crate) const CHECKPOINT: &str = "model.safetensors";
/// Small files of a model that a mirror has, too, if the folder has them.
const SMALL_FILES: [&str; 7] = [
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "tokenizer_config.json",
    "reference.json",
    "truth.json",
];

/// The number format of a mirror.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    F32,
    F16,
}

impl Dtype {
    fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
        }
    }

    fn width(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 => 2,
        }
    }
}

/// Writes the mirror of the checkpoint in `folder` into `out`.
pub(crate) fn write(folder: &Path, out: &Path, dtype: Dtype) -> Result<()> {
    let path = folder.join("config.json");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut config = Config::from_json(&text)?;
    let checkpoint = block_on(Checkpoint::open(checkpoint_in(folder)?))?;
    config.settle(&text, checkpoint.has_head());
    let mut wanted = config.tensors();
    checkpoint.plan(&wanted)?;
    // The order of the file is the order in which it is read again.
    wanted.sort_by_key(|(name, _)| checkpoint.place(name));

    prepare(out)?;
    let mut shards = Shards::new(out);
    shards.write(&header(&wanted, dtype))?;
    for (name, shape) in &wanted {
        let numbers = block_on(checkpoint.read(name, 0, shape.iter().product()))?;
        let bytes: Vec<u8> = match dtype {
            Dtype::F32 => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Dtype::F16 => {
                let halves = numbers.iter().map(|&number| f16::from_f32(number));
                if halves.clone().any(|half| !half.is_finite()) {
                    bail!("`{name}` holds numbers above 65504, which F16 cannot. Use --dtype f32.");
                }
                halves.flat_map(f16::to_le_bytes).collect()
            }
        };
        shards.write(&bytes)?;
    }
    let shards = shards.finish()?;
    let tensor =
        |(name, shape): (String, Vec<usize>)| (name, Tensor { dtype: dtype.name().to_owned(), shape });
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        bytes: shards.iter().map(|shard| shard.bytes).sum(),
        shards,
        tensors: wanted.into_iter().map(tensor).collect(),
    };
    fs::write(out.join(MANIFEST), serde_json::to_string_pretty(&manifest)?)?;
    let mut config: serde_json::Value = serde_json::from_str(&text)?;
    config[FIELD] = json!(MANIFEST);
    fs::write(out.join("config.json"), serde_json::to_string_pretty(&config)?)?;
    for name in SMALL_FILES {
        if folder.join(name).exists() {
            fs::copy(folder.join(name), out.join(name))?;
        }
    }
    println!(
        "{}: {} shards, {:.1} MB of {}",
        out.display(),
        manifest.shards.len(),
        manifest.bytes as f64 / 1e6,
        dtype.name()
    );
    Ok(())
}

/// Makes the folder. Of a mirror that is in it already, it removes what such a mirror consists of, and nothing else.
fn prepare(out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    if out.join(CHECKPOINT).exists() {
        bail!("{} holds a checkpoint. Choose another folder for the mirror.", out.display());
    }
    let path = out.join(MANIFEST);
    if !path.exists() {
        if fs::read_dir(out)?.next().is_some() {
            bail!("{} is not empty and holds no mirror. Choose another folder.", out.display());
        }
        return Ok(());
    }
    let old = Manifest::from_json(&path.display().to_string(), &fs::read_to_string(&path)?)?;
    let shards = old.shards.iter().map(|shard| shard.file.as_str());
    for name in shards.chain(SMALL_FILES).chain(["config.json", MANIFEST]) {
        match fs::remove_file(out.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| out.join(name).display().to_string());
            }
            _ => {}
        }
    }
    Ok(())
}

/// The beginning of a safetensors file with these tensors, one after the other.
fn header(tensors: &[(String, Vec<usize>)], dtype: Dtype) -> Vec<u8> {
    let mut offset = 0;
    let entries: BTreeMap<&str, serde_json::Value> = tensors
        .iter()
        .map(|(name, shape)| {
            let start = offset;
            offset += dtype.width() * shape.iter().product::<usize>();
            (name.as_str(), json!({ "dtype": dtype.name(), "shape": shape, "data_offsets": [start, offset] }))
        })
        .collect();
    let mut text = json!(entries).to_string();
    // Numbers are to begin at multiples of eight, as safetensors asks for.
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.into_bytes());
    bytes
}

/// Cuts what is written into files.
struct Shards<'a> {
    out: &'a Path,
    pending: Vec<u8>,
    done: Vec<Shard>,
}

impl<'a> Shards<'a> {
    fn new(out: &'a Path) -> Self {
        Self { out, pending: Vec::new(), done: Vec::new() }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(SHARD_BYTES - self.pending.len()));
            self.pending.extend_from_slice(now);
            rest = later;
            if self.pending.len() == SHARD_BYTES {
                self.end_shard()?;
            }
        }
        Ok(())
    }

    fn end_shard(&mut self) -> Result<()> {
        let file = format!("shard-{:03}.bin", self.done.len());
        fs::write(self.out.join(&file), &self.pending)?;
        let sha256 = format!("{:x}", Sha256::digest(&self.pending));
        self.done.push(Shard { file, bytes: self.pending.len() as u64, sha256 });
        self.pending.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Shard>> {
        if !self.pending.is_empty() {
            self.end_shard()?;
        }
        Ok(self.done)
    }
}

/// The checkpoint in a folder: one file, or those that an index names.
pub(crate) fn checkpoint_in(folder: &Path) -> Result<Sharded<FileSource>> {
    let index = folder.join(INDEX);
    if folder.join(CHECKPOINT).exists() || !index.exists() {
        return Ok(Sharded::whole(FileSource::open(&folder.join(CHECKPOINT))?));
    }
    let name = index.display().to_string();
    let files = sharded::files_of(&name, &fs::read_to_string(&index).with_context(|| name.clone())?)?;
    let sources = files.iter().map(|file| FileSource::open(&folder.join(file)));
    Ok(block_on(Sharded::join(&name, sources.collect::<patchlab::Result<_>>()?))?)
}

/// The weights of a folder: one file, or a mirror's shards.
#[derive(Debug)]
pub(crate) enum Weights {
    /// `model.safetensors`, or the files of its index.
    File(Sharded<FileSource>),
    /// The shards of the mirror in this folder.
    Mirror(PathBuf, Manifest),
}

impl Source for Weights {
    fn name(&self) -> &str {
        match self {
            Weights::File(file) => file.name(),
            Weights::Mirror(..) => MANIFEST,
        }
    }

    fn len(&self) -> Option<u64> {
        match self {
            Weights::File(file) => file.len(),
            Weights::Mirror(_, manifest) => Some(manifest.bytes),
        }
    }

    async fn read(&self, range: Range<u64>) -> patchlab::Result<Vec<u8>> {
        let (folder, manifest) = match self {
            Weights::File(file) => return file.read(range).await,
            Weights::Mirror(folder, manifest) => (folder, manifest),
        };
        let mut bytes = Vec::new();
        for (shard, place) in manifest.shards.iter().zip(manifest.ranges()) {
            let wanted = range.start.max(place.start)..range.end.min(place.end);
            if wanted.start < wanted.end {
                let file = FileSource::open(&folder.join(&shard.file))?;
                bytes.extend(file.read(wanted.start - place.start..wanted.end - place.start).await?);
            }
        }
        let whole = bytes.len() as u64 == range.end - range.start;
        let short: Error = ends_early(self.name(), range.end);
        if whole { Ok(bytes) } else { Err(short) }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    fn demo() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../www/models/demo")
    }

    fn numbers(weights: Weights, config: &Config) -> Vec<(String, Vec<f32>)> {
        let checkpoint = block_on(Checkpoint::open(weights)).expect("a good checkpoint");
        checkpoint.plan(&config.tensors()).expect("whole");
        let read = |(name, shape): (String, Vec<usize>)| {
            let count = shape.iter().product();
            let numbers = block_on(checkpoint.read(&name, 0, count)).expect("its numbers");
            (name, numbers)
        };
        config.tensors().into_iter().map(read).collect()
    }

    #[test]
    fn a_mirror_holds_the_same_numbers_in_checked_shards() {
        let demo = demo();
        let config = Config::from_json(&fs::read_to_string(demo.join("config.json")).expect("it is there"))
            .expect("good");
        let file = FileSource::open(&demo.join(CHECKPOINT)).expect("it is there");
        let original = numbers(Weights::File(Sharded::whole(file)), &config);
        // The demo model is stored as F16, so both formats hold it exactly.
        for dtype in [Dtype::F32, Dtype::F16] {
            let out = tempdir().expect("a folder");
            write(&demo, out.path(), dtype).expect("written");
            write(&demo, out.path(), dtype).expect("written again in its own place");
            let read = |name: &str| fs::read_to_string(out.path().join(name)).expect("it is there");
            let mirrored = read("config.json");
            assert_eq!(patchlab::model::mirror::manifest_of(&mirrored).as_deref(), Some(MANIFEST));
            let manifest = Manifest::from_json(MANIFEST, &read(MANIFEST)).expect("a good manifest");
            for shard in &manifest.shards {
                let bytes = fs::read(out.path().join(&shard.file)).expect("it is there");
                let digest = format!("{:x}", Sha256::digest(&bytes));
                assert_eq!((bytes.len() as u64, digest), (shard.bytes, shard.sha256.clone()));
            }
            assert!(manifest.tensors.values().all(|tensor| tensor.dtype == dtype.name()));
            assert_eq!(manifest.tensors.len(), config.tensors().len());
            assert_eq!(numbers(Weights::Mirror(out.path().to_owned(), manifest), &config), original);
        }
    }

    #[test]
    fn only_an_empty_folder_or_a_mirror_is_written_to() {
        let out = tempdir().expect("a folder");
        fs::write(out.path().join("thesis.tex"), "precious").expect("written");
        assert!(write(&demo(), out.path(), Dtype::F32).is_err());
        assert!(out.path().join("thesis.tex").exists());
    }

    #[test]
    fn a_new_mirror_replaces_the_old_ones_files_and_no_others() {
        let out = tempdir().expect("a folder");
        let file = |name: &str| out.path().join(name);
        write(&demo(), out.path(), Dtype::F32).expect("written");
        let longest =
            Manifest::from_json(MANIFEST, &fs::read_to_string(file(MANIFEST)).expect("it is there"));
        let last = longest.expect("good").shards.pop().expect("a shard").file;
        fs::write(file("thesis.tex"), "precious").expect("written");
        fs::write(file("tokenizer.json"), "another model's").expect("written");
        write(&demo(), out.path(), Dtype::F16).expect("written over the old one");
        assert!(file("thesis.tex").exists());
        assert!(!file(&last).exists(), "F16 needs fewer shards, so {last} is of the old mirror");
        assert!(!file("tokenizer.json").exists(), "the demo model has none, so it is of the old mirror");
    }

    #[test]
    fn a_folder_with_a_checkpoint_is_left_alone() {
        let folder = tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name);
        write(&demo(), folder.path(), Dtype::F32).expect("written");
        fs::copy(demo().join(CHECKPOINT), file(CHECKPOINT)).expect("copied");
        fs::copy(demo().join("config.json"), file("config.json")).expect("copied");
        let refused = write(folder.path(), folder.path(), Dtype::F16);
        assert!(refused.expect_err("it would overwrite what it reads").to_string().contains("checkpoint"));
        let same = |name: &str| fs::read(file(name)).ok() == fs::read(demo().join(name)).ok();
        assert!(same(CHECKPOINT) && same("config.json") && file(MANIFEST).exists());
    }
}
