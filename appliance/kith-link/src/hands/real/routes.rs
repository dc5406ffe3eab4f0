//! Routes that the box makes (rtnetlink, RTM_*ROUTE), known by their protocol number.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
    RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::netlink::{CREATE, DUMP, Netlink, NetlinkError, REPLACE};
use crate::desired::RouteSpec;
use crate::names::ROUTE_PROTOCOL;

/// The routes that the box made. `names` are the interfaces by their numbers.
pub(crate) async fn list(
    netlink: &mut Netlink,
    names: &BTreeMap<u32, String>,
) -> Result<Vec<RouteSpec>, NetlinkError> {
    let mut routes = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut all = RouteMessage::default();
        all.header.address_family = family;
        let answer = netlink.route(&RouteNetlinkMessage::GetRoute(all), DUMP).await?;
        routes.extend(answer.iter().filter_map(|message| seen(message, names)));
    }
    Ok(routes)
}

/// Adds a route, or puts it in the place of one to the same network with the same metric. `device` is
/// the number of its interface.
pub(crate) async fn add(
    netlink: &mut Netlink,
    route: &RouteSpec,
    device: Option<u32>,
) -> Result<(), NetlinkError> {
    let mut message = message(route, device);
    if route.via.is_some_and(|via| via.is_ipv4()) {
        // Some providers give a /32 and a router outside of it: believed, as the lease says so.
        message.header.flags = RouteFlags::Onlink;
    }
    netlink.route(&RouteNetlinkMessage::NewRoute(message), CREATE | REPLACE).await.map(drop)
}

/// Removes a route of the box; that it is gone is fine.
pub(crate) async fn remove(
    netlink: &mut Netlink,
    route: &RouteSpec,
    device: Option<u32>,
) -> Result<(), NetlinkError> {
    let message = RouteNetlinkMessage::DelRoute(message(route, device));
    match netlink.route(&message, 0).await {
        Err(error) if !error.is(&[Errno::ESRCH, Errno::ENODEV]) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Without an interface it is a route that refuses. The kernel writes the loopback's number into those of
/// IPv6.
fn message(route: &RouteSpec, device: Option<u32>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(route.to.addr());
    message.header.destination_prefix_length = route.to.prefix_len();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Other(ROUTE_PROTOCOL);
    message.header.kind =
        if device.is_some() { RouteType::Unicast } else { RouteType::Unreachable };
    message.header.scope = if device.is_some() && route.via.is_none() && route.to.addr().is_ipv4() {
        RouteScope::Link
    } else {
        RouteScope::Universe
    };
    let to = RouteAttribute::Destination(route.to.network().into());
    message.attributes.push(to);
    message.attributes.extend(device.map(RouteAttribute::Oif));
    message.attributes.extend(route.via.map(|via| RouteAttribute::Gateway(via.into())));
    message.attributes.push(RouteAttribute::Priority(route.metric));
    message
}

fn seen(message: &RouteNetlinkMessage, names: &BTreeMap<u32, String>) -> Option<RouteSpec> {
    let RouteNetlinkMessage::NewRoute(message) = message else { return None };
    let header = &message.header;
    if header.protocol != RouteProtocol::Other(ROUTE_PROTOCOL)
        || header.table != RouteHeader::RT_TABLE_MAIN
    {
        return None;
    }
    let (mut to, mut via, mut device, mut metric) = (None, None, None, 0);
    for attribute in &message.attributes {
        if let RouteAttribute::Destination(address) = attribute {
            to = ip(address);
        } else if let RouteAttribute::Gateway(address) = attribute {
            via = ip(address);
        } else if let RouteAttribute::Oif(index) = attribute {
            device = names.get(index).cloned();
        } else if let RouteAttribute::Priority(priority) = attribute {
            metric = *priority;
        }
    }
    let anywhere: IpAddr = if header.address_family == AddressFamily::Inet6 {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    };
    let to = IpNet::new(to.unwrap_or(anywhere), header.destination_prefix_length).ok()?;
    let device = device.filter(|_| header.kind == RouteType::Unicast);
    Some(RouteSpec { to, via, device, metric })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    if let RouteAddress::Inet(ip) = address {
        Some((*ip).into())
    } else if let RouteAddress::Inet6(ip) = address {
        Some((*ip).into())
    } else {
        None
    }
}

const fn family(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(route: &RouteSpec) -> Option<RouteSpec> {
        let names = BTreeMap::from([(1, "lo".to_owned()), (5, "wan0".to_owned())]);
        let device = route.device.as_ref().map(|_| 5);
        seen(&RouteNetlinkMessage::NewRoute(message(route, device)), &names)
    }

    #[test]
    fn what_is_asked_for_is_what_is_seen() {
        let route = |to: &str, via: Option<&str>, device: Option<&str>| RouteSpec {
            to: to.parse().unwrap(),
            via: via.map(|via| via.parse().unwrap()),
            device: device.map(ToOwned::to_owned),
            metric: 100,
        };
        for route in [
            route("0.0.0.0/0", Some("192.0.2.1"), Some("wan0")),
            route("::/0", Some("fe80::1"), Some("wan0")),
            route("10.9.0.0/16", None, Some("wan0")),
            route("2001:db8::/56", None, None),
        ] {
            assert_eq!(round(&route), Some(route));
        }
    }

    #[test]
    fn routes_of_others_are_left_alone() {
        let mut foreign = RouteMessage::default();
        foreign.header.address_family = AddressFamily::Inet;
        foreign.header.table = RouteHeader::RT_TABLE_MAIN;
        foreign.header.protocol = RouteProtocol::Static;
        assert_eq!(seen(&RouteNetlinkMessage::NewRoute(foreign), &BTreeMap::new()), None);
    }
}
