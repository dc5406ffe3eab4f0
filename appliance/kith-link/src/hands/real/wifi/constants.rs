//! The few numbers of `linux/nl80211.h` that are used here, under the kernel's names.

/// `NL80211_CMD_*`.
pub(super) mod command {
    pub(in super::super) const GET_WIPHY: u8 = 1;
    pub(in super::super) const SET_WIPHY: u8 = 2;
    pub(in super::super) const GET_INTERFACE: u8 = 5;
    pub(in super::super) const NEW_INTERFACE: u8 = 7;
    pub(in super::super) const DEL_INTERFACE: u8 = 8;
    pub(in super::super) const GET_STATION: u8 = 17;
    pub(in super::super) const REQ_SET_REG: u8 = 27;
    pub(in super::super) const GET_REG: u8 = 31;
    pub(in super::super) const GET_SCAN: u8 = 32;
    pub(in super::super) const TRIGGER_SCAN: u8 = 33;
    pub(in super::super) const NEW_SCAN_RESULTS: u8 = 34;
    pub(in super::super) const SCAN_ABORTED: u8 = 35;
    pub(in super::super) const GET_SURVEY: u8 = 50;
}

/// `NL80211_ATTR_*`.
pub(super) mod attribute {
    pub(in super::super) const WIPHY: u16 = 1;
    pub(in super::super) const WIPHY_NAME: u16 = 2;
    pub(in super::super) const IFINDEX: u16 = 3;
    pub(in super::super) const IFNAME: u16 = 4;
    pub(in super::super) const IFTYPE: u16 = 5;
    pub(in super::super) const MAC: u16 = 6;
    pub(in super::super) const STA_INFO: u16 = 21;
    pub(in super::super) const WIPHY_BANDS: u16 = 22;
    pub(in super::super) const SUPPORTED_IFTYPES: u16 = 32;
    pub(in super::super) const REG_ALPHA2: u16 = 33;
    pub(in super::super) const WIPHY_FREQ: u16 = 38;
    pub(in super::super) const SCAN_SSIDS: u16 = 45;
    pub(in super::super) const BSS: u16 = 47;
    pub(in super::super) const CIPHER_SUITES: u16 = 57;
    pub(in super::super) const SURVEY_INFO: u16 = 84;
    pub(in super::super) const WIPHY_TX_POWER_SETTING: u16 = 97;
    pub(in super::super) const WIPHY_TX_POWER_LEVEL: u16 = 98;
    pub(in super::super) const INTERFACE_COMBINATIONS: u16 = 120;
    pub(in super::super) const FEATURE_FLAGS: u16 = 143;
    pub(in super::super) const SCAN_FLAGS: u16 = 158;
    pub(in super::super) const CHANNEL_WIDTH: u16 = 159;
    pub(in super::super) const SPLIT_WIPHY_DUMP: u16 = 174;
    pub(in super::super) const EXT_FEATURES: u16 = 217;
}

/// `enum nl80211_iftype`.
pub(super) mod iftype {
    pub(in super::super) const ADHOC: u32 = 1;
    pub(in super::super) const STATION: u32 = 2;
    pub(in super::super) const AP: u32 = 3;
    pub(in super::super) const AP_VLAN: u32 = 4;
    pub(in super::super) const MONITOR: u32 = 6;
    pub(in super::super) const MESH_POINT: u32 = 7;
    pub(in super::super) const P2P_CLIENT: u32 = 8;
    pub(in super::super) const P2P_GO: u32 = 9;
}
