//! Lines of strangers made harmless: no control characters, no endless length, and the level that our own
//! processes write in them.

use kith_model::log::{LogLevel, MAX_TEXT};

/// `2026-11-20T11:21:09.311614Z`, as our own processes begin a line.
const STAMP: usize = 27;

/// What dhcpcd 9.4 says whenever somebody who has asked it something is done, as link is every ten seconds;
/// nothing is wrong then.
const DONE_ASKING: &[u8] = b"control_free: No such file or directory";

/// Whether a line is not worth keeping.
pub(super) fn is_noise(source: &str, line: &[u8]) -> bool {
    source.starts_with("dhcpcd-") && line == DONE_ASKING
}

/// One line without what could move a cursor, turn the direction of writing or never end.
pub(super) fn plain(raw: &[u8]) -> String {
    // Of what is too long only a little more is looked at, whatever it is.
    let text = String::from_utf8_lossy(&raw[..raw.len().min(2 * MAX_TEXT)]);
    let mut plain = String::with_capacity(text.len().min(MAX_TEXT));
    for c in text.trim_end_matches(['\r', '\n']).chars() {
        let c = match c {
            '\t' => ' ',
            c if steers(c) => '\u{fffd}',
            c => c,
        };
        if plain.len() + c.len_utf8() + '…'.len_utf8() > MAX_TEXT {
            plain.push('…');
            break;
        }
        plain.push(c);
    }
    plain
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The level and the rest of a line of ours; other lines are news, and all there is.
pub(super) fn level(text: &str) -> (LogLevel, &str) {
    let levels =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    let parsed = text.split_at_checked(STAMP).and_then(|(stamp, rest)| {
        let is_stamp = stamp.ends_with('Z') && stamp.as_bytes().get(10) == Some(&b'T');
        let (name, rest) = rest.trim_start().split_once(' ')?;
        let level = levels.into_iter().find(|level| level.name() == name)?;
        is_stamp.then_some((level, rest))
    });
    parsed.unwrap_or((LogLevel::Info, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_steer_a_terminal_or_fake_another_line() {
        let hostile = b"ssid=\x1b[2J\x07\r\nERROR fake\t\xff \xe2\x80\xae";
        let shown = plain(hostile);
        assert_eq!(shown, "ssid=\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}ERROR fake \u{fffd} \u{fffd}");
        assert!(!shown.chars().any(char::is_control));
    }

    #[test]
    fn only_dhcpcd_is_not_heard_to_say_that_somebody_is_done() {
        assert!(is_noise("dhcpcd-eth0", DONE_ASKING));
        assert!(!is_noise("dhcpcd-eth0", b"control_free: Permission denied"));
        assert!(!is_noise("dnsmasq-lan", DONE_ASKING));
    }

    #[test]
    fn a_line_that_never_ends_is_cut_between_characters() {
        for raw in ["x".repeat(1 << 20), "é".repeat(1 << 19), "\u{1f600}".repeat(1 << 18)] {
            let shown = plain(raw.as_bytes());
            assert!(shown.len() <= MAX_TEXT && shown.ends_with('…'), "{}", shown.len());
        }
        assert_eq!(plain("x".repeat(MAX_TEXT - 3).as_bytes()).len(), MAX_TEXT - 3);
    }

    #[test]
    fn our_own_lines_say_how_grave_they_are() {
        let line = "2026-11-20T11:21:09.311614Z  WARN kith_store::recover: the index is made anew";
        assert_eq!(level(line), (LogLevel::Warn, "kith_store::recover: the index is made anew"));
        for other in ["", "WARN", "kith_ap0: AP-ENABLED", "2026-11-20T11:21:09.311614Z  LOUD x y"] {
            assert_eq!(level(other), (LogLevel::Info, other));
        }
        let multibyte = "ééééééééééééééééééééééééééé ERROR x";
        assert_eq!(level(multibyte).0, LogLevel::Info);
    }
}
