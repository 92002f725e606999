//! Puts everything in place that a build or a test run needs, and says what it does and how long that takes.
//!
//! Every step first looks whether its work is done already, so that all of them together cost a fresh run
//! minutes and a repeated one a fraction of a second. Times are those of a machine with two cores.

mod apt;
mod node;
mod python;
mod wasm;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::paths::Paths;
use crate::run::{answer, say, succeeds};
pub(crate) use python::dask;
pub(crate) use wasm::{Compiler, TARGET};

/// The last Trunk that Rust 1.95 compiles; 0.22.1 asks for 1.96.1.
const TRUNK: &str = "0.22.0-beta.1";

/// What building the site needs. Returns the compiler to build it with.
pub(crate) fn for_building(paths: &Paths) -> Result<Compiler> {
    let compiler = wasm::compiler(paths)?;
    // wasm-bindgen's command and crate speak a private format: the versions must be the same.
    let wasm_bindgen = locked_version(paths, "wasm-bindgen")?;
    install(paths, "wasm-bindgen-cli", "wasm-bindgen", &wasm_bindgen, &["--bin", "wasm-bindgen"], 2)?;
    install(paths, "trunk", "trunk", TRUNK, &["--locked"], 8)?;
    node::bundle(paths)?;
    Ok(compiler)
}

/// What serving the site and checking its JavaScript needs.
pub(crate) fn for_node(paths: &Paths) -> Result<()> {
    node::packages(paths, &paths.browser, "the page's npm packages (half a minute)")?;
    node::bundle(paths)
}

/// What the tests go on without: name, variable that names another program, Debian's packages.
const OPTIONAL: [(&str, &str, &[&str]); 3] = [
    (
        "Chromium without windows, in which the tests take less time",
        "PATCHLAB_CHROMIUM",
        &["chromium-headless-shell"],
    ),
    ("Firefox, in which a visit is tried", "PATCHLAB_FIREFOX", &["firefox-esr"]),
    ("WebKit, in which a visit is tried", "PATCHLAB_WEBKIT_DRIVER", &["webkit2gtk-driver", "xvfb"]),
];
const SHELL: &str = "/usr/bin/chromium-headless-shell";

/// What the tests need beyond the site: a browser and a Vulkan driver.
pub(crate) fn for_testing(paths: &Paths) -> Result<()> {
    for_node(paths)?;
    if browser(paths).is_none() {
        apt::install(paths, "Chromium", &["chromium", "fonts-dejavu-core"], 1).context(
            "The browser tests need Chromium or Chrome. If it is installed, set PATCHLAB_CHROMIUM to its program.",
        )?;
    }
    if cfg!(target_os = "linux") && !has_vulkan_driver() {
        apt::install(paths, "a Vulkan driver", &["mesa-vulkan-drivers"], 1)
            .context("The tests on wgpu need a Vulkan driver; Mesa's needs no GPU.")?;
    }
    for (what, variable, packages) in OPTIONAL {
        let there = std::env::var_os(variable).is_some() || apt::installed(paths, packages);
        if cfg!(target_os = "linux")
            && !there
            && let Err(error) = apt::install(paths, what, packages, 1)
        {
            say(format_args!("!! Going on without {what}: {error:#}"));
        }
    }
    Ok(())
}

/// The Chromium or Chrome that the browser tests drive.
pub(crate) fn browser(paths: &Paths) -> Option<String> {
    if let Ok(browser) = std::env::var("PATCHLAB_CHROMIUM") {
        return Some(browser);
    }
    let known = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
    ];
    // Running it tells a browser from Ubuntu's placeholder that only says to install one.
    known.into_iter().find(|browser| succeeds(&paths.command(browser, ["--version"]))).map(str::to_owned)
}

/// The same browser without windows, if it is there: a page takes a quarter less of the processor in it.
pub(crate) fn shell() -> Option<&'static str> {
    let chosen = std::env::var_os("PATCHLAB_CHROMIUM").is_some();
    (!chosen && Path::new(SHELL).exists()).then_some(SHELL)
}

/// Whether the Vulkan loader has at least one driver to load, of whatever kind.
fn has_vulkan_driver() -> bool {
    let asked_for = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];
    let folders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];
    asked_for.iter().any(|name| std::env::var_os(name).is_some())
        || folders.iter().any(|folder| fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some()))
}

/// Installs a command from crates.io into the cache, unless this very version is there.
fn install(
    paths: &Paths,
    package: &str,
    program: &str,
    version: &str,
    options: &[&str],
    minutes: u32,
) -> Result<()> {
    // All of these answer "name version", perhaps with more after it.
    let installed = answer(&paths.command(&tool(paths, program), ["--version"]));
    if installed.is_some_and(|answer| answer.split_whitespace().nth(1) == Some(version)) {
        return Ok(());
    }
    say(format_args!("setup: {package} {version} (about {minutes} minutes)"));
    let build = paths.cache.join("target-tools");
    let root = paths.tools.to_string_lossy().into_owned();
    let args = ["install", package, "--version", version, "--root", &root, "--quiet"];
    paths
        .command("cargo", args.iter().chain(options))
        .env("CARGO_TARGET_DIR", &build)
        .run()
        .with_context(|| format!("{package} {version} cannot be installed from crates.io"))?;
    fs::remove_dir_all(build).ok();
    Ok(())
}

/// The path of a program that [`install`] put in place.
fn tool(paths: &Paths, program: &str) -> String {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    paths.tools.join("bin").join(file).to_string_lossy().into_owned()
}

/// The version of a package in Cargo.lock.
fn locked_version(paths: &Paths, package: &str) -> Result<String> {
    let id = answer(&paths.command("cargo", ["pkgid", package]));
    let version = id.as_deref().and_then(|id| Some(id.rsplit_once('@')?.1.to_owned()));
    version.with_context(|| format!("Cargo.lock has no package {package}"))
}
