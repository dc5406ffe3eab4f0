//! Interfaces of the kernel: what there are, bridges, and what each is part of (rtnetlink, RTM_*LINK).

use kith_model::settings::values::Mac;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind,
    LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use nix::errno::Errno;

use super::netlink::{CREATE, DUMP, EXCLUSIVE, Netlink, NetlinkError};

/// What an interface is, as far as rtnetlink tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A port: a real one, one of a switch (DSA), or one end of a `veth` pair.
    Port,
    /// A bridge.
    Bridge,
    /// A batman-adv interface.
    Batadv,
    /// Anything else.
    Other,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) mac: Option<Mac>,
    pub(crate) up: bool,
    pub(crate) carrier: bool,
    /// The number of what it is part of.
    pub(crate) master: Option<u32>,
    pub(crate) mtu: u32,
    pub(crate) isolated: bool,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
}

/// All interfaces.
pub(crate) async fn list(netlink: &mut Netlink) -> Result<Vec<Link>, NetlinkError> {
    let all = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let answer = netlink.route(&all, DUMP).await?;
    Ok(answer.iter().filter_map(seen).collect())
}

/// One interface, if it is there.
pub(crate) async fn find(netlink: &mut Netlink, name: &str) -> Result<Option<Link>, NetlinkError> {
    let message = RouteNetlinkMessage::GetLink(of([LinkAttribute::IfName(name.to_owned())]));
    match netlink.route(&message, 0).await {
        Ok(answer) => Ok(answer.iter().find_map(seen)),
        Err(error) if error.is(&[Errno::ENODEV]) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a bridge: no spanning tree, since the box's own wiring has no loops and a port should work at
/// once; no multicast snooping, since nobody on a household's network asks who listens (no querier), and
/// then names (mDNS) and IPv6 would vanish after some minutes.
///
/// With an address of its own: else a bridge takes the lowest of its ports', and changes it under
/// everybody's feet when Wi-Fi joins.
pub(crate) async fn add_bridge(netlink: &mut Netlink, name: &str) -> Result<(), NetlinkError> {
    let ports = list(netlink).await?;
    let lowest = ports.iter().filter(|l| l.kind == Kind::Port).filter_map(|l| l.mac).min();
    let settings = vec![
        InfoBridge::StpState(BridgeStpState::Disabled),
        InfoBridge::ForwardDelay(0),
        InfoBridge::MulticastSnooping(false),
    ];
    let data = LinkInfo::Data(InfoData::Bridge(settings));
    let mut attributes =
        vec![LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge), data])];
    attributes.extend(lowest.map(|mac| LinkAttribute::Address(own_mac(mac, name).0.to_vec())));
    add(netlink, name, attributes).await
}

