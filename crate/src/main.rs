//! `patchlab`: the page's session without a browser. JSON in, JSON out.

#[cfg(not(target_family = "wasm"))]
mod cli;

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    cli::main()
}

/// In the browser the library is used; the command has no meaning there.
#[cfg(target_family = "wasm")]
fn main() {}
