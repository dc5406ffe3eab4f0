//! Radios: what each can do, and on which channels it may (`NL80211_CMD_GET_WIPHY`).
//!
//! A radio comes in many messages (`NL80211_ATTR_SPLIT_WIPHY_DUMP`): one alone would not hold all the
//! channels of a modern one.

use std::collections::{BTreeMap, BTreeSet};

use kith_model::network::status::{Channel, RadioAbilities};

use super::super::attributes::{Attribute, Attributes, Writer};
use super::super::generic::{Family, Generic};
use super::super::netlink::NetlinkError;
use super::constants::{attribute, command, iftype};

/// `enum nl80211_band`.
const BAND_2GHZ: u16 = 0;
const BAND_5GHZ: u16 = 1;
const BAND_6GHZ: u16 = 3;

/// `NL80211_BAND_ATTR_FREQS` and `NL80211_FREQUENCY_ATTR_*`.
const BAND_FREQS: u16 = 1;
const FREQ: u16 = 1;
const FREQ_DISABLED: u16 = 2;
const FREQ_NO_IR: u16 = 3;
const FREQ_RADAR: u16 = 5;
const FREQ_MAX_TX_POWER: u16 = 6;

/// `NL80211_IFACE_COMB_*` and `NL80211_IFACE_LIMIT_*`.
const COMB_LIMITS: u16 = 1;
const COMB_MAXNUM: u16 = 2;
const LIMIT_MAX: u16 = 1;
const LIMIT_TYPES: u16 = 2;

/// `NL80211_FEATURE_SAE`: programs do the SAE handshake.
const FEATURE_SAE: u32 = 1 << 5;
/// `NL80211_EXT_FEATURE_SAE_OFFLOAD` and `_AP`: the firmware does.
const EXT_FEATURE_SAE_OFFLOAD: usize = 38;
const EXT_FEATURE_SAE_OFFLOAD_AP: usize = 51;

/// `enum nl80211_tx_power_setting`.
const TX_POWER_AUTOMATIC: u32 = 0;
const TX_POWER_LIMITED: u32 = 1;

/// BIP-CMAC-128 (IEEE 802.11, table 9-188): what protects management frames.
const CIPHER_BIP_CMAC_128: u32 = 0x000f_ac06;

/// A radio.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wiphy {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) can: RadioAbilities,
    pub(crate) channels: Vec<Channel>,
}

/// All radios.
pub(crate) async fn list(
    generic: &mut Generic,
    family: &Family,
) -> Result<Vec<Wiphy>, NetlinkError> {
    let asked = Writer::default().flag(attribute::SPLIT_WIPHY_DUMP);
    let messages = generic.dump(family, command::GET_WIPHY, asked).await?;
    Ok(gather(&messages))
}

/// Lets a radio send with so many dBm at most on all its interfaces, or with as much as it may
/// (`NL80211_CMD_SET_WIPHY`).
pub(crate) async fn set_power(
    generic: &mut Generic,
    family: &Family,
    index: u32,
    dbm: Option<u8>,
) -> Result<(), NetlinkError> {
    generic.call(family, command::SET_WIPHY, power(index, dbm)).await.map(drop)
}

/// In hundredths of a dBm.
fn power(index: u32, dbm: Option<u8>) -> Writer {
    let asked = Writer::default().u32(attribute::WIPHY, index);
    match dbm {
        Some(dbm) => asked
            .u32(attribute::WIPHY_TX_POWER_SETTING, TX_POWER_LIMITED)
            .u32(attribute::WIPHY_TX_POWER_LEVEL, u32::from(dbm) * 100),
        None => asked.u32(attribute::WIPHY_TX_POWER_SETTING, TX_POWER_AUTOMATIC),
    }
}

/// What messages say of a radio, put together.
#[derive(Clone, Debug, Default)]
struct Pieces {
    name: String,
    types: u32,
    bands: BTreeSet<u16>,
    channels: BTreeMap<u32, Channel>,
    ciphers: BTreeSet<u32>,
    features: u32,
    more_features: Vec<u8>,
    combinations: Vec<Combination>,
}

