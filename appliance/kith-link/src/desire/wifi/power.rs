//! How strongly a radio may send at most: as the settings say, as far as the rules of the country let it.

use std::fmt::Write as _;

use super::Radio;
use crate::desired::Desired;
use crate::names::POWER;

/// Takes a radio's bound, on the channel it uses.
pub(super) fn limit(radio: &Radio<'_>, channel: Option<u16>, desired: &mut Desired) {
    let Some(wanted) = radio.wanted.power_dbm else { return };
    let on = radio.facts.channels.iter().filter(|known| {
        !known.disabled
            && known.frequency_mhz < 5_925
            && channel.is_none_or(|number| known.number == number)
    });
    // One that the driver does not know is 0.
    let most = on.filter_map(|known| u8::try_from(known.max_dbm).ok()).max();
    let bound = most.filter(|most| (1..wanted).contains(most));
    if let Some(most) = bound {
        let here = channel.map_or_else(String::new, |number| format!(" on channel {number}"));
        desired.problem(
            "power",
            format!(
                "{} shall send with {wanted} dBm, but the radio and the rules of this country allow \
                 {most} dBm{here}: it sends with {most} dBm. Write radio.{0}.power_dbm = {most}, or take \
                 the line out.",
                radio.name
            ),
        );
    }
    desired.powers.insert(radio.name.to_string(), bound.unwrap_or(wanted));
}

/// Notes what radios are told, so that it is known after the role was started again.
pub(super) fn note(desired: &mut Desired) {
    if desired.powers.is_empty() {
        return;
    }
    let text = desired.powers.iter().fold(String::new(), |mut text, (radio, dbm)| {
        let _ = writeln!(text, "{radio} {dbm}");
        text
    });
    desired.noticed(POWER, text);
}
