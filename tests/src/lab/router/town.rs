//! A box with all its networks and somebody in each, wired as in a house.
//!
//! The ruleset, kernel settings, addresses and routes are those that the product makes of the settings in
//! `box/`, carried out by its own hands. Radios and batman-adv are not to be had here: cables stand for
//! them, called as the box calls its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ipnet::IpNet;
use kith_link::desire::desire;
use kith_link::desired::Desired;
use kith_link::facts::Facts;
use kith_link::names::{GUEST_BRIDGE, MESH};
use kith_link::plan::plan;
use kith_link::seen::{Seen as Kernel, SeenKind, SeenLink};
use kith_link::step::Step;
use kith_model::profile::Profile;
use kith_model::settings::Settings;

use super::host::{self, DEVICE, Host, Who, inside};
use super::packet::{Arrived, Packet, Token};
use crate::lab::hands::Rig;
use crate::lab::namespace::call;

/// The box's namespace.
pub(super) const BOX: &str = "box";
/// The box's address towards the internet.
pub(super) const OUTER: &str = "192.0.2.50";
/// The switch in the living room.
const SWITCH: &str = "lan-switch";
/// Ports of UDP on which somebody listens in the box, whatever the firewall says of them.
pub(super) const UDP: [u16; 7] = [53, 67, 123, 546, 5_353, 9_999, 41_641];
/// The same for TCP.
pub(super) const TCP: [u16; 4] = [22, 53, 8_480, 9_999];
/// How long something that shall arrive may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long is waited for what shall not arrive. Cables have no delay, and every such packet has a control.
const SILENCE: Duration = Duration::from_millis(150);

/// What the box's settings are, and what it knows.
#[derive(Clone, Debug)]
pub(super) struct House {
    /// What the owner wants.
    pub(super) settings: Settings,
    /// What was found out.
    pub(super) facts: Facts,
}

impl House {
    /// As it lies in `box/`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            settings: toml::from_str(include_str!("box/settings.toml")).context("the settings")?,
            facts: toml::from_str(include_str!("box/observed.toml")).context("the facts")?,
        })
    }

    /// What the product makes of it.
    ///
    /// # Errors
    /// When the profile cannot be read.
    pub(super) fn desired(&self) -> Result<Desired> {
        let profile: Profile =
            toml::from_str(include_str!("box/profile.toml")).context("the profile")?;
        Ok(desire(&self.settings, &profile, &self.facts))
    }
}

/// What became of a packet.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate {
    /// Where it arrived.
    pub(super) arrived: Vec<(Who, Arrived)>,
    /// What came back to its sender.
    pub(super) back: Vec<Arrived>,
    /// The port of the box at which it was delivered.
    pub(super) delivered: Option<u16>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Town {
    hosts: BTreeMap<Who, Host>,
    /// Who hears datagrams: programs of the box, and those that a lab adds.
    pub(super) listening: Vec<(u16, UdpSocket)>,
    _answering: Vec<TcpListener>,
    /// The box's addresses in the mesh.
    pub(super) mesh: (IpAddr, IpAddr),
    /// Those of the other box there.
    pub(super) other_box: (IpAddr, IpAddr),
    number: u64,
}

impl Town {
    /// Builds it.
    ///
    /// # Errors
    /// When the kernel refuses something.
    pub(super) fn build(house: &House, seed: u64) -> Result<Self> {
        let desired = house.desired()?;
        wire()?;
        carry_out(&desired).context("set the box up")?;
        guests()?;
        let in_mesh: Vec<IpNet> = desired
            .addresses
            .iter()
            .filter(|(device, _)| device == MESH)
            .map(|(_, net)| *net)
            .collect();
        let of = |four: bool| {
            let net = in_mesh.iter().find(|net| net.addr().is_ipv4() == four);
            net.copied().context("the box has no address in the mesh")
        };
        let (four, six) = (of(true)?, of(false)?);
        let other_box = (neighbour(four), neighbour(six));
        people(&[(four, other_box.0), (six, other_box.1)])?;
        let hosts: Result<_> =
            Who::ALL.into_iter().map(|who| Ok((who, Host::open(who)?))).collect();
        let (listening, answering) = inside(BOX, listen)?;
        Ok(Self {
            hosts: hosts?,
            listening,
            _answering: answering,
            mesh: (four.addr(), six.addr()),
            other_box,
            number: seed << 32,
        })
    }

