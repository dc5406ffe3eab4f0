//! Looking: from what each room sees to one picture.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use kith_model::daemon::{DaemonId, Program};
use kith_model::network::status::{Mesh, Radio};
use kith_model::settings::values::Mac;

use super::clients::{self, Sources};
use super::links::{Kind, Link};
use super::neighbours::{self, Neighbour};
use super::wifi::{self, Air};
use super::{RealHands, addresses, batadv, ctrl, leases, links, routes, words};
use crate::desired::{Batadv, GatewayMode};
use crate::hands::HandsError;
use crate::names::{LAN_BRIDGE, LEASES, MESH};
use crate::seen::{Seen, SeenKind, SeenLink};

impl RealHands {
    /// Everything that is there.
    pub(super) async fn see(&mut self) -> Result<Seen, HandsError> {
        let found = links::list(&mut self.route).await.map_err(words)?;
        let names = found.iter().map(|link| (link.index, link.name.clone())).collect();
        let air = wifi::look(&mut self.generic, &mut self.meters).await.map_err(words)?;
        let meshes = self.meshes(&found).await?;
        let links: BTreeMap<String, SeenLink> = found
            .iter()
            .map(|link| (link.name.clone(), seen_link(link, &names, &air, &meshes)))
            .collect();
        let addresses = self.addresses(&found, &names).await?;
        let near = neighbours::list(&mut self.route).await.map_err(words)?;
        let mut seen = Seen {
            country: air.country.clone(),
            routes: routes::list(&mut self.route, &names)
                .await
                .map_err(words)?
                .into_iter()
                .collect(),
            sysctls: self.sysctls.look(),
            ruleset: self.nft.look().await,
            files: self.files.look()?,
            daemons: self.daemons(),
            radios: air.radios(),
            mesh: self.mesh(&links, &addresses, &air).await?,
            clients: self.clients(&links, &addresses, &near, &air).await?,
            mesh_arp: mesh_arp(&links, &near),
            links,
            addresses,
        };
        let of_household = seen.addresses.iter().filter(|(name, net)| {
            // A bridge without a plug answers too: its address is the box's own.
            name == LAN_BRIDGE && net.addr().is_ipv4()
        });
        self.household = of_household.map(|(_, net)| net.addr()).next();
        self.wait_for_radar(&mut seen.radios).await;
        self.watch.refresh(&mut self.generic).await;
        Ok(seen)
    }

    /// What each batman-adv interface does, by its number.
    async fn meshes(&mut self, found: &[Link]) -> Result<BTreeMap<u32, Batadv>, HandsError> {
        let mut meshes = BTreeMap::new();
        if !found.iter().any(|link| link.kind == Kind::Batadv) {
            return Ok(meshes);
        }
        let family = self.generic.family(batadv::FAMILY).await.map_err(words)?;
        let Some(family) = family else { return Ok(meshes) };
        for link in found.iter().filter(|link| link.kind == Kind::Batadv) {
            let settings = batadv::get(&mut self.generic, &family, link.index).await;
            meshes.extend(settings.map_err(words)?.map(|settings| (link.index, settings)));
        }
        Ok(meshes)
    }

    async fn addresses(
        &mut self,
        found: &[Link],
        names: &BTreeMap<u32, String>,
    ) -> Result<BTreeSet<(String, IpNet)>, HandsError> {
        let all = addresses::list(&mut self.route).await.map_err(words)?;
        let known = |index: u32| found.iter().any(|link| link.index == index && link.name != "lo");
        let named = |(index, net): (u32, IpNet)| Some((names.get(&index)?.clone(), net));
        Ok(all.into_iter().filter(|(index, _)| known(*index)).filter_map(named).collect())
    }

