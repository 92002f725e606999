//! The plan's file and the shards' (docs/shards.md). A file appears under its name only when it is whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail};
use patchlab::figures::Report;
use patchlab::shards::exact::{pack, unpack};
use patchlab::shards::{Computed, Plan, Unit};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::origin::Origin;

/// Of both formats.
const VERSION: u64 = 1;

/// A plan, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanFile {
    patchlab: String,
    version: u64,
    /// SHA-256 of the plan. Shards repeat it.
    pub(super) fingerprint: String,
    pub(super) plan: Plan,
}

impl PlanFile {
    pub(super) fn new(plan: Plan) -> Result<Self> {
        let fingerprint = fingerprint(&plan)?;
        Ok(Self { patchlab: "plan".to_owned(), version: VERSION, fingerprint, plan })
    }

    /// Writes `plan.json` into a folder. Another plan that is there is not written over: shards of it may be running.
    pub(super) fn write(&self, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let path = folder.join("plan.json");
        if path.exists() && Self::read(&path).ok().is_none_or(|old| old.fingerprint != self.fingerprint) {
            bail!(
                "{} holds another plan. Choose another folder, or delete it with its shards.",
                path.display()
            );
        }
        put(&path, &(serde_json::to_string_pretty(self)? + "\n"))?;
        Ok(path)
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        let what = path.display();
        let text = crate::folder::text_of(path)?;
        let json: Value = serde_json::from_str(&text)
            .map_err(|error| anyhow!("{what} is no plan, but {error}. `patchlab shard` makes one."))?;
        if json["patchlab"] != "plan" {
            bail!("{what} is no plan. `patchlab shard` makes one.");
        }
        if json["version"] != VERSION {
            bail!(
                "{what} is a plan of version {}, and this program knows version {VERSION}. Make the plan again, with the program that \
                 runs it.",
                json["version"]
            );
        }
        let file: Self = serde_json::from_value(json)
            .map_err(|error| anyhow!("{what}: {error}. Make the plan again, with `patchlab shard`."))?;
        if file.fingerprint != fingerprint(&file.plan)? {
            bail!("{what} has been changed since it was made. Make the plan again, with `patchlab shard`.");
        }
        Ok(file)
    }

    /// What a shard computes.
    pub(super) fn units(&self, shard: usize) -> Result<&[Unit]> {
        let units = self.plan.shards.get(shard);
        let last = self.plan.shards.len().saturating_sub(1);
        units
            .map(Vec::as_slice)
            .with_context(|| format!("--shard {shard}: this plan has the shards 0 to {last}"))
    }
}

fn fingerprint(plan: &Plan) -> Result<String> {
    Ok(sha256(serde_json::to_string(plan)?.as_bytes()))
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// What a shard's file is about: its first line, with the digest of the second. Nothing in it depends on when or where it was
/// written, so that a shard that is run again gives the same bytes.
pub(super) struct ShardFile {
    /// The plan's fingerprint.
    pub(super) plan: String,
    pub(super) shard: usize,
    pub(super) origin: Origin,
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    patchlab: String,
    version: u64,
    plan: String,
    shard: usize,
    origin: Origin,
    /// Of the second line.
    sha256: String,
}

/// A unit on the second line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    unit: Unit,
    finite: bool,
    /// A [`Report`], packed.
    report: Value,
}

/// The file of a shard, beside the plan.
pub(super) fn path_of(plan: &Path, shard: usize) -> PathBuf {
    plan.with_file_name(format!("shard-{shard}.json"))
}

impl ShardFile {
    /// Writes a shard's reports beside the plan.
    pub(super) fn write(self, plan: &Path, computed: &[Computed]) -> Result<PathBuf> {
        let line = |Computed { unit, finite, report }: &Computed| {
            let packed = pack(report)?;
            // What JSON cannot carry is found here, and not when all shards are there.
            unpack::<Report>(packed.clone()).map_err(|error| {
                anyhow!(
                    "`{}`: numbers that are infinite or not numbers cannot be put into a shard ({error}). Run this analysis by itself, \
                     with `patchlab run`, to see where they are.",
                    report.analysis
                )
            })?;
            anyhow::Ok(Line { unit: unit.clone(), finite: *finite, report: packed })
        };
        let lines: Vec<Line> = computed.iter().map(line).collect::<Result<_>>()?;
        let body = serde_json::to_string(&lines)?;
        let head = Head {
            patchlab: "shard".to_owned(),
            version: VERSION,
            plan: self.plan,
            shard: self.shard,
            origin: self.origin,
            sha256: sha256(body.as_bytes()),
        };
        let path = path_of(plan, self.shard);
        put(&path, &format!("{}\n{body}\n", serde_json::to_string(&head)?))?;
        Ok(path)
    }
}

