//! Conditional and range requests (RFC 9110, sections 13 and 14), for one strong ETag.
//!
//! Of several ranges in one request none is taken: the whole is sent, which the standard allows.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The browser has it already.
    NotModified,
    /// It only wanted another version.
    Changed,
    /// All of it.
    Whole,
    /// A part.
    Part(Range<u64>),
    /// A part that does not exist.
    Beyond,
}

/// What of a file of `size` bytes and this ETag (with its quotes) a request wants.
pub(crate) fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(IF_MATCH).is_some_and(|list| !lists(list, etag, false)) {
        return Wanted::Changed;
    }
    if text(IF_NONE_MATCH).is_some_and(|list| lists(list, etag, true)) {
        return Wanted::NotModified;
    }
    let current = text(IF_RANGE).is_none_or(|version| version.trim() == etag);
    match text(RANGE).filter(|_| current) {
        Some(range) => part(range, size),
        None => Wanted::Whole,
    }
}

fn lists(list: &str, etag: &str, weak: bool) -> bool {
    list.trim() == "*"
        || list
            .split(',')
            .map(str::trim)
            .any(|known| known == etag || weak && known.strip_prefix("W/") == Some(etag))
}

fn part(range: &str, size: u64) -> Wanted {
    let digits = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // What overflows is beyond any end.
        plain.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let Some((first, last)) =
        range.trim().strip_prefix("bytes=").and_then(|spec| spec.split_once('-'))
    else {
        return Wanted::Whole;
    };
    match (first.trim(), last.trim()) {
        ("", suffix) => match digits(suffix) {
            Some(0) => Wanted::Beyond,
            Some(_) if size == 0 => Wanted::Beyond,
            Some(length) => Wanted::Part(size.saturating_sub(length)..size),
            None => Wanted::Whole,
        },
        (first, last) => match (digits(first), digits(last)) {
            (Some(first), _) if first >= size && (last.is_empty() || digits(last).is_some()) => {
                Wanted::Beyond
            }
            (Some(first), None) if last.is_empty() => Wanted::Part(first..size),
            (Some(first), Some(last)) if first <= last => {
                Wanted::Part(first..last.saturating_add(1).min(size))
            }
            _ => Wanted::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    const TAG: &str = "\"bafy\"";

    fn ask(headers: &[(HeaderName, &str)]) -> Wanted {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        wanted(&headers.collect(), TAG, 100)
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=0-", Wanted::Part(0..100)),
            ("bytes=10-19", Wanted::Part(10..20)),
            ("bytes=90-1000", Wanted::Part(90..100)),
            ("bytes=-10", Wanted::Part(90..100)),
            ("bytes=-1000", Wanted::Part(0..100)),
            ("bytes=100-", Wanted::Beyond),
            ("bytes=99999999999999999999999-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=--1", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("bytes=", Wanted::Whole),
        ] {
            assert_eq!(ask(&[(RANGE, range)]), expected, "{range}");
        }
        assert_eq!(
            wanted(&[(RANGE, "bytes=-5".parse().unwrap())].into_iter().collect(), TAG, 0),
            Wanted::Beyond
        );
    }

    #[test]
    fn versions_are_compared_strongly_where_it_matters() {
        assert_eq!(ask(&[(IF_NONE_MATCH, TAG)]), Wanted::NotModified);
        assert_eq!(ask(&[(IF_NONE_MATCH, "\"x\", W/\"bafy\"")]), Wanted::NotModified);
        assert_eq!(ask(&[(IF_NONE_MATCH, "\"x\"")]), Wanted::Whole);
        assert_eq!(ask(&[(IF_MATCH, "\"x\"")]), Wanted::Changed);
        assert_eq!(ask(&[(IF_MATCH, "W/\"bafy\"")]), Wanted::Changed);
        assert_eq!(ask(&[(IF_RANGE, TAG), (RANGE, "bytes=0-1")]), Wanted::Part(0..2));
        assert_eq!(ask(&[(IF_RANGE, "\"old\""), (RANGE, "bytes=0-1")]), Wanted::Whole);
        assert_eq!(ask(&[(IF_RANGE, "W/\"bafy\""), (RANGE, "bytes=0-1")]), Wanted::Whole);
    }
}
