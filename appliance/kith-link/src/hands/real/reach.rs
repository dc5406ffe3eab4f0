//! A sign of life of a box in the mesh: an echo to the link-local address that its batman-adv interface has
//! (RFC 4291, appendix A: made of the hardware address). The mesh knows boxes by their radios' addresses;
//! its translation table says what is behind each.

use std::net::Ipv6Addr;
use std::time::Duration;

use kith_model::settings::values::Mac;

use super::generic::Generic;
use super::netlink::Netlink;
use super::{batadv, links, probe, words};
use crate::hands::HandsError;
use crate::names::MESH;

/// Asks once; the round trip, or nothing.
pub(super) async fn ping(
    (generic, route): (&mut Generic, &mut Netlink),
    mac: Mac,
    number: u16,
) -> Result<Option<Duration>, HandsError> {
    let gone = || HandsError::Missing("this box takes part in no mesh right now".to_owned());
    let mesh = links::find(route, MESH).await.map_err(words)?.ok_or_else(gone)?;
    let family = generic.family(batadv::FAMILY).await.map_err(words)?.ok_or_else(gone)?;
    let behind = batadv::behind(generic, &family, mesh.index, mac).await.map_err(words)?;
    let Some(address) = behind.first() else {
        let message =
            "the mesh does not say yet what is behind that box; try again in some seconds";
        return Err(HandsError::Missing(message.to_owned()));
    };
    probe::echo(MESH, link_local(*address), number).await.map_err(|_| {
        let message =
            "this machine lets nobody ping without more rights (net.ipv4.ping_group_range)";
        HandsError::Refused(message.to_owned())
    })
}

/// RFC 4291, appendix A.
fn link_local(Mac([a, b, c, d, e, f]): Mac) -> Ipv6Addr {
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_gives_itself_an_address() {
        let address = link_local(Mac([0x02, 0x11, 0x22, 0x33, 0x44, 0x55]));
        assert_eq!(address.to_string(), "fe80::11:22ff:fe33:4455");
    }
}
