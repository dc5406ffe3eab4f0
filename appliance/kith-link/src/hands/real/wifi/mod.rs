//! Radios and what is on them (generic netlink `nl80211`).
//!
//! The messages are read here, attribute by attribute, and not with the crate wl-nl80211: of version 0.8
//! the whole answer about a network is lost when one of its elements is odd (a country of one byte), which
//! any neighbour can send; and it has no request for the country. Thirteen commands are used.

pub mod advice;
mod constants;
mod elements;
mod interfaces;
mod regulatory;
mod scan;
mod stations;
mod wiphy;

use std::collections::BTreeMap;

use kith_model::network::ask::Heard;
use kith_model::network::status::Radio;
use kith_model::settings::values::{Country, InterfaceName, Mac};
use nix::errno::Errno;

use super::generic::{Family, Generic};
use super::netlink::{Netlink, NetlinkError};
use super::{links, words};
use crate::desired::WifiMode;
use crate::hands::HandsError;
use crate::names::on_radio;

pub(crate) use self::interfaces::Interface;
pub(crate) use self::stations::Station;
pub(crate) use self::wiphy::band;
use self::wiphy::{Wiphy, channel_number};

/// The family.
const FAMILY: &str = "nl80211";

/// The groups whose messages say that something changed. What scans find is not among them.
pub(crate) const GROUPS: [&str; 3] = ["config", "regulatory", "mlme"];

/// An interface only to listen with, where a radio has none that can.
const LISTENER_PREFIX: &str = "kith-scan";

/// All that is seen of radios.
#[derive(Clone, Debug, Default)]
pub(crate) struct Air {
    pub(crate) country: Option<Country>,
    radios: Vec<Wiphy>,
    pub(crate) interfaces: Vec<Interface>,
    /// By the number of the interface that hears them.
    pub(crate) stations: BTreeMap<u32, Vec<Station>>,
    /// By the radio's number, in percent.
    busy: BTreeMap<u32, u8>,
}

/// What was measured of radios the last time: milliseconds listened to and busy.
#[derive(Debug, Default)]
pub(crate) struct Meters(BTreeMap<u32, (u64, u64)>);

/// The family, if any driver of a radio is loaded.
pub(crate) async fn family(generic: &mut Generic) -> Result<Option<Family>, NetlinkError> {
    generic.family(FAMILY).await
}

/// Looks at all radios; nothing is seen where there are none.
pub(crate) async fn look(generic: &mut Generic, meters: &mut Meters) -> Result<Air, NetlinkError> {
    let Some(family) = family(generic).await? else { return Ok(Air::default()) };
    let mut air = Air {
        country: regulatory::get(generic, &family).await?,
        radios: wiphy::list(generic, &family).await?,
        interfaces: interfaces::list(generic, &family).await?,
        ..Air::default()
    };
    for interface in &air.interfaces {
        let stations = stations::list(generic, &family, interface.index).await?;
        air.stations.insert(interface.index, stations);
        if air.busy.contains_key(&interface.radio) {
            continue;
        }
        if let Some(now) = stations::busy(generic, &family, interface.index).await? {
            let before = meters.0.insert(interface.radio, now).unwrap_or_default();
            air.busy.extend(busy_percent(before, now).map(|busy| (interface.radio, busy)));
        }
    }
    Ok(air)
}

impl Air {
    /// An interface on a radio by its number, and the radio's name.
    pub(crate) fn interface(&self, index: u32) -> Option<(&Interface, &str)> {
        let interface = self.interfaces.iter().find(|interface| interface.index == index)?;
        let radio = self.radios.iter().find(|radio| radio.index == interface.radio)?;
        Some((interface, &radio.name))
    }

    /// The radios by their names.
    pub(crate) fn radios(&self) -> BTreeMap<String, Radio> {
        let radio = |radio: &Wiphy| (radio.name.clone(), self.radio(radio));
        self.radios.iter().map(radio).collect()
    }

