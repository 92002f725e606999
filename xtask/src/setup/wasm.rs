//! The compiler of the page's module: rustup's, or Debian's where rustup cannot fetch its wasm32 target.

use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use duct::Expression;

use super::apt;
use crate::paths::Paths;
use crate::run::{answer, run_within, say};

const TARGET: &str = "wasm32-unknown-unknown";
/// How long rustup may take. Behind some firewalls its download hangs for ever.
const PATIENCE: Duration = Duration::from_secs(60);
/// Debian's compiler for browsers, the standard library's sources, and the linker.
const DEBIAN: [&str; 3] = ["rustc-web", "rust-web-src", "lld-19"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LINKER: &str = "/usr/bin/wasm-ld-19";

/// A compiler that builds for wasm32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// The one that builds everything else too, with its wasm32 target.
    Rustup,
    /// Debian's `rustc-web`, which builds the standard library from source, once per target folder.
    Debian,
}

impl Compiler {
    /// Makes a command that builds for wasm32 use this compiler.
    pub(crate) fn apply(self, command: &Expression) -> Expression {
        // RUSTFLAGS would replace the flags in .cargo/config.toml, without which the module is slow or fails.
        let command = command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        match self {
            Compiler::Rustup => command,
            Compiler::Debian => command
                .env("RUSTC", DEBIAN_RUSTC)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER),
        }
    }

    /// The compiler's exact version.
    pub(crate) fn version(self, paths: &Paths) -> Result<String> {
        let program = if self == Compiler::Debian { DEBIAN_RUSTC } else { "rustc" };
        answer(&paths.command(program, ["-vV"])).with_context(|| format!("{program} does not run"))
    }
}

/// Finds the compiler, installing what it lacks.
///
/// rustup's target is used whenever it is there. Where it could not be fetched, that is remembered in the cache, so
/// that later runs do not wait for it again: `rustup target add` by hand, or PATCHLAB_WASM_COMPILER, overrides it.
pub(super) fn compiler(paths: &Paths) -> Result<Compiler> {
    let remembered = paths.cache.join("wasm-compiler");
    let choice = env::var("PATCHLAB_WASM_COMPILER").ok();
    match choice.as_deref() {
        Some("debian") => return debian(paths),
        Some("rustup") | None => {}
        Some(other) => bail!("PATCHLAB_WASM_COMPILER is {other:?}, but must be \"rustup\" or \"debian\""),
    }
    if has_target(paths) {
        return Ok(Compiler::Rustup);
    }
    if choice.is_none() && fs::read_to_string(&remembered).is_ok_and(|text| text == "debian") {
        return debian(paths);
    }
    say(format_args!("setup: Rust's {TARGET} target, by rustup (half a minute)"));
    let Err(error) = run_within(&paths.command("rustup", ["target", "add", TARGET]), PATIENCE) else {
        return Ok(Compiler::Rustup);
    };
    say(format_args!("rustup cannot fetch the target: {error:#}"));
    let by_hand = format!("The page's module needs a compiler for wasm32. Type: rustup target add {TARGET}");
    if choice.is_some() {
        bail!(by_hand);
    }
    let compiler = debian(paths).context(by_hand)?;
    fs::write(remembered, "debian")?;
    Ok(compiler)
}

/// Whether the compiler in use has a standard library for wasm32.
fn has_target(paths: &Paths) -> bool {
    answer(&paths.command("rustc", ["--print", "target-libdir", "--target", TARGET]))
        .is_some_and(|folder| Path::new(&folder).is_dir())
}

fn debian(paths: &Paths) -> Result<Compiler> {
    if !apt::installed(paths, &DEBIAN) {
        apt::install(paths, "Debian's Rust compiler for browsers", &DEBIAN, 2)?;
    }
    Ok(Compiler::Debian)
}
