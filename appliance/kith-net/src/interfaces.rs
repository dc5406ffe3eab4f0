//! The addresses of this host, for invites and for the status page.
//!
//! What a router in front of us makes of them is not known here.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// One address of this host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostAddress {
    /// Whether only this host itself reaches it.
    pub loopback: bool,
    /// Whether it means something on one link only, and needs a scope there.
    pub link_local: bool,
    /// The address.
    pub ip: IpAddr,
    /// The interface's name.
    pub interface: String,
    /// The scope of a link-local IPv6 address, else 0.
    pub scope: u32,
}

impl HostAddress {
    /// The address with a port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.scope).into(),
            IpAddr::V4(_) => SocketAddr::new(self.ip, port),
        }
    }
}

/// The addresses of all interfaces that are up: those that others reach first, loopback last.
///
/// # Errors
/// When the kernel does not say.
pub fn addresses() -> io::Result<Vec<HostAddress>> {
    let mut found: Vec<HostAddress> = getifaddrs()?
        .filter(|entry| entry.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|entry| {
            let loopback = entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
            let address = entry.address?;
            let v4 = address.as_sockaddr_in().map(|a| (IpAddr::V4(a.ip()), 0));
            let v6 = address.as_sockaddr_in6().map(|a| (IpAddr::V6(a.ip()), a.scope_id()));
            let (ip, scope) = v4.or(v6)?;
            let loopback = loopback || ip.is_loopback();
            let link_local = is_link_local(ip);
            Some(HostAddress { loopback, link_local, ip, interface: entry.interface_name, scope })
        })
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// Where other hosts may reach `port` of this one: no loopback unless there is nothing else, and nothing
/// that needs a scope.
///
/// # Errors
/// When the kernel does not say.
pub fn reachable_at(port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(choose(&addresses()?, port))
}

fn choose(addresses: &[HostAddress], port: u16) -> Vec<SocketAddr> {
    let global = addresses.iter().filter(|a| !a.link_local);
    let (loopback, others): (Vec<_>, Vec<_>) = global.partition(|a| a.loopback);
    let chosen = if others.is_empty() { loopback } else { others };
    chosen.into_iter().map(|a| a.with_port(port)).collect()
}

/// RFC 3927 and RFC 4291, section 2.5.6.
pub(crate) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_and_comes_last() {
        let found = addresses().unwrap();
        let last = found.last().unwrap();
        assert!(last.loopback, "{found:?}");
        assert!(found.iter().any(|a| a.ip.to_string() == "127.0.0.1"));
        assert!(found.is_sorted_by_key(|a| a.loopback));
    }

    #[test]
    fn an_invite_names_loopback_only_when_there_is_nothing_else() {
        let at = |ip: &str, scope| {
            let ip: IpAddr = ip.parse().unwrap();
            let link_local = is_link_local(ip);
            HostAddress { loopback: ip.is_loopback(), link_local, ip, interface: "x".into(), scope }
        };
        let lan = [at("192.168.1.2", 0), at("fe80::1", 3), at("127.0.0.1", 0)];
        assert_eq!(choose(&lan, 7), ["192.168.1.2:7".parse().unwrap()]);
        let alone = [at("fe80::1", 3), at("127.0.0.1", 0), at("::1", 0)];
        assert_eq!(choose(&alone, 7).len(), 2);
        assert_eq!(at("fe80::1", 3).with_port(7).to_string(), "[fe80::1%3]:7");
    }
}
