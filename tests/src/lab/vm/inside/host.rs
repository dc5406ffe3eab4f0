//! A pretended machine: a network, processes, files under /run, control groups and a name of its own.
//!
//! The kernel and its modules are shared, and the disk. Killing its first process ends all others in
//! it, as pulling the plug would; what it wrote stays.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::wait::waitpid;

use super::SHARED;
use super::ns::Ns;
use super::running::Running;
use super::wait::until;
use crate::lab::namespace::call;
use crate::lab::process::tree;

const GROUPS: &str = "/sys/fs/cgroup";

/// A running one; pulled from the socket when dropped.
#[derive(Debug)]
pub(crate) struct Host {
    /// Its network.
    pub(crate) ns: Ns,
    unshare: Child,
    first: u32,
    /// Whether its clock is another than the machine's.
    moved: bool,
}

impl Host {
    /// Switches it on: nothing runs in it yet. Its network is made when there is none.
    ///
    /// # Errors
    /// When the kernel refuses one of its namespaces.
    pub(crate) fn start(ns: &Ns) -> Result<Self> {
        Self::start_later(ns, 0)
    }

    /// As [`Host::start`], for one that takes itself to be on for so many seconds more (a time namespace).
    ///
    /// # Errors
    /// As [`Host::start`].
    pub(crate) fn start_later(ns: &Ns, seconds: u64) -> Result<Self> {
        let own = std::env::current_exe().context("find this program")?;
        let group = group_of(ns.name());
        until(Duration::from_secs(30), "nothing is left of it", || {
            Ok(clear(&group).map_err(|why| why.to_string()))
        })?;
        fs::create_dir_all(&group).with_context(|| format!("make {}", group.display()))?;
        lend(Path::new(GROUPS))?;
        let log = Path::new(SHARED).join(format!("host-{}.log", ns.name()));
        let mut command = within(&group, ns.command("unshare"))?;
        command.args([
            "--pid",
            "--fork",
            "--kill-child=KILL",
            "--mount",
            "--uts",
            "--ipc",
            "--cgroup",
        ]);
        if seconds > 0 {
            command.args(["--time", "--boottime", &seconds.to_string()]);
        }
        command
            .arg(own)
            .args(["vm-host", ns.name()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(log).context("open a log")?);
        let mut unshare = command.spawn().context("start a host")?;
        let said = unshare.stdout.take().context("its standard output")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line).context("hear from the host")?;
        ensure!(line.trim() == "ready", "the host {} does not start: {line}", ns.name());
        // A group whose children have limits may hold no process itself.
        let outer = Path::new(GROUPS).join("cgroup.procs");
        fs::write(outer, unshare.id().to_string()).context("leave a control group")?;
        lend(&group)?;
        let first = tree(unshare.id()).get(1).copied().context("the host's first process")?;
        Ok(Self { ns: ns.clone(), unshare, first, moved: seconds > 0 })
    }

    /// A program to be started in it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        let target = self.first.to_string();
        command
            .args(["--target", &target, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"])
            .args(self.moved.then_some("--time"))
            .arg("--")
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// Starts a daemon in it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn spawn(&self, program: &Path, words: &[&str]) -> Result<Running> {
        let name = program.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let name = format!("{}-{name}", self.ns.name());
        let mut command = self.command(program);
        command.args(words);
        let mut command = within(&group_of(self.ns.name()).join("init"), command)?;
        Running::start(&name, &mut command)
    }

    /// Its files, as the lab sees them.
    pub(crate) fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.first))
    }

    /// Runs a program in it, which must succeed; answers what it printed.
    ///
    /// # Errors
    /// When it fails; with what it said.
    pub(crate) fn run(&self, program: &str, words: &[&str]) -> Result<String> {
        let output = self.command(Path::new(program)).args(words).output();
        let output = output.with_context(|| format!("start {program}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let (name, words) = (self.ns.name(), words.join(" "));
        ensure!(output.status.success(), "{name}: {program} {words}: {}", said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Everything that runs in it, by the numbers that the lab uses, with its command line.
    pub(crate) fn processes(&self) -> Vec<(u32, String)> {
        let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = namespace(self.first);
        let words = |pid: u32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|p| p.file_name().to_str()?.parse().ok())
            .filter(|pid| own.is_some() && namespace(*pid) == own)
            .map(|pid| (pid, String::from_utf8_lossy(&words(pid)).replace('\0', " ")))
            .collect()
    }

    /// Pulls its plug: all that runs in it is gone at once.
    ///
    /// # Errors
    /// When it was gone before.
    pub(crate) fn pull(mut self) -> Result<()> {
        call("kill", &["-s", "KILL", &self.first.to_string()])?;
        self.unshare.wait().map(drop).context("wait for the host's end")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Its first process goes with it, and all others with that.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

fn group_of(name: &str) -> PathBuf {
    Path::new(GROUPS).join(format!("host-{name}"))
}

/// Removes a control group and those in it, whose files go with them.
fn clear(group: &Path) -> std::io::Result<()> {
    if !group.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(group)? {
        let path = entry?.path();
        if path.is_dir() {
            clear(&path)?;
        }
    }
    fs::remove_dir(group)
}

/// Lets the groups in `group` set limits.
fn lend(group: &Path) -> Result<()> {
    fs::write(group.join("cgroup.subtree_control"), "+memory +pids +cpu")
        .with_context(|| format!("lend limits to {}", group.display()))
}

/// `command` as a member of `group` from its first moment, with all that it starts: this program joins the
/// group and becomes it.
fn within(group: &Path, command: Command) -> Result<Command> {
    let mut joined = Command::new(std::env::current_exe().context("find this program")?);
    joined.arg("vm-within").arg(group).arg(command.get_program()).args(command.get_args());
    Ok(joined)
}

/// Joins a control group and becomes a program; returns only when that fails.
pub(super) fn become_member(group: &str, program: &str, words: &[&str]) -> Result<()> {
    fs::write(Path::new(group).join("cgroup.procs"), "0")
        .with_context(|| format!("join {group}"))?;
    Err(Command::new(program).args(words).exec()).with_context(|| format!("become {program}"))
}

/// The first process of a host: mounts what belongs to it, and waits for orphans until it is killed.
pub(super) fn first_process(name: &str) -> ExitCode {
    match prepare(name) {
        Ok(()) => println!("ready"),
        Err(why) => {
            println!("{why:#}");
            return ExitCode::FAILURE;
        }
    }
    loop {
        if waitpid(None, None).is_err() {
            // Nobody to wait for.
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn prepare(name: &str) -> Result<()> {
    // /sys is that of the network since `ip netns exec`, and lacks what is mounted in it.
    call("mount", &["-t", "proc", "proc", "/proc"])?;
    call("mount", &["-t", "cgroup2", "cgroup2", GROUPS])?;
    // Another machine's leases are none of its own.
    call("mount", &["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/lib/dhcpcd"])?;
    // Last, since mount(8) leaves a note in it.
    call("mount", &["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])?;
    fs::write("/proc/sys/kernel/hostname", name).context("name the host")?;
    let init = Path::new(GROUPS).join("init");
    fs::create_dir_all(&init).context("make a control group")?;
    fs::write(init.join("cgroup.procs"), "0").context("join a control group")
}
