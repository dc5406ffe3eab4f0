//! The first program of an image, in its initrd: loads the modules that lead to the disk, finds the slot that
//! the kernel's command line names, mounts its root read-only with memory where a box writes, and hands over
//! to the root's init. What it decides is in `decide`; here are its hands.
#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use rustix::mount::{MountFlags, mount, mount_move};
use rustix::system::{RebootCommand, finit_module, reboot};

mod decide;

/// How long the disk may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(50);

/// Where the root is mounted before it is the root.
const ROOT: &str = "/newroot";

fn main() {
    let Err(error) = hand_over() else { return };
    say(&format!("kith-init: {error}; starting again in ten seconds"));
    sleep(Duration::from_secs(10));
    // The firmware then counts this start as failed, and takes the other slot when it has had enough.
    let _ = reboot(RebootCommand::Restart);
}

fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// What went wrong, and where.
fn at(what: &str) -> impl FnOnce(io::Error) -> String {
    move |error| format!("{what}: {error}")
}

/// Returns only when it cannot.
fn hand_over() -> Result<(), String> {
    pseudo("proc", "/proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, c"")?;
    pseudo("sysfs", "/sys", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, c"")?;
    pseudo("devtmpfs", "/dev", MountFlags::NOSUID, c"mode=0755")?;
    modules()?;
    let line = fs::read_to_string("/proc/cmdline").map_err(at("/proc/cmdline"))?;
    let slot = decide::slot(&line);
    let device = wait_for(slot)?;
    fs::create_dir_all(ROOT).map_err(at(ROOT))?;
    let read_only = MountFlags::RDONLY | MountFlags::NODEV;
    mount(&device, ROOT, c"squashfs", read_only, c"")
        .map_err(|error| format!("{slot} ({device}) holds no root: {error}"))?;
    memory()?;
    for name in ["proc", "sys", "dev"] {
        mount_move(format!("/{name}"), format!("{ROOT}/{name}"))
            .map_err(|error| format!("/{name} cannot be moved: {error}"))?;
    }
    say(&format!("kith-init: root is {slot} ({device})"));
    become_root()
}

fn pseudo(kind: &str, target: &str, flags: MountFlags, options: &CStr) -> Result<(), String> {
    fs::create_dir_all(target).map_err(at(target))?;
    mount(kind, target, kind, flags, options).map_err(|error| format!("{target}: {error}"))
}

/// In the order of the list, which is that of their dependencies. One that is built in or has no hardware is
/// no reason to stop: what is missing shows when the disk does not appear.
fn modules() -> Result<(), String> {
    let Ok(list) = fs::read_to_string("/modules/order") else { return Ok(()) };
    for name in decide::modules(&list) {
        let path = format!("/modules/{name}");
        let file = File::open(&path).map_err(at(&path))?;
        if let Err(error) = finit_module(&file, c"", 0) {
            say(&format!("kith-init: {name}: {error}"));
        }
    }
    Ok(())
}

/// The device of the partition with this label.
fn wait_for(slot: &str) -> Result<String, String> {
    let mut waited = Duration::ZERO;
    loop {
        if let Some(name) = partition(slot) {
            return Ok(format!("/dev/{name}"));
        }
        if waited >= PATIENCE {
            return Err(format!("no partition is called {slot}"));
        }
        sleep(STEP);
        waited += STEP;
    }
}

fn partition(slot: &str) -> Option<String> {
    for entry in fs::read_dir("/sys/class/block").ok()?.flatten() {
        let event = fs::read_to_string(entry.path().join("uevent")).unwrap_or_default();
        if let Some(name) = decide::device(&event, slot) {
            return Some(name.to_owned());
        }
    }
    None
}

/// Memory wherever a box writes, since its root cannot be written.
fn memory() -> Result<(), String> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    for (name, flags, options) in [
        ("run", flags | MountFlags::NOEXEC, c"mode=0755,size=16m"),
        ("tmp", flags | MountFlags::NOEXEC, c"mode=1777,size=16m"),
        ("var", flags | MountFlags::NOEXEC, c"mode=0755,size=16m"),
        ("data", flags | MountFlags::NOEXEC, c"mode=0755,size=50%"),
    ] {
        let target = format!("{ROOT}/{name}");
        mount("tmpfs", &target, c"tmpfs", flags, options)
            .map_err(|error| format!("{target}: {error}"))?;
    }
    for name in ["cache", "lib", "log", "spool"] {
        let path = format!("{ROOT}/var/{name}");
        fs::create_dir(&path).map_err(at(&path))?;
    }
    symlink("/run", format!("{ROOT}/var/run")).map_err(at("/var/run"))?;
    let groups = "/sys/fs/cgroup";
    let limits = flags | MountFlags::NOEXEC;
    mount("cgroup2", groups, c"cgroup2", limits, c"").map_err(|error| format!("{groups}: {error}"))
}

fn become_root() -> Result<(), String> {
    std::env::set_current_dir(ROOT).map_err(at(ROOT))?;
    mount_move(Path::new("."), Path::new("/"))
        .map_err(|error| format!("the root stays: {error}"))?;
    rustix::process::chroot(".").map_err(|error| format!("the root stays: {error}"))?;
    std::env::set_current_dir("/").map_err(at("/"))?;
    Err(format!("/sbin/init: {}", init().exec()))
}

#[expect(clippy::disallowed_methods, reason = "it becomes init, as the first program must")]
fn init() -> Command {
    let mut init = Command::new("/sbin/init");
    init.env_clear().env("PATH", "/usr/bin:/usr/sbin:/bin:/sbin").env("TERM", "linux");
    init
}
