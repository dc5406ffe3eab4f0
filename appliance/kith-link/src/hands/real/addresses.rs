//! Addresses of the box (rtnetlink, RTM_*ADDR).

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::netlink::{CREATE, DUMP, Netlink, NetlinkError, REPLACE};

/// All addresses but those that an interface gives itself (link-local ones): the number of the interface
/// and the address with its network's size.
pub(crate) async fn list(netlink: &mut Netlink) -> Result<Vec<(u32, IpNet)>, NetlinkError> {
    let all = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let answer = netlink.route(&all, DUMP).await?;
    Ok(answer.iter().filter_map(seen).filter(|(_, net)| !is_link_local(net.addr())).collect())
}

/// Gives an interface an address; that it has it is fine. `ours` is an interface on which nobody else can
/// have chosen the address: the box is the one router of its own bridges. There an IPv6 address is used at
/// once and not after a second of asking (DAD, RFC 4862), which never ends while no plug is in.
pub(crate) async fn add(
    netlink: &mut Netlink,
    index: u32,
    address: IpNet,
    ours: bool,
) -> Result<(), NetlinkError> {
    let mut message = message(index, address);
    match address {
        IpNet::V4(net) if net.prefix_len() < 31 => {
            message.attributes.push(AddressAttribute::Broadcast(net.broadcast()));
        }
        IpNet::V6(_) if ours => {
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        IpNet::V4(_) | IpNet::V6(_) => {}
    }
    netlink.route(&RouteNetlinkMessage::NewAddress(message), CREATE | REPLACE).await.map(drop)
}

/// Takes an address away; that it is gone is fine.
pub(crate) async fn remove(
    netlink: &mut Netlink,
    index: u32,
    address: IpNet,
) -> Result<(), NetlinkError> {
    let message = RouteNetlinkMessage::DelAddress(message(index, address));
    match netlink.route(&message, 0).await {
        Err(error) if !error.is(&[Errno::EADDRNOTAVAIL, Errno::ENODEV]) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn message(index: u32, address: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = address.prefix_len();
    message.header.family = match address {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    };
    message.header.scope = AddressScope::Universe;
    message.attributes.push(AddressAttribute::Local(address.addr()));
    message.attributes.push(AddressAttribute::Address(address.addr()));
    message
}

fn seen(message: &RouteNetlinkMessage) -> Option<(u32, IpNet)> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let (mut local, mut address) = (None, None);
    for attribute in &message.attributes {
        if let AddressAttribute::Local(ip) = attribute {
            local = Some(*ip);
        } else if let AddressAttribute::Address(ip) = attribute {
            address = Some(*ip);
        }
    }
    // Of IPv6 only the second is given; of a point-to-point IPv4 link it is the other end's.
    let net = IpNet::new(local.or(address)?, message.header.prefix_len).ok()?;
    Some((message.header.index, net))
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip == Ipv4Addr::LOCALHOST,
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_what_is_seen() {
        for net in ["192.168.7.1/24", "10.1.2.3/32", "fd00:1::1/64"] {
            let net: IpNet = net.parse().unwrap();
            let message = RouteNetlinkMessage::NewAddress(message(4, net));
            assert_eq!(seen(&message), Some((4, net)));
        }
    }

    #[test]
    fn what_interfaces_give_themselves_does_not_count() {
        for ip in ["fe80::1", "169.254.7.7", "::1", "127.0.0.1"] {
            assert!(is_link_local(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["fd00::1", "2001:db8::1", "192.168.1.1", "10.0.0.1"] {
            assert!(!is_link_local(ip.parse().unwrap()), "{ip}");
        }
    }
}
