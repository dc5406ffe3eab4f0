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

/// The mesh interface (802.11s) on a radio.
pub const MESH_PREFIX: &str = "kith-mesh";

/// The Wi-Fi uplink on a radio.
pub const STATION_PREFIX: &str = "kith-wan";