    async fn mesh(
        &mut self,
        links: &BTreeMap<String, SeenLink>,
        addresses: &BTreeSet<(String, IpNet)>,
        air: &Air,
    ) -> Result<Mesh, HandsError> {
        let Some(link) = links.get(MESH) else { return Ok(Mesh::default()) };
        let SeenKind::Batadv(settings) = &link.kind else { return Ok(Mesh::default()) };
        let on_it = addresses.iter().filter(|(device, _)| device == MESH);
        let mut mesh = Mesh {
            enabled: link.up,
            addresses: on_it.map(|(_, net)| net.to_string()).collect(),
            sharing: matches!(settings.gateway, GatewayMode::Server { .. }),
            ..Mesh::default()
        };
        let family = self.generic.family(batadv::FAMILY).await.map_err(words)?;
        if let Some(family) = family {
            let known = batadv::known(&mut self.generic, &family, link.index).await;
            let known = known.map_err(words)?;
            (mesh.neighbours, mesh.nodes, mesh.gateways) =
                (known.neighbours, known.nodes, known.gateways);
        }
        for neighbour in &mut mesh.neighbours {
            let Some(device) = links.get(&neighbour.device) else { continue };
            let stations = air.stations.get(&device.index).map_or(&[][..], Vec::as_slice);
            let heard = stations.iter().find(|s| s.mac().to_string() == neighbour.mac);
            if let Some(station) = heard {
                neighbour.signal_dbm = station.signal_dbm;
                neighbour.rate_kbit = station.rate_kbit;
                neighbour.secured = station.established && station.secured;
            }
        }
        Ok(mesh)
    }

    async fn clients(
        &mut self,
        links: &BTreeMap<String, SeenLink>,
        addresses: &BTreeSet<(String, IpNet)>,
        near: &[Neighbour],
        air: &Air,
    ) -> Result<Vec<kith_model::network::status::Client>, HandsError> {
        let leases = self.files.read(LEASES, leases::LARGEST).unwrap_or_default();
        let sources = Sources {
            links,
            addresses,
            leases: &leases::read(&leases),
            neighbours: near,
            bridged: &neighbours::bridged(&mut self.route).await.map_err(words)?,
            air,
            now: self.clock.wall(),
        };
        Ok(clients::gather(&sources))
    }

    /// Asks the access points on channels where radar comes first whether they still wait.
    async fn wait_for_radar(&self, radios: &mut BTreeMap<String, Radio>) {
        for radio in radios.values_mut() {
            let on_radar = |radio: &Radio| {
                radio
                    .channels
                    .iter()
                    .any(|c| c.radar && Some(c.frequency_mhz) == radio.frequency_mhz)
            };
            if !on_radar(radio) {
                continue;
            }
            let Ok(instance) = radio.name.parse() else { continue };
            let hostapd = DaemonId { program: Program::Hostapd, instance };
            radio.radar_wait_seconds = ctrl::radar_wait(&self.files, &hostapd).await;
        }
    }
}

/// Who has answered for which address in the mesh.
fn mesh_arp(links: &BTreeMap<String, SeenLink>, near: &[Neighbour]) -> BTreeMap<Ipv4Addr, Mac> {
    let mesh = links.get(MESH).map(|link| link.index);
    let there = near.iter().filter(|neighbour| Some(neighbour.device) == mesh);
    there
        .filter_map(|neighbour| match neighbour.ip {
            IpAddr::V4(address) => Some((address, neighbour.mac)),
            IpAddr::V6(_) => None,
        })
        .collect()
}

fn seen_link(
    link: &Link,
    names: &BTreeMap<u32, String>,
    air: &Air,
    meshes: &BTreeMap<u32, Batadv>,
) -> SeenLink {
    let kind = match (link.kind, air.interface(link.index)) {
        (_, Some((interface, radio))) => {
            SeenKind::Wifi { radio: radio.to_owned(), mode: interface.mode() }
        }
        (Kind::Port, None) => SeenKind::Port,
        (Kind::Bridge, None) => SeenKind::Bridge,
        (Kind::Batadv, None) => {
            meshes.get(&link.index).map_or(SeenKind::Other, |mesh| SeenKind::Batadv(*mesh))
        }
        (Kind::Other, None) => SeenKind::Other,
    };
    SeenLink {
        index: link.index,
        kind,
        mac: link.mac,
        up: link.up,
        carrier: link.carrier,
        master: link.master.and_then(|master| names.get(&master).cloned()),
        mtu: link.mtu,
        isolated: link.isolated,
        received_bytes: link.received_bytes,
        sent_bytes: link.sent_bytes,
    }
}
