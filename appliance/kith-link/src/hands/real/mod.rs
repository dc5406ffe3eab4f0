//! The real hands: Linux, by netlink, files and the sockets of daemons.
//!
//! They need `CAP_NET_ADMIN` and nothing else: no other capability, no shell, and no program but `nft`,
//! which inherits that capability (`ambient`).
//!
//! ```text
//! netlink ── links, addresses, routes, neighbours          rtnetlink
//!     └───── generic ── batadv, wifi                       generic netlink
//!     └───── nft (generation) ── program (nft -f -)        netfilter
//! files, leases, sysctl      ctrl (hostapd, wpa_supplicant)      dhcpcd (hook)
//!
//! all of them -> look -> Seen        Step -> perform -> one of them        watch -> Event::Changed
//! ```

mod addresses;
mod arp;
mod attributes;
mod batadv;
mod clients;
mod conntrack;
mod ctrl;
pub mod dhcpcd;
mod dns;
mod files;
mod generic;
mod leases;
mod links;
mod look;
mod neighbours;
mod netlink;
mod nft;
mod perform;
mod probe;
mod program;
mod reach;
mod routes;
pub mod strangers;
mod sysctl;
mod watch;
pub mod wifi;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use kith_model::daemon::{DaemonId, DaemonSeen, Program};
use kith_model::network::ask::Heard;
use kith_model::role::Report;
use kith_model::settings::values::Mac;
use kith_role::clock::SystemClock;

use self::dhcpcd::{DhcpEvent, DhcpSocket, Offers};
use self::files::Files;
use self::generic::Generic;
use self::netlink::{Netlink, NetlinkError};
use self::nft::Nft;
use self::sysctl::Sysctls;
use self::watch::Watch;
use self::wifi::Meters;
use super::{Event, Hands, HandsError};
use crate::names::MESH;
use crate::role::Supervised;
use crate::seen::Seen;
use crate::step::Step;

/// What the hands need to begin.
#[derive(Debug)]
pub struct Setup<'a> {
    /// `RUN/link`, which is there: this user's, with the group of all daemons, handed on (setgid).
    pub folder: &'a Path,
    /// The group of each daemon that has one of its own which this process is in too: then its secrets
    /// are readable to it alone.
    pub groups: BTreeMap<Program, u32>,
    /// The supervisor; nothing for hands that only look.
    pub supervisor: Option<Supervised>,
    /// The clock of this process.
    pub clock: SystemClock,
}

/// The hands.
#[derive(Debug)]
pub struct RealHands {
    route: Netlink,
    generic: Generic,
    nft: Nft,
    files: Files,
    sysctls: Sysctls,
    meters: Meters,
    watch: Watch,
    dhcp: Option<DhcpSocket>,
    offers: Offers,
    /// An event whose device's address is still being asked for.
    offered: Option<DhcpEvent>,
    supervisor: Option<Supervised>,
    probes: u16,
    /// The box's address in the household when it was looked last.
    household: Option<IpAddr>,
    clock: SystemClock,
}

impl RealHands {
    /// Takes hold. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When `RUN/link` is not there or the kernel gives no sockets.
    pub async fn start(setup: Setup<'_>) -> Result<Self, HandsError> {
        let shown = setup.folder.display();
        let files = Files::open(setup.folder, setup.groups)
            .map_err(|error| HandsError::File(format!("{shown} cannot be opened: {error}")))?;
        let no_socket = |error| HandsError::Refused(format!("no netlink socket: {error}"));
        let mut generic = Generic::open().map_err(no_socket)?;
        let watch = Watch::open(&mut generic, files.folder()).await;
        let mut dhcp = None;
        // Hands that only look change nothing.
        if setup.supervisor.is_some() {
            probe::allow();
            let bound = DhcpSocket::bind(files.folder());
            let socket = |error| HandsError::File(format!("{shown} takes no socket: {error}"));
            dhcp = Some(bound.map_err(socket)?);
        }
        Ok(Self {
            route: Netlink::open(netlink_sys::protocols::NETLINK_ROUTE).map_err(no_socket)?,
            generic,
            nft: Nft::open(),
            files,
            sysctls: Sysctls::default(),
            meters: Meters::default(),
            watch,
            dhcp,
            offers: Offers::default(),
            offered: None,
            supervisor: setup.supervisor,
            probes: 0,
            household: None,
            clock: setup.clock,
        })
    }

