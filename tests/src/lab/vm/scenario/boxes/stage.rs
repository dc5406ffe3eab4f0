//! Three boxes in a line, each with two radios and a wire to the provider where it has one, and the
//! devices of people around them.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::lab::vm::inside::air::Air;
use crate::lab::vm::inside::client::Client;
use crate::lab::vm::inside::host::Host;
use crate::lab::vm::inside::lab::Lab;
use crate::lab::vm::inside::ns::Ns;
use crate::lab::vm::inside::wait::until;
use crate::lab::vm::inside::wan::Wan;
use crate::lab::vm::inside::wpa::COUNTRY;

/// Who hears whom, as a mask for each radio: the boxes' first radios in a line, each box's second
/// with the phones in its house.
const PLACES: [(u32, u32); 9] = [
    (0, 0b001),
    (1, 0b011),
    (2, 0b010),
    (3, 1 << 4),
    (4, 1 << 5),
    (5, 1 << 6),
    (6, 1 << 4),
    (7, 1 << 4),
    (8, 1 << 6),
];

/// Everything but the product.
pub(super) struct Stage {
    /// The radios: 0 to 2 for the mesh, 3 to 5 for access points, 6 and 7 phones at A's, 8 at C's.
    pub(super) air: Air,
    /// The provider: all are wired to it at `eth0`, and nobody is plugged in.
    pub(super) wan: Wan,
    /// A, B, C.
    pub(super) hosts: Vec<Host>,
    /// Two phones in A's house and one in C's.
    pub(super) phones: Vec<Client>,
    /// A laptop with a free port.
    pub(super) laptop: Client,
}

impl Stage {
    /// Builds it; nothing runs in the boxes.
    pub(super) fn build(lab: &Lab) -> Result<Self> {
        let air = Air::new(9, COUNTRY)?;
        for (phy, mask) in PLACES {
            air.place(phy, mask)?;
        }
        let wan = Wan::start()?;
        let mut hosts = Vec::new();
        for (name, mesh, access) in [("A", 0, 3), ("B", 1, 4), ("C", 2, 5)] {
            let ns = Ns::new(name)?;
            air.give(mesh, &ns)?;
            air.give(access, &ns)?;
            wan.connect(&ns, "eth0")?;
            // A box that knows nothing of its ports takes them all for the household's.
            wan.plug(&ns, false)?;
            hosts.push(Host::start(&ns)?);
        }
        let mut phones = Vec::new();
        for (name, phy) in [("phone-1", 6), ("phone-2", 7), ("phone-3", 8)] {
            let ns = Ns::new(name)?;
            air.give(phy, &ns)?;
            phones.push(Client::new(ns, &format!("wlan{phy}")));
        }
        let laptop = Client::new(Ns::new("laptop")?, "eth0");
        lab.say("the stage is built");
        Ok(Self { air, wan, hosts, phones, laptop })
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
