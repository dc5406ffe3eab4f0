//! batman-adv: its interface, what it does, and whom it knows (generic netlink `batadv`).
//!
//! The constants are those of `linux/batman_adv.h`.

use std::collections::BTreeMap;

use kith_model::network::status::{MeshGateway, MeshNeighbour, MeshNode};
use kith_model::settings::values::Mac;
use netlink_packet_route::link::{InfoBatAdv, InfoData, InfoKind, LinkAttribute, LinkInfo};
use nix::errno::Errno;

use super::attributes::{Attributes, Writer};
use super::generic::{Family, Generic};
use super::links;
use super::netlink::{Netlink, NetlinkError};
use crate::desired::{Batadv, GatewayMode};

/// The family.
pub(crate) const FAMILY: &str = "batadv";

/// The group whose messages say that something was set.
pub(crate) const GROUP: &str = "config";

/// `BATADV_CMD_*`.
mod command {
    pub(super) const GET_MESH: u8 = 1;
    pub(super) const GET_TRANSTABLE_GLOBAL: u8 = 7;
    pub(super) const GET_ORIGINATORS: u8 = 8;
    pub(super) const GET_NEIGHBORS: u8 = 9;
    pub(super) const GET_GATEWAYS: u8 = 10;
    pub(super) const SET_MESH: u8 = 15;
}

/// `BATADV_ATTR_*`.
mod attribute {
    pub(super) const MESH_IFINDEX: u16 = 3;
    pub(super) const HARD_IFNAME: u16 = 7;
    pub(super) const ORIG_ADDRESS: u16 = 9;
    pub(super) const TT_ADDRESS: u16 = 16;
    pub(super) const FLAG_BEST: u16 = 22;
    pub(super) const LAST_SEEN_MSECS: u16 = 23;
    pub(super) const NEIGH_ADDRESS: u16 = 24;
    pub(super) const TQ: u16 = 25;
    pub(super) const BANDWIDTH_UP: u16 = 27;
    pub(super) const BANDWIDTH_DOWN: u16 = 28;
    pub(super) const AP_ISOLATION_ENABLED: u16 = 42;
    pub(super) const BRIDGE_LOOP_AVOIDANCE_ENABLED: u16 = 46;
    pub(super) const GW_BANDWIDTH_DOWN: u16 = 49;
    pub(super) const GW_BANDWIDTH_UP: u16 = 50;
    pub(super) const GW_MODE: u16 = 51;
    pub(super) const GW_SEL_CLASS: u16 = 52;
    pub(super) const ORIG_INTERVAL: u16 = 57;
}

/// `enum batadv_gw_modes`.
const OFF: u8 = 0;
const CLIENT: u8 = 1;
const SERVER: u8 = 2;

/// More boxes than a mesh of this kind carries, so that a hostile one cannot fill the panel.
const MOST: usize = 2_000;

/// Makes an interface. The algorithm is named, since a kernel may have another as its default and the
/// measure of quality (TQ) is this one's.
pub(crate) async fn add(netlink: &mut Netlink, name: &str) -> Result<(), NetlinkError> {
    let data = InfoData::BatAdv(vec![InfoBatAdv::AlgoName("BATMAN_IV".into())]);
    let info = vec![LinkInfo::Kind(InfoKind::BatAdv), LinkInfo::Data(data)];
    links::add(netlink, name, vec![LinkAttribute::LinkInfo(info)]).await
}

/// Sets what an interface does.
pub(crate) async fn set(
    generic: &mut Generic,
    family: &Family,
    index: u32,
    settings: &Batadv,
) -> Result<(), NetlinkError> {
    let writer = write(Writer::default().u32(attribute::MESH_IFINDEX, index), settings);
    generic.call(family, command::SET_MESH, writer).await.map(drop)
}

/// What an interface does.
pub(crate) async fn get(
    generic: &mut Generic,
    family: &Family,
    index: u32,
) -> Result<Option<Batadv>, NetlinkError> {
    let asked = Writer::default().u32(attribute::MESH_IFINDEX, index);
    match generic.call(family, command::GET_MESH, asked).await {
        Ok(answer) => Ok(answer.first().map(|message| read(Attributes::new(message)))),
        Err(error) if error.is(&[Errno::ENODEV]) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whom an interface knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) neighbours: Vec<MeshNeighbour>,
    pub(crate) nodes: Vec<MeshNode>,
    pub(crate) gateways: Vec<MeshGateway>,
}

/// Asks whom an interface knows.
pub(crate) async fn known(
    generic: &mut Generic,
    family: &Family,
    index: u32,
) -> Result<Known, NetlinkError> {
    let mut dumps = Vec::new();
    for command in [command::GET_NEIGHBORS, command::GET_ORIGINATORS, command::GET_GATEWAYS] {
        let asked = Writer::default().u32(attribute::MESH_IFINDEX, index);
        dumps.push(match generic.dump(family, command, asked).await {
            Ok(dump) => dump,
            // An interface that has no radio or wire yet knows nobody.
            Err(error) if error.is(&[Errno::ENOENT, Errno::ENODEV, Errno::EOPNOTSUPP]) => vec![],
            Err(error) => return Err(error),
        });
    }
    let [neighbours, originators, gateways] = &dumps[..] else { return Ok(Known::default()) };
    Ok(gather(neighbours, originators, gateways))
}

