//! The GPU: what `bench gpu` is told, and all that it needs in one folder, for a machine that can fetch nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use walkdir::WalkDir;

use crate::paths::Paths;
use crate::run::{answer, say};
use crate::{browser, build, native, setup};

/// What `bench gpu` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// How often
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// The demo model in place of GPT-2 small's shape
    #[arg(long)]
    demo: bool,
    /// Also all neurons
    #[arg(long)]
    neurons: bool,
    /// Chromium's software adapter, to try the bench out; its times say nothing of a card
    #[arg(long)]
    software: bool,
    /// A Python with PyTorch, whose operations are timed beside the kernels
    #[arg(long)]
    python: Option<PathBuf>,
}

/// Measures.
pub(super) fn measure(paths: &Paths, folder: &Path, options: Options) -> Result<()> {
    native::programs(paths)?;
    browser::bench(paths, folder, "gpu", |node| {
        let flag = |there: bool| if there { "1" } else { "0" };
        let node = node
            .env("PATCHLAB_REPEATS", options.repeats.to_string())
            .env("PATCHLAB_MODEL", if options.demo { "demo" } else { "full" })
            .env("PATCHLAB_NEURONS", flag(options.neurons))
            .env("PATCHLAB_SOFTWARE", flag(options.software))
            .env("PATCHLAB_PROGRAM", paths.program("patchlab"));
        match &options.python {
            Some(python) => node.env("PATCHLAB_PYTHON", python),
            None => node,
        }
    })
}

/// What runs on the other machine. A card's driver has its own loader's files in one of two places.
const RUN: &str = r#"#!/bin/sh
# Measures this machine's GPU natively and in Chromium. Results: gpu.json and gpu.md beside this file. PATCHLAB_REPEATS,
# PATCHLAB_MODEL=demo, PATCHLAB_NEURONS=1, PATCHLAB_SOFTWARE=1, PATCHLAB_PYTHON=/path/to/python: see `cargo xtask bench gpu --help`.
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$VK_DRIVER_FILES" ]; then
  for file in /etc/vulkan/icd.d/nvidia_icd.json /usr/share/vulkan/icd.d/nvidia_icd.json; do
    [ -e "$file" ] && export VK_DRIVER_FILES="$file"
  done
fi
export PATCHLAB_DIST="$here/dist" PATCHLAB_PROGRAM="$here/bin/patchlab" PATCHLAB_CHROMIUM="$here/bin/chromium" \
  PATCHLAB_NATIVE_LIBRARIES="$here/loader" PATCHLAB_BENCH="$here/gpu.json"
exec "$here/bin/node" "$here/tests/browser/bench/gpu.mjs"
"#;

/// Starts Chromium with its own libraries. Node and the native command must not find them.
const CHROMIUM: &str = r#"#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
LD_LIBRARY_PATH="$here/lib:$here/loader" exec "$here/chromium/chromium" "$@"
"#;

/// Libraries that belong to a system, not to a program.
const OF_THE_SYSTEM: [&str; 8] = [
    "libc.so",
    "libm.so",
    "libpthread.so",
    "libdl.so",
    "librt.so",
    "libresolv.so",
    "ld-linux",
    "libgcc_s.so",
];

