//! Listening for networks (`NL80211_CMD_TRIGGER_SCAN`, `NL80211_CMD_GET_SCAN`).

use std::collections::BTreeMap;
use std::time::Duration;

use kith_model::network::ask::Heard;
use nix::errno::Errno;

use super::super::attributes::{Attributes, Writer};
use super::super::generic::{Family, Generic};
use super::super::netlink::{Ear, NetlinkError};
use super::constants::{attribute, command};
use super::elements;
use super::wiphy::channel_number;

/// `NL80211_SCAN_FLAG_AP`: listen although an access point is up.
const SCAN_FLAG_AP: u32 = 1 << 2;

/// `NL80211_BSS_*`.
mod bss {
    pub(super) const FREQUENCY: u16 = 2;
    pub(super) const CAPABILITY: u16 = 5;
    pub(super) const INFORMATION_ELEMENTS: u16 = 6;
    pub(super) const SIGNAL_MBM: u16 = 7;
    pub(super) const BEACON_IES: u16 = 11;
}

/// The privacy bit of the capabilities (IEEE 802.11, 9.4.1.4).
const PRIVACY: u16 = 1 << 4;

/// The longest a radio listens: on channels with radar it may only wait for beacons, on some fifty of
/// them.
const PATIENCE: Duration = Duration::from_secs(12);

/// More networks than anybody looks through.
const MOST: usize = 256;

/// Listens with one interface. `access_point` says that it is one.
pub(crate) async fn listen(
    generic: &mut Generic,
    family: &Family,
    index: u32,
    access_point: bool,
) -> Result<(), NetlinkError> {
    let group = family.groups.get("scan").copied().unwrap_or_default();
    let ear = Ear::open(netlink_sys::protocols::NETLINK_GENERIC, &[group])?;
    // A name of no length asks all networks.
    let mut asked = Writer::default()
        .u32(attribute::IFINDEX, index)
        .nested(attribute::SCAN_SSIDS, Writer::default().bytes(1, &[]));
    if access_point {
        asked = asked.u32(attribute::SCAN_FLAGS, SCAN_FLAG_AP);
    }
    match generic.call(family, command::TRIGGER_SCAN, asked).await {
        // Somebody listens already: a supplicant. Its results are as good.
        Err(error) if error.is(&[Errno::EBUSY]) => {}
        other => {
            other?;
        }
    }
    let done = async {
        loop {
            let messages = ear.listen().await?;
            // After an overrun nobody knows; the results so far will do.
            let Some(messages) = messages else { return Ok(()) };
            if messages.iter().any(|message| ends(message, index)) {
                return Ok(());
            }
        }
    };
    // What was heard until then is worth having.
    tokio::time::timeout(PATIENCE, done).await.unwrap_or(Ok(()))
}

/// What an interface heard.
pub(crate) async fn heard(
    generic: &mut Generic,
    family: &Family,
    index: u32,
    radio: &str,
) -> Result<Vec<Heard>, NetlinkError> {
    let asked = Writer::default().u32(attribute::IFINDEX, index);
    let messages = generic.dump(family, command::GET_SCAN, asked).await?;
    Ok(gather(&messages, radio))
}

/// Whether a message of the group says that an interface has done listening.
fn ends(message: &[u8], index: u32) -> bool {
    let Some((head, attributes)) = message.split_at_checked(4) else { return false };
    let command = head.first().copied().unwrap_or_default();
    let about = Attributes::new(attributes).get(attribute::IFINDEX).and_then(|a| a.u32());
    matches!(command, command::NEW_SCAN_RESULTS | command::SCAN_ABORTED) && about == Some(index)
}

