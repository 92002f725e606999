//! `cargo xtask build`: the optimised site, kept by the hash of everything that it is made from.
//!
//! The module takes minutes to build, so the last few sites stay in the cache: a clone whose inputs were built
//! before, here or in another clone, copies the site instead.

use std::fs;
use std::io::{self, BufRead as _, Write};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::cargo_cache;
use crate::paths::Paths;
use crate::run::say;
use crate::setup::{self, Compiler};
use crate::site_files;

/// What the site is made from, besides the compiler.
const INPUTS: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo/config.toml",
    "Trunk.toml",
    "index.html",
    "www",
    "crate",
    "xtask/vendor/package.json",
    "xtask/vendor/package-lock.json",
    "xtask/src/build.rs",
    "xtask/src/site_files.rs",
];
/// The scripts that something other than a script names: the page, its worker, and whoever uses the engine without the page.
const ENTRIES: [&str; 6] =
    ["requirements.js", "theme.js", "main.js", "engine/client.js", "engine/worker.js", "sw/sw.js"];
/// Packages that the module is not made of.
const NOT_INPUTS: [&str; 2] = ["crate/cli", "crate/demo"];
/// The module in the built site, and the script that loads it. Trunk names both after the package.
const MODULE: [&str; 2] = ["patchlab-web_bg.wasm", "patchlab-web.js"];
/// How many built sites stay in the cache.
const KEPT: usize = 4;

/// Leaves the site in `out`, building it if it was not built before.
pub(crate) fn build(paths: &Paths, out: &Path) -> Result<()> {
    site(paths, out).map(drop)
}

/// The same, and an error if the compiler warned of this repository's own packages. Some code is there for the browser
/// only, so no native build would tell.
pub(crate) fn build_without_warnings(paths: &Paths, out: &Path) -> Result<()> {
    let warned = site(paths, out)?;
    ensure!(!warned, "the module's build has warnings; they stand above");
    Ok(())
}

/// Leaves the site in `out`. Whether the compiler warned.
fn site(paths: &Paths, out: &Path) -> Result<bool> {
    let mut warned = false;
    let compiler = setup::for_building(paths)?;
    let name = key(paths, compiler)?;
    let mut site = paths.sites.join(&name);
    if !site.is_dir() {
        // The name carries the process, because other clones may be building too.
        let unfinished = site.with_extension(format!("unfinished-{}", std::process::id()));
        warned = trunk(paths, compiler, &unfinished)?;
        if !warned && key(paths, compiler)? == name {
            fs::rename(&unfinished, &site)?;
        } else {
            say(
                "build: there were warnings or files changed meanwhile, so this site is not kept for other builds",
            );
            site = unfinished;
        }
    }
    replace(&site, out)?;
    forget_old_sites(paths, &site)?;
    report(out)?;
    Ok(warned)
}

/// The name of the site that these inputs give.
fn key(paths: &Paths, compiler: Compiler) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(compiler.version(paths)?);
    for input in INPUTS {
        let excluded = NOT_INPUTS.map(|path| paths.root.join(path));
        let files = WalkDir::new(paths.root.join(input))
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| !excluded.iter().any(|path| path == entry.path()));
        for file in files {
            let file = file.with_context(|| format!("{input} is missing: the site is made from it"))?;
            if file.file_type().is_file() {
                let name = file.path().strip_prefix(&paths.root)?.to_string_lossy().replace('\\', "/");
                let content = fs::read(file.path())?;
                // Lengths keep a name's end from being taken for the content's beginning.
                hash.update(format!("{} {name} {} ", name.len(), content.len()));
                hash.update(content);
            }
        }
    }
    Ok(format!("{:.24x}", hash.finalize()))
}

