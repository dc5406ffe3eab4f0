//! What somebody does who has taken a role over: tried from inside, one thing after the other.
//!
//! Whoever is tried prints a line for each attempt, and whether it was allowed. Without a sandbox every one
//! of them works; that is the control.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kith_model::role::{MAX_MESSAGE, SuperviseAsk, Supervision};
use kith_supervise::status::SOCKET;
use nix::kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module};
use nix::mount::{MsFlags, mount, umount};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{Pid, Uid, setresuid};
use serde::{Deserialize, Serialize};

use super::netlink;

/// What is attempted upon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Targets {
    /// The supervisor's process, as this host counts.
    pub(crate) supervisor: i32,
    /// Another role's process, and a file of it.
    pub(crate) other: i32,
    pub(crate) file: PathBuf,
    /// Where the supervisor's socket is.
    pub(crate) state: PathBuf,
    /// A folder in which whoever is tried may write.
    pub(crate) own: PathBuf,
    /// An uncompressed module of this kernel, which is not loaded.
    pub(crate) module: PathBuf,
}

/// Something that is attempted, with its name.
type Attempt = (&'static str, fn(&Targets) -> Result<()>);

/// All of them but one.
pub(crate) const ALL: [Attempt; 17] = [
    ("read another role's file", |t| read(&t.file)),
    ("read the system's passwords", |_| read(Path::new("/etc/shadow"))),
    ("write into /etc", |_| write(Path::new("/etc/written-by-a-role"))),
    ("write into /usr", |_| write(Path::new("/usr/bin/written-by-a-role"))),
    ("speak to the supervisor", |t| speak(&t.state)),
    ("signal another role", |t| Ok(kill(Pid::from_raw(t.other), Signal::SIGWINCH)?)),
    ("read another role's memory", |t| {
        File::open(format!("/proc/{}/mem", t.other)).map(drop).context("open")
    }),
    ("trace the supervisor", |t| {
        Ok(ptrace::seize(Pid::from_raw(t.supervisor), ptrace::Options::empty())?)
    }),
    ("open a raw socket", |_| {
        let raw = (AddressFamily::Inet, SockType::Raw, SockProtocol::Icmp);
        Ok(socket(raw.0, raw.1, SockFlag::SOCK_CLOEXEC, raw.2).map(drop)?)
    }),
    ("listen on port 80", |_| TcpListener::bind("127.0.0.2:80").map(drop).context("listen")),
    ("change an address", |_| address()),
    ("change a setting of the network", |_| again("/proc/sys/net/ipv4/ip_forward")),
    ("change a setting of the kernel", |_| again("/proc/sys/kernel/panic")),
    ("load a module", |t| module(&t.module)),
    ("make a device", |t| {
        let path = t.own.join("device-of-a-role");
        mknod(&path, SFlag::S_IFCHR, Mode::S_IRUSR, makedev(1, 7))?;
        fs::remove_file(&path).context("remove it")
    }),
    ("mount something", |t| {
        let kind = Some("tmpfs");
        mount(kind, &t.own, kind, MsFlags::empty(), None::<&str>)?;
        Ok(umount(&t.own)?)
    }),
    ("execute a program", |_| {
        let status = Command::new("/usr/bin/env").arg("true").status().context("start it")?;
        ensure!(status.success(), "{status}");
        Ok(())
    }),
];

/// The last one, since it changes who tries.
pub(crate) const ROOT: &str = "become root";

/// Makes every attempt, and prints a line of JSON for each: its name, and why it was refused.
pub(crate) fn make(targets: &Targets) -> Result<()> {
    let mut said = std::io::stderr();
    let root = Uid::from_raw(0);
    let mut tell = |name: &str, result: Result<()>| {
        let refused = result.err().map(|why| format!("{why:#}"));
        let line = serde_json::to_string(&(name, refused)).context("say it")?;
        writeln!(said, "{line}").context("say it")
    };
    for (name, attempt) in ALL {
        tell(name, attempt(targets))?;
    }
    tell(ROOT, setresuid(root, root, root).map_err(Into::into))
}

/// Asks the supervisor how all is; who is not let in gets no answer.
fn speak(state: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut channel = kith_role::socket::connect(state, SOCKET, MAX_MESSAGE).await?;
        channel.send(&SuperviseAsk::Status, &[]).await?;
        channel.receive::<Supervision>().await?.map(drop).context("it says nothing")
    })
}

fn read(file: &Path) -> Result<()> {
    fs::read(file).map(drop).context("read")
}

fn write(file: &Path) -> Result<()> {
    fs::write(file, "x").context("write")?;
    fs::remove_file(file).context("remove it")
}

/// Writes into a kernel setting what is in it already.
fn again(file: &str) -> Result<()> {
    let value = fs::read(file).context("read")?;
    fs::write(file, value).context("write")
}

/// Gives loopback an address more, and takes it away (rtnetlink(7): `RTM_NEWADDR`, `RTM_DELADDR`).
fn address() -> Result<()> {
    let index = nix::net::if_::if_nametoindex("lo").context("loopback")?;
    // IPv4, 32 bits, no flags, of the host.
    let mut body = vec![2, 32, 0, 254];
    body.extend(index.to_ne_bytes());
    body.extend(netlink::attribute(2, &[203, 0, 113, 7]));
    // `NLM_F_CREATE`, for it is new.
    netlink::ask(SockProtocol::NetlinkRoute, 20, 0x400, &body)?;
    netlink::ask(SockProtocol::NetlinkRoute, 21, 0, &body).map(drop)
}

fn module(file: &Path) -> Result<()> {
    let file = File::open(file).context("open")?;
    finit_module(&file, c"", ModuleInitFlags::empty())?;
    Ok(delete_module(c"dummy", DeleteModuleFlags::O_NONBLOCK)?)
}
