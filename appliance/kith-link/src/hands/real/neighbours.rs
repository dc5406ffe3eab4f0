//! Who is on the wires: neighbours by their addresses, and behind which port of a bridge each is
//! (rtnetlink, RTM_GETNEIGH).

use std::net::IpAddr;

use kith_model::settings::values::Mac;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::{DUMP, Netlink, NetlinkError};

/// A neighbour of the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// The number of the interface.
    pub(crate) device: u32,
    pub(crate) ip: IpAddr,
    pub(crate) mac: Mac,
}

/// A device that a bridge has heard lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bridged {
    /// The number of the bridge's port.
    pub(crate) port: u32,
    pub(crate) mac: Mac,
}

/// More than the kernel's table holds by itself (`gc_thresh3`).
const MOST: usize = 4_096;

/// All neighbours whose address is known.
pub(crate) async fn list(netlink: &mut Netlink) -> Result<Vec<Neighbour>, NetlinkError> {
    let mut all = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let answer = dump(netlink, family).await?;
        all.extend(answer.iter().filter_map(neighbour).take(MOST));
    }
    Ok(all)
}

/// All devices that bridges have heard in the last minutes (the bridge's ageing time).
pub(crate) async fn bridged(netlink: &mut Netlink) -> Result<Vec<Bridged>, NetlinkError> {
    let answer = dump(netlink, AddressFamily::Bridge).await?;
    Ok(answer.iter().filter_map(on_port).take(MOST).collect())
}

async fn dump(
    netlink: &mut Netlink,
    family: AddressFamily,
) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
    let mut message = NeighbourMessage::default();
    message.header.family = family;
    netlink.route(&RouteNetlinkMessage::GetNeighbour(message), DUMP).await
}

fn neighbour(message: &RouteNetlinkMessage) -> Option<Neighbour> {
    let RouteNetlinkMessage::NewNeighbour(message) = message else { return None };
    let unknown = [NeighbourState::Failed, NeighbourState::Incomplete, NeighbourState::Noarp];
    if unknown.contains(&message.header.state) {
        return None;
    }
    let ip = message.attributes.iter().find_map(|attribute| {
        if let NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) = attribute {
            Some(IpAddr::from(*ip))
        } else if let NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) = attribute {
            Some(IpAddr::from(*ip))
        } else {
            None
        }
    });
    Some(Neighbour { device: message.header.ifindex, ip: ip?, mac: mac(message)? })
}

/// What is permanent is a port's own address.
fn on_port(message: &RouteNetlinkMessage) -> Option<Bridged> {
    let RouteNetlinkMessage::NewNeighbour(message) = message else { return None };
    if message.header.state == NeighbourState::Permanent {
        return None;
    }
    Some(Bridged { port: message.header.ifindex, mac: mac(message)? })
}

fn mac(message: &NeighbourMessage) -> Option<Mac> {
    message.attributes.iter().find_map(|attribute| {
        let NeighbourAttribute::LinkLayerAddress(bytes) = attribute else { return None };
        bytes.as_slice().try_into().ok().map(Mac)
    })
}
