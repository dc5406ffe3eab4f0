//! How things look in a terminal: sizes, times, aligned columns, and text of strangers made harmless.

use std::io::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde::Serialize;

use crate::failure::Outcome;

/// Writes `text` to the standard output. A reader that has gone away (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Outcome {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write to the standard output").into())
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes `value` to the standard output as JSON, indented for people who look at it.
pub(crate) fn print_json<T: Serialize + ?Sized>(value: &T) -> Outcome {
    let json = serde_json::to_string_pretty(value).context("cannot express the answer in JSON")?;
    print(&(json + "\n"))
}

/// Says something beside the result, on the standard error.
pub(crate) fn remark(text: &str) {
    // Nobody is left to tell when the standard error is closed.
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// `text` without what could move the cursor, change colours or turn the direction of writing.
///
/// Names and notices come from other people; the terminal shall show them, not obey them.
pub(crate) fn plain(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Rows as columns two spaces apart, under a heading.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&heading)
        .chain(rows)
        .map(|row| row.iter().map(|cell| plain(cell).replace(['\n', '\t'], " ")).collect())
        .collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..heading.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Bytes in the unit that fits, powers of 1,024.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut tenths = u128::from(bytes) * 10;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    for unit in UNITS {
        tenths = (tenths + 512) / 1024;
        if tenths < 10_240 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{} EiB", tenths / 10_240)
}

/// A number with separators between the thousands.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 box`, `2 boxes`.
pub(crate) fn count(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// A time span in milliseconds, in its largest unit.
pub(crate) fn span(millis: u64) -> String {
    const UNITS: [(u64, &str, &str); 3] =
        [(86_400, "day", "days"), (3_600, "hour", "hours"), (60, "minute", "minutes")];
    let seconds = millis / 1_000;
    for (unit, one, many) in UNITS {
        if seconds >= unit {
            return count(seconds / unit, one, many);
        }
    }
    "less than a minute".to_owned()
}

/// A time seen from `now`, both in milliseconds since 1970: near ones as a distance, others as a date.
pub(crate) fn when(now: u64, time: u64) -> String {
    const FAR: u64 = 30 * 86_400_000;
    let (past, future) = (now.saturating_sub(time), time.saturating_sub(now));
    if past.max(future) > FAR {
        return date(time);
    }
    if past.max(future) < 60_000 {
        return "just now".to_owned();
    }
    if future > 0 { format!("in {}", span(future)) } else { format!("{} ago", span(past)) }
}

/// The day of a time in milliseconds since 1970, in UTC, as `2026-11-20`.
///
/// After Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so the leap day
/// is the last.
fn date(time: u64) -> String {
    let days = time / 86_400_000 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A time in milliseconds since 1970, in UTC, as `2026-11-20 08:42:00.250Z`.
pub(crate) fn moment(time: u64) -> String {
    let (seconds, millis) = (time / 1_000 % 86_400, time % 1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{} {hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z", date(time))
}

/// The present, in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "only to say how long ago something was")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_unit_that_fits() {
        let shown = [0, 1_023, 1_024, 1_536, 1 << 20, (1 << 30) - 1, 1 << 40, u64::MAX].map(size);
        let expected =
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 GiB", "1.0 TiB", "16 EiB"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn numbers_have_separators_between_thousands() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn near_times_are_distances_and_far_ones_dates() {
        let now = 1_795_164_120_000; // 2026-11-20T08:02:00Z
        let seen = |before_s: u64| when(now, now - before_s * 1_000);
        assert_eq!(seen(5), "just now");
        assert_eq!(seen(60), "1 minute ago");
        assert_eq!(seen(7_300), "2 hours ago");
        assert_eq!(seen(3 * 86_400), "3 days ago");
        assert_eq!(seen(31 * 86_400), "2026-10-20");
        assert_eq!(when(now, now + 7 * 86_400_000), "in 7 days");
    }

    #[test]
    fn dates_know_leap_days() {
        let days = [0, 11_016, 11_017, 19_782, 20_777].map(|day| date(day * 86_400_000));
        assert_eq!(days, ["1970-01-01", "2000-02-29", "2000-03-01", "2024-02-29", "2026-11-20"]);
    }

    #[test]
    fn a_strangers_text_cannot_steer_the_terminal() {
        assert_eq!(
            plain("a\u{1b}[2Jb\u{202e}c\u{9b}d\r\n"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}\n"
        );
        let cells = table(&["NAME"], &[vec!["a\nb\u{1b}".to_owned()]]);
        assert_eq!(cells, "NAME\na b\u{fffd}\n");
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_blanks() {
        let rows = [vec!["ä".to_owned(), "1".to_owned()], vec!["long".to_owned(), String::new()]];
        assert_eq!(table(&["A", "B"], &rows), "A     B\nä     1\nlong\n");
    }
}