/// Which interfaces may be at once (`struct ieee80211_iface_combination`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Combination {
    /// How many of which types, as a mask.
    limits: Vec<(u32, u32)>,
    /// How many in all.
    most: u32,
}

fn gather(messages: &[Vec<u8>]) -> Vec<Wiphy> {
    let mut radios: BTreeMap<u32, Pieces> = BTreeMap::new();
    for message in messages {
        let message = Attributes::new(message);
        let Some(index) = message.get(attribute::WIPHY).and_then(|a| a.u32()) else { continue };
        let pieces = radios.entry(index).or_default();
        message.for_each(|attribute| pieces.take(&attribute));
    }
    let whole = |(index, pieces): (u32, Pieces)| Wiphy {
        index,
        can: pieces.abilities(),
        name: pieces.name,
        channels: pieces.channels.into_values().collect(),
    };
    radios.into_iter().filter(|(_, pieces)| !pieces.name.is_empty()).map(whole).collect()
}

impl Pieces {
    fn take(&mut self, attribute: &Attribute<'_>) {
        match attribute.kind {
            attribute::WIPHY_NAME => self.name = attribute.text().unwrap_or_default().to_owned(),
            attribute::SUPPORTED_IFTYPES => self.types |= mask(attribute),
            attribute::WIPHY_BANDS => attribute.nested().for_each(|band| self.take_band(&band)),
            attribute::CIPHER_SUITES => {
                let suites = attribute.value.as_chunks().0;
                self.ciphers.extend(suites.iter().map(|suite| u32::from_ne_bytes(*suite)));
            }
            attribute::FEATURE_FLAGS => self.features |= attribute.u32().unwrap_or_default(),
            attribute::EXT_FEATURES => self.more_features = attribute.value.to_vec(),
            attribute::INTERFACE_COMBINATIONS => {
                self.combinations.extend(attribute.nested().map(|comb| combination(&comb)));
            }
            _ => {}
        }
    }

    fn take_band(&mut self, band: &Attribute<'_>) {
        let frequencies = band.nested().get(BAND_FREQS).map(|frequencies| frequencies.nested());
        for channel in frequencies.into_iter().flatten().filter_map(|freq| channel(&freq)) {
            self.bands.insert(band.kind);
            self.channels.insert(channel.frequency_mhz, channel);
        }
    }

    fn abilities(&self) -> RadioAbilities {
        let does = |kind: u32| self.types & (1 << kind) != 0;
        let fits = |wanted: &[(u32, u32)]| self.combinations.iter().any(|c| c.fits(wanted));
        let (access_point, mesh_point) = (does(iftype::AP), does(iftype::MESH_POINT));
        let access_points = match (access_point, self.combinations.is_empty()) {
            (false, _) => 0,
            // The kernel allows one interface at a time when a driver names no combination.
            (true, true) => 1,
            (true, false) => {
                let most = (1..=64).rev().find(|n| fits(&[(iftype::AP, *n)])).unwrap_or(1);
                u8::try_from(most).unwrap_or(u8::MAX)
            }
        };
        let pmf = self.ciphers.contains(&CIPHER_BIP_CMAC_128);
        let sae = self.features & FEATURE_SAE != 0
            || self.has_more(EXT_FEATURE_SAE_OFFLOAD)
            || self.has_more(EXT_FEATURE_SAE_OFFLOAD_AP);
        RadioAbilities {
            access_point,
            mesh_point,
            both: access_point && mesh_point && fits(&[(iftype::AP, 1), (iftype::MESH_POINT, 1)]),
            access_points,
            station: does(iftype::STATION),
            // WPA3 is SAE with protected management frames.
            sae: sae && pmf,
            pmf,
            band_2ghz: self.bands.contains(&BAND_2GHZ),
            band_5ghz: self.bands.contains(&BAND_5GHZ),
            band_6ghz: self.bands.contains(&BAND_6GHZ),
        }
    }