/// Makes an interface; that it is already there is fine.
pub(crate) async fn add(
    netlink: &mut Netlink,
    name: &str,
    attributes: Vec<LinkAttribute>,
) -> Result<(), NetlinkError> {
    let name = [LinkAttribute::IfName(name.to_owned())];
    let message = RouteNetlinkMessage::NewLink(of(name.into_iter().chain(attributes)));
    match netlink.route(&message, CREATE | EXCLUSIVE).await {
        Err(error) if !error.is(&[Errno::EEXIST]) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Removes an interface; that it is gone already is fine.
pub(crate) async fn remove(netlink: &mut Netlink, index: u32) -> Result<(), NetlinkError> {
    match netlink.route(&RouteNetlinkMessage::DelLink(numbered(index, [])), 0).await {
        Err(error) if !error.is(&[Errno::ENODEV]) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Changes something of an interface.
async fn set(
    netlink: &mut Netlink,
    index: u32,
    attribute: LinkAttribute,
) -> Result<(), NetlinkError> {
    let message = RouteNetlinkMessage::SetLink(numbered(index, [attribute]));
    netlink.route(&message, 0).await.map(drop)
}

pub(crate) async fn set_mtu(
    netlink: &mut Netlink,
    index: u32,
    mtu: u32,
) -> Result<(), NetlinkError> {
    set(netlink, index, LinkAttribute::Mtu(mtu)).await
}

/// Gives it another address. It has to be off.
pub(crate) async fn set_address(
    netlink: &mut Netlink,
    index: u32,
    mac: Mac,
) -> Result<(), NetlinkError> {
    set(netlink, index, LinkAttribute::Address(mac.0.to_vec())).await
}

/// Makes it part of a bridge or mesh, or with 0 of none.
pub(crate) async fn set_master(
    netlink: &mut Netlink,
    index: u32,
    master: u32,
) -> Result<(), NetlinkError> {
    set(netlink, index, LinkAttribute::Controller(master)).await
}

pub(crate) async fn set_up(
    netlink: &mut Netlink,
    index: u32,
    up: bool,
) -> Result<(), NetlinkError> {
    let mut message = numbered(index, []);
    message.header.change_mask = LinkFlags::Up;
    message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
    netlink.route(&RouteNetlinkMessage::SetLink(message), 0).await.map(drop)
}

/// Only `RTM_NEWLINK` takes what concerns a bridge's port (`IFLA_INFO_SLAVE_DATA`).
pub(crate) async fn set_isolated(
    netlink: &mut Netlink,
    index: u32,
    isolated: bool,
) -> Result<(), NetlinkError> {
    let data = InfoPortData::BridgePort(vec![InfoBridgePort::Isolated(isolated)]);
    let info = vec![LinkInfo::PortKind(InfoPortKind::Bridge), LinkInfo::PortData(data)];
    let message = numbered(index, [LinkAttribute::LinkInfo(info)]);
    netlink.route(&RouteNetlinkMessage::NewLink(message), 0).await.map(drop)
}

fn of(attributes: impl IntoIterator<Item = LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.extend(attributes);
    message
}

fn numbered(index: u32, attributes: impl IntoIterator<Item = LinkAttribute>) -> LinkMessage {
    let mut message = of(attributes);
    message.header.index = index;
    message
}

/// An address made from a port's or radio's and the name of what gets it: the same at each start, the
/// box's own (the bit for locally administered addresses), and different for each name.
pub(crate) fn own_mac(port: Mac, name: &str) -> Mac {
    let [a, b, c, d, e, last] = port.0;
    let salt = name.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    Mac([(a | 0x02) & !0x01, b, c, d, e, last.wrapping_add(salt)])
}

/// What a message tells of an interface; nothing when it is about something else.
fn seen(message: &RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else { return None };
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        kind: Kind::Other,
        mac: None,
        up: message.header.flags.contains(LinkFlags::Up),
        carrier: message.header.flags.contains(LinkFlags::LowerUp),
        master: None,
        mtu: 0,
        isolated: false,
        received_bytes: 0,
        sent_bytes: 0,
    };
    let mut infos: &[LinkInfo] = &[];
    for attribute in &message.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            link.name.clone_from(name);
        } else if let LinkAttribute::Address(address) = attribute {
            link.mac = <[u8; 6]>::try_from(&**address).ok().map(Mac);
        } else if let LinkAttribute::Controller(master) = attribute {
            link.master = Some(*master).filter(|master| *master != 0);
        } else if let LinkAttribute::Mtu(mtu) = attribute {
            link.mtu = *mtu;
        } else if let LinkAttribute::Stats64(stats) = attribute {
            (link.received_bytes, link.sent_bytes) = (stats.rx_bytes, stats.tx_bytes);
        } else if let LinkAttribute::LinkInfo(info) = attribute {
            infos = info;
        }
    }
    link.isolated = infos.iter().any(says_isolated);
    if message.header.link_layer_type == LinkLayerType::Ether {
        link.kind = kind(infos);
    }
    Some(link)
}

/// Of an Ethernet interface: one without a kind has a driver of its own.
fn kind(infos: &[LinkInfo]) -> Kind {
    let named = infos
        .iter()
        .find_map(|info| if let LinkInfo::Kind(kind) = info { Some(kind) } else { None });
    match named {
        None | Some(InfoKind::Veth | InfoKind::Dsa) => Kind::Port,
        Some(InfoKind::Bridge) => Kind::Bridge,
        Some(InfoKind::BatAdv) => Kind::Batadv,
        Some(_) => Kind::Other,
    }
}

fn says_isolated(info: &LinkInfo) -> bool {
    let LinkInfo::PortData(InfoPortData::BridgePort(port)) = info else { return false };
    port.contains(&InfoBridgePort::Isolated(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_has_an_address_of_its_own_that_stays() {
        let port: Mac = "00:16:3e:aa:bb:cc".parse().unwrap();
        let (lan, guest) = (own_mac(port, "br-lan"), own_mac(port, "br-guest"));
        assert_eq!(lan, own_mac(port, "br-lan"));
        assert!(lan != guest && lan != port);
        assert_eq!(lan.0[0] & 0b11, 0b10, "locally administered, of one device");
    }

    #[test]
    fn what_an_interface_is_follows_from_its_kind() {
        let ether = |infos: Vec<LinkInfo>| {
            let mut message = numbered(3, [LinkAttribute::LinkInfo(infos)]);
            message.header.link_layer_type = LinkLayerType::Ether;
            seen(&RouteNetlinkMessage::NewLink(message)).unwrap().kind
        };
        assert_eq!(ether(vec![]), Kind::Port);
        assert_eq!(ether(vec![LinkInfo::Kind(InfoKind::Veth)]), Kind::Port);
        assert_eq!(ether(vec![LinkInfo::Kind(InfoKind::Bridge)]), Kind::Bridge);
        assert_eq!(ether(vec![LinkInfo::Kind(InfoKind::Tun)]), Kind::Other);
        let mut loopback = numbered(1, []);
        loopback.header.link_layer_type = LinkLayerType::Loopback;
        let loopback = seen(&RouteNetlinkMessage::NewLink(loopback)).unwrap();
        assert_eq!(loopback.kind, Kind::Other);
    }
}
