//! Asking the mesh who has an address (RFC 5227, 2.1.1), with what `CAP_NET_ADMIN` allows: the kernel
//! asks, as it does for any neighbour, and a rule takes the sender's address out of its question.
//!
//! An ARP request that names a sender would be wrong in two ways: whoever hears it would write that sender
//! down, and a Linux that has the address itself would take it for a forgery and say nothing. With
//! 0.0.0.0 as its sender it is a probe, which everybody answers who has the address.
//!
//! The entry stays in the kernel's table of neighbours, so that who uses the address later is seen as well:
//! the kernel writes down who sends ARP with it.

use std::net::Ipv4Addr;

use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::netlink::{CREATE, Netlink};
use super::{program, words};
use crate::hands::HandsError;
use crate::render::nft;

/// Lets the kernel ask; it does so three times, a second apart.
pub(crate) async fn ask_for(
    netlink: &mut Netlink,
    index: u32,
    address: Ipv4Addr,
) -> Result<(), HandsError> {
    let outcome = program::nft(&["-f", "-"], &nft::probe(address)).await?;
    if !outcome.success {
        let why = outcome.complaint.lines().next().unwrap_or_default();
        let why: String = why.chars().take(200).collect();
        return Err(HandsError::Refused(format!(
            "nft takes no rules for ARP (does this kernel have NF_TABLES_ARP?): {why}"
        )));
    }
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = index;
    let destination = NeighbourAddress::Inet(address);
    message.attributes.push(NeighbourAttribute::Destination(destination));
    // What is known is forgotten, so that the question goes to everybody.
    match netlink.route(&RouteNetlinkMessage::DelNeighbour(message.clone()), 0).await {
        Err(error) if !error.is(&[Errno::ENOENT]) => return Err(words(error)),
        Ok(_) | Err(_) => {}
    }
    message.header.flags = NeighbourFlags::Use;
    netlink.route(&RouteNetlinkMessage::NewNeighbour(message), CREATE).await.map_err(words)?;
    Ok(())
}
