//! What dhcpcd hears on an uplink: from the environment of its hook to an offer.
//!
//! dhcpcd calls this very program as `kith-dhcp-event` each time something changes. That process reads its
//! environment (dhcpcd-run-hooks(8)), sends one typed message to `RUN/link/dhcp-event.sock` and ends. What
//! was in packets of a hostile provider is only ever a value here: an address or a number, or nothing.
//!
//! A change of one protocol tells of that protocol alone, so the parts are kept and put together here.

pub(super) mod control;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::path::Path;
use std::time::Duration;

use ipnet::{Ipv4Net, Ipv6Net};
use kith_core::wire::cbor;
use kith_model::settings::values::{InterfaceName, Mac};
use rustix::fs::{AtFlags, Mode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::net::UnixDatagram;

use crate::facts::{Delegated, Offer};
use crate::names::{DHCP_SOCKET, RUN};

/// The largest message between hook and hands, in bytes.
const LARGEST: usize = 4 << 10;

/// The longest the hook waits for room in the socket.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest value of the environment that is looked at, in bytes.
const LONGEST: usize = 1 << 10;

/// So many servers of names, addresses, associations and routers count.
const MOST: usize = 8;

/// What dhcpcd heard on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DhcpEvent {
    /// The uplink.
    pub device: InterfaceName,
    /// What.
    pub told: Told,
}

/// What one protocol tells; nothing in it when it tells nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// DHCP (RFC 2131).
    Ipv4(Ipv4Part),
    /// DHCPv6 (RFC 8415).
    Dhcp6(Dhcp6Part),
    /// Router advertisements (RFC 4861).
    Advert(AdvertPart),
    /// Nothing is told any more: no carrier, or dhcpcd ends.
    Nothing,
}

/// What DHCP offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ipv4Part {
    address: Option<Ipv4Net>,
    router: Option<Ipv4Addr>,
    dns: Vec<IpAddr>,
}

/// What DHCPv6 offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dhcp6Part {
    addresses: Vec<Ipv6Net>,
    prefix: Option<Delegated>,
    dns: Vec<IpAddr>,
}

/// What routers advertise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdvertPart {
    router: Option<Ipv6Addr>,
    /// Prefixes that one may make addresses of (RFC 4862).
    prefixes: Vec<Ipv6Net>,
    dns: Vec<IpAddr>,
}

/// Tells the hands what the environment of dhcpcd's hook says. The supervisor puts the hook into the folder of
/// the run and has it called by its whole path, so that `called` tells where that is.
///
/// # Errors
/// When nobody listens; in words for dhcpcd's log.
pub fn hook(called: &Path, environment: &BTreeMap<String, String>) -> io::Result<()> {
    let Some(event) = read(environment) else { return Ok(()) };
    let run = called.parent().filter(|run| run.is_absolute()).unwrap_or(Path::new(RUN));
    let socket = StdDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to(&cbor::encode(&event), run.join("link").join(DHCP_SOCKET)).map(drop)
}

/// What an environment says; nothing when it is about nothing that counts.
#[must_use]
pub fn read(environment: &BTreeMap<String, String>) -> Option<DhcpEvent> {
    let environment = Environment(environment);
    let told = match environment.get("reason")? {
        "BOUND" | "RENEW" | "REBIND" | "REBOOT" | "INFORM" | "STATIC" | "TIMEOUT" | "EXPIRE"
        | "NAK" | "FAIL" | "RELEASE" | "STOP" => Told::Ipv4(environment.ipv4()),
        "BOUND6" | "RENEW6" | "REBIND6" | "REBOOT6" | "INFORM6" | "EXPIRE6" | "RELEASE6"
        | "STOP6" => Told::Dhcp6(environment.dhcp6()),
        "ROUTERADVERT" => Told::Advert(environment.advert()),
        "NOCARRIER" | "STOPPED" | "DEPARTED" => Told::Nothing,
        _ => return None,
    };
    Some(DhcpEvent { device: environment.get("interface")?.parse().ok()?, told })
}

struct Environment<'a>(&'a BTreeMap<String, String>);