/// The addresses behind a box that the mesh knows it by: its own, since no device is bridged into the mesh.
pub(crate) async fn behind(
    generic: &mut Generic,
    family: &Family,
    index: u32,
    of: Mac,
) -> Result<Vec<Mac>, NetlinkError> {
    let asked = Writer::default().u32(attribute::MESH_IFINDEX, index);
    let dump = generic.dump(family, command::GET_TRANSTABLE_GLOBAL, asked).await?;
    Ok(addresses(&dump, of))
}

fn addresses(dump: &[Vec<u8>], of: Mac) -> Vec<Mac> {
    let entry = |message: &Vec<u8>| {
        let message = Attributes::new(message);
        let here = message.get(attribute::ORIG_ADDRESS)?.mac()? == of.0;
        let address = message.get(attribute::TT_ADDRESS)?.mac()?;
        // The table also names the groups that somebody listens to.
        (here && address[0] & 1 == 0).then_some(Mac(address))
    };
    let mut found: Vec<Mac> = dump.iter().take(MOST).filter_map(entry).collect();
    found.sort();
    found.dedup();
    found
}

fn write(writer: Writer, settings: &Batadv) -> Writer {
    let writer = writer
        .u8(attribute::BRIDGE_LOOP_AVOIDANCE_ENABLED, settings.bridge_loop_avoidance.into())
        .u8(attribute::AP_ISOLATION_ENABLED, settings.isolation.into())
        .u32(attribute::ORIG_INTERVAL, settings.originator_interval_ms);
    match settings.gateway {
        GatewayMode::Off => writer.u8(attribute::GW_MODE, OFF),
        GatewayMode::Client { selection_class } => {
            writer.u8(attribute::GW_MODE, CLIENT).u32(attribute::GW_SEL_CLASS, selection_class)
        }
        GatewayMode::Server { down, up } => writer
            .u32(attribute::GW_BANDWIDTH_DOWN, down)
            .u32(attribute::GW_BANDWIDTH_UP, up)
            .u8(attribute::GW_MODE, SERVER),
    }
}

fn read(message: Attributes<'_>) -> Batadv {
    let flag = |kind| message.get(kind).and_then(|a| a.u8()).is_some_and(|value| value != 0);
    let number = |kind| message.get(kind).and_then(|a| a.u32()).unwrap_or_default();
    let gateway = match message.get(attribute::GW_MODE).and_then(|a| a.u8()) {
        Some(CLIENT) => GatewayMode::Client { selection_class: number(attribute::GW_SEL_CLASS) },
        Some(SERVER) => GatewayMode::Server {
            down: number(attribute::GW_BANDWIDTH_DOWN),
            up: number(attribute::GW_BANDWIDTH_UP),
        },
        Some(_) | None => GatewayMode::Off,
    };
    Batadv {
        gateway,
        bridge_loop_avoidance: flag(attribute::BRIDGE_LOOP_AVOIDANCE_ENABLED),
        isolation: flag(attribute::AP_ISOLATION_ENABLED),
        originator_interval_ms: number(attribute::ORIG_INTERVAL),
    }
}

fn gather(neighbours: &[Vec<u8>], originators: &[Vec<u8>], gateways: &[Vec<u8>]) -> Known {
    let nodes: Vec<MeshNode> = originators.iter().filter_map(|message| node(message)).collect();
    // A box that is heard directly has a way to itself; its quality is that of the link.
    let direct: BTreeMap<&str, u8> =
        nodes.iter().filter(|n| n.mac == n.through).map(|n| (&*n.mac, n.quality)).collect();
    let neighbours = neighbours.iter().filter_map(|message| {
        let mut neighbour = neighbour(message)?;
        neighbour.quality = direct.get(&*neighbour.mac).copied().unwrap_or_default();
        Some(neighbour)
    });
    let mut known = Known {
        neighbours: neighbours.take(MOST).collect(),
        nodes: Vec::new(),
        gateways: gateways.iter().filter_map(|message| gateway(message)).take(MOST).collect(),
    };
    // Of each box the way that is used.
    let best = |message: &&Vec<u8>| Attributes::new(message).get(attribute::FLAG_BEST).is_some();
    known.nodes = originators.iter().filter(best).filter_map(|m| node(m)).take(MOST).collect();
    known.neighbours.sort_by(|a, b| (&a.mac, &a.device).cmp(&(&b.mac, &b.device)));
    known.nodes.sort_by(|a, b| a.mac.cmp(&b.mac));
    known.gateways.sort_by(|a, b| a.mac.cmp(&b.mac));
    known
}

