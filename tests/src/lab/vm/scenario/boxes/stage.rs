//! Three boxes in a line, each with two radios and a wire to the provider where it has one, a fourth that
//! somebody has just unpacked, and the devices of people around them.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::lab::namespace::call;
use crate::lab::vm::inside::air::Air;
use crate::lab::vm::inside::client::Client;
use crate::lab::vm::inside::host::Host;
use crate::lab::vm::inside::lab::Lab;
use crate::lab::vm::inside::ns::Ns;
use crate::lab::vm::inside::wait::until;
use crate::lab::vm::inside::wan::Wan;
use crate::lab::vm::inside::wpa::COUNTRY;

/// The boxes with the numbers of their radios.
pub(super) const BOXES: [(&str, &[u32]); 4] =
    [("A", &[0, 3]), ("B", &[1, 4]), ("C", &[2, 5]), ("D", &[9])];

/// Who hears whom, as a mask for each radio: the boxes' first radios in a line, each box's second
/// with the phones in its house.
const PLACES: [(u32, u32); 11] = [
    (0, 0b001),
    (1, 0b011),
    (2, 0b010),
    (3, 1 << 4),
    (4, AT_B),
    (5, 1 << 6),
    (6, AT_A),
    (7, AT_A),
    (8, 1 << 6),
    (9, 1 << 7),
    (10, 1 << 7),
];

/// In A's house, and in B's.
pub(super) const AT_A: u32 = 1 << 4;
pub(super) const AT_B: u32 = 1 << 5;

/// For how long Wi-Fi is there to set a box up, in seconds.
pub(super) const SETUP: u64 = 15 * 60;
/// How much of that is left for D when it is switched on: so much alone, and so many times what the stage
/// took on this machine.
const LEFT: (u64, u64) = (40, 5);

/// What a box's kernel has from its start, and this one would look for while the boxes' first rules wait.
const MODULES: [&str; 15] = [
    "bridge",
    "ccm",
    "cmac",
    "ctr",
    "nf_conntrack_netlink",
    "nft_chain_nat",
    "nft_connlimit",
    "nft_ct",
    "nft_fib_inet",
    "nft_limit",
    "nft_masq",
    "nft_nat",
    "nft_redir",
    "nft_reject_inet",
    "veth",
];

/// Everything but the product.
pub(super) struct Stage {
    /// The radios: 0 to 2 for the mesh, 3 to 5 for access points, 6 and 7 phones at A's, 8 at C's; 9 is
    /// D's, 10 a phone there.
    pub(super) air: Air,
    /// The provider: A, B and C are wired to it at `eth0`, and nobody is plugged in.
    pub(super) wan: Wan,
    /// A switch between B's and C's `lan1`, which are not plugged in.
    cable: Ns,
    /// A, B, C, D.
    pub(super) hosts: Vec<Host>,
    /// Two phones in A's house, one in C's, one in D's.
    pub(super) phones: Vec<Client>,
    /// A laptop with a free port.
    pub(super) laptop: Client,
}

impl Stage {
    /// Builds it; nothing runs in the boxes.
    pub(super) fn build(lab: &Lab) -> Result<Self> {
        let began = Instant::now();
        let (air, modules) = thread::scope(|scope| {
            let modules = scope.spawn(|| call("modprobe", &[&["-a"][..], &MODULES].concat()));
            (Air::new(11, COUNTRY), modules.join())
        });
        let (air, _) = (air?, modules.map_err(|_| anyhow!("modprobe broke"))??);
        for (phy, mask) in PLACES {
            air.place(phy, mask)?;
        }
        let wan = Wan::start()?;
        let mut hosts = Vec::new();
        for (name, radios) in BOXES {
            let ns = Ns::new(name)?;
            for radio in radios {
                air.give(*radio, &ns)?;
            }
            if name == "D" {
                let left = LEFT.0 + LEFT.1 * began.elapsed().as_secs();
                let later = SETUP.saturating_sub(left + uptime()?);
                hosts.push(Host::start_later(&ns, if lab.boot == 1 { later } else { 0 })?);
                continue;
            }
            // A box that knows nothing of its ports takes them all for the household's.
            wan.connect(&ns, "eth0")?;
            hosts.push(Host::start(&ns)?);
        }
        let cable = switch(&hosts)?;
        let mut phones = Vec::new();
        for (name, phy) in [("phone-1", 6), ("phone-2", 7), ("phone-3", 8), ("phone-4", 10)] {
            let ns = Ns::new(name)?;
            air.give(phy, &ns)?;
            phones.push(Client::new(ns, &format!("wlan{phy}")));
        }
        let laptop = Client::new(Ns::new("laptop")?, "eth0");
        lab.say("the stage is built");
        Ok(Self { air, wan, cable, hosts, phones, laptop })
    }

    /// Plugs the cable in that leads from B to C, or pulls it.
    pub(super) fn cable(&self, there: bool) -> Result<()> {
        let state = if there { "up" } else { "down" };
        ["B", "C"].iter().try_for_each(|port| self.cable.ip(&format!("link set {port} {state}")))
    }

    /// Pulls a box's plug, and switches it on again.
    pub(super) fn pull_and_start(&mut self, name: &str) -> Result<()> {
        let at = self.hosts.iter().position(|h| h.ns.name() == name);
        let host = self.hosts.remove(at.with_context(|| format!("no box {name}"))?);
        let ns = host.ns.clone();
        host.pull()?;
        self.hosts.insert(at.unwrap_or_default(), Host::start(&ns)?);
        Ok(())
    }
}

/// A switch with a cable to B and one to C, with room for the header of batman-adv.
fn switch(hosts: &[Host]) -> Result<Ns> {
    let cable = Ns::new("cable")?;
    cable.ip("link add br0 type bridge")?;
    cable.ip("link set br0 up")?;
    for host in hosts.iter().filter(|host| ["B", "C"].contains(&host.ns.name())) {
        let port = host.ns.name();
        cable.wire(port, &host.ns, "lan1")?;
        cable.ip(&format!("link set {port} mtu 1600"))?;
        cable.ip(&format!("link set {port} master br0"))?;
        cable.ip(&format!("link set {port} down"))?;
    }
    Ok(cable)
}

/// For how many seconds the machine has been on.
fn uptime() -> Result<u64> {
    let said = fs::read_to_string("/proc/uptime").context("how long it is on")?;
    let whole = said.split('.').next().unwrap_or_default();
    whole.parse().context("how long it is on")
}

/// Looks until it fits.
pub(super) fn eventually<T: std::fmt::Debug>(
    look: impl Fn() -> T,
    fits: impl Fn(&T) -> bool,
) -> Result<T> {
    let found = until(Duration::from_secs(30), "it is as it should be", || {
        let seen = look();
        Ok(if fits(&seen) { Ok(seen) } else { Err(format!("{seen:?}")) })
    });
    found.map(|(seen, _)| seen)
}
