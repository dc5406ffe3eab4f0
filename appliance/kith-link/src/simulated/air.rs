//! Who else is in the air: a mesh of three boxes down the valley, some households, and somebody who tries
//! to be clever.

use kith_core::time::Instant;
use kith_model::network::ask::Heard;
use kith_model::network::status::{Mesh, MeshGateway, MeshNeighbour, MeshNode};

use super::chance::wander;
use super::radios;

/// The mesh that can be joined.
pub(super) const VALLEY: &str = "Valley Mesh";

/// Its channel.
const VALLEY_CHANNEL: u16 = 6;

/// A box of that mesh.
struct Neighbour {
    mac: &'static str,
    name: &'static str,
    signal: i8,
    /// Down and up, in kbit/s, if it shares its way to the internet.
    shares: Option<(u32, u32)>,
}

const NEIGHBOURS: [Neighbour; 3] = [
    Neighbour {
        mac: "02:76:61:00:00:01",
        name: "mill",
        signal: -48,
        shares: Some((20_000, 5_000)),
    },
    Neighbour { mac: "02:76:61:00:00:02", name: "school", signal: -63, shares: None },
    Neighbour {
        mac: "02:76:61:00:00:03",
        name: "chapel",
        signal: -77,
        shares: Some((6_000, 1_000)),
    },
];

/// Boxes that only others hear: who, what they are called, through which neighbour.
const FAR: [(&str, &str, usize); 2] =
    [("02:76:61:00:00:04", "orchard", 1), ("02:76:61:00:00:05", "upper-farm", 2)];

/// What a radio hears, the strongest first.
pub(super) fn survey(seed: u64, now: Instant, radio: &str) -> Vec<Heard> {
    let others: &[(&str, bool, i8, u16)] = if radio == radios::LOW {
        &[
            ("Lindenhof", true, -71, 1),
            ("<img src=x onerror=alert(1)>", false, -82, 11),
            ("Gast \u{202e}thgin", true, -86, 3),
            ("", true, -88, 11),
        ]
    } else {
        &[("Lindenhof 5G", true, -78, 44), ("Werkstatt", true, -84, 100)]
    };
    let mut heard: Vec<Heard> = others
        .iter()
        .enumerate()
        .map(|(at, (ssid, secured, signal, channel))| Heard {
            ssid: (*ssid).to_owned(),
            radio: radio.to_owned(),
            mesh: false,
            secured: *secured,
            count: 1,
            signal_dbm: near(seed ^ at as u64, now, *signal, 3),
            channel: *channel,
        })
        .collect();
    if radio == radios::LOW {
        heard.insert(
            0,
            Heard {
                ssid: VALLEY.to_owned(),
                radio: radio.to_owned(),
                mesh: true,
                secured: true,
                count: 3,
                signal_dbm: near(seed, now, -48, 2),
                channel: VALLEY_CHANNEL,
            },
        );
    }
    heard
}

/// What the mesh looks like through `device`, once it has joined the one called `id`; nobody else is in
/// any other.
pub(super) fn mesh(seed: u64, now: Instant, id: &str, device: &str) -> Mesh {
    let mut mesh = Mesh { enabled: true, id: Some(id.to_owned()), ..Mesh::default() };
    if id != VALLEY {
        return mesh;
    }
    for (at, neighbour) in NEIGHBOURS.iter().enumerate() {
        let own = seed ^ (at as u64 + 1);
        let signal = near(own, now, neighbour.signal, 4);
        let quality = quality(signal);
        let heard = u32::try_from(now.as_micros() / 1_000 % 997).unwrap_or(0);
        mesh.neighbours.push(MeshNeighbour {
            mac: neighbour.mac.to_owned(),
            name: Some(neighbour.name.to_owned()),
            device: device.to_owned(),
            signal_dbm: Some(signal),
            quality,
            rate_kbit: Some(u32::from(quality) * 500),
            heard_ms: heard,
            secured: true,
        });
        mesh.nodes.push(node(neighbour.mac, neighbour.name, neighbour.mac, quality, heard));
        if let Some((down_kbit, up_kbit)) = neighbour.shares {
            mesh.gateways.push(MeshGateway {
                mac: neighbour.mac.to_owned(),
                name: Some(neighbour.name.to_owned()),
                quality,
                down_kbit,
                up_kbit,
                chosen: at == 0,
            });
        }
    }
    for (mac, name, through) in FAR {
        if let Some(hop) = mesh.neighbours.get(through) {
            let (quality, hop) = (hop.quality / 2, hop.mac.clone());
            mesh.nodes.push(node(mac, name, &hop, quality, 1_400));
        }
    }
    mesh
}

/// So many more boxes, all of them heard directly.
pub(super) fn crowd(seed: u64, now: Instant, more: u8, mesh: &mut Mesh) {
    let Some(like) = mesh.neighbours.first().cloned() else { return };
    for number in 0..more {
        let signal = near(seed ^ (0x100 + u64::from(number)), now, -60, 9);
        let (mac, name) = (format!("02:76:61:01:00:{number:02x}"), format!("box-{number}"));
        let quality = quality(signal);
        mesh.nodes.push(node(&mac, &name, &mac, quality, like.heard_ms));
        mesh.neighbours.push(MeshNeighbour {
            mac,
            name: Some(name),
            signal_dbm: Some(signal),
            quality,
            ..like.clone()
        });
    }
}

fn node(mac: &str, name: &str, through: &str, quality: u8, heard_ms: u32) -> MeshNode {
    MeshNode {
        mac: mac.to_owned(),
        name: Some(name.to_owned()),
        through: through.to_owned(),
        quality,
        heard_ms,
    }
}

/// A signal that wanders around `dbm`.
pub(super) fn near(seed: u64, now: Instant, dbm: i8, most: i64) -> i8 {
    i8::try_from(i64::from(dbm) + wander(seed, now, most)).unwrap_or(dbm)
}

/// From -85 dBm, with which nothing comes through, to -45 dBm and better.
fn quality(dbm: i8) -> u8 {
    let steps = (i32::from(dbm) + 85).clamp(0, 40);
    u8::try_from(steps * 255 / 40).unwrap_or(u8::MAX)
}
