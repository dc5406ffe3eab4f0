//! rsync as a peer: its daemon on loopback, a fresh copy, made durable by a sync of the file system.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::start::free_port;
use crate::lab::namespace::call;
use crate::lab::wait;

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Seconds to copy the folder `from` through a daemon until it is durable.
pub(super) fn transfer(scratch: &Path, from: &Path) -> Result<f64> {
    let (port, config) = (free_port()?, scratch.join("rsyncd.conf"));
    let to = scratch.join("rsync-out");
    let text = format!(
        "use chroot = no\nuid = 0\ngid = 0\n[lab]\npath = {}\nread only = yes\n",
        from.display()
    );
    fs::write(&config, text).context("write rsync's settings")?;
    fs::create_dir_all(&to).context("make the receiver's folder")?;
    let child = Command::new("rsync")
        .args(["--daemon", "--no-detach", "--address=127.0.0.1"])
        .arg(format!("--port={port}"))
        .arg(format!("--config={}", config.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("start rsync's daemon")?;
    let _daemon = Daemon(child);
    wait(Duration::from_secs(10), "rsync's daemon listens", || {
        Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
    })?;
    let source = format!("rsync://127.0.0.1:{port}/lab/");
    let start = Instant::now();
    call("rsync", &["-a", "--whole-file", &source, to.to_str().context("a path in UTF-8")?])?;
    call("sync", &["-f", to.to_str().context("a path in UTF-8")?])?;
    Ok(start.elapsed().as_secs_f64())
}
