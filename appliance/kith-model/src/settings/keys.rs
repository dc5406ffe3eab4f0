//! Which keys the settings have, what may stand at each, and what was probably meant by one they do not
//! have. One table, so that whatever reads, edits, shows or hides a document agrees.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::values::{
    Country, HostName, InterfaceName, Label, Mac, MeshId, Passphrase, Ssid, ValueError,
};

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// Whether the table makes no sense without it.
    pub required: bool,
}

/// What may stand at a key.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number from 0 to this.
    Number(u32),
    /// A text that follows a rule.
    Text(Text),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any number of texts.
    List(Text),
    /// A table: `[lan]`.
    Table(&'static [Key]),
    /// Any number of tables in an order: `[[uplink]]`.
    Tables(&'static [Key]),
    /// Tables by a name of the first kind: `[radio.phy0]`.
    Map(Text, &'static [Key]),
}

/// The rule a text follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is a type of `values` or of an address")]
pub enum Text {
    Country,
    Ssid,
    MeshId,
    Passphrase,
    Interface,
    HostName,
    Label,
    Mac,
    Ipv4,
    Ipv6,
    Ip,
    Ipv4Net,
    Ipv6Net,
}

impl Text {
    /// What is wrong with `text`, in words.
    ///
    /// # Errors
    /// If it does not follow the rule; the message never repeats the text.
    pub fn check(self, text: &str) -> Result<(), ValueError> {
        fn address<T: std::str::FromStr>(text: &str, words: &str) -> Result<(), ValueError> {
            text.parse::<T>().map(drop).map_err(|_| ValueError(words.to_owned()))
        }
        match self {
            Self::Country => text.parse::<Country>().map(drop),
            Self::Ssid => text.parse::<Ssid>().map(drop),
            Self::MeshId => text.parse::<MeshId>().map(drop),
            Self::Passphrase => text.parse::<Passphrase>().map(drop),
            Self::Interface => text.parse::<InterfaceName>().map(drop),
            Self::HostName => text.parse::<HostName>().map(drop),
            Self::Label => text.parse::<Label>().map(drop),
            Self::Mac => text.parse::<Mac>().map(drop),
            Self::Ipv4 => address::<Ipv4Addr>(text, "an IPv4 address looks like 192.168.77.20"),
            Self::Ipv6 => {
                address::<Ipv6Addr>(text, "an IPv6 address looks like 2001:db8::20 or ::20")
            }
            Self::Ip => {
                address::<IpAddr>(text, "an address looks like 192.168.77.20 or 2001:db8::20")
            }
            Self::Ipv4Net => address::<Ipv4Net>(
                text,
                "an address with the size of its network looks like 192.168.77.1/24",
            ),
            Self::Ipv6Net => address::<Ipv6Net>(text, "a network looks like fd12:3456:789a::/48"),
        }
    }

    /// An example of one, for messages.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Country => "\"DE\"",
            Self::Ssid => "\"Valley\"",
            Self::MeshId => "\"valley-mesh\"",
            Self::Passphrase => "\"eight or more characters\"",
            Self::Interface => "\"eth0\"",
            Self::HostName => "\"laptop\"",
            Self::Label => "\"the old barn\"",
            Self::Mac => "\"aa:bb:cc:dd:ee:ff\"",
            Self::Ipv4 | Self::Ip => "\"192.168.77.20\"",
            Self::Ipv6 => "\"::20\"",
            Self::Ipv4Net => "\"192.168.77.1/24\"",
            Self::Ipv6Net => "\"fd12:3456:789a::/48\"",
        }
    }
}

impl Kind {
    /// Whether it is shown to nobody who did not ask for it.
    #[must_use]
    pub const fn secret(self) -> bool {
        matches!(self, Self::Text(Text::Passphrase))
    }

    /// What may stand there, in words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Number(most) => format!("a whole number from 0 to {most}, without quotes"),
            Self::Text(text) => format!("a text in quotes, such as {}", text.example()),
            Self::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                words.join(" or ")
            }
            Self::List(text) => {
                format!("a list of texts in quotes, such as [{}]", text.example())
            }
            Self::Table(_) => "a section with keys of its own".to_owned(),
            Self::Tables(_) => "sections in double brackets, such as [[uplink]]".to_owned(),
            Self::Map(of, _) => format!("sections, one for each name such as {}", of.example()),
        }
    }

    /// The keys of the tables that stand there, if any do.
    #[must_use]
    pub const fn keys(self) -> Option<&'static [Key]> {
        match self {
            Self::Table(keys) | Self::Tables(keys) | Self::Map(_, keys) => Some(keys),
            Self::Flag | Self::Number(_) | Self::Text(_) | Self::Choice(_) | Self::List(_) => None,
        }
    }
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind, required: false }
}

