//! Running other programs, and telling the person what runs.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use duct::Expression;

/// Prints a line about what is going on.
pub(crate) fn say(text: impl std::fmt::Display) {
    println!("{text}");
    // A pipe holds lines back; whoever reads it wants to know now what takes so long.
    std::io::stdout().flush().ok();
}

/// The command's output without the final line end, or nothing if it failed or is not there.
pub(crate) fn answer(command: &Expression) -> Option<String> {
    command.stderr_null().read().ok()
}

/// Whether the command is there and succeeds. It prints nothing.
pub(crate) fn succeeds(command: &Expression) -> bool {
    command.stdin_null().stdout_null().stderr_null().run().is_ok()
}

/// Runs the command and ends it when `limit` has passed.
pub(crate) fn run_within(command: &Expression, limit: Duration) -> Result<()> {
    let handle = command.stdin_null().start().context("cannot be started")?;
    if handle.wait_timeout(limit)?.is_none() {
        handle.kill()?;
        bail!("no answer within {} seconds", limit.as_secs());
    }
    Ok(())
}
