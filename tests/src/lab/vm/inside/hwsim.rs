//! Radios that come and go while the machine runs (linux, drivers/net/wireless/virtual/mac80211_hwsim.h).

use anyhow::{Result, bail};

use super::netlink::{named, tell};

const FAMILY: &str = "MAC80211_HWSIM";
const NEW_RADIO: u8 = 4;
const DELETE_RADIO: u8 = 5;
const RADIO_NAME: u16 = 17;

/// Makes a radio in this network, or takes one away that is in it.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn change(words: &[&str]) -> Result<()> {
    match *words {
        ["new"] => tell(FAMILY, NEW_RADIO, &[]),
        ["delete", name] => tell(FAMILY, DELETE_RADIO, &named(RADIO_NAME, name)),
        _ => bail!("vm-radio new, or delete NAME"),
    }
}