/// Writes a file under another name first: whoever reads it sees all of it or nothing, and of two that write it at once one wins.
fn put(path: &Path, text: &str) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let unfinished = path.with_extension(format!("{}-{now}.part", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = File::create_new(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| {
        fs::remove_file(&unfinished).ok();
        format!("{} cannot be written", path.display())
    })
}

/// Why a shard's file is of no use.
enum Fault {
    Missing,
    Damaged(String),
    OtherPlan,
}

/// The reports of all shards of a plan.
///
/// # Errors
/// If any are missing, damaged, or of another plan, or made with different things: all of them are named.
pub(super) fn collect(path: &Path, plan: &PlanFile) -> Result<Vec<Computed>> {
    let (mut missing, mut damaged, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut origins: BTreeMap<Origin, Vec<usize>> = BTreeMap::new();
    let mut computed = Vec::new();
    for shard in 0..plan.plan.shards.len() {
        match read(&path_of(path, shard), plan, shard) {
            Ok((origin, reports)) => {
                origins.entry(origin).or_default().push(shard);
                computed.extend(reports);
            }
            Err(Fault::Missing) => missing.push(shard),
            Err(Fault::Damaged(why)) => damaged.push((shard, why)),
            Err(Fault::OtherPlan) => others.push(shard),
        }
    }
    let mut faults = Vec::new();
    if !missing.is_empty() {
        faults.push(format!("missing: {}. Run them.", list(&missing)));
    }
    for (shard, why) in damaged {
        faults.push(format!("damaged: {shard} ({why}). Run it again."));
    }
    if !others.is_empty() {
        faults.push(format!("of another plan: {}. Run them again, with this plan.", list(&others)));
    }
    if origins.len() > 1 {
        faults.push(
            "made with different models, devices or programs. Run some of them again, so that all are alike:"
                .to_owned(),
        );
        faults.extend(
            origins.iter().map(|(origin, shards)| format!("  {}: {}", list(shards), origin.describe())),
        );
    }
    if faults.is_empty() {
        return Ok(computed);
    }
    bail!("The shards of {} cannot be put together.\n{}", path.display(), faults.join("\n"))
}

fn list(shards: &[usize]) -> String {
    shards.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn read(path: &Path, plan: &PlanFile, shard: usize) -> Result<(Origin, Vec<Computed>), Fault> {
    let damaged = |why: &str| Fault::Damaged(why.to_owned());
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Fault::Missing,
        _ => Fault::Damaged(error.to_string()),
    })?;
    let (head, body) = text.split_once('\n').ok_or_else(|| damaged("it ends early"))?;
    let head: Head = serde_json::from_str(head).map_err(|error| Fault::Damaged(error.to_string()))?;
    if head.patchlab != "shard" || head.version != VERSION {
        return Err(damaged("it is no shard of this version"));
    }
    if head.plan != plan.fingerprint {
        return Err(Fault::OtherPlan);
    }
    if head.shard != shard {
        return Err(damaged(&format!("it is shard {}", head.shard)));
    }
    let body = body.strip_suffix('\n').ok_or_else(|| damaged("it ends early"))?;
    if head.sha256 != sha256(body.as_bytes()) {
        return Err(damaged("its digest is another"));
    }
    let lines: Vec<Line> = serde_json::from_str(body).map_err(|error| Fault::Damaged(error.to_string()))?;
    let computed = |Line { unit, finite, report }: Line| {
        let report = unpack(report).map_err(|error| Fault::Damaged(error.to_string()))?;
        Ok(Computed { unit, finite, report })
    };
    Ok((head.origin, lines.into_iter().map(computed).collect::<Result<_, Fault>>()?))
}