const fn text(name: &'static str, rule: Text) -> Key {
    key(name, Kind::Text(rule))
}

const fn flag(name: &'static str) -> Key {
    key(name, Kind::Flag)
}

const fn number(name: &'static str, most: u32) -> Key {
    key(name, Kind::Number(most))
}

const fn required(key: Key) -> Key {
    Key { required: true, ..key }
}

const SHORT: u32 = u16::MAX as u32;

/// The keys of the document.
pub const SETTINGS: &[Key] = &[
    number("version", u32::MAX),
    text("country", Text::Country),
    key("place", Kind::Table(PLACE)),
    key("lan", Kind::Table(LAN)),
    key("guest", Kind::Table(GUEST)),
    key("mesh", Kind::Table(MESH)),
    key("wifi", Kind::Table(WIFI)),
    key("radio", Kind::Map(Text::Interface, RADIO)),
    key("uplink", Kind::Tables(UPLINK)),
    key("dns", Kind::Table(DNS)),
    key("firewall", Kind::Table(FIREWALL)),
    key("client", Kind::Map(Text::Mac, CLIENT)),
];

const PLACE: &[Key] =
    &[flag("outdoors"), text("location", Text::Label), text("contact", Text::Label)];

const LAN: &[Key] = &[
    text("address", Text::Ipv4Net),
    key("dhcp", Kind::Table(DHCP)),
    text("ula", Text::Ipv6Net),
    key("ports", Kind::List(Text::Interface)),
];

const DHCP: &[Key] = &[
    flag("enabled"),
    text("first", Text::Ipv4),
    text("last", Text::Ipv4),
    number("lease_seconds", u32::MAX),
];

const GUEST: &[Key] =
    &[text("address", Text::Ipv4Net), flag("internet"), number("rate_kbit", u32::MAX)];

const MESH: &[Key] = &[
    flag("enabled"),
    text("id", Text::MeshId),
    text("secret", Text::Passphrase),
    key("ports", Kind::List(Text::Interface)),
    flag("share_uplink"),
    number("share_down_kbit", u32::MAX),
    number("share_up_kbit", u32::MAX),
];

const WIFI: &[Key] =
    &[key("household", Kind::Table(ACCESS_POINT)), key("guest", Kind::Table(ACCESS_POINT))];

const ACCESS_POINT: &[Key] = &[
    flag("enabled"),
    text("ssid", Text::Ssid),
    text("passphrase", Text::Passphrase),
    key("security", Kind::Choice(&["transition", "wpa3"])),
];

const RADIO: &[Key] = &[
    flag("enabled"),
    flag("mesh"),
    flag("access_point"),
    number("channel", SHORT),
    number("width_mhz", SHORT),
    number("power_dbm", u8::MAX as u32),
];

const UPLINK: &[Key] = &[
    required(text("device", Text::Interface)),
    key("wifi", Kind::Table(UPLINK_WIFI)),
    key("fixed", Kind::Table(UPLINK_ADDRESS)),
    flag("ipv6"),
];

const UPLINK_WIFI: &[Key] =
    &[required(text("ssid", Text::Ssid)), text("passphrase", Text::Passphrase)];

const UPLINK_ADDRESS: &[Key] = &[
    required(text("address", Text::Ipv4Net)),
    required(text("router", Text::Ipv4)),
    key("dns", Kind::List(Text::Ip)),
];

const DNS: &[Key] =
    &[key("upstream", Kind::List(Text::Ip)), key("rebind_exceptions", Kind::List(Text::HostName))];

const FIREWALL: &[Key] =
    &[key("forward", Kind::Tables(FORWARD)), key("pinhole", Kind::Tables(PINHOLE))];

const PROTOCOL: Key = required(key("protocol", Kind::Choice(&["tcp", "udp"])));

const FORWARD: &[Key] = &[
    required(text("name", Text::Label)),
    PROTOCOL,
    required(number("port", SHORT)),
    required(text("to", Text::Ipv4)),
    number("to_port", SHORT),
];

const PINHOLE: &[Key] = &[
    required(text("name", Text::Label)),
    PROTOCOL,
    required(number("port", SHORT)),
    required(text("to", Text::Ipv6)),
];

const CLIENT: &[Key] = &[text("name", Text::HostName), text("address", Text::Ipv4), flag("paused")];

/// The key of this name among `keys`.
#[must_use]
pub fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == name)
}