/// Networks by their names, the strongest first. Those that hide their name are left out.
pub(super) fn gather(messages: &[Vec<u8>], radio: &str) -> Vec<Heard> {
    let mut networks: BTreeMap<(bool, String), Heard> = BTreeMap::new();
    for one in messages.iter().filter_map(|message| network(message, radio)) {
        let known = networks.len();
        match networks.get_mut(&(one.mesh, one.ssid.clone())) {
            Some(network) => {
                let stronger = one.signal_dbm > network.signal_dbm;
                let count = network.count.saturating_add(1);
                let secured = network.secured || one.secured;
                if stronger {
                    *network = one;
                }
                (network.count, network.secured) = (count, secured);
            }
            None if known < MOST => {
                networks.insert((one.mesh, one.ssid.clone()), one);
            }
            None => {}
        }
    }
    let mut networks: Vec<Heard> = networks.into_values().collect();
    networks.sort_by(|a, b| b.signal_dbm.cmp(&a.signal_dbm).then_with(|| a.ssid.cmp(&b.ssid)));
    networks
}

fn network(message: &[u8], radio: &str) -> Option<Heard> {
    let bss = Attributes::new(message).get(attribute::BSS)?.nested();
    let answer = bss.get(bss::INFORMATION_ELEMENTS).or_else(|| bss.get(bss::BEACON_IES))?;
    let said = elements::read(answer.value);
    let name = said.mesh.or(said.ssid)?;
    let private = bss.get(bss::CAPABILITY).and_then(|c| c.u16()).unwrap_or_default() & PRIVACY != 0;
    // In hundredths of a dBm.
    let signal = bss.get(bss::SIGNAL_MBM).and_then(|s| s.i32()).unwrap_or(-10_000) / 100;
    Some(Heard {
        ssid: String::from_utf8_lossy(name).into_owned(),
        radio: radio.to_owned(),
        mesh: said.mesh.is_some(),
        secured: said.secured || private,
        count: 1,
        signal_dbm: i8::try_from(signal.clamp(-128, 127)).unwrap_or(i8::MIN),
        channel: channel_number(bss.get(bss::FREQUENCY)?.u32()?)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(ssid: &[u8], signal: i32, mhz: u32) -> Vec<u8> {
        let elements = [&[0, u8::try_from(ssid.len()).unwrap()], ssid].concat();
        let bss = Writer::default()
            .u32(bss::FREQUENCY, mhz)
            .bytes(bss::INFORMATION_ELEMENTS, &elements)
            .bytes(bss::SIGNAL_MBM, &(signal * 100).to_ne_bytes());
        Writer::default().nested(attribute::BSS, bss).done()
    }

    #[test]
    fn access_points_of_one_name_are_one_network() {
        let messages = [
            message(b"Home", -70, 2_412),
            message(b"Home", -50, 5_180),
            message(b"Cafe", -60, 2_437),
        ];
        let heard = gather(&messages, "phy0");
        let seen: Vec<_> =
            heard.iter().map(|n| (&*n.ssid, n.count, n.signal_dbm, n.channel)).collect();
        assert_eq!(seen, [("Home", 2, -50, 36), ("Cafe", 1, -60, 6)]);
    }

    #[test]
    fn thousands_of_names_are_cut_off() {
        let messages: Vec<_> =
            (0..2_000).map(|n| message(format!("net{n}").as_bytes(), -60, 2_412)).collect();
        assert_eq!(gather(&messages, "phy0").len(), MOST);
    }

    #[test]
    fn only_the_own_scan_ends_the_wait() {
        let about = |command: u8, index: u32| {
            Writer::after(&[command, 1, 0, 0]).u32(attribute::IFINDEX, index).done()
        };
        assert!(ends(&about(command::NEW_SCAN_RESULTS, 4), 4));
        assert!(ends(&about(command::SCAN_ABORTED, 4), 4));
        assert!(!ends(&about(command::NEW_SCAN_RESULTS, 5), 4));
        assert!(!ends(&about(command::TRIGGER_SCAN, 4), 4) && !ends(&[1], 4));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = ends(&bytes, 1);
            let bss = Writer::default().u32(bss::FREQUENCY, 2_412).bytes(bss::INFORMATION_ELEMENTS, &bytes);
            let wrapped = Writer::default().nested(attribute::BSS, bss).done();
            for network in gather(&[bytes, wrapped], "phy0") {
                // A byte that is no UTF-8 becomes a sign of three.
                prop_assert!(network.ssid.len() <= 96);
            }
        }
    }
}
