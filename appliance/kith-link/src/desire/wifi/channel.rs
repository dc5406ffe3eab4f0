//! Where a radio sends: one channel for all it does. The mesh decides, an access point follows.

use kith_model::network::status::{Channel as Known, Problem};
use kith_model::settings::Radio as Wanted;

use super::super::problem;
use crate::facts::RadioFacts;
use crate::render::hostapd::{Channel, Width};

/// Where a mesh meets, and where an access point goes when nothing is known: 2.4 GHz reaches further and
/// every handset has it; then those of 5 GHz that need no wait for radar.
const MEETING: [u16; 12] = [6, 1, 11, 36, 40, 44, 48, 149, 153, 157, 161, 165];

/// What is allowed nearly everywhere (world domain) and does not overlap.
const WORLD: [u16; 3] = [1, 6, 11];

/// The first channel of each block of 80 MHz.
const EIGHTY: [u16; 6] = [36, 52, 100, 116, 132, 149];

/// What a radio is asked to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'a> {
    pub(super) name: &'a str,
    pub(super) wanted: &'a Wanted,
    pub(super) facts: &'a RadioFacts,
    pub(super) country: bool,
    pub(super) mesh: bool,
}

/// The channel, or nothing when the radio may not send anywhere.
pub(super) fn choose(task: Task<'_>, problems: &mut Vec<Problem>) -> Option<Channel> {
    if let Some(number) = task.wanted.channel {
        match task.judge(number) {
            Ok(known) => return Some(widen(task, known, problems)),
            Err(why) => {
                let message = format!(
                    "{} cannot use channel {number}: {why}. It uses another one until that is changed.",
                    task.name
                );
                problem(problems, "channel", message);
            }
        }
    }
    let heard = task.facts.mesh_heard.filter(|_| task.mesh);
    let quiet = task.facts.quiet.filter(|_| !task.mesh);
    let any = task.facts.channels.iter().map(|known| known.number);
    let candidates = heard.into_iter().chain(quiet).chain(MEETING).chain(any);
    let usable = candidates.filter_map(|number| task.judge(number).ok()).find(|known| !known.radar);
    let Some(known) = usable else {
        let message = if task.country {
            format!("{} may not send on any channel in this country.", task.name)
        } else {
            format!(
                "{} may not send before it is known where the box stands: choose the country.",
                task.name
            )
        };
        problem(problems, "no-channel", message);
        return None;
    };
    Some(widen(task, known, problems))
}

impl<'a> Task<'a> {
    /// Whether the radio may and can use a channel, or why not.
    fn judge(&self, number: u16) -> Result<&'a Known, &'static str> {
        // Numbers begin anew at 6 GHz, which is not used.
        let mut channels = self.facts.channels.iter().filter(|known| known.frequency_mhz < 5_925);
        let known = channels.find(|known| known.number == number).ok_or("it does not have it")?;
        if known.disabled {
            Err("it is not allowed here")
        } else if known.listen_only {
            Err("one may only listen on it here")
        } else if !self.country && !WORLD.contains(&number) {
            Err("until the country is known only 1, 6 and 11 are used")
        } else if known.radar && self.mesh {
            Err("radar comes first on it, and a mesh cannot wait for that")
        } else {
            Ok(known)
        }
    }

    /// Whether a channel beside the chosen one may be part of it.
    fn beside(&self, chosen: &Known, number: u16) -> bool {
        self.judge(number).is_ok_and(|known| !known.radar || chosen.radar)
    }
}

fn widen(task: Task<'_>, known: &Known, problems: &mut Vec<Problem>) -> Channel {
    let number = known.number;
    let wished = if task.country { task.wanted.width_mhz } else { 20 };
    let width = match wished {
        40 => forty(task, known),
        80 => eighty(task, known).or_else(|| forty(task, known)),
        _ => None,
    };
    let narrower = match (wished, width) {
        (40, None) | (80, None | Some(Width::Forty { .. } | Width::Twenty)) => true,
        (_, Some(_) | None) => false,
    };
    if narrower {
        let message = format!(
            "{} cannot send {wished} MHz wide around channel {number}: it sends less wide.",
            task.name
        );
        problem(problems, "width", message);
    }
    Channel { number, frequency_mhz: known.frequency_mhz, width: width.unwrap_or(Width::Twenty) }
}

