//! Private networks without root: one user, network and mount namespace for the lab, and in it one
//! network namespace a box, joined by a bridge as by a switch.
//!
//! No delay and no loss here: the kernel of a container often lacks netem. Those belong to the
//! simulated world.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};

const INSIDE: &str = "KITH_LAB_INSIDE";

/// Moves this program into namespaces of its own, by running it once more in them.
///
/// As root it can do without a user namespace (`rootless` false), in which there is no other uid than
/// root's, so that daemons which change theirs do not run. Answers the exit code of that second run, or nothing when this already is the second run.
///
/// # Errors
/// When this machine does not allow it; that is a reason to skip.
pub fn enter(rootless: bool) -> Result<Option<ExitCode>> {
    if std::env::var_os(INSIDE).is_some() {
        call("mount", &["-t", "tmpfs", "tmpfs", "/run"])?;
        call("ip", &["link", "set", "lo", "up"])?;
        return Ok(None);
    }
    let user: &[&str] = if rootless || !is_root()? { &["--user", "--map-root-user"] } else { &[] };
    let flags = [user, &["--net", "--mount"]].concat();
    call("unshare", &[&flags[..], &["true"]].concat())
        .context("unshare -Urnm is not allowed here")?;
    let own = std::env::current_exe().context("find this program")?;
    let status = Command::new("unshare")
        .args(flags)
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, if user.is_empty() { "all-users" } else { "one-user" })
        .status()
        .context("run in namespaces")?;
    let code = status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1);
    Ok(Some(ExitCode::from(code)))
}

/// Whether programs in this namespace can change to another uid.
#[must_use]
pub fn has_users() -> bool {
    std::env::var_os(INSIDE).is_some_and(|kind| kind == "all-users")
}

fn is_root() -> Result<bool> {
    let status = std::fs::read_to_string("/proc/self/status").context("who am I")?;
    let line = status.lines().find_map(|l| l.strip_prefix("Uid:")).context("who am I")?;
    Ok(line.split_whitespace().nth(1) == Some("0"))
}

/// A box's own network, with one cable to the switch.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// The box's name; also of its end of the cable at the switch.
    pub name: String,
    /// Its IPv4 address.
    pub address: String,
}

/// Makes a switch and a box for each name, all plugged in.
///
/// # Errors
/// When `ip` refuses.
pub fn boxes(names: &[&str]) -> Result<Vec<Namespace>> {
    call("ip", &["link", "add", "switch", "type", "bridge"])?;
    call("ip", &["link", "set", "switch", "up"])?;
    (1..).zip(names).map(|(number, name)| Namespace::new(name, number)).collect()
}

/// Takes the boxes and the switch away.
///
/// # Errors
/// When `ip` refuses.
pub fn remove(boxes: &[Namespace]) -> Result<()> {
    for b in boxes {
        call("ip", &["netns", "delete", &b.name])?;
    }
    call("ip", &["link", "delete", "switch"]).map(drop)
}

impl Namespace {
    fn new(name: &str, number: u8) -> Result<Self> {
        let this = Self { name: name.to_owned(), address: format!("10.77.0.{number}") };
        let (port, inner) = (this.port(), format!("{name}-in"));
        call("ip", &["netns", "add", name])?;
        call("ip", &["link", "add", &port, "type", "veth", "peer", "name", &inner])?;
        call("ip", &["link", "set", &inner, "netns", name, "name", "eth0"])?;
        call("ip", &["link", "set", &port, "master", "switch", "up"])?;
        call("ip", &["-n", name, "link", "set", "lo", "up"])?;
        let network = format!("{}/24", this.address);
        call("ip", &["-n", name, "address", "add", &network, "dev", "eth0"])?;
        call("ip", &["-n", name, "link", "set", "eth0", "up"])?;
        Ok(this)
    }

    /// Pulls the cable.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn unplug(&self) -> Result<()> {
        call("ip", &["link", "set", &self.port(), "down"]).map(drop)
    }

    /// Plugs the cable in again.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn plug(&self) -> Result<()> {
        call("ip", &["link", "set", &self.port(), "up"]).map(drop)
    }

    /// A program to be run in this box.
    #[must_use]
    pub fn command(&self, program: &PathBuf) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg("--").arg(program);
        command
    }

    fn port(&self) -> String {
        format!("{}-port", self.name)
    }
}

/// Runs `work` in a thread whose network is the namespace `name`.
///
/// A socket belongs for ever to the network of the thread that made it, so one program has sockets in many.
///
/// # Errors
/// When there is no such namespace, or `work` fails.
pub fn inside<T: Send>(name: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let entered = || {
        let path = format!("/run/netns/{name}");
        let namespace = File::open(&path).with_context(|| format!("open {path}"))?;
        setns(namespace, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter {name}"))?;
        work()
    };
    thread::scope(|scope| scope.spawn(entered).join())
        .map_err(|_| anyhow!("the thread in {name} came to an end by itself"))?
}

/// Makes a network namespace in which addresses can be used at once.
///
/// # Errors
/// When `ip` refuses.
pub fn make(name: &str) -> Result<()> {
    call("ip", &["netns", "add", name])?;
    call("ip", &["-n", name, "link", "set", "lo", "up"])?;
    // Nobody else has these addresses, so nobody is asked for a second (RFC 4862, 5.4).
    set(name, "ipv6/conf/default/accept_dad", "0")
}

/// Sets a kernel setting below `/proc/sys/net/` there.
///
/// # Errors
/// When the kernel refuses.
pub fn set(name: &str, path: &str, value: &str) -> Result<()> {
    let file = format!("/proc/sys/net/{path}");
    inside(name, || std::fs::write(&file, value).with_context(|| format!("set {path} to {value}")))
}

/// The value of a kernel setting there.
///
/// # Errors
/// When there is none.
pub fn get(name: &str, path: &str) -> Result<String> {
    let file = format!("/proc/sys/net/{path}");
    let value =
        inside(name, || std::fs::read_to_string(&file).with_context(|| format!("read {file}")))?;
    Ok(value.trim().to_owned())
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started or fails; with what it said.
pub fn call(program: &str, args: &[&str]) -> Result<Output> {
    let output = Command::new(program)
        .args(args)
        .output()
        .with_context(|| format!("start {program} (is it installed?)"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{program} {}: {said}", args.join(" "));
    }
    Ok(output)
}
