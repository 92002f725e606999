//! The compiler of the page's module: rustup's, or Debian's where rustup cannot fetch its wasm32 target.

use std::env;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use duct::Expression;

use super::apt;
use crate::paths::Paths;
use crate::run::{answer, run_within, say};

/// What the module is built for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// How long rustup may take: behind some firewalls its download hangs.
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
/// rust-toolchain.toml names the target, but rustup fetches it only if it may install things by itself
/// (RUSTUP_AUTO_INSTALL), so it is asked for here too. PATCHLAB_WASM_COMPILER=debian tries the fallback.
pub(super) fn compiler(paths: &Paths) -> Result<Compiler> {
    let wanted = env::var("PATCHLAB_WASM_COMPILER").ok();
    match wanted.as_deref() {
        None => {}
        Some("debian") => return debian(paths),
        Some(other) => bail!("PATCHLAB_WASM_COMPILER is {other:?}; the only value it takes is \"debian\""),
    }
    if has_target(paths) {
        return Ok(Compiler::Rustup);
    }
    let by_hand = format!("rustup target add {TARGET}");
    // Debian's packages are only there if rustup failed before: do not wait for it again.
    if apt::installed(paths, &DEBIAN) {
        say(format_args!(
            "setup: Rust has no {TARGET} target, so Debian's compiler is used. To change that: {by_hand}"
        ));
        return Ok(Compiler::Debian);
    }
    say(format_args!("setup: Rust's {TARGET} target, by rustup (half a minute)"));
    match run_within(&paths.command("rustup", ["target", "add", TARGET]), PATIENCE) {
        Ok(()) => Ok(Compiler::Rustup),
        Err(error) => {
            say(format_args!(
                "rustup cannot fetch the target ({error:#}), so Debian's compiler is used instead"
            ));
            debian(paths)
                .with_context(|| format!("The page's module needs a compiler for wasm32. Type: {by_hand}"))
        }
    }
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
