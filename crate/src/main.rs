//! `patchlab`: the page's session without a browser. JSON in, JSON out.

#[cfg(not(target_family = "wasm"))]
#[expect(clippy::disallowed_methods, reason = "the native command has files and may wait")]
mod cli;

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    cli::main()
}

/// In the browser the module is this program with nothing to do at start: what it exports is the library's `web`.
#[cfg(target_family = "wasm")]
use patchlab as _;
#[cfg(target_family = "wasm")]
fn main() {}