impl<'a> Environment<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str).filter(|value| value.len() <= LONGEST)
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.get(name)?.parse().ok()
    }

    fn ipv4(&self) -> Ipv4Part {
        let address = || {
            let ip: Ipv4Addr = self.get("new_ip_address")?.parse().ok()?;
            let size = self.number("new_subnet_cidr").and_then(|size| u8::try_from(size).ok());
            let mask = || self.get("new_subnet_mask")?.parse::<Ipv4Addr>().ok();
            let of_mask = || ipnet::ipv4_mask_to_prefix(mask()?).ok();
            let net = Ipv4Net::new(ip, size.or_else(of_mask)?).ok()?;
            is_host(ip).then_some(net)
        };
        let address = address();
        if address.is_none() {
            return Ipv4Part::default();
        }
        Ipv4Part { address, router: self.router(), dns: self.servers("new_domain_name_servers") }
    }

    /// The default route of option 121; where that option is there, the routers do not count (RFC 3442).
    fn router(&self) -> Option<Ipv4Addr> {
        let router = match self.get("new_classless_static_routes") {
            Some(routes) => {
                let words: Vec<&str> = routes.split_whitespace().collect();
                let pairs = words.as_chunks::<2>().0;
                pairs.iter().find(|[to, _]| *to == "0.0.0.0/0").map(|[_, via]| *via)
            }
            None => self.get("new_routers")?.split_whitespace().next(),
        };
        router?.parse().ok().filter(|ip| is_host(*ip))
    }

    fn dhcp6(&self) -> Dhcp6Part {
        let mut part =
            Dhcp6Part { dns: self.servers("new_dhcp6_name_servers"), ..Dhcp6Part::default() };
        for (association, n) in (1..=MOST).flat_map(|a| (1..=MOST).map(move |n| (a, n))) {
            let address = self.get(&format!("new_dhcp6_ia_na{association}_ia_addr{n}"));
            let address = address.and_then(|address| address.parse().ok());
            part.addresses.extend(address.filter(is_host6).map(Ipv6Net::from));
            let name = format!("new_dhcp6_ia_pd{association}_prefix{n}");
            part.prefix = part.prefix.or_else(|| self.delegated(&name));
        }
        part.addresses.truncate(MOST);
        part
    }

    fn delegated(&self, name: &str) -> Option<Delegated> {
        let ip: Ipv6Addr = self.get(name)?.parse().ok()?;
        let size = u8::try_from(self.number(&format!("{name}_length"))?).ok()?;
        let valid_seconds = self.number(&format!("{name}_vltime"))?;
        // Of less than a /64 no network can be made; of what is longer valid than preferred, some.
        if !(16..=64).contains(&size) || valid_seconds == 0 || !is_host6(&ip) {
            return None;
        }
        Some(Delegated {
            prefix: Ipv6Net::new(ip, size).ok()?.trunc(),
            preferred_seconds: self.number(&format!("{name}_pltime"))?.min(valid_seconds),
            valid_seconds,
        })
    }

    /// Of several routers the first one that wants traffic; what may be made addresses of, from all.
    fn advert(&self) -> AdvertPart {
        let mut part = AdvertPart::default();
        for router in 1..=MOST {
            let get = |name: &str| self.get(&format!("nd{router}_{name}"));
            let Some(from) = get("from").and_then(|from| from.parse::<Ipv6Addr>().ok()) else {
                continue;
            };
            let lifetime = self.number(&format!("nd{router}_lifetime")).unwrap_or_default();
            if lifetime > 0 && from.is_unicast_link_local() {
                part.router = part.router.or(Some(from));
            }
            for n in 1..=MOST {
                part.prefixes.extend(self.prefix(&format!("nd{router}_prefix_information{n}")));
                part.dns.extend(self.servers(&format!("nd{router}_rdnss{n}_servers")));
            }
        }
        part.prefixes.truncate(MOST);
        part.dns.truncate(MOST);
        part
    }

    /// A prefix with the flag A, still valid, of the size that addresses are made in.
    fn prefix(&self, name: &str) -> Option<Ipv6Net> {
        let get = |part: &str| self.get(&format!("{name}_{part}"));
        let ip: Ipv6Addr = get("prefix")?.parse().ok()?;
        let sound = get("length") == Some("64")
            && get("flags").is_some_and(|flags| flags.contains('A'))
            && self.number(&format!("{name}_vltime")).is_some_and(|seconds| seconds > 0)
            && is_host6(&ip);
        Ipv6Net::new(ip, 64).ok().filter(|_| sound).map(|net| net.trunc())
    }

    fn servers(&self, name: &str) -> Vec<IpAddr> {
        let words = self.get(name).unwrap_or_default().split_whitespace();
        // Link-local servers come with their interface (`fe80::1%wan`), which forwarding takes no notice of.
        let servers = words.filter_map(|word| word.parse::<IpAddr>().ok());
        servers.filter(is_server).take(MOST).collect()
    }
}