    /// The daemons as the supervisor told last.
    fn daemons(&self) -> BTreeMap<DaemonId, DaemonSeen> {
        let told = self.supervisor.as_ref().map(|supervisor| supervisor.told.borrow().clone());
        let by_id = |daemon: DaemonSeen| (daemon.id.clone(), daemon);
        told.unwrap_or_default().into_iter().map(by_id).collect()
    }

    /// The offer that an event makes. The event stays until its device's address is known.
    async fn offer(&mut self) -> Option<Event> {
        let device = self.offered.as_ref()?.device.clone();
        let link = links::find(&mut self.route, device.as_str()).await;
        let mac = link.ok().flatten().and_then(|link| link.mac);
        let (device, offer) = self.offers.take(self.offered.take()?, mac);
        Some(Event::Offered { device, offer })
    }
}

impl Hands for RealHands {
    async fn look(&mut self) -> Result<Seen, HandsError> {
        self.see().await
    }

    async fn perform(&mut self, step: &Step) -> Result<(), HandsError> {
        self.do_step(step).await
    }

    async fn survey(&mut self) -> Result<Vec<Heard>, HandsError> {
        wifi::survey(&mut self.generic, &mut self.route).await
    }

    async fn probe(&mut self, device: &str, target: IpAddr) -> Option<Duration> {
        self.probes = self.probes.wrapping_add(1);
        probe::probe(device, target, self.probes).await
    }

    async fn ping(&mut self, mac: Mac) -> Result<Option<Duration>, HandsError> {
        self.probes = self.probes.wrapping_add(1);
        reach::ping((&mut self.generic, &mut self.route), mac, self.probes).await
    }

    async fn answers(&mut self, daemon: &DaemonId) -> bool {
        if ctrl::has_socket(daemon.program) {
            return ctrl::answers(&self.files, daemon).await;
        }
        if let (Program::Dnsmasq, Some(address)) = (daemon.program, self.household) {
            self.probes = self.probes.wrapping_add(1);
            return dns::answers(address, self.probes).await;
        }
        self.daemons().get(daemon).is_some_and(|daemon| daemon.pid.is_some())
    }

    async fn report_hung(&mut self, daemon: &DaemonId) {
        if let Err(error) = self.report(Report::Hung(daemon.clone())).await {
            tracing::error!(%error, "nobody hears that {daemon} hangs");
        }
    }

    async fn ask_for(&mut self, address: Ipv4Addr) -> Result<(), HandsError> {
        let gone = || HandsError::Missing(format!("there is no interface {MESH}"));
        let mesh = links::find(&mut self.route, MESH).await.map_err(words)?.ok_or_else(gone)?;
        arp::ask_for(&mut self.route, mesh.index, address).await
    }

    async fn event(&mut self) -> Event {
        loop {
            if let Some(event) = self.offer().await {
                return event;
            }
            let (watch, dhcp) = (&mut self.watch, self.dhcp.as_ref());
            let told = async {
                match &mut self.supervisor {
                    Some(supervisor) => supervisor.told.changed().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            let offered = async {
                match dhcp {
                    Some(dhcp) => dhcp.receive().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = watch.listen() => return Event::Changed,
                there = told => {
                    return if there { Event::Changed } else { Event::SupervisorGone };
                }
                offered = offered => match offered {
                    Ok(event) => self.offered = Some(event),
                    Err(error) => {
                        tracing::error!(%error, "the socket of dhcpcd failed; it is made anew");
                        self.dhcp = DhcpSocket::bind(self.files.folder()).ok();
                    }
                },
            }
        }
    }
}

/// A refusal of the kernel in words.
fn words(error: NetlinkError) -> HandsError {
    HandsError::Refused(error.to_string())
}
