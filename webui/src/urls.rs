//! Addresses within the panel: percent-encoding, and which of them a form may send a browser back to.

use std::fmt::Write as _;

/// The longest path and query a form may name to come back to.
const MAX_BACK: usize = 2_000;

/// Percent-encodes one segment of a path or one value of a query (RFC 3986: all but unreserved).
pub(crate) fn encode(text: &str) -> String {
    encode_keeping(text, "")
}

/// Percent-encodes a path and keeps its slashes.
pub(crate) fn encode_path(path: &str) -> String {
    encode_keeping(path, "/")
}

fn encode_keeping(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || kept.as_bytes().contains(&byte);
        if plain {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// `path` with a query of the parameters that have a value.
pub(crate) fn with_query(path: &str, query: &[(&str, Option<&str>)]) -> String {
    let mut url = path.to_owned();
    let given = query.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    for (count, (name, value)) in given.enumerate() {
        url.push(if count == 0 && !path.contains('?') { '?' } else { '&' });
        url.push_str(name);
        url.push('=');
        url.push_str(&encode(value));
    }
    url
}

/// An address a form sent along to come back to, if it stays within the panel.
pub(crate) fn back(wish: &str) -> Option<&str> {
    let local = wish.starts_with('/') && !wish.starts_with("//");
    let plain =
        wish.len() <= MAX_BACK && wish.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (local && plain).then_some(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_kinds_survive_the_address_bar() {
        assert_eq!(encode("a b/ü?#%"), "a%20b%2F%C3%BC%3F%23%25");
        assert_eq!(encode_path("a b/c+d"), "a%20b/c%2Bd");
        assert_eq!(
            with_query("/x", &[("a", None), ("b", Some("1&2")), ("c", Some("3"))]),
            "/x?b=1%262&c=3"
        );
    }

    #[test]
    fn a_form_sends_nobody_elsewhere() {
        assert_eq!(back("/files?space=x"), Some("/files?space=x"));
        for bad in [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "/a\r\nb",
            "",
            "files",
            "/\t/evil",
        ] {
            assert_eq!(back(bad), None, "{bad}");
        }
    }
}