    /// Changes the box's firewall and kernel settings to those of another house.
    ///
    /// # Errors
    /// When the kernel refuses something.
    pub(super) fn change(&self, house: &House) -> Result<()> {
        let desired = house.desired()?;
        let steps = steps(&desired);
        let rules = |step: &Step| matches!(step, Step::LoadRuleset(_));
        let firewall: Vec<Step> = steps.into_iter().filter(rules).collect();
        perform(&firewall)
    }

    /// Bytes by which a packet is known, different each time.
    pub(super) fn token(&mut self) -> Token {
        self.number = self.number.wrapping_add(1);
        // Letters, so that no address or length looks like it.
        self.number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()
    }

    /// Somebody's sockets.
    ///
    /// # Errors
    /// When there is nobody.
    pub(super) fn host(&self, who: Who) -> Result<&Host> {
        self.hosts.get(&who).with_context(|| format!("nobody is called {}", who.name()))
    }

    /// Sends a packet and sees what becomes of it, until `enough` says so or nothing more will come.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub(super) fn send(
        &mut self,
        from: Who,
        packet: &Packet,
        enough: Option<&dyn Fn(&Fate) -> bool>,
    ) -> Result<Fate> {
        let token = self.token();
        self.forget()?;
        self.host(from)?.send(packet.to, &packet.bytes(&token))?;
        self.watch(from, packet, &token, enough)
    }

    /// Sees what becomes of a packet that was sent.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn watch(
        &self,
        from: Who,
        packet: &Packet,
        token: &Token,
        enough: Option<&dyn Fn(&Fate) -> bool>,
    ) -> Result<Fate> {
        let mut fate = Fate::default();
        let end = Instant::now() + if enough.is_some() { PATIENCE } else { SILENCE };
        loop {
            for (who, host) in &self.hosts {
                for seen in host.arrived()? {
                    let same = seen.has(token);
                    if *who == from && (same || seen.answers(packet)) && seen.from != seen.to {
                        fate.back.push(seen);
                    } else if *who != from && same && seen.is_error() == packet.is_error() {
                        fate.arrived.push((*who, seen));
                    }
                }
            }
            for (port, datagram, _) in self.heard() {
                if datagram.windows(token.len()).any(|window| window == token) {
                    fate.delivered = Some(port);
                }
            }
            if enough.is_some_and(|enough| enough(&fate)) || Instant::now() > end {
                return Ok(fate);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Forgets all that has arrived anywhere.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn forget(&self) -> Result<()> {
        for host in self.hosts.values() {
            host.arrived()?;
        }
        self.heard();
        Ok(())
    }

    /// What was delivered in the box: at which port, what, and by whom.
    pub(super) fn heard(&self) -> Vec<(u16, Vec<u8>, std::net::SocketAddr)> {
        let mut heard = Vec::new();
        let mut room = [0; 2_048];
        for (port, socket) in &self.listening {
            while let Ok((length, from)) = socket.recv_from(&mut room) {
                heard.push((*port, room.get(..length).unwrap_or_default().to_vec(), from));
            }
        }
        heard
    }

    /// Lets a port of the box say something.
    pub(super) fn answer(&self, port: u16, to: std::net::SocketAddr) {
        for (_, socket) in self.listening.iter().filter(|(listening, _)| *listening == port) {
            // What the firewall keeps in is seen by its not arriving.
            let _ = socket.send_to(b"here", to);
        }
    }
}

/// The next address of a network.
fn neighbour(net: IpNet) -> IpAddr {
    match net.addr() {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address) ^ 1).into(),
        IpAddr::V6(address) => std::net::Ipv6Addr::from(u128::from(address) ^ 1).into(),
    }
}