    fn has_more(&self, feature: usize) -> bool {
        self.more_features.get(feature / 8).is_some_and(|byte| byte & (1 << (feature % 8)) != 0)
    }
}

impl Combination {
    /// Whether the kernel would allow these types in these numbers, decided as it does
    /// (`cfg80211_iter_combinations`): each type is taken off every limit that names it.
    fn fits(&self, wanted: &[(u32, u32)]) -> bool {
        if wanted.iter().map(|(_, count)| count).sum::<u32>() > self.most {
            return false;
        }
        let mut limits = self.limits.clone();
        for (kind, count) in wanted {
            let mut named = false;
            for (left, types) in limits.iter_mut().filter(|(_, types)| types & (1 << kind) != 0) {
                let Some(rest) = left.checked_sub(*count) else { return false };
                (*left, named) = (rest, *types != 0);
            }
            if !named {
                return false;
            }
        }
        true
    }
}

fn combination(comb: &Attribute<'_>) -> Combination {
    let comb = comb.nested();
    let limit = |limit: Attribute<'_>| {
        let limit = limit.nested();
        Some((limit.get(LIMIT_MAX)?.u32()?, mask(&limit.get(LIMIT_TYPES)?)))
    };
    let limits = comb.get(COMB_LIMITS).map(|limits| limits.nested());
    Combination {
        limits: limits.into_iter().flatten().filter_map(limit).collect(),
        most: comb.get(COMB_MAXNUM).and_then(|most| most.u32()).unwrap_or_default(),
    }
}

/// Flags whose types are interface types.
fn mask(attribute: &Attribute<'_>) -> u32 {
    attribute.nested().filter(|flag| flag.kind < 32).fold(0, |mask, flag| mask | 1 << flag.kind)
}

fn channel(freq: &Attribute<'_>) -> Option<Channel> {
    let freq = freq.nested();
    let has = |kind| freq.get(kind).is_some();
    let frequency_mhz = freq.get(FREQ)?.u32()?;
    // In hundredths of a dBm.
    let power = freq.get(FREQ_MAX_TX_POWER).and_then(|power| power.u32()).unwrap_or_default() / 100;
    Some(Channel {
        number: channel_number(frequency_mhz)?,
        frequency_mhz,
        disabled: has(FREQ_DISABLED),
        listen_only: has(FREQ_NO_IR),
        radar: has(FREQ_RADAR),
        max_dbm: i8::try_from(power).unwrap_or(i8::MAX),
    })
}

/// The number of the channel at a frequency in MHz (IEEE 802.11, annex E).
pub(crate) fn channel_number(mhz: u32) -> Option<u16> {
    let number = match mhz {
        2_484 => 14,
        2_412..=2_472 => (mhz - 2_407) / 5,
        5_935 => 2,
        5_000..=5_895 => (mhz - 5_000) / 5,
        5_955..=7_115 => (mhz - 5_950) / 5,
        _ => return None,
    };
    u16::try_from(number).ok()
}