    fn radio(&self, radio: &Wiphy) -> Radio {
        let on_it = || self.interfaces.iter().filter(|i| i.radio == radio.index);
        // All interfaces of a radio are on its one channel; those that are off have none.
        let tuned = on_it().find(|interface| interface.frequency_mhz.is_some());
        let frequency_mhz = tuned.and_then(|interface| interface.frequency_mhz);
        Radio {
            name: radio.name.clone(),
            driver: driver(&radio.name),
            can: radio.can,
            channels: radio.channels.clone(),
            channel: frequency_mhz.and_then(channel_number),
            frequency_mhz,
            width_mhz: tuned.and_then(|interface| interface.width_mhz),
            power_dbm: tuned.and_then(|interface| interface.power_dbm),
            busy_percent: self.busy.get(&radio.index).copied(),
            interfaces: on_it().map(|i| (i.name.clone(), i.word().to_owned())).collect(),
            radar_wait_seconds: None,
            advice: advice::advice(&radio.can),
        }
    }
}

/// Makes an interface on a radio. That it is there is fine, if it is what is wanted.
pub(crate) async fn add(
    generic: &mut Generic,
    netlink: &mut Netlink,
    name: &str,
    (radio, mode): (&str, WifiMode),
) -> Result<(), HandsError> {
    let family = needed(generic).await?;
    let radios = wiphy::list(generic, &family).await.map_err(words)?;
    let gone = || HandsError::Missing(format!("there is no radio {radio}: is it plugged in?"));
    let radio = radios.iter().find(|r| r.name == radio).ok_or_else(gone)?.index;
    let before = interfaces::list(generic, &family).await.map_err(words)?;
    if let Some(there) = before.iter().find(|interface| interface.name == name) {
        if there.radio == radio && there.mode() == Some(mode) {
            return Ok(());
        }
        let what = there.word();
        return Err(HandsError::Refused(format!(
            "{name} is there already, as {what}: remove it first"
        )));
    }
    interfaces::add(generic, &family, radio, name, mode).await.map_err(words)?;
    // Some drivers give all interfaces of a radio one address; then only one can be switched on.
    let after = interfaces::list(generic, &family).await.map_err(words)?;
    let Some(made) = after.iter().find(|interface| interface.name == name) else { return Ok(()) };
    let twin = |other: &&Interface| other.index != made.index && other.mac == made.mac;
    if let (Some(mac), Some(_)) = (made.mac, after.iter().find(twin)) {
        let own = links::own_mac(mac, name);
        links::set_address(netlink, made.index, own).await.map_err(words)?;
    }
    Ok(())
}

/// Removes an interface on a radio.
pub(crate) async fn remove(generic: &mut Generic, index: u32) -> Result<(), HandsError> {
    let family = needed(generic).await?;
    interfaces::remove(generic, &family, index).await.map_err(words)
}

/// Chooses the rules that radios follow.
pub(crate) async fn set_country(
    generic: &mut Generic,
    country: Option<&Country>,
) -> Result<(), HandsError> {
    let family = needed(generic).await?;
    if regulatory::set(generic, &family, country).await.map_err(words)? {
        return Ok(());
    }
    let name = country.map_or_else(|| "the world domain".to_owned(), ToString::to_string);
    Err(HandsError::Refused(format!(
        "the kernel did not take the radio rules of {name}: is regulatory.db there (package wireless-regdb)?"
    )))
}

/// Lets a radio send with so many dBm at most, or with as much as it may.
pub(crate) async fn set_power(
    generic: &mut Generic,
    radio: &str,
    dbm: Option<u8>,
) -> Result<(), HandsError> {
    let family = needed(generic).await?;
    let radios = wiphy::list(generic, &family).await.map_err(words)?;
    let gone = || HandsError::Missing(format!("there is no radio {radio}: is it plugged in?"));
    let index = radios.iter().find(|r| r.name == radio).ok_or_else(gone)?.index;
    match wiphy::set_power(generic, &family, index, dbm).await {
        Err(error) if error.is(&[Errno::EOPNOTSUPP]) => Err(HandsError::Refused(format!(
            "the driver of {radio} does not let its power be set: take radio.{radio}.power_dbm out"
        ))),
        Err(error) => Err(words(error)),
        Ok(()) => Ok(()),
    }
}