/// 40 MHz: at 2.4 GHz with whatever lies beside, at 5 GHz in fixed pairs (IEEE 802.11, E.1).
fn forty(task: Task<'_>, known: &Known) -> Option<Width> {
    let number = known.number;
    let above = if number <= 14 { number <= 7 } else { is_lower_of_pair(number) };
    let second = if above { number + 4 } else { number.checked_sub(4)? };
    task.beside(known, second).then_some(Width::Forty { above })
}

const fn is_lower_of_pair(number: u16) -> bool {
    let first = if number >= 149 { 149 } else { 36 };
    ((number - first) / 4).is_multiple_of(2)
}

fn eighty(task: Task<'_>, known: &Known) -> Option<Width> {
    let number = known.number;
    let first = EIGHTY.into_iter().find(|first| (*first..first + 16).contains(&number))?;
    let all = [first, first + 4, first + 8, first + 12];
    let sound = all.contains(&number) && all.iter().all(|number| task.beside(known, *number));
    sound.then(|| Width::Eighty { above: is_lower_of_pair(number), centre: first + 6 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn radio(channels: &[(u16, u32, bool)]) -> RadioFacts {
        let known = |(number, frequency_mhz, radar): &(u16, u32, bool)| Known {
            number: *number,
            frequency_mhz: *frequency_mhz,
            radar: *radar,
            max_dbm: 20,
            ..Known::default()
        };
        RadioFacts { channels: channels.iter().map(known).collect(), ..RadioFacts::default() }
    }

    fn both_bands() -> RadioFacts {
        radio(&[
            (1, 2_412, false),
            (6, 2_437, false),
            (10, 2_457, false),
            (11, 2_462, false),
            (36, 5_180, false),
            (40, 5_200, false),
            (44, 5_220, false),
            (48, 5_240, false),
            (52, 5_260, true),
            (56, 5_280, true),
        ])
    }

    fn chosen(
        facts: &RadioFacts,
        wanted: &Wanted,
        country: bool,
        mesh: bool,
    ) -> (Option<Channel>, usize) {
        let mut problems = Vec::new();
        let task = Task { name: "phy0", wanted, facts, country, mesh };
        let channel = choose(task, &mut problems);
        (channel, problems.len())
    }

    #[test]
    fn without_a_country_only_three_channels_of_20_mhz_are_used() {
        let wanted = Wanted { channel: Some(36), width_mhz: 80, ..Wanted::default() };
        let (channel, problems) = chosen(&both_bands(), &wanted, false, false);
        assert_eq!(channel.unwrap().number, 6);
        assert_eq!(channel.unwrap().width, Width::Twenty);
        assert_eq!(problems, 1);
        let five = radio(&[(36, 5_180, false)]);
        assert_eq!(chosen(&five, &Wanted::default(), false, false), (None, 1));
    }

    #[test]
    fn a_mesh_goes_where_it_was_heard_and_never_where_radar_comes_first() {
        let mut facts = both_bands();
        facts.mesh_heard = Some(11);
        facts.quiet = Some(1);
        assert_eq!(chosen(&facts, &Wanted::default(), true, true).0.unwrap().number, 11);
        assert_eq!(chosen(&facts, &Wanted::default(), true, false).0.unwrap().number, 1);
        facts.mesh_heard = Some(52);
        assert_eq!(chosen(&facts, &Wanted::default(), true, true).0.unwrap().number, 6);
        let wanted = Wanted { channel: Some(52), ..Wanted::default() };
        assert_eq!(chosen(&facts, &wanted, true, true).1, 1);
        assert_eq!(chosen(&facts, &wanted, true, false).0.unwrap().number, 52);
    }

    #[test]
    fn a_channel_is_as_wide_as_its_neighbours_allow() {
        let at = |channel, width_mhz| {
            let wanted = Wanted { channel: Some(channel), width_mhz, ..Wanted::default() };
            let (channel, problems) = chosen(&both_bands(), &wanted, true, false);
            (channel.unwrap().width, problems)
        };
        assert_eq!(at(36, 40), (Width::Forty { above: true }, 0));
        assert_eq!(at(40, 40), (Width::Forty { above: false }, 0));
        assert_eq!(at(44, 80), (Width::Eighty { above: true, centre: 42 }, 0));
        assert_eq!(at(6, 40), (Width::Forty { above: true }, 0));
        assert_eq!(at(11, 40), (Width::Twenty, 1));
        assert_eq!(at(6, 80), (Width::Forty { above: true }, 1));
    }
}
