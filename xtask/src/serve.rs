//! `cargo xtask serve`: the site on this machine.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::build;
use crate::paths::Paths;
use crate::run::say;
use crate::setup;

const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Builds the site and serves it until the command is interrupted.
pub(crate) fn serve(paths: &Paths, out: &Path, port: u16) -> Result<()> {
    setup::for_node(paths)?;
    build::build(paths, out)?;

    let port = free_port(port)?;
    let folder = out.to_string_lossy();
    let number = port.to_string();
    // `--dev` reads files anew for each request, so that a rebuilt site is there on reload.
    let server = paths
        .command("sirv", [&folder, "--host", &HOST.to_string(), "--port", &number, "--dev", "--quiet"])
        .start()
        .context("the web server cannot be started")?;
    while server.try_wait().context("the web server stopped")?.is_none() {
        if TcpStream::connect((HOST, port)).is_ok() {
            say(format_args!("serve: Patchlab is at http://{HOST}:{port}/ until you press Ctrl-C"));
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    server.wait().context("the web server stopped")?;
    Ok(())
}

/// The port wanted, or else one that the system has free.
fn free_port(wanted: u16) -> Result<u16> {
    let bound = TcpListener::bind((HOST, wanted)).or_else(|_| {
        say(format_args!("serve: port {wanted} is taken"));
        TcpListener::bind((HOST, 0))
    });
    Ok(bound.context("no port can be opened on this machine")?.local_addr()?.port())
}