/// What to write instead of the key `name`, which is not among `keys`: a near one of theirs, or where a
/// key of that name is, or which there are.
#[must_use]
pub fn instead_of(name: &str, keys: &'static [Key]) -> String {
    if let Some(near) = near(name, keys.iter().map(|key| key.name)) {
        return format!("did you mean {near}?");
    }
    let mut elsewhere = Vec::new();
    places(SETTINGS, "", name, &mut elsewhere);
    if !elsewhere.is_empty() {
        return format!("did you mean {}?", elsewhere.join(" or "));
    }
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    format!("the keys here are {}.", names.join(", "))
}

/// The one of `names` that is at most a third of its letters away, the nearest first.
fn near<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // What is longer than any key by far is no slip of the finger, and comparing costs the product.
    if name.len() > 40 {
        return None;
    }
    let flat = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    names
        .map(|other| (strsim::damerau_levenshtein(&flat(name), other), other))
        .filter(|(distance, other)| *distance <= (other.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

fn places(keys: &'static [Key], prefix: &str, name: &str, found: &mut Vec<String>) {
    for key in keys {
        let path =
            if prefix.is_empty() { key.name.to_owned() } else { format!("{prefix}.{}", key.name) };
        if key.name == name {
            found.push(path.clone());
        }
        match key.kind {
            Kind::Table(inner) => places(inner, &path, name, found),
            Kind::Tables(inner) => places(inner, &format!("{path}.0"), name, found),
            Kind::Map(of, inner) => {
                places(inner, &format!("{path}.{}", of.example()), name, found);
            }
            Kind::Flag | Kind::Number(_) | Kind::Text(_) | Kind::Choice(_) | Kind::List(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::settings::Settings;

    /// The types of `settings` and this table say the same: names, what is required, and which kind.
    #[test]
    fn the_table_is_that_of_the_types() {
        let schema = serde_json::json!(schemars::schema_for!(Settings));
        same(&schema, &schema, SETTINGS, "settings");
    }

    fn same(root: &Value, schema: &Value, keys: &'static [Key], path: &str) {
        let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{path}"));
        let mut theirs: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut ours: Vec<&str> = keys.iter().map(|key| key.name).collect();
        theirs.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, theirs, "{path}: bring keys.rs up to date");
        let required = |name: &str| {
            schema["required"].as_array().is_some_and(|list| list.iter().any(|r| r == name))
        };
        for key in keys {
            let path = format!("{path}.{}", key.name);
            assert_eq!(key.required, required(key.name), "{path}");
            let of = resolved(root, &properties[key.name]);
            let kind = of["type"].as_str().or_else(|| of["type"][0].as_str()).unwrap_or_default();
            match key.kind {
                Kind::Flag => assert_eq!(kind, "boolean", "{path}"),
                Kind::Number(most) => {
                    assert_eq!(kind, "integer", "{path}");
                    let bits = of["format"].as_str().unwrap().trim_start_matches("uint");
                    assert_eq!(u64::from(most), (1 << bits.parse::<u32>().unwrap()) - 1, "{path}");
                }
                Kind::Text(_) => assert_eq!(kind, "string", "{path}"),
                Kind::Choice(words) => {
                    let choices = of["oneOf"].as_array().unwrap().iter();
                    assert!(
                        choices.map(|c| c["const"].as_str().unwrap()).eq(words.iter().copied())
                    );
                }
                Kind::List(_) => {
                    assert_eq!(kind, "array", "{path}");
                    assert_eq!(resolved(root, &of["items"])["type"], "string", "{path}");
                }
                Kind::Table(inner) => same(root, of, inner, &path),
                Kind::Tables(inner) => same(root, resolved(root, &of["items"]), inner, &path),
                Kind::Map(_, inner) => {
                    same(root, resolved(root, &of["additionalProperties"]), inner, &path);
                }
            }
        }
    }

    /// Follows a reference, through "or nothing".
    fn resolved<'v>(root: &'v Value, schema: &'v Value) -> &'v Value {
        let schema = schema.get("anyOf").map_or(schema, |any| &any[0]);
        match schema.get("$ref").and_then(Value::as_str) {
            Some(path) => resolved(root, root.pointer(path.trim_start_matches('#')).unwrap()),
            None => schema,
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        assert_eq!(instead_of("contry", SETTINGS), "did you mean country?");
        assert_eq!(instead_of("sid", ACCESS_POINT), "did you mean ssid?");
        assert_eq!(instead_of("Pass-Phrase", ACCESS_POINT), "did you mean passphrase?");
        assert_eq!(instead_of("lease-seconds", DHCP), "did you mean lease_seconds?");
        let far = instead_of("ssid", WIFI);
        assert!(far.starts_with("did you mean wifi.household.ssid or wifi.guest.ssid"), "{far}");
        assert_eq!(instead_of("nonsense", WIFI), "the keys here are household, guest.");
        assert_eq!(instead_of(&"x".repeat(100_000), WIFI), "the keys here are household, guest.");
    }
}
