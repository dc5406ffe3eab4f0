//! Numbers for people: sizes, times and dates.
//!
//! Dates follow the proleptic Gregorian calendar in UTC (Howard Hinnant, "chrono-Compatible Low-Level
//! Date Algorithms"); the script turns them into the reader's own time zone.

use crate::lang::Lang;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Bytes in decimal units, as disks and phones count them.
pub(crate) fn size(lang: Lang, bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("PB");
    if tenths >= 100 {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}{}{} {name}", tenths / 10, lang.decimal_point(), tenths % 10)
    }
}

/// How long ago `then` was, both in milliseconds since 1970; a date once it is more than a week.
pub(crate) fn ago(lang: Lang, now: u64, then: u64) -> String {
    let seconds = now.saturating_sub(then) / 1000;
    match seconds {
        0..MINUTE => lang.text("just now").into_owned(),
        MINUTE..HOUR => lang.count("{0} minute ago", "{0} minutes ago", seconds / MINUTE),
        HOUR..DAY => lang.count("{0} hour ago", "{0} hours ago", seconds / HOUR),
        _ if seconds < 7 * DAY => lang.count("{0} day ago", "{0} days ago", seconds / DAY),
        _ => date(then),
    }
}

/// How long it takes until `then`, rounded up: what was just made for a week is good for a week.
pub(crate) fn until(lang: Lang, now: u64, then: u64) -> String {
    let seconds = then.saturating_sub(now).div_ceil(1000);
    // Half a minute more than seven days is no eighth: two clocks are never quite the same.
    let whole = |unit| seconds.saturating_sub(MINUTE / 2).div_ceil(unit);
    match seconds {
        0..HOUR => lang.count("{0} more minute", "{0} more minutes", seconds.div_ceil(MINUTE)),
        HOUR..DAY => lang.count("{0} more hour", "{0} more hours", whole(HOUR)),
        _ => lang.count("{0} more day", "{0} more days", whole(DAY)),
    }
}

/// A round-trip time.
pub(crate) fn rtt(lang: Lang, micros: u64) -> String {
    let tenths = micros / 100;
    if tenths < 100 {
        format!("{}{}{} ms", tenths / 10, lang.decimal_point(), tenths % 10)
    } else {
        format!("{} ms", tenths / 10)
    }
}

/// `2026-11-20`.
pub(crate) fn date(millis: u64) -> String {
    let (year, month, day) = civil(millis / 1000 / DAY);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-20T08:05:00Z` (RFC 3339).
pub(crate) fn timestamp(millis: u64) -> String {
    let seconds = millis / 1000 % DAY;
    let (hour, minute, second) = (seconds / HOUR, seconds % HOUR / MINUTE, seconds % MINUTE);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", date(millis))
}

/// Part of a whole in percent, rounded down.
pub(crate) fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 100;
    }
    u64::try_from(u128::from(part.min(whole)) * 100 / u128::from(whole)).unwrap_or(100)
}

const fn civil(days: u64) -> (u64, u64, u64) {
    // No page is printed after the year 9999, and smaller numbers cannot overflow.
    let days = if days > 2_932_896 { 2_932_896 } else { days } + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as u64;
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let english = Lang::english();
        let shown = [0, 999, 1_000, 1_499, 10_000, 123_456, 1_500_000, 1_073_741_824, u64::MAX]
            .map(|bytes| size(english, bytes));
        assert_eq!(
            shown,
            ["0 B", "999 B", "1.0 kB", "1.4 kB", "10 kB", "123 kB", "1.5 MB", "1.0 GB", "18446 PB"]
        );
        assert_eq!(size(Lang::by_code("de").unwrap(), 1_500_000), "1,5 MB");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(timestamp(1_795_161_845_000), "2026-11-20T08:04:05Z");
        assert_eq!(date(u64::MAX), "9999-12-31");
    }

    #[test]
    fn recent_times_are_told_in_words() {
        let english = Lang::english();
        let at = |seconds: u64| ago(english, 1_795_161_845_000, 1_795_161_845_000 - seconds * 1000);
        assert_eq!(at(59), "just now");
        assert_eq!(at(60), "1 minute ago");
        assert_eq!(at(2 * HOUR), "2 hours ago");
        assert_eq!(at(8 * DAY), "2026-11-12");
        assert_eq!(ago(english, 0, 5_000), "just now");
    }

    #[test]
    fn what_was_just_made_for_a_week_is_good_for_a_week() {
        let english = Lang::english();
        let left = |seconds: u64| until(english, 5_000, 5_000 + seconds * 1000);
        assert_eq!(left(7 * DAY - 1), "7 more days");
        assert_eq!(left(7 * DAY + 5), "7 more days");
        assert_eq!(left(6 * DAY + HOUR), "7 more days");
        assert_eq!(left(DAY - 1), "24 more hours");
        assert_eq!(left(HOUR + 20 * MINUTE), "2 more hours");
        assert_eq!(left(59), "1 more minute");
        assert_eq!(until(english, 5_000, 1_000), "0 more minutes");
    }

    #[test]
    fn a_part_is_never_more_than_the_whole() {
        assert_eq!((percent(1, 3), percent(9, 3), percent(0, 0)), (33, 100, 100));
    }
}