fn mac(message: Attributes<'_>, kind: u16) -> Option<String> {
    Some(Mac(message.get(kind)?.mac()?).to_string())
}

fn neighbour(message: &[u8]) -> Option<MeshNeighbour> {
    let message = Attributes::new(message);
    Some(MeshNeighbour {
        mac: mac(message, attribute::NEIGH_ADDRESS)?,
        device: message.get(attribute::HARD_IFNAME)?.text()?.to_owned(),
        heard_ms: message.get(attribute::LAST_SEEN_MSECS)?.u32()?,
        ..MeshNeighbour::default()
    })
}

fn node(message: &[u8]) -> Option<MeshNode> {
    let message = Attributes::new(message);
    Some(MeshNode {
        mac: mac(message, attribute::ORIG_ADDRESS)?,
        name: None,
        through: mac(message, attribute::NEIGH_ADDRESS)?,
        quality: message.get(attribute::TQ)?.u8()?,
        heard_ms: message.get(attribute::LAST_SEEN_MSECS)?.u32()?,
    })
}

fn gateway(message: &[u8]) -> Option<MeshGateway> {
    let message = Attributes::new(message);
    // Hundreds of kbit/s, as boxes announce them.
    let kbit = |kind| Some(message.get(kind)?.u32()?.saturating_mul(100));
    Some(MeshGateway {
        mac: mac(message, attribute::ORIG_ADDRESS)?,
        name: None,
        quality: message.get(attribute::TQ)?.u8()?,
        down_kbit: kbit(attribute::BANDWIDTH_DOWN)?,
        up_kbit: kbit(attribute::BANDWIDTH_UP)?,
        chosen: message.get(attribute::FLAG_BEST).is_some(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
    const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];

    fn originator(of: [u8; 6], through: [u8; 6], tq: u8, best: bool) -> Vec<u8> {
        let writer = Writer::default()
            .bytes(attribute::ORIG_ADDRESS, &of)
            .bytes(attribute::NEIGH_ADDRESS, &through)
            .u8(attribute::TQ, tq)
            .u32(attribute::LAST_SEEN_MSECS, 40);
        if best { writer.flag(attribute::FLAG_BEST) } else { writer }.done()
    }

    #[test]
    fn behind_a_box_are_its_own_addresses_and_no_groups() {
        let entry = |orig: [u8; 6], address: [u8; 6]| {
            let writer = Writer::default().bytes(attribute::TT_ADDRESS, &address);
            writer.bytes(attribute::ORIG_ADDRESS, &orig).done()
        };
        let own = [2, 0, 0, 0, 9, 9];
        let group = [0x33, 0x33, 0, 0, 0, 1];
        let dump = [entry(A, own), entry(A, group), entry(A, own), entry(B, [2; 6]), vec![1, 2]];
        assert_eq!(addresses(&dump, Mac(A)), [Mac(own)]);
        assert_eq!(addresses(&dump, Mac([4; 6])), []);
    }

    #[test]
    fn settings_are_read_as_they_are_written() {
        for gateway in [
            GatewayMode::Off,
            GatewayMode::Client { selection_class: 20 },
            GatewayMode::Server { down: 1_000, up: 200 },
        ] {
            let settings = Batadv {
                gateway,
                bridge_loop_avoidance: true,
                isolation: false,
                originator_interval_ms: 5_000,
            };
            let bytes = write(Writer::default(), &settings).done();
            assert_eq!(read(Attributes::new(&bytes)), settings);
        }
    }

    #[test]
    fn of_each_box_the_way_that_is_used_is_told() {
        let heard = Writer::default()
            .bytes(attribute::NEIGH_ADDRESS, &A)
            .text(attribute::HARD_IFNAME, "kith-mesh0")
            .u32(attribute::LAST_SEEN_MSECS, 12)
            .done();
        let ways =
            [originator(A, A, 240, true), originator(B, A, 200, true), originator(B, B, 90, false)];
        let offer = Writer::default()
            .bytes(attribute::ORIG_ADDRESS, &B)
            .u8(attribute::TQ, 200)
            .u32(attribute::BANDWIDTH_DOWN, 500)
            .u32(attribute::BANDWIDTH_UP, 100)
            .flag(attribute::FLAG_BEST)
            .done();
        let known = gather(&[heard], &ways, &[offer, vec![1, 2, 3]]);
        assert_eq!(known.neighbours.len(), 1);
        assert_eq!((known.neighbours[0].quality, known.neighbours[0].heard_ms), (240, 12));
        let ways: Vec<_> = known.nodes.iter().map(|n| (&*n.through, n.quality)).collect();
        assert_eq!(ways, [("02:00:00:00:00:0a", 240), ("02:00:00:00:00:0a", 200)]);
        assert_eq!(known.gateways.len(), 1);
        assert_eq!((known.gateways[0].down_kbit, known.gateways[0].chosen), (50_000, true));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(Attributes::new(&bytes));
            let all = [bytes];
            let _ = gather(&all, &all, &all);
        }
    }
}
