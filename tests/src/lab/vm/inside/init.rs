//! The first process: what the kernel offers is mounted, the scenario runs, and the machine ends.
//!
//! Orphans become its children, and are waited for, so that a process which ended is gone from /proc
//! as on any machine.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use nix::sys::wait::{WaitStatus, waitpid};

use super::SHARED;
use crate::lab::namespace::call;

/// Where programs are; the kernel gives its first process no such list.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The port of QEMU's device that ends the machine.
const EXIT_PORT: u64 = 0xf4;

/// Runs the scenario that the host asks for, leaves its exit code in `/labout/rc`, and ends the
/// machine. Returning would be a panic of the kernel, which ends it too.
pub(super) fn run() -> ExitCode {
    let code = match prepare().and_then(|()| scenario()) {
        Ok(code) => code,
        Err(why) => {
            println!("init: {why:#}");
            let _ = fs::write(Path::new(SHARED).join("broke"), format!("init: {why:#}"));
            1
        }
    };
    if let Err(why) = end(code) {
        println!("init: {why:#}");
    }
    ExitCode::FAILURE
}

fn prepare() -> Result<()> {
    mount("tmpfs", "tmpfs", "/run", "mode=755")?;
    mount("tmpfs", "tmpfs", "/dev/shm", "mode=1777")?;
    mount("devpts", "devpts", "/dev/pts", "mode=620,ptmxmode=666")?;
    mount("debugfs", "debugfs", "/sys/kernel/debug", "mode=700")?;
    mount("cgroup2", "cgroup2", "/sys/fs/cgroup", "rw")?;
    mount("9p", "labout", SHARED, "trans=virtio,version=9p2000.L,msize=131072,cache=none")?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("which kernel")?;
    let modules = shared("modules")?;
    let place = format!("/lib/modules/{}", release.trim());
    fs::create_dir_all(&place).with_context(|| format!("make {place}"))?;
    call_in_path("mount", &["--bind", &modules, &place])?;
    // Its check sum is a module of its own that ext4 does not name.
    for module in ["virtio_blk", "crc32c_generic", "ext4"] {
        call_in_path("modprobe", &[module])?;
    }
    mount("ext4", "/dev/vda", "/disk", "noatime")?;
    fs::write("/proc/sys/kernel/hostname", "lab").context("name the machine")?;
    call_in_path("ip", &["link", "set", "lo", "up"])?;
    fs::write(Path::new(SHARED).join("started"), "").context("say that it started")
}

fn mount(kind: &str, what: &str, place: &str, options: &str) -> Result<()> {
    fs::create_dir_all(place).with_context(|| format!("make {place}"))?;
    call_in_path("mount", &["-t", kind, "-o", options, what, place])
}

fn call_in_path(program: &str, words: &[&str]) -> Result<()> {
    let path = format!("PATH={PATH}");
    let all = [&[&path, program], words].concat();
    call("/usr/bin/env", &all).map(drop)
}

fn shared(name: &str) -> Result<String> {
    let text = fs::read_to_string(Path::new(SHARED).join(name));
    Ok(text.with_context(|| format!("read {name} of the host"))?.trim().to_owned())
}

fn scenario() -> Result<i32> {
    let asked = shared("asked")?;
    let mut words = asked.splitn(3, ' ');
    let log = File::options().create(true).append(true).open(Path::new(SHARED).join("log"));
    let log = log.context("open the log")?;
    let own = std::env::current_exe().context("find this program")?;
    let child = Command::new(own)
        .arg("vm-inside")
        .args([words.next(), words.next(), words.next()].map(Option::unwrap_or_default))
        .env("PATH", PATH)
        .env("HOME", "/tmp")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("open the log")?)
        .stderr(log)
        .spawn()
        .context("start the scenario")?;
    reap_until(&child)
}

/// Waits for whoever ends, until it is `child`; answers its exit code, 128 and more for a signal.
fn reap_until(child: &Child) -> Result<i32> {
    loop {
        let ended = waitpid(None, None).context("wait for a process")?;
        let of_child = |pid: nix::unistd::Pid| u32::try_from(pid.as_raw()) == Ok(child.id());
        if let WaitStatus::Exited(pid, code) = ended
            && of_child(pid)
        {
            return Ok(code);
        }
        if let WaitStatus::Signaled(pid, signal, _) = ended
            && of_child(pid)
        {
            return Ok(128 + signal as i32);
        }
    }
}

fn end(code: i32) -> Result<()> {
    let mut result = File::create(Path::new(SHARED).join("rc")).context("write the result")?;
    result.write_all(code.to_string().as_bytes()).context("write the result")?;
    result.sync_all().context("write the result")?;
    let mut ports = File::options().write(true).open("/dev/port").context("open the ports")?;
    ports.seek(SeekFrom::Start(EXIT_PORT)).context("end the machine")?;
    ports.write_all(&[0]).context("end the machine")
}
