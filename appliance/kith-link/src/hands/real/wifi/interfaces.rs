//! Interfaces on radios: what there are, making and removing them (`NL80211_CMD_*_INTERFACE`).

use super::super::attributes::{Attributes, Writer};
use super::super::generic::{Family, Generic};
use super::super::netlink::NetlinkError;
use super::constants::{attribute, command, iftype};
use crate::desired::WifiMode;
use kith_model::settings::values::Mac;

/// An interface on a radio.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    /// The radio's number.
    pub(crate) radio: u32,
    pub(crate) index: u32,
    pub(crate) name: String,
    /// `enum nl80211_iftype`.
    pub(crate) kind: u32,
    pub(crate) mac: Option<Mac>,
    pub(crate) frequency_mhz: Option<u32>,
    pub(crate) width_mhz: Option<u16>,
    pub(crate) power_dbm: Option<i8>,
}

impl Interface {
    /// What it is for, if it is one of those that the box makes.
    pub(crate) const fn mode(&self) -> Option<WifiMode> {
        match self.kind {
            iftype::AP => Some(WifiMode::AccessPoint),
            iftype::MESH_POINT => Some(WifiMode::MeshPoint),
            iftype::STATION => Some(WifiMode::Station),
            _ => None,
        }
    }

    /// The kernel's word for what it is for, as `iw` shows it.
    pub(crate) const fn word(&self) -> &'static str {
        match self.kind {
            iftype::ADHOC => "ibss",
            iftype::STATION => "station",
            iftype::AP => "ap",
            iftype::AP_VLAN => "ap-vlan",
            iftype::MONITOR => "monitor",
            iftype::MESH_POINT => "mesh",
            iftype::P2P_CLIENT => "p2p-client",
            iftype::P2P_GO => "p2p-go",
            _ => "other",
        }
    }
}

/// All interfaces on radios.
pub(crate) async fn list(
    generic: &mut Generic,
    family: &Family,
) -> Result<Vec<Interface>, NetlinkError> {
    let messages = generic.dump(family, command::GET_INTERFACE, Writer::default()).await?;
    Ok(messages.iter().filter_map(|message| seen(message)).collect())
}

/// Makes an interface on the radio with this number.
pub(crate) async fn add(
    generic: &mut Generic,
    family: &Family,
    radio: u32,
    name: &str,
    mode: WifiMode,
) -> Result<(), NetlinkError> {
    let kind = match mode {
        WifiMode::AccessPoint => iftype::AP,
        WifiMode::MeshPoint => iftype::MESH_POINT,
        WifiMode::Station => iftype::STATION,
    };
    let asked = Writer::default()
        .u32(attribute::WIPHY, radio)
        .text(attribute::IFNAME, name)
        .u32(attribute::IFTYPE, kind);
    generic.call(family, command::NEW_INTERFACE, asked).await.map(drop)
}

/// Removes an interface.
pub(crate) async fn remove(
    generic: &mut Generic,
    family: &Family,
    index: u32,
) -> Result<(), NetlinkError> {
    let asked = Writer::default().u32(attribute::IFINDEX, index);
    generic.call(family, command::DEL_INTERFACE, asked).await.map(drop)
}

/// Nothing for what has no interface of the network, such as a P2P device.
fn seen(message: &[u8]) -> Option<Interface> {
    let message = Attributes::new(message);
    let number = |kind| message.get(kind).and_then(|a| a.u32());
    // In hundredths of a dBm.
    let power = message.get(attribute::WIPHY_TX_POWER_LEVEL).and_then(|a| a.i32());
    Some(Interface {
        radio: number(attribute::WIPHY)?,
        index: number(attribute::IFINDEX)?,
        name: message.get(attribute::IFNAME)?.text()?.to_owned(),
        kind: number(attribute::IFTYPE)?,
        mac: message.get(attribute::MAC).and_then(|a| a.mac()).map(Mac),
        frequency_mhz: number(attribute::WIPHY_FREQ),
        width_mhz: number(attribute::CHANNEL_WIDTH).and_then(width),
        power_dbm: power.and_then(|power| i8::try_from(power / 100).ok()),
    })
}

/// `enum nl80211_chan_width` in MHz.
const fn width(number: u32) -> Option<u16> {
    Some(match number {
        0 | 1 => 20,
        2 => 40,
        3 => 80,
        // 80+80 takes as much air.
        4 | 5 => 160,
        6 => 5,
        7 => 10,
        13 => 320,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_read() {
        let bytes = Writer::default()
            .u32(attribute::WIPHY, 2)
            .u32(attribute::IFINDEX, 9)
            .text(attribute::IFNAME, "kith-mesh2")
            .u32(attribute::IFTYPE, iftype::MESH_POINT)
            .u32(attribute::WIPHY_FREQ, 5_180)
            .u32(attribute::CHANNEL_WIDTH, 3)
            .u32(attribute::WIPHY_TX_POWER_LEVEL, 2_000)
            .done();
        let interface = seen(&bytes).unwrap();
        assert_eq!(interface.mode(), Some(WifiMode::MeshPoint));
        assert_eq!((interface.word(), interface.width_mhz), ("mesh", Some(80)));
        assert_eq!((interface.frequency_mhz, interface.power_dbm), (Some(5_180), Some(20)));
    }
}