/// An address that a host can have.
const fn is_host(ip: Ipv4Addr) -> bool {
    !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && !ip.is_broadcast()
}

const fn is_host6(ip: &Ipv6Addr) -> bool {
    !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && !ip.is_unicast_link_local()
}

const fn is_server(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_host(*ip),
        IpAddr::V6(ip) => is_host6(ip),
    }
}

/// What each uplink was told by each protocol.
#[derive(Debug, Default)]
pub(crate) struct Offers(BTreeMap<InterfaceName, Parts>);

#[derive(Clone, Debug, Default)]
struct Parts {
    ipv4: Ipv4Part,
    dhcp6: Dhcp6Part,
    advert: AdvertPart,
}

impl Offers {
    /// Takes an event; all that the device offers now. `mac` is the device's, for addresses that are made
    /// of prefixes.
    pub(crate) fn take(&mut self, event: DhcpEvent, mac: Option<Mac>) -> (String, Offer) {
        let device = event.device.to_string();
        if !self.0.contains_key(&event.device) && self.0.len() >= MOST * MOST {
            // More uplinks than ports: somebody plays with names.
            return (device, Offer::default());
        }
        let parts = self.0.entry(event.device).or_default();
        match event.told {
            Told::Ipv4(part) => parts.ipv4 = part,
            Told::Dhcp6(part) => parts.dhcp6 = part,
            Told::Advert(part) => parts.advert = part,
            Told::Nothing => *parts = Parts::default(),
        }
        let offer = parts.offer(mac);
        (device, offer)
    }
}

impl Parts {
    fn offer(&self, mac: Option<Mac>) -> Offer {
        let made = |prefix: &Ipv6Net| Some(address_in(*prefix, mac?));
        let mut offer = Offer {
            ipv4: self.ipv4.address,
            router: self.ipv4.router,
            ipv6: self.dhcp6.addresses.clone(),
            router6: self.advert.router,
            prefix: self.dhcp6.prefix,
            dns: Vec::new(),
        };
        offer.ipv6.extend(self.advert.prefixes.iter().filter_map(made));
        for server in self.ipv4.dns.iter().chain(&self.dhcp6.dns).chain(&self.advert.dns) {
            if !offer.dns.contains(server) && offer.dns.len() < MOST {
                offer.dns.push(*server);
            }
        }
        offer
    }
}

/// An address made of a prefix: the same at each start, another under each prefix, and without the
/// device's own address in it (as RFC 7217 wants). The kernel asks whether it is free.
fn address_in(prefix: Ipv6Net, mac: Mac) -> Ipv6Net {
    let hash = Sha256::new()
        .chain_update(b"kith/uplink-interface/1\0")
        .chain_update(prefix.network().octets())
        .chain_update(mac.0);
    let [a, b, c, d, e, f, g, h, ..] = hash.finalize().0;
    // Never 0, the routers' own address (RFC 4291, 2.6.1).
    let identifier = u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1);
    let address = prefix.network().to_bits() | u128::from(identifier);
    Ipv6Net::new_assert(Ipv6Addr::from_bits(address), prefix.prefix_len())
}

/// The socket on which hooks tell.
#[derive(Debug)]
pub(crate) struct DhcpSocket(UnixDatagram);

impl DhcpSocket {
    /// Makes it in `RUN/link`, in the place of one that an earlier process left.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn bind(folder: BorrowedFd<'_>) -> io::Result<Self> {
        match rustix::fs::unlinkat(folder, DHCP_SOCKET, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let path = format!("/proc/self/fd/{}/{DHCP_SOCKET}", folder.as_raw_fd());
        let socket = UnixDatagram::bind(path)?;
        // dhcpcd calls its hook as its own user, who is in the folder's group.
        rustix::fs::chmodat(folder, DHCP_SOCKET, Mode::from_raw_mode(0o660), AtFlags::empty())?;
        Ok(Self(socket))
    }

    /// The next event. What is none is passed over. May be dropped while it waits.
    ///
    /// # Errors
    /// When the socket fails.
    pub(crate) async fn receive(&self) -> io::Result<DhcpEvent> {
        loop {
            let mut buffer = [0; LARGEST];
            let size = self.0.recv(&mut buffer).await?;
            match cbor::decode(buffer.get(..size).unwrap_or_default(), LARGEST) {
                Ok(event) => return Ok(event),
                Err(error) => tracing::warn!(%error, "a message on the socket of dhcpcd is none"),
            }
        }
    }
}

#[cfg(test)]
mod tests;
