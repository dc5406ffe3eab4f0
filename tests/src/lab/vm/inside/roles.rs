//! Roles and daemons of a box, each taken over by this program: started by the box's own code, it gives up
//! what they give up, and then tries what it can still do.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use kith_model::role::{Mode, Spawned};
use kith_role::users;
use kith_supervise::process::{Process, Recipe};
use kith_supervise::role::{enter_link, enter_node};
use kith_supervise::roles::Role;
use tokio::io::AsyncReadExt as _;

use super::attempts::{self, Targets};
use crate::lab::namespace::call;

/// The run directory of daemons that are taken over, and what they are started for.
const RUN: &str = "/run/kith-taken-over";
const INSTANCE: &str = "try0";

/// Where daemons are, as the box looks for them.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The daemons of a box.
pub(crate) const DAEMONS: [&str; 4] = ["hostapd", "wpa_supplicant", "dnsmasq", "dhcpcd"];

/// Starts a role as the supervisor does, and passes on what it says. Runs in the box.
pub(super) fn take_over(role: &str, state: &str, targets: &str) -> Result<()> {
    let role = match role {
        "link" => Role::Link,
        "node" => Role::Node,
        // The control: everything as it is, and nothing given up.
        "nobody" => return attempts::make(&serde_json::from_str(targets).context("the targets")?),
        other => bail!("no role {other}"),
    };
    let sockets = match role {
        Role::Link => Vec::new(),
        Role::Node => vec![
            TcpListener::bind("127.0.0.1:0").context("a listener")?.into(),
            UdpSocket::bind("127.0.0.1:0").context("a socket")?.into(),
        ],
    };
    let spawned = Spawned {
        // The one part of the message that is free text.
        hosts: vec![targets.to_owned()],
        mode: Mode::Appliance,
        run: "/run/kith".to_owned(),
        ..Spawned::default()
    };
    let recipe = Recipe { arguments: role.arguments(Path::new(state), true), spawned, sockets };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut process = Process::start(&recipe, None, None).await?;
        let mut said = String::new();
        let mut log = process.log().context("what it says")?;
        log.read_to_string(&mut said).await.context("hear it")?;
        std::io::stderr().write_all(said.as_bytes()).context("pass it on")
    })
}

/// What the supervisor's code starts instead of a role: enters as the role does, and tries.
pub(super) fn as_role(role: &str, state: &str) -> Result<()> {
    let state = Path::new(state);
    let spawned = match role {
        "link" => enter_link(state, true)?.spawned,
        "node" => enter_node(state, true)?.entered.spawned,
        other => bail!("no role {other}"),
    };
    let targets = spawned.hosts.first().context("what to attempt upon")?;
    attempts::make(&serde_json::from_str(targets).context("what to attempt upon")?)
}

/// Puts this program in the place of a daemon's, in a mount namespace of its own, and has the box's code
/// become it.
pub(super) fn take_over_daemon(daemon: &str, kith: &str, targets: &str) -> Result<()> {
    let own = std::env::current_exe().context("find this program")?;
    let mut places = PLACES.iter().map(|place| Path::new(place).join(daemon));
    let place = places.find(|p| p.is_file()).with_context(|| format!("no {daemon}"))?;
    call("mount", &["--bind", utf8(&own)?, utf8(&place)?])?;
    let link = Path::new(RUN).join("link");
    for folder in [Path::new(RUN), &link, &Path::new(RUN).join("daemons")] {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).context("open it")?;
    }
    let file = configuration(daemon);
    let mut targets: Targets = serde_json::from_str(targets).context("the targets")?;
    targets.own = link.join("ctrl").join(format!("{daemon}-{INSTANCE}"));
    fs::write(&file, serde_json::to_vec(&targets)?).context("write its configuration")?;
    chown(&file, Some(users::LINK), Some(users::RENDERED)).context("give it to link")?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).context("lock it")?;
    let status = Command::new(kith)
        .args(["--state", RUN, "role", "exec-daemon", daemon, INSTANCE, "--generation", "1"])
        .args(["--run", RUN, "--drop"])
        .status()
        .context("start kith")?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

/// Whether this program was started in the place of a daemon; then it tries.
pub(super) fn as_daemon() -> Option<Result<()>> {
    let own = PathBuf::from(std::env::args_os().next()?);
    let daemon = own.file_name()?.to_str()?;
    DAEMONS.contains(&daemon).then(|| {
        let targets = fs::read(configuration(daemon)).context("read its configuration")?;
        attempts::make(&serde_json::from_slice(&targets).context("the targets")?)
    })
}

fn configuration(daemon: &str) -> PathBuf {
    Path::new(RUN).join("link").join(format!("{daemon}-{INSTANCE}"))
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}
