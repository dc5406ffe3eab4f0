//! Simulated radios: who hears whom is a bit mask for each, changed while they run.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

use super::ns::Ns;
use super::wait::{until, when};
use crate::lab::namespace::call;

/// The radios of this machine.
#[derive(Debug)]
pub(crate) struct Air {
    macs: BTreeMap<u32, String>,
}

impl Air {
    /// Makes `radios` of them, which do not hear each other yet, in `country`.
    ///
    /// # Errors
    /// When the kernel has no such module.
    pub(crate) fn new(radios: u32, country: &str) -> Result<Self> {
        call("modprobe", &["mac80211_hwsim", &format!("radios={radios}")])?;
        call("modprobe", &["batman-adv"])?;
        let mut macs = BTreeMap::new();
        for phy in 0..radios {
            let file = format!("/sys/class/ieee80211/phy{phy}/macaddress");
            let mac = fs::read_to_string(&file).with_context(|| format!("read {file}"))?;
            macs.insert(phy, mac.trim().to_owned());
        }
        let this = Self { macs };
        for phy in 0..radios {
            this.place(phy, 0)?;
        }
        call("iw", &["reg", "set", country])?;
        let limit = std::time::Duration::from_secs(30);
        until(limit, "the rules of the country hold", || {
            let said = call("iw", &["reg", "get"])?.stdout;
            let said = String::from_utf8_lossy(&said).into_owned();
            Ok(when(said.contains(&format!("country {country}:")), (), || said))
        })?;
        call("ip", &["link", "set", "hwsim0", "up"])?;
        Ok(this)
    }

    /// Puts a radio where it hears those whose mask shares a bit with `mask`.
    ///
    /// # Errors
    /// When there is no such radio.
    pub(crate) fn place(&self, phy: u32, mask: u32) -> Result<()> {
        let file = format!("/sys/kernel/debug/ieee80211/phy{phy}/hwsim/group");
        fs::write(&file, mask.to_string()).with_context(|| format!("write {file}"))
    }

    /// Moves a radio into a network.
    ///
    /// # Errors
    /// When `iw` refuses.
    pub(crate) fn give(&self, phy: u32, ns: &Ns) -> Result<()> {
        call("iw", &["phy", &format!("phy{phy}"), "set", "netns", "name", ns.name()]).map(drop)
    }

    /// The address of a radio and of its first interface.
    ///
    /// # Errors
    /// When there is no such radio.
    pub(crate) fn mac(&self, phy: u32) -> Result<&str> {
        self.macs.get(&phy).map(String::as_str).with_context(|| format!("no radio {phy}"))
    }
}
