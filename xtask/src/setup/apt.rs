//! Debian's packages, where this machine has apt and lets us use it.

use anyhow::{Context, Result, bail};

use crate::paths::Paths;
use crate::run::{answer, say, succeeds};

/// Whether all of the packages are installed.
pub(super) fn installed(paths: &Paths, packages: &[&str]) -> bool {
    packages.iter().all(|package| {
        answer(&paths.command("dpkg-query", ["--show", "--showformat=${db:Status-Status}", package]))
            .is_some_and(|status| status == "installed")
    })
}

/// Installs the packages, or fails with the command that a person must type.
pub(super) fn install(paths: &Paths, what: &str, packages: &[&str], minutes: u32) -> Result<()> {
    let list = packages.join(" ");
    if !succeeds(&paths.command("apt-get", ["--version"])) {
        bail!("{what} is missing and this system has no apt. Install what Debian calls: {list}");
    }
    let root = answer(&paths.command("id", ["-u"])).is_some_and(|id| id == "0");
    let sudo: &[&str] = if root { &[] } else { &["sudo", "-n"] };
    let by_hand = format!("sudo apt-get install --no-install-recommends {list}");
    if !root && !succeeds(&paths.command("sudo", ["-n", "true"])) {
        bail!("{what} is missing, and only root may install it. Type: {by_hand}");
    }
    say(format_args!("setup: {what}, by apt: {list} (about {minutes} min)"));
    let environment = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2", "--yes"];
    let apt = |action: &[&str]| {
        let mut words = sudo.iter().chain(&environment).chain(action);
        let program = words.next().copied().unwrap_or("apt-get");
        paths.command(program, words).stdin_null().stdout_null().run()
    };
    // Old package lists name versions that the mirror no longer has. Where the update fails, the lists may do.
    if let Err(error) = apt(&["update"]) {
        say(format_args!("apt-get update failed ({error}); going on with the package lists as they are"));
    }
    let words: Vec<&str> = ["install", "--no-install-recommends"].iter().chain(packages).copied().collect();
    apt(&words).with_context(|| format!("{what} cannot be installed. Type: {by_hand}"))?;
    Ok(())
}
