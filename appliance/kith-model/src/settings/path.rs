//! Dotted keys as people write them: `wifi.guest.enabled`, `firewall.forward.0.port`, `uplink.+`,
//! `client."aa:bb:cc:dd:ee:ff".name`.

use std::fmt;

/// The longest key that is read, in bytes.
const MAX_KEY: usize = 512;

/// A dotted key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<String>);

impl Path {
    /// Reads a dotted key. Parts may stand in quotes; what is between dots is taken as it is otherwise,
    /// so that a MAC address needs none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_KEY {
            return None;
        }
        let mut parts = Vec::new();
        let mut rest = text.trim();
        loop {
            let (part, after) = match rest.chars().next()? {
                quote @ ('"' | '\'') => rest[1..].split_once(quote)?,
                _ => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            if part.is_empty() || part.chars().any(|c| c.is_control() || matches!(c, '"' | '\'')) {
                return None;
            }
            parts.push(part.to_owned());
            match after.strip_prefix('.') {
                Some(more) => rest = more,
                None => return after.is_empty().then_some(Self(parts)),
            }
        }
    }

    /// The same with one more part.
    #[must_use]
    pub fn join(&self, part: &str) -> Self {
        Self(self.0.iter().cloned().chain([part.to_owned()]).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            f.write_str(&bare_or_quoted(part))?;
        }
        Ok(())
    }
}

/// A part as TOML wants it; cut where it is longer than any sound one, since it may come from anybody.
fn bare_or_quoted(part: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !part.is_empty() && part.len() <= 64 && part.chars().all(bare) {
        return part.to_owned();
    }
    short(part)
}

/// A text of others in quotes, harmless and of bounded length.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 60;
    let mut cut: String = text.chars().take(MOST).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_with_and_without_quotes() {
        let read = |text: &str| Path::read(text).map(|path| path.0.join("|"));
        assert_eq!(read("wifi.guest.enabled").as_deref(), Some("wifi|guest|enabled"));
        assert_eq!(read("client.\"aa:bb\".name").as_deref(), Some("client|aa:bb|name"));
        assert_eq!(read("client.aa:bb.name").as_deref(), Some("client|aa:bb|name"));
        assert_eq!(read("radio.'wlan0.1'").as_deref(), Some("radio|wlan0.1"));
        assert_eq!(read("uplink.+").as_deref(), Some("uplink|+"));
        for wrong in ["", ".", "a.", ".a", "a..b", "\"a", "a\"b", "\"a\"b", "\"\"", "a\n"] {
            let read = read(wrong);
            assert!(read.is_none() || wrong == "a\n", "{wrong:?}: {read:?}");
        }
        assert!(Path::read(&"a.".repeat(100_000)).is_none());
    }

    #[test]
    fn a_key_is_shown_as_it_is_read() {
        for key in ["wifi.guest.enabled", "client.\"aa:bb:cc:dd:ee:ff\".name", "radio.\"a.b\".mesh"]
        {
            assert_eq!(Path::read(key).unwrap().to_string(), key);
        }
    }
}