/// The namespaces and the cables between them.
fn wire() -> Result<()> {
    host::make(BOX)?;
    for who in Who::ALL {
        host::make(who.name())?;
    }
    call("ip", &["link", "add", SWITCH, "type", "bridge"])?;
    call("ip", &["link", "set", SWITCH, "up"])?;
    let cable = |device: &str, at: &str, peer: &[&str]| {
        let words = ["link", "add", device, "netns", at, "type", "veth", "peer", "name"];
        call("ip", &[&words[..], peer].concat()).map(drop)
    };
    let plug = |port: &str| call("ip", &["link", "set", port, "master", SWITCH, "up"]).map(drop);
    cable("eth1", BOX, &["box-port"])?;
    plug("box-port")?;
    for who in [Who::Lan, Who::Lan2, Who::Paused] {
        let port = format!("{}-port", who.name());
        cable(DEVICE, who.name(), &[&port])?;
        plug(&port)?;
    }
    for (who, port) in
        [(Who::Wan, "eth0"), (Who::Mesh, MESH), (Who::Guest, "guest0"), (Who::Guest2, "guest1")]
    {
        cable(DEVICE, who.name(), &[port, "netns", BOX])?;
    }
    // A link-local address that is known beforehand.
    call("ip", &["-n", BOX, "address", "add", "fe80::b0/64", "dev", DEVICE])?;
    // A box has no br_netfilter, which would send what is bridged through the rules for what is forwarded.
    if std::path::Path::new("/proc/sys/net/bridge").exists() {
        for family in ["iptables", "ip6tables", "arptables"] {
            host::set(BOX, &format!("bridge/bridge-nf-call-{family}"), "0")?;
        }
    }
    // How often errors are told is not what is measured.
    host::set(BOX, "ipv4/icmp_ratelimit", "0")?;
    host::set(BOX, "ipv6/icmp/ratelimit", "0")
}

/// What the product does on a machine with these ports, without radios and batman-adv.
fn steps(desired: &Desired) -> Vec<Step> {
    let port = |number| SeenLink {
        index: number,
        kind: SeenKind::Port,
        mac: None,
        up: false,
        carrier: true,
        master: None,
        mtu: 1_500,
        isolated: false,
        received_bytes: 0,
        sent_bytes: 0,
    };
    let links = [("eth0", 2), ("eth1", 3)];
    let links = links.into_iter().map(|(name, number)| (name.to_owned(), port(number)));
    let bare = Kernel { links: links.collect(), ..Kernel::default() };
    let mut steps = plan(desired, &bare);
    steps.retain(|step| match step {
        Step::LoadRuleset(_)
        | Step::ForgetFlows(_)
        | Step::SetSysctl { .. }
        | Step::AddBridge { .. }
        | Step::SetMtu { .. }
        | Step::SetMaster { .. }
        | Step::SetIsolated { .. }
        | Step::SetUp { .. }
        | Step::AddAddress { .. }
        | Step::AddRoute(_) => true,
        Step::SetCountry(_)
        | Step::SetPower { .. }
        | Step::WriteFile { .. }
        | Step::RemoveFile { .. }
        | Step::AddBatadv { .. }
        | Step::AddWifi { .. }
        | Step::RemoveLink { .. }
        | Step::SetBatadv { .. }
        | Step::RemoveAddress { .. }
        | Step::RemoveRoute(_)
        | Step::Reload(_)
        | Step::Rejoin(_)
        | Step::WishDaemons(_) => false,
    });
    steps
}

fn carry_out(desired: &Desired) -> Result<()> {
    perform(&steps(desired))
}

fn perform(steps: &[Step]) -> Result<()> {
    inside(BOX, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut rig = Rig::start().await?;
            for step in steps {
                rig.does(step).await?;
            }
            Ok(())
        })
    })
}

/// The visitors' cables, as hostapd would add its interfaces: kept apart.
fn guests() -> Result<()> {
    for port in ["guest0", "guest1"] {
        call("ip", &["-n", BOX, "link", "set", port, "master", GUEST_BRIDGE, "up"])?;
        isolate(port, true)?;
    }
    Ok(())
}

