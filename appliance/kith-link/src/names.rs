//! The names of what the box makes in the kernel and on the file system, so that it knows its own again.

/// The household's bridge.
pub const LAN_BRIDGE: &str = "br-lan";

/// The visitors' bridge.
pub const GUEST_BRIDGE: &str = "br-guest";

/// The mesh's interface.
pub const MESH: &str = "bat0";

/// The nftables table with everything in it (`inet`).
pub const TABLE: &str = "kith";

/// The household's domain (reserved by ICANN for private use).
pub const DOMAIN: &str = "kith.internal";

/// The household's access point on a radio: `kith-ap0` on `phy0`.
pub const AP_PREFIX: &str = "kith-ap";

/// The visitors' access point on a radio.
pub const GUEST_AP_PREFIX: &str = "kith-guest";

/// The access point for setting a box up on a radio.
pub const SETUP_AP_PREFIX: &str = "kith-setup";

/// The mesh interface (802.11s) on a radio.
pub const MESH_PREFIX: &str = "kith-mesh";

/// The Wi-Fi uplink on a radio.
pub const STATION_PREFIX: &str = "kith-wan";

/// The folder below `RUN/link/` for what daemons make themselves: in it each has a folder named like its
/// configuration, with its control sockets (`ctrl_interface=RUN/link/ctrl/hostapd-phy0`).
pub const CONTROL: &str = "ctrl";

/// The file below `RUN/link/` in which dnsmasq keeps its leases.
pub const LEASES: &str = "dnsmasq.leases";

/// The file below `RUN/link/` in which the role keeps what uplinks were offered: daemons that run on when
/// it is started again do not say it again.
pub const OFFERS: &str = "offers";

/// The file below `RUN/link/` in which the box notes what its firewall allows: connections that are open
/// when something is not allowed any more are known by it.
pub const ALLOWED: &str = "allowed";

/// The file below `RUN/link/` in which the box notes how strongly it has told radios to send.
pub const POWER: &str = "power";

/// The socket below `RUN/link/` to which the hook of dhcpcd sends what was offered.
pub const DHCP_SOCKET: &str = "dhcp-event.sock";

/// The name by which dhcpcd calls this very program as its hook.
pub const DHCP_HOOK: &str = "kith-dhcp-event";

/// `rtm_protocol` of the routes that the box makes (`RTPROT_KITH`), so that it knows its own again. 84 is
/// taken by nobody in the kernel's or iproute2's list (`rt_protos`).
pub const ROUTE_PROTOCOL: u8 = 84;

/// The settings of `br_netfilter`, which are there while that module is loaded.
pub const BRIDGE_NETFILTER: [&str; 3] = [
    "bridge/bridge-nf-call-arptables",
    "bridge/bridge-nf-call-ip6tables",
    "bridge/bridge-nf-call-iptables",
];

/// The folder of the run when nothing else is said.
pub const RUN: &str = "/run/kith";

/// The name of what the box makes on a radio: `kith-ap0` on `phy0`, `kith-aproof` on a radio called `roof`.
///
/// Interface names hold 15 bytes (`IFNAMSIZ`): of a radio's longer name the end is taken, since that is
/// where names of one machine differ.
#[must_use]
pub fn on_radio(prefix: &str, radio: &str) -> String {
    let short = radio.strip_prefix("phy").filter(|rest| !rest.is_empty()).unwrap_or(radio);
    let room = 15_usize.saturating_sub(prefix.len());
    let skip = short.chars().count().saturating_sub(room);
    format!("{prefix}{}", short.chars().skip(skip).collect::<String>())
}

/// Whether the box makes and removes interfaces of this name.
#[must_use]
pub fn is_own(link: &str) -> bool {
    let on_radio =
        [AP_PREFIX, GUEST_AP_PREFIX, SETUP_AP_PREFIX, MESH_PREFIX, STATION_PREFIX].iter();
    [LAN_BRIDGE, GUEST_BRIDGE, MESH].contains(&link)
        || on_radio.clone().any(|prefix| link.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_radios_fit_and_are_known_again() {
        assert_eq!(on_radio(AP_PREFIX, "phy0"), "kith-ap0");
        assert_eq!(on_radio(GUEST_AP_PREFIX, "phy12"), "kith-guest12");
        assert_eq!(on_radio(SETUP_AP_PREFIX, "radio-on-the-roof"), "kith-setup-roof");
        assert_eq!(on_radio(MESH_PREFIX, "phy"), "kith-meshphy");
        assert!(is_own("br-lan") && is_own("kith-wan1") && is_own("bat0"));
        assert!(!is_own("eth0") && !is_own("br-docker") && !is_own("wlan0"));
    }
}
