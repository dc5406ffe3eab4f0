//! How strongly radios send: told once in a boot, and again when it is not so.

use std::collections::BTreeMap;

use kith_model::network::status::Radio;

use super::Scene;
use crate::names::POWER;
use crate::step::Step;

/// Drivers round.
const ROUNDING: i16 = 1;

/// Radios that shall send with another power than they were told last, or than they do.
pub(super) fn set(scene: &Scene<'_>) -> Vec<Step> {
    let told = told(scene.seen.files.get(POWER).map_or("", String::as_str));
    let step = |radio: &str, dbm| Step::SetPower { radio: radio.to_owned(), dbm };
    let limited = scene.desired.powers.iter().filter(|(radio, dbm)| {
        told.get(radio.as_str()) != Some(*dbm)
            || scene.seen.radios.get(*radio).is_some_and(|seen| differs(seen, **dbm))
    });
    let free = told.keys().filter(|radio| {
        !scene.desired.powers.contains_key(**radio) && scene.seen.radios.contains_key(**radio)
    });
    let free: Vec<Step> = free.map(|radio| step(radio, None)).collect();
    limited.map(|(radio, dbm)| step(radio, Some(*dbm))).chain(free).collect()
}

/// Whether a radio that sends does so with another power than it was told, as far as its channel allows.
fn differs(radio: &Radio, dbm: u8) -> bool {
    let Some(is) = radio.power_dbm.map(i16::from) else { return false };
    let mut channels = radio.channels.iter();
    let on = channels.find(|channel| Some(channel.frequency_mhz) == radio.frequency_mhz);
    let most = on.map(|channel| i16::from(channel.max_dbm)).filter(|most| *most > 0);
    let wanted = most.map_or(i16::from(dbm), |most| most.min(i16::from(dbm)));
    is > wanted || is + ROUNDING < wanted
}

/// The file in which the box notes what it told radios: `phy0 17` a line.
fn told(text: &str) -> BTreeMap<&str, u8> {
    text.lines()
        .filter_map(|line| {
            let (radio, dbm) = line.split_once(' ')?;
            Some((radio, dbm.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use kith_model::network::status::Channel;

    use super::*;

    #[test]
    fn a_radio_is_let_be_where_its_channel_allows_no_more_or_its_driver_rounds() {
        let at = |power_dbm| Radio {
            frequency_mhz: Some(2_437),
            power_dbm,
            channels: vec![Channel { frequency_mhz: 2_437, max_dbm: 20, ..Channel::default() }],
            ..Radio::default()
        };
        assert!(!differs(&at(None), 10), "a radio that is off");
        assert!(!differs(&at(Some(10)), 10) && !differs(&at(Some(9)), 10));
        assert!(differs(&at(Some(11)), 10) && differs(&at(Some(20)), 10));
        assert!(differs(&at(Some(3)), 10));
        assert!(!differs(&at(Some(20)), 30), "the channel's bound");
    }

    #[test]
    fn what_was_told_is_read_again() {
        assert_eq!(told("phy0 17\nphy1 5\nodd\nphy2 999\n"), [("phy0", 17), ("phy1", 5)].into());
    }
}