/// Puts everything that `bench gpu` needs into `out`, and packs it into parts of 40 MiB beside it.
pub(super) fn pack(paths: &Paths, out: &Path) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "a pack is made on Linux, for Linux");
    ensure!(!out.exists(), "{} exists. Name a folder that does not.", out.display());
    setup::for_testing(paths)?;
    native::programs(paths)?;
    build::build(paths, &paths.dist())?;
    let chromium = setup::browser(paths).unwrap_or_else(|| "/usr/bin/chromium".to_owned());
    let chromium = chromium_folder(Path::new(&chromium))?;
    for folder in ["bin", "lib", "loader"] {
        fs::create_dir_all(out.join(folder))?;
    }
    let node = answer(&paths.command("node", ["-p", "process.execPath"])).context("node does not answer")?;
    fs::copy(node, out.join("bin/node"))?;
    fs::copy(paths.program("patchlab"), out.join("bin/patchlab"))?;
    copy_all(&paths.dist(), &out.join("dist"))?;
    copy_all(&chromium, &out.join("chromium"))?;
    for folder in
        ["tests/browser/bench", "tests/browser/harness", "tests/fixtures/full", "crate/engine/data/presets"]
    {
        copy_all(&paths.root.join(folder), &out.join(folder))?;
    }
    for package in ["playwright-core", "sirv", "@polka", "mrmime", "totalist"] {
        let package = Path::new("tests/browser/node_modules").join(package);
        copy_all(&paths.root.join(&package), &out.join(&package))?;
    }
    for file in ["tests/browser/package.json", "tests/fixtures/time_kernels.py"] {
        fs::copy(paths.root.join(file), out.join(file))?;
    }
    let binaries = ["chromium", "libEGL.so", "libGLESv2.so", "libvk_swiftshader.so"];
    for library in libraries(paths, binaries.iter().map(|name| chromium.join(name)))? {
        copy_into(&library, &out.join("lib"))?;
    }
    // Security modules are opened by name, so no program lists them.
    for library in answer(&paths.command("ldconfig", ["-p"])).unwrap_or_default().lines() {
        let Some((name, path)) = library.split_once(" => ") else { continue };
        let name = name.trim();
        let to = match () {
            () if name.starts_with("libvulkan.so.1 ") => "loader",
            () if ["libsoftokn3", "libfreebl", "libnssckbi"].iter().any(|own| name.starts_with(own)) => "lib",
            () => continue,
        };
        copy_into(Path::new(path), &out.join(to))?;
    }
    write_script(&out.join("run.sh"), RUN)?;
    write_script(&out.join("bin/chromium"), CHROMIUM)?;
    let (folder, name) = (out.parent().context("a folder")?, out.file_name().context("a name")?);
    let name = name.to_string_lossy();
    let archive = format!("tar c {name} | xz -T0 -3 | split -b 40M -d - {name}.part-");
    duct::cmd!("sh", "-c", archive).dir(folder).run().context("tar, xz or split failed")?;
    say(format_args!(
        "bench: {} and its parts. There: `cat {name}.part-* | tar xJ && {name}/run.sh`",
        out.display()
    ));
    Ok(())
}

/// Where a browser's files are, whether it is started by a script or not.
fn chromium_folder(program: &Path) -> Result<PathBuf> {
    let program = fs::canonicalize(program)?;
    let beside = program.parent().context("a browser lies in a folder")?;
    let found = [beside.to_owned(), PathBuf::from("/usr/lib/chromium")];
    found
        .into_iter()
        .find(|folder| folder.join("icudtl.dat").is_file())
        .context("no Chromium was found to pack")
}

/// The libraries that binaries load, but for the system's own.
fn libraries(paths: &Paths, binaries: impl Iterator<Item = PathBuf>) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for binary in binaries.filter(|binary| binary.is_file()) {
        let listed = answer(&paths.command("ldd", [binary.as_os_str()])).context("ldd does not answer")?;
        for line in listed.lines() {
            let Some((_, path)) = line.split_once(" => ") else { continue };
            let path = path.split(" (").next().unwrap_or_default().trim();
            let system = OF_THE_SYSTEM.iter().any(|own| path.contains(&format!("/{own}")));
            if path.starts_with('/')
                && !system
                && !path.starts_with(&*binary.parent().unwrap_or(&binary).to_string_lossy())
            {
                found.insert(PathBuf::from(path));
            }
        }
    }
    Ok(found)
}

fn copy_into(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a file has a name")?;
    fs::copy(file, folder.join(name)).with_context(|| format!("{} cannot be copied", file.display()))?;
    Ok(())
}

/// Copies a folder, following links.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    for entry in WalkDir::new(from).follow_links(true) {
        let entry = entry.with_context(|| format!("{} cannot be read", from.display()))?;
        let target = to.join(entry.path().strip_prefix(from)?);
        if entry.file_type().is_dir() {
            fs::create_dir_all(target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn write_script(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[cfg(not(unix))]
fn write_script(path: &Path, text: &str) -> Result<()> {
    Ok(fs::write(path, text)?)
}
