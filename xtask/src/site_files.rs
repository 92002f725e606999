//! Files of the built site that are made and not copied: the planted models, and the site's own list of its files, by which the
//! service worker keeps them as a whole of one version.
//!
//! `sw.js` begins with the list, so it is another script for every other site, and browsers notice.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use patchlab_planted::{Plant, SEED, plants};
use serde_json::Value;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// The service worker, as `www/` has it.
const SOURCE: &str = "www/sw";
/// Where it has to be, to serve the whole site.
const SCRIPT: &str = "sw.js";
/// Weights beside the page are large, and the engine keeps them itself.
const MIRROR: &str = "www/models/gpt2/";
/// Type declarations are for developers only.
const TYPES: &str = "www/types";
/// What the page needs of a planted model. What each head was built for is left out: the visitor is to find it.
const PLANTED: [&str; 5] =
    ["config.json", "model.safetensors", "tokenizer.json", "experiment.json", "truth.json"];

/// Puts the planted models (docs/planted.md) where the page looks for them.
pub(crate) fn put_planted_models(site: &Path) -> Result<()> {
    for plant in plants(SEED)? {
        let folder = site.join(format!("www/models/planted-{}", plant.name));
        fs::create_dir_all(&folder)?;
        for name in PLANTED {
            fs::write(folder.join(name), file(&plant, name)?)?;
        }
        let truth: Value = serde_json::from_slice(file(&plant, "truth.json")?)?;
        ensure!(
            truth["checkpoint"].as_str() == plant.sha256("model.safetensors").as_deref(),
            "the truth of the planted model `{}` is about other weights: run tests/fixtures/planted.py",
            plant.name
        );
    }
    Ok(())
}

fn file<'a>(plant: &'a Plant, name: &str) -> Result<&'a [u8]> {
    let found = plant.files.iter().find(|(known, _)| *known == name);
    let (_, bytes) = found.with_context(|| format!("the planted model `{}` has no {name}", plant.name))?;
    Ok(bytes)
}

/// Puts the service worker at the site's root, with the list of all other files.
pub(crate) fn put_service_worker(site: &Path) -> Result<()> {
    let source = site.join(SOURCE);
    let script = fs::read_to_string(source.join(SCRIPT)).context("the site lacks its service worker")?;
    fs::remove_dir_all(&source)?;
    fs::remove_dir_all(site.join(TYPES)).ok();
    let files = hashes(site)?;
    fs::write(site.join(SCRIPT), first_line(&files, &script) + &script)?;
    Ok(())
}

/// The SHA-256 of each file that a visitor without the network needs.
fn hashes(site: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in WalkDir::new(site) {
        let entry = entry?;
        let path = entry.path().strip_prefix(site)?.to_string_lossy().replace('\\', "/");
        if entry.file_type().is_file() && is_kept(&path) {
            files.insert(path, format!("{:x}", Sha256::digest(fs::read(entry.path())?)));
        }
    }
    Ok(files)
}

fn is_kept(path: &str) -> bool {
    path != SCRIPT && !path.ends_with(".safetensors") && !path.starts_with(MIRROR)
}

/// The statement that tells the service worker `script` what it serves.
fn first_line(files: &BTreeMap<String, String>, script: &str) -> String {
    let mut all = Sha256::new_with_prefix(script);
    let mut list = String::new();
    for (path, hash) in files {
        let comma = if list.is_empty() { "" } else { "," };
        // Debug's quotes are JavaScript's, as long as names are plain.
        write!(list, "{comma}{path:?}:\"{hash}\"").ok();
        all.update(format!("{path} {hash}\n"));
    }
    let version = all.finalize();
    format!("self.site={{\"version\":\"{version:.16x}\",\"files\":{{{list}}}}};\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{first_line, is_kept};

    #[test]
    fn weights_are_not_kept() {
        let kept = ["index.html", "www/models/demo/config.json", "patchlab-web_bg.wasm"];
        let left = ["sw.js", "www/models/demo/model.safetensors", "www/models/gpt2/mirror.json"];
        assert!(kept.iter().all(|path| is_kept(path)));
        assert!(!left.iter().any(|path| is_kept(path)));
    }

    #[test]
    fn every_change_is_another_version() {
        let line = |files: &[(&str, &str)]| {
            let files: BTreeMap<_, _> =
                files.iter().map(|(path, hash)| ((*path).to_owned(), (*hash).to_owned())).collect();
            first_line(&files, "")
        };
        let one = line(&[("a.js", "00"), ("index.html", "11")]);
        assert!(one.starts_with("self.site={\"version\":\"") && one.ends_with("\"}};\n"), "{one}");
        assert!(one.contains("\"files\":{\"a.js\":\"00\",\"index.html\":\"11\"}"), "{one}");
        let version = |line: &str| line.split(',').next().map(str::to_owned);
        assert_ne!(version(&one), version(&line(&[("a.js", "01"), ("index.html", "11")])));
        assert_ne!(version(&one), version(&line(&[("b.js", "00"), ("index.html", "11")])));
    }
}