/// Listens for networks on all radios, one after another.
pub(crate) async fn survey(
    generic: &mut Generic,
    netlink: &mut Netlink,
) -> Result<Vec<Heard>, HandsError> {
    let family = needed(generic).await?;
    let radios = wiphy::list(generic, &family).await.map_err(words)?;
    let up = links::list(netlink).await.map_err(words)?;
    let up: Vec<u32> = up.iter().filter(|link| link.up).map(|link| link.index).collect();
    let (mut heard, mut trouble) = (Vec::new(), None);
    for radio in &radios {
        match survey_one(generic, netlink, &family, (radio, &up)).await {
            Ok(networks) => heard.extend(networks),
            Err(error) => trouble = Some(error),
        }
    }
    match trouble {
        Some(error) if heard.is_empty() => Err(error),
        Some(_) | None => Ok(heard),
    }
}

async fn survey_one(
    generic: &mut Generic,
    netlink: &mut Netlink,
    family: &Family,
    (radio, up): (&Wiphy, &[u32]),
) -> Result<Vec<Heard>, HandsError> {
    let all = interfaces::list(generic, family).await.map_err(words)?;
    let usable = |i: &&Interface| i.radio == radio.index && up.contains(&i.index);
    let rank = |i: &&Interface| match i.mode() {
        Some(WifiMode::Station) => Some(0),
        Some(WifiMode::MeshPoint) => Some(1),
        Some(WifiMode::AccessPoint) => Some(2),
        None => None,
    };
    let best = all.iter().filter(usable).filter(|i| rank(i).is_some()).min_by_key(rank);
    if let Some(best) = best {
        let access_point = best.mode() == Some(WifiMode::AccessPoint);
        let (index, name) = (best.index, &*radio.name);
        scan::listen(generic, family, index, access_point).await.map_err(words)?;
        return scan::heard(generic, family, index, name).await.map_err(words);
    }
    let name = on_radio(LISTENER_PREFIX, &radio.name);
    add(generic, netlink, &name, (&radio.name, WifiMode::Station)).await?;
    let all = interfaces::list(generic, family).await.map_err(words)?;
    let Some(index) = all.iter().find(|i| i.name == name).map(|i| i.index) else {
        return Ok(Vec::new());
    };
    let heard = async {
        links::set_up(netlink, index, true).await?;
        scan::listen(generic, family, index, false).await?;
        scan::heard(generic, family, index, &radio.name).await
    };
    let heard = heard.await;
    interfaces::remove(generic, family, index).await.map_err(words)?;
    heard.map_err(words)
}

/// What a message of a scan says.
pub(super) fn read_scan(message: &[u8]) -> Vec<Heard> {
    scan::gather(&[message.to_vec()], "phy0")
}

async fn needed(generic: &mut Generic) -> Result<Family, HandsError> {
    let missing =
        || HandsError::Missing("no radio found: no driver for Wi-Fi is loaded".to_owned());
    family(generic).await.map_err(words)?.ok_or_else(missing)
}

/// The driver of a radio as the kernel shows it, where it does.
fn driver(radio: &str) -> Option<String> {
    // The kernel's own name; still, it becomes part of a path.
    let radio: InterfaceName = radio.parse().ok()?;
    let link = std::fs::read_link(format!("/sys/class/ieee80211/{radio}/device/driver")).ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
}

/// How much of the time between two measurements the channel was busy. A meter that runs backwards began
/// anew on another channel.
fn busy_percent(before: (u64, u64), now: (u64, u64)) -> Option<u8> {
    let time = now.0.checked_sub(before.0)?;
    let busy = now.1.checked_sub(before.1)?;
    u8::try_from(busy.checked_mul(100)?.checked_div(time)?.min(100)).ok()
}

/// A device's place in the air: the access point it is at, its band and how it is heard.
pub(crate) fn place(air: &Air, mac: Mac) -> Option<(&Interface, &Station)> {
    let at_access_point = |i: &&Interface| i.mode() == Some(WifiMode::AccessPoint);
    air.interfaces.iter().filter(at_access_point).find_map(|interface| {
        let stations = air.stations.get(&interface.index)?;
        Some((interface, stations.iter().find(|station| station.mac() == mac)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_busy_a_channel_is_follows_from_two_measurements() {
        assert_eq!(busy_percent((1_000, 100), (2_000, 350)), Some(25));
        assert_eq!(busy_percent((1_000, 100), (1_000, 100)), None);
        assert_eq!(busy_percent((5_000, 100), (2_000, 350)), None, "another channel");
        assert_eq!(busy_percent((0, 0), (10, 900)), Some(100));
    }
}
