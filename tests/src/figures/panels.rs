//! Memory of a box in a large neighbourhood with many live panels open.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

use super::table::{Goal, Table};
use super::{Scale, cost};
use crate::lab::panel::Visitor;
use crate::lab::process::{Node, Plan};
use crate::lab::{scratch, wait};

/// What the box has around it, besides what every simulated box has.
const NEIGHBOURS: usize = 50;
const DEVICES: usize = 100;
/// Event streams held open; each browser has one.
const PANELS: usize = 50;
/// Panels from one address; the box bounds how many connections one may hold.
const FROM_ONE: usize = 20;
/// How long they are held before it is measured.
const HELD: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn measure(_scale: Scale, table: &mut Table) -> Result<()> {
    let folder = scratch("panels")?;
    let plan = Plan::new("anna", folder.path());
    fs::create_dir_all(&plan.state).context("make the state")?;
    fs::write(plan.state.join("crowd"), format!("{NEIGHBOURS} {DEVICES}")).context("a crowd")?;
    let node = Node::start(plan)?;
    let mut owner = Visitor::claim(&node)?;
    set_up(&node)?;
    let quiet = cost::pss(&node.pids())?;
    let panels = Panels::open(&node, &owner)?;
    for path in ["/overview", "/mesh", "/clients", "/wifi", "/lan", "/health"] {
        ensure!(owner.get(path)?.status == 200, "{path} is no page");
    }
    std::thread::sleep(HELD);
    ensure!(panels.heard() >= PANELS, "only {} panels heard something", panels.heard());
    let pss = cost::pss(&node.pids())?;
    drop(panels);
    let detail = format!(
        "{NEIGHBOURS} neighbours, {DEVICES} devices, {PANELS} live panels; PSS of all processes; {quiet:.1} before the panels"
    );
    table.judge("memory in a large neighbourhood", (pss, "MiB"), (Goal::AtMost, 48.0), detail);
    node.stop()?;
    Ok(())
}

/// Joins the simulated mesh and serves a Wi-Fi, and waits until everybody is there.
fn set_up(node: &Node) -> Result<()> {
    node.kith(&[
        "set",
        "country",
        "DE",
        "mesh.enabled",
        "on",
        "mesh.id",
        "Valley Mesh",
        "mesh.secret",
        "valley valley valley",
    ])?;
    node.kith(&["apply", "--yes"])?;
    node.kith(&["confirm"])?;
    wait(PATIENCE, "all neighbours and devices are there", || {
        let network = node.json(&["network"])?;
        let count = |list: &serde_json::Value| list.as_array().map_or(0, Vec::len);
        let heard = count(&network["mesh"]["neighbours"]);
        Ok(heard >= NEIGHBOURS && count(&network["clients"]) >= DEVICES)
    })
    .map(drop)
}

/// Event streams that are read as they come.
struct Panels {
    stop: Arc<AtomicBool>,
    heard: Arc<AtomicUsize>,
    readers: Vec<JoinHandle<()>>,
}

impl Panels {
    fn open(node: &Node, owner: &Visitor) -> Result<Self> {
        let host = node.panel.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let to: SocketAddr = host.parse().context("the panel's address")?;
        let (stop, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut readers = Vec::new();
        for number in 0..PANELS {
            let mut stream = connected(to, number / FROM_ONE)?;
            let cookie = owner.cookie();
            let ask = format!("GET /events HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n");
            stream.write_all(ask.as_bytes()).context("ask for events")?;
            let (stop, heard) = (Arc::clone(&stop), Arc::clone(&heard));
            readers.push(std::thread::spawn(move || read(&mut stream, &stop, &heard)));
        }
        Ok(Self { stop, heard, readers })
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Drop for Panels {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

/// A connection from one of the host's own loopback addresses.
fn connected(to: SocketAddr, from: usize) -> Result<TcpStream> {
    let SocketAddr::V4(to) = to else { anyhow::bail!("the panel is at {to}") };
    let last = u8::try_from(from + 2).context("an address")?;
    let own = SockaddrIn::from(std::net::SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0));
    let fd: OwnedFd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(fd.as_raw_fd(), &own).context("an own address")?;
    connect(fd.as_raw_fd(), &SockaddrIn::from(to)).context("reach the panel")?;
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(Duration::from_millis(500))).context("set a limit")?;
    Ok(stream)
}

/// Reads events until told to stop; counts itself once it has heard one.
fn read(stream: &mut TcpStream, stop: &AtomicBool, heard: &AtomicUsize) {
    let (mut piece, mut begun, mut counted) = ([0; 4_096], Vec::new(), false);
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut piece) {
            Ok(0) => return,
            Ok(size) if !counted => {
                begun.extend_from_slice(&piece[..size]);
                if begun.windows(13).any(|bytes| bytes == b"event: status") {
                    counted = true;
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
}
