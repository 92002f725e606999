//! Where things lie: the repository, and the cache that outlives every clone of it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use duct::Expression;

/// The folders that the commands read and write.
pub(crate) struct Paths {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// `$PATCHLAB_CACHE`, or `patchlab` in the system's folder for caches.
    pub(crate) cache: PathBuf,
    /// Trunk and wasm-bindgen, of exactly the versions wanted.
    pub(crate) tools: PathBuf,
    /// Cargo's target folder of everything native.
    pub(crate) target: PathBuf,
    /// Cargo's target folder of the page's module.
    pub(crate) target_web: PathBuf,
    /// The last few built sites, each named by the hash of what it was built from.
    pub(crate) sites: PathBuf,
    /// The Node package that checks, serves and tests the page.
    pub(crate) browser: PathBuf,
    /// The Node package of what the page draws with.
    pub(crate) vendor: PathBuf,
    /// Where the page looks for it, as one file.
    pub(crate) bundle: PathBuf,
    /// What a test run leaves for a person to look at: native reports, screenshots.
    pub(crate) results: PathBuf,
}

impl Paths {
    /// Finds the folders, and makes the cache if there is none.
    pub(crate) fn find() -> Result<Self> {
        // Cargo sets it for what it runs. The folder of compilation may be another clone's, where clones share a target
        // folder.
        let package = env::var_os("CARGO_MANIFEST_DIR").context("Run it as `cargo xtask`.")?;
        let root = Path::new(&package).parent().context("xtask lies in the repository's root")?.to_owned();
        let cache = match env::var_os("PATCHLAB_CACHE") {
            Some(folder) => env::current_dir()?.join(folder),
            None => dirs::cache_dir()
                .context("No folder for caches is known. Set PATCHLAB_CACHE to one.")?
                .join("patchlab"),
        };
        fs::create_dir_all(&cache).with_context(|| {
            format!("{} cannot be made. Set PATCHLAB_CACHE to another folder.", cache.display())
        })?;
        Ok(Paths {
            tools: cache.join("tools"),
            target: cache.join("target"),
            target_web: cache.join("target-web"),
            sites: cache.join("sites"),
            browser: root.join("tests/browser"),
            vendor: root.join("xtask/vendor"),
            bundle: root.join("www/vendor/dist"),
            results: root.join("target/results"),
            root,
            cache,
        })
    }

    /// A command that starts in the repository's root and finds this project's own tools first.
    pub(crate) fn command<A: Into<OsString>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Expression {
        self.command_in(&self.root, program, args)
    }

    fn command_in<A: Into<OsString>>(
        &self,
        folder: &Path,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Expression {
        let mut path = vec![self.tools.join("bin"), self.browser.join("node_modules/.bin")];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let path = env::join_paths(path).unwrap_or_default();
        duct::cmd(program, args)
            .dir(folder)
            .env("PATH", path)
            // Cargo sets it for the programs that it runs; a compiler other than Cargo's own stumbles over it.
            .env_remove("LD_LIBRARY_PATH")
    }

    /// Cargo, for a native build.
    pub(crate) fn cargo<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Expression {
        self.command("cargo", args).env("CARGO_TARGET_DIR", &self.target)
    }

    /// npm, in the Node package of the page's tests.
    pub(crate) fn npm<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Expression {
        self.npm_in(&self.browser, args)
    }

    /// npm, in a Node package.
    pub(crate) fn npm_in<A: Into<OsString>>(
        &self,
        package: &Path,
        args: impl IntoIterator<Item = A>,
    ) -> Expression {
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        self.command_in(package, npm, args)
    }

    /// The built site, where nothing else is asked for.
    pub(crate) fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// A native program of the workspace, once built.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target.join("release").join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }
}
