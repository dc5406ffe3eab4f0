//! dhcpcd: asks a provider for addresses, a prefix and the names of servers. It only asks; what it hears
//! goes to the hook that the supervisor passes, and the box does the rest.
//!
//! Nothing is given back at the end (RFC 9096, 3.1: a prefix shall survive a reboot), and the identifier
//! is made of the box's key, so that no file has to survive either.

use kith_model::settings::values::InterfaceName;

/// The size of prefix that is asked for (RFC 6177: a /56 is what homes get).
const PREFIX_HINT: u8 = 56;

/// What the file depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The interface.
    pub device: InterfaceName,
    /// Whether to ask for an IPv4 address.
    pub ipv4: bool,
    /// Whether to ask for IPv6 addresses and a prefix.
    pub ipv6: bool,
    /// DUID-UUID (RFC 6355); dhcpcd's own while the box's key is not known.
    pub duid: Option<[u8; 16]>,
}

/// The file of one uplink. All of it is read only at the start.
#[must_use]
pub fn file(asker: &Asker) -> String {
    let device = word(asker.device.as_str());
    let mut lines = vec![
        "# Asks for what the internet side offers. Written from the settings.".to_owned(),
        format!("allowinterfaces {device}"),
        "noconfigure".into(),
        "noipv4ll".into(),
        "nohook hostname, resolv.conf, ntp.conf, timesyncd.conf".into(),
        "option domain_name_servers, classless_static_routes, interface_mtu".into(),
        "option dhcp6_name_servers".into(),
        "require dhcp_server_identifier".into(),
    ];
    if let Some(duid) = &asker.duid {
        lines.push(format!("duid 00:04:{}", hex(duid)));
    }
    match (asker.ipv4, asker.ipv6) {
        (true, true) => {}
        (true, false) => lines.push("ipv4only".into()),
        (false, true | false) => lines.push("ipv6only".into()),
    }
    lines.push(String::new());
    lines.push(format!("interface {device}"));
    if asker.ipv6 {
        lines.push("  ia_na 1".into());
        lines.push(format!("  ia_pd 2/::/{PREFIX_HINT}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A word of dhcpcd's file: what would end a word or begin a comment cannot be in an interface's name, and
/// is left out if it ever is.
fn word(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.chars().filter(plain).collect()
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}