/// The band of a frequency in MHz, as people call it.
pub(crate) const fn band(mhz: u32) -> &'static str {
    match mhz {
        ..5_000 => "2.4 GHz",
        5_000..5_925 => "5 GHz",
        5_925.. => "6 GHz",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn types(kinds: &[u32]) -> Writer {
        kinds.iter().fold(Writer::default(), |w, kind| w.flag(u16::try_from(*kind).unwrap()))
    }

    fn comb(limits: &[(u32, &[u32])], most: u32) -> Writer {
        let limits = (1..).zip(limits).fold(Writer::default(), |all, (n, (max, kinds))| {
            all.nested(n, Writer::default().u32(LIMIT_MAX, *max).nested(LIMIT_TYPES, types(kinds)))
        });
        let one = Writer::default().nested(COMB_LIMITS, limits).u32(COMB_MAXNUM, most);
        Writer::default().nested(1, one)
    }

    fn radio(kinds: &[u32], combinations: Option<Writer>) -> RadioAbilities {
        let first = Writer::default().u32(attribute::WIPHY, 7).text(attribute::WIPHY_NAME, "phy7");
        let freq = |mhz: u32| Writer::default().u32(FREQ, mhz).u32(FREQ_MAX_TX_POWER, 2_000);
        let freqs =
            Writer::default().nested(0, freq(2_412)).nested(1, freq(2_437).flag(FREQ_NO_IR));
        let band = Writer::default().nested(BAND_2GHZ, Writer::default().nested(BAND_FREQS, freqs));
        let mut second = Writer::default()
            .u32(attribute::WIPHY, 7)
            .nested(attribute::SUPPORTED_IFTYPES, types(kinds))
            .nested(attribute::WIPHY_BANDS, band)
            .u32(attribute::CIPHER_SUITES, CIPHER_BIP_CMAC_128)
            .u32(attribute::FEATURE_FLAGS, FEATURE_SAE);
        if let Some(combinations) = combinations {
            second = second.nested(attribute::INTERFACE_COMBINATIONS, combinations);
        }
        let radios = gather(&[first.done(), second.done()]);
        assert_eq!((radios.len(), &*radios[0].name), (1, "phy7"));
        assert_eq!(radios[0].channels.iter().map(|c| c.number).collect::<Vec<_>>(), [1, 6]);
        assert!(radios[0].channels[1].listen_only && radios[0].channels[0].max_dbm == 20);
        radios[0].can
    }

    const ALL: [u32; 3] = [iftype::STATION, iftype::AP, iftype::MESH_POINT];

    #[test]
    fn a_radio_with_a_common_limit_does_both() {
        let can = radio(&ALL, Some(comb(&[(8, &[iftype::AP, iftype::MESH_POINT])], 8)));
        assert!(can.access_point && can.mesh_point && can.both && can.sae && can.pmf);
        assert_eq!(can.access_points, 8);
        assert!(can.band_2ghz && !can.band_5ghz);
    }

    #[test]
    fn one_interface_in_all_is_not_both() {
        let can = radio(&ALL, Some(comb(&[(1, &[iftype::AP, iftype::MESH_POINT])], 1)));
        assert!(can.access_point && can.mesh_point && !can.both);
        let can = radio(&ALL, Some(comb(&[(2, &[iftype::AP]), (1, &[iftype::STATION])], 3)));
        assert!(!can.both && can.access_points == 2);
        let can = radio(&ALL, None);
        assert!(!can.both && can.access_points == 1);
    }

    #[test]
    fn a_radio_without_these_modes_cannot() {
        let can = radio(&[iftype::STATION], None);
        assert!(can.station && !can.access_point && !can.mesh_point && can.access_points == 0);
    }

    #[test]
    fn power_is_told_in_hundredths_of_a_dbm() {
        let bytes = power(3, Some(17)).done();
        let read = Attributes::new(&bytes);
        assert_eq!(read.get(attribute::WIPHY).and_then(|a| a.u32()), Some(3));
        assert_eq!(read.get(attribute::WIPHY_TX_POWER_SETTING).and_then(|a| a.u32()), Some(1));
        assert_eq!(read.get(attribute::WIPHY_TX_POWER_LEVEL).and_then(|a| a.i32()), Some(1_700));
        let bytes = power(3, None).done();
        assert_eq!(Attributes::new(&bytes).get(attribute::WIPHY_TX_POWER_LEVEL), None);
    }

    #[test]
    fn frequencies_have_numbers() {
        for (mhz, number) in
            [(2_412, 1), (2_472, 13), (2_484, 14), (5_180, 36), (5_955, 1), (5_935, 2)]
        {
            assert_eq!(channel_number(mhz), Some(number), "{mhz}");
        }
        assert_eq!(channel_number(900), None);
        assert_eq!((band(2_412), band(5_180), band(5_955)), ("2.4 GHz", "5 GHz", "6 GHz"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4)
        ) {
            let _ = gather(&messages);
        }
    }
}
