//! The values of the settings that are more than a number: each can only be made if it is sound, so that
//! whoever renders one need not ask again.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is wrong with a value, in words for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub String);

impl ValueError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A text that follows a rule.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = ValueError;

            fn try_from(text: String) -> Result<Self, ValueError> {
                let check: fn(&str) -> Result<(), ValueError> = $check;
                check(&text)?;
                Ok(Self(text))
            }
        }

        impl FromStr for $name {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, ValueError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

macro_rules! shown {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

text! {
    /// A country as ISO 3166-1 alpha-2, in capitals.
    Country, |text| match text.as_bytes() {
        [b'A'..=b'Z', b'A'..=b'Z'] => Ok(()),
        _ => Err(ValueError::new("a country is two capital letters, such as DE")),
    }
}
shown!(Country);

text! {
    /// The name of a Wi-Fi network: 1 to 32 bytes (IEEE 802.11, 9.4.2.2) of UTF-8 without control
    /// characters.
    Ssid, |text| {
        if text.is_empty() || text.len() > 32 {
            return Err(ValueError::new("a Wi-Fi name has 1 to 32 bytes (an umlaut takes two, an emoji four)"));
        }
        no_controls(text, "a Wi-Fi name")
    }
}
shown!(Ssid);

text! {
    /// The name of a mesh: 1 to 32 letters, digits, `-`, `_`, `.` or spaces inside.
    MeshId, |text| {
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
        if text.is_empty() || text.len() > 32 || !text.chars().all(sound) || text.trim() != text {
            return Err(ValueError::new(
                "a mesh is named with 1 to 32 letters, digits, -, _, . or spaces inside",
            ));
        }
        Ok(())
    }
}
shown!(MeshId);

text! {
    /// The passphrase of a Wi-Fi network: 8 to 63 printable ASCII characters (IEEE 802.11, J.4.1).
    Passphrase, |text| {
        if !(8..=63).contains(&text.len()) || !text.bytes().all(|byte| (32..127).contains(&byte)) {
            return Err(ValueError::new(
                "a Wi-Fi passphrase has 8 to 63 characters: letters without accents, digits, signs, spaces",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

text! {
    /// The name of a network interface or radio: 1 to 15 letters, digits, `-`, `_` or `.` (Linux,
    /// `IFNAMSIZ`), starting with a letter.
    InterfaceName, |text| {
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let first = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if text.len() > 15 || !first || !text.chars().all(sound) {
            return Err(ValueError::new(
                "an interface is named with at most 15 letters, digits, -, _ or ., a letter first",
            ));
        }
        Ok(())
    }
}
shown!(InterfaceName);

text! {
    /// A host or domain name: labels of 1 to 63 letters, digits and `-` (RFC 1123, 2.1), at most 253 in
    /// all, in small letters.
    HostName, |text| {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if text.len() > 253 || !text.split('.').all(label) {
            return Err(ValueError::new(
                "a name is made of small letters, digits and -, such as laptop or nas.example.org",
            ));
        }
        Ok(())
    }
}
shown!(HostName);

text! {
    /// Words for people: 1 to 80 characters without control characters.
    Label, |text| {
        if text.trim().is_empty() || text.chars().count() > 80 {
            return Err(ValueError::new("between 1 and 80 characters"));
        }
        no_controls(text, "this")
    }
}
shown!(Label);

fn no_controls(text: &str, what: &str) -> Result<(), ValueError> {
    if text.chars().any(char::is_control) {
        return Err(ValueError::new(format!(
            "{what} has no line breaks or other control characters"
        )));
    }
    Ok(())
}

/// A MAC address of a device (IEEE 802, EUI-48), written `aa:bb:cc:dd:ee:ff`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::new("a MAC address looks like aa:bb:cc:dd:ee:ff");
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(wrong)?;
            if !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        match parts.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Mac {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_values_are_taken() {
        assert!("DE".parse::<Country>().is_ok());
        assert!("Café \"8\" & <b>".parse::<Ssid>().is_ok());
        assert!("valley-mesh 2".parse::<MeshId>().is_ok());
        assert!("correct horse".parse::<Passphrase>().is_ok());
        assert!("br-lan".parse::<InterfaceName>().is_ok());
        assert!("nas.example.org".parse::<HostName>().is_ok());
        assert_eq!("AA:bb:0c:dd:ee:ff".parse::<Mac>().unwrap().to_string(), "aa:bb:0c:dd:ee:ff");
    }

    #[test]
    fn unsound_values_are_refused_in_words() {
        assert!("de".parse::<Country>().is_err());
        assert!("".parse::<Ssid>().is_err());
        assert!("a\nb".parse::<Ssid>().is_err());
        assert!("é".repeat(17).parse::<Ssid>().is_err());
        assert!(" a".parse::<MeshId>().is_err());
        assert!("short".parse::<Passphrase>().is_err());
        assert!("with\nbreak".parse::<Passphrase>().is_err());
        assert!("1eth".parse::<InterfaceName>().is_err());
        assert!("../../etc".parse::<InterfaceName>().is_err());
        assert!("Laptop".parse::<HostName>().is_err());
        assert!("-a".parse::<HostName>().is_err());
        for mac in ["", "aa:bb:cc:dd:ee", "aa:bb:cc:dd:ee:ff:00", "+a:bb:cc:dd:ee:ff", "aa-bb"] {
            assert!(mac.parse::<Mac>().is_err(), "{mac}");
        }
    }

    #[test]
    fn a_passphrase_does_not_reach_a_log() {
        let secret: Passphrase = "correct horse".parse().unwrap();
        assert_eq!(format!("{secret:?}"), "Passphrase(…)");
    }
}