/// Keeps a visitor apart from the others, or not.
pub(super) fn isolate(port: &str, apart: bool) -> Result<()> {
    let apart = if apart { "on" } else { "off" };
    call("bridge", &["-n", BOX, "link", "set", "dev", port, "isolated", apart]).map(drop)
}

/// Addresses and routes of everybody; those in the mesh as `(the box's network, the other's address)`.
fn people(mesh: &[(IpNet, IpAddr)]) -> Result<()> {
    let ip = |who: Who, words: &str| {
        let words: Vec<&str> = words.split_whitespace().collect();
        call("ip", &[&["-n", who.name()][..], &words].concat()).map(drop)
    };
    for (who, network, last) in [
        (Who::Lan, 0, "20"),
        (Who::Lan2, 0, "21"),
        (Who::Paused, 0, "30"),
        (Who::Guest, 1, "20"),
        (Who::Guest2, 1, "21"),
    ] {
        // Neighbours know each other by the last digits.
        ip(who, &format!("link set eth0 address 02:00:00:00:0{network}:{last} up"))?;
        let ipv4 = 77 + network;
        ip(who, &format!("address add 192.168.{ipv4}.{last}/24 dev eth0"))?;
        for prefix in ["2001:db8:bb00", "fd77:6b69:7468"] {
            ip(who, &format!("address add {prefix}:{network}::{last}/64 dev eth0"))?;
        }
        ip(who, &format!("route add default via 192.168.{ipv4}.1"))?;
        ip(who, &format!("route add default via fd77:6b69:7468:{network}::1"))?;
    }
    // A visitor who asks the box to carry packets to another one.
    ip(Who::Guest2, "address add 192.168.78.22/24 dev eth0")?;
    ip(Who::Guest, "route add 192.168.78.22/32 via 192.168.78.1")?;
    ip(Who::Mesh, "link set eth0 up")?;
    for (net, address) in mesh {
        ip(Who::Mesh, &format!("address add {address}/{} dev eth0", net.prefix_len()))?;
        ip(Who::Mesh, &format!("route add default via {}", net.addr()))?;
    }
    ip(Who::Wan, "link set eth0 up")?;
    for address in WAN_ADDRESSES {
        ip(Who::Wan, &format!("address add {address} dev eth0"))?;
    }
    for network in ["192.168.77.0/24", "192.168.78.0/24", "10.0.0.0/8", "203.0.113.0/24"] {
        ip(Who::Wan, &format!("route add {network} via 192.0.2.50"))?;
    }
    for network in ["2001:db8:bb00::/56", "fd00::/8", "2001:db8:3::/48"] {
        ip(Who::Wan, &format!("route add {network} via 2001:db8:1::50"))?;
    }
    Ok(())
}

/// The provider's router, two servers, and a private network that somebody has on the way.
const WAN_ADDRESSES: [&str; 9] = [
    "192.0.2.1/24",
    "192.0.2.2/24",
    "198.51.100.1/32",
    "198.51.100.2/32",
    "192.168.200.1/32",
    "fe80::1/64",
    "2001:db8:1::1/64",
    "2001:db8:2::1/128",
    "2001:db8:2::2/128",
];

type Listening = (Vec<(u16, UdpSocket)>, Vec<TcpListener>);

/// Somebody listens on the box, so that what passes the firewall is seen.
fn listen() -> Result<Listening> {
    let udp = |port: u16| {
        let socket = UdpSocket::bind(("::", port)).with_context(|| format!("udp {port}"))?;
        socket.set_nonblocking(true).context("do not wait")?;
        if port == 5_353 {
            let group = (Ipv4Addr::new(224, 0, 0, 251), Ipv4Addr::new(192, 168, 77, 1));
            socket.join_multicast_v4(&group.0, &group.1).context("hear mDNS")?;
        }
        Ok((port, socket))
    };
    let tcp = |port: u16| TcpListener::bind(("::", port)).with_context(|| format!("tcp {port}"));
    let listening: Result<Vec<_>> = UDP.into_iter().map(udp).collect();
    let answering: Result<Vec<_>> = TCP.into_iter().map(tcp).collect();
    Ok((listening?, answering?))
}