/// Has Trunk build the site into `folder`. Whether the compiler warned of this repository's own packages.
fn trunk(paths: &Paths, compiler: Compiler, folder: &Path) -> Result<bool> {
    say("build: the optimised site (10 minutes the first time, half a minute after a change in crate/)");
    cargo_cache::claim_web(paths)?;
    let dist = folder.to_string_lossy().into_owned();
    fs::create_dir_all(folder)?;
    let command = paths
        .command("trunk", ["build", "--config", "Trunk.toml", "--dist", &dist])
        .env("CARGO_TARGET_DIR", &paths.target_web)
        .env("RUST_BACKTRACE", "0")
        .env("CARGO_TERM_COLOR", "never")
        // Trunk reads NO_COLOR as a boolean and stops at the usual "1".
        .env_remove("NO_COLOR");
    let failed = "Trunk could not build the site; its messages stand above";
    let output = compiler.apply(&command).stderr_to_stdout().reader().context(failed)?;
    let mut warned = false;
    for line in io::BufReader::new(output).lines() {
        let line = line.context(failed)?;
        // Cargo's last words on a package, also where it was compiled before.
        warned |= line.starts_with("warning: `patchlab");
        say(line);
    }
    bundle(paths, folder)?;
    site_files::put_planted_models(folder)?;
    site_files::put_service_worker(folder)?;
    Ok(warned)
}

/// Puts the page's scripts together: what starts the page, what loads later, and the worker; and makes its style sheets small. A
/// visitor fetches two levels of files instead of seven, and a third of the bytes.
fn bundle(paths: &Paths, site: &Path) -> Result<()> {
    let scripts = site.join("www");
    for file in WalkDir::new(&scripts) {
        let file = file?;
        if file.path().extension().is_some_and(|extension| extension == "js") {
            fs::remove_file(file.path())?;
        }
    }
    fs::remove_dir_all(scripts.join("vendor"))?;
    let source = paths.root.join("www");
    let mut words: Vec<String> = ["run", "--silent", "site", "--"].map(str::to_owned).into();
    words.extend([format!("--outdir={}", scripts.display()), format!("--outbase={}", source.display())]);
    words.extend(ENTRIES.map(|entry| source.join(entry).to_string_lossy().into_owned()));
    // Style sheets stay files of their own, without comments and indentation.
    for file in WalkDir::new(source.join("css")).sort_by_file_name() {
        let file = file?;
        if file.file_type().is_file() {
            words.push(file.path().to_string_lossy().into_owned());
        }
    }
    paths.npm_in(&paths.vendor, words).run().context("esbuild could not read the page's scripts")?;
    Ok(())
}

/// Keeps the site just used and the few before it.
fn forget_old_sites(paths: &Paths, used: &Path) -> Result<()> {
    // The folder's own time tells when it was used last. Where a system cannot set it, the time of building does.
    fs::File::open(used).and_then(|folder| folder.set_modified(SystemTime::now())).ok();
    let mut sites = Vec::new();
    for entry in fs::read_dir(&paths.sites)? {
        let entry = entry?;
        sites.push((entry.metadata()?.modified()?, entry.path()));
    }
    sites.sort();
    for (_, old) in sites.iter().rev().skip(KEPT) {
        fs::remove_dir_all(old)?;
    }
    Ok(())
}

/// Makes `out` a copy of `site`.
fn replace(site: &Path, out: &Path) -> Result<()> {
    if out.exists() {
        let ours = out.join("index.html").is_file() || fs::read_dir(out)?.next().is_none();
        if !ours {
            bail!("{} is not a built site; it would be overwritten. Choose another folder.", out.display());
        }
        fs::remove_dir_all(out)?;
    }
    for entry in WalkDir::new(site) {
        let entry = entry?;
        let copy = out.join(entry.path().strip_prefix(site)?);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&copy)?;
        } else {
            fs::copy(entry.path(), &copy)?;
        }
    }
    Ok(())
}

/// Prints what a visitor has to fetch before the page does anything.
fn report(out: &Path) -> Result<()> {
    say(format_args!("build: {} is ready for any static host", out.display()));
    for name in MODULE {
        let content = fs::read(out.join(name)).with_context(|| format!("the site lacks {name}"))?;
        let gzipped = gzipped_size(&content)?;
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        say(format_args!(
            "  {name:20} {:6.2} MB, gzipped {:5.2} MB",
            megabytes(content.len()),
            megabytes(gzipped)
        ));
    }
    Ok(())
}

fn gzipped_size(content: &[u8]) -> io::Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content)?;
    Ok(encoder.finish()?.len())
}
