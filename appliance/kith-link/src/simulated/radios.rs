//! Two radios that are not there: one for 2.4 GHz that can be mesh and access point at once, one for
//! 5 GHz that can only be an access point and has to listen for radar on some channels.

use kith_model::network::status::{Channel, Radio, RadioAbilities};
use kith_model::settings::values::Country;

/// The 2.4 GHz radio.
pub(super) const LOW: &str = "phy0";

/// The 5 GHz radio.
pub(super) const HIGH: &str = "phy1";

/// What both can do.
const COMMON: RadioAbilities = RadioAbilities {
    access_point: true,
    mesh_point: false,
    both: false,
    access_points: 4,
    station: true,
    sae: true,
    pmf: true,
    band_2ghz: false,
    band_5ghz: false,
    band_6ghz: false,
};

/// A radio as the kernel shows it under the rules of `country`.
pub(super) fn radio(name: &str, country: Option<&Country>) -> Radio {
    if name == LOW {
        Radio {
            name: LOW.to_owned(),
            driver: Some("simulated".to_owned()),
            can: RadioAbilities { mesh_point: true, both: true, band_2ghz: true, ..COMMON },
            channels: low_channels(country),
            ..Radio::default()
        }
    } else {
        Radio {
            name: HIGH.to_owned(),
            driver: Some("simulated".to_owned()),
            can: RadioAbilities { band_5ghz: true, ..COMMON },
            channels: high_channels(country),
            advice: vec![
                "This radio cannot take part in a mesh; for a mesh on 5 GHz, buy one that can \
                 (for example with an mt7921 or mt7915 chip)."
                    .to_owned(),
            ],
            ..Radio::default()
        }
    }
}

fn low_channels(country: Option<&Country>) -> Vec<Channel> {
    let american = country.is_some_and(|country| matches!(country.as_str(), "US" | "CA"));
    let channel = |number: u16| Channel {
        number,
        frequency_mhz: 2_407 + 5 * u32::from(number),
        // The world domain only listens on 12 and 13.
        disabled: number > 11 && american,
        listen_only: number > 11 && country.is_none(),
        radar: false,
        max_dbm: 20,
    };
    (1..=13).map(channel).collect()
}

fn high_channels(country: Option<&Country>) -> Vec<Channel> {
    let numbers = (36..=64).step_by(4).chain((100..=140).step_by(4)).chain((149..=165).step_by(4));
    let european = country.is_some_and(|country| !matches!(country.as_str(), "US" | "CA"));
    let channel = |number: u16| Channel {
        number,
        frequency_mhz: 5_000 + 5 * u32::from(number),
        disabled: number > 140 && european,
        listen_only: country.is_none(),
        radar: (52..=144).contains(&number),
        max_dbm: if number < 100 { 23 } else { 30 },
    };
    numbers.map(channel).collect()
}

/// The frequency of a channel in MHz (IEEE 802.11, 17.3.8.4.2).
pub(super) const fn frequency(channel: u16) -> u32 {
    let number = channel as u32;
    if channel <= 14 { 2_407 + 5 * number } else { 5_000 + 5 * number }
}

/// The channel of a frequency in MHz.
pub(super) fn channel(frequency: u32) -> u16 {
    let number = if frequency < 5_000 {
        frequency.saturating_sub(2_407) / 5
    } else {
        frequency.saturating_sub(5_000) / 5
    };
    u16::try_from(number).unwrap_or_default()
}
