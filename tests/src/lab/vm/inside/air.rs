//! Simulated radios: who hears whom is a bit mask for each, changed while they run.

use std::collections::{BTreeMap, BTreeSet};
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

    /// A radio that is plugged in while all run: made, heard where `mask` says, and moved into a network.
    /// Answers its number.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn plug_in(&self, mask: u32, ns: &Ns) -> Result<u32> {
        let all = || -> Result<BTreeSet<u32>> {
            let names = fs::read_dir("/sys/kernel/debug/ieee80211").context("list radios")?;
            let number = |name: &str| name.strip_prefix("phy")?.parse().ok();
            Ok(names.flatten().filter_map(|n| number(n.file_name().to_str()?)).collect())
        };
        let before = all()?;
        // Radios made in a network hear only those made in the same one, wherever they are moved.
        call(own()?.as_str(), &["vm-radio", "new"])?;
        let new = all()?.difference(&before).next().copied().context("no radio was made")?;
        self.place(new, mask)?;
        self.give(new, ns)?;
        Ok(new)
    }

    /// Takes a radio away from a running box, which sees it vanish with all its interfaces.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn take(&self, phy: u32, ns: &Ns) -> Result<()> {
        ns.run("iw", &["phy", &format!("phy{phy}"), "set", "netns", "1"])?;
        // They came along; those of a real one would be gone.
        let folder = format!("/sys/class/ieee80211/phy{phy}/device/net");
        for interface in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = interface.file_name();
            call("iw", &["dev", name.to_str().context("a name in UTF-8")?, "del"])?;
        }
        Ok(())
    }

    /// Gives it back, with an interface such as drivers make.
    ///
    /// # Errors
    /// When `iw` refuses.
    pub(crate) fn put_back(&self, phy: u32, ns: &Ns) -> Result<()> {
        let (radio, interface) = (format!("phy{phy}"), format!("wlan{phy}"));
        call("iw", &["phy", &radio, "interface", "add", &interface, "type", "managed"])?;
        self.give(phy, ns)
    }

    /// Pulls a radio out of a running box.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn pull_out(&self, phy: u32, ns: &Ns) -> Result<()> {
        ns.run(&own()?, &["vm-radio", "delete", &format!("phy{phy}")]).map(drop)
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

fn own() -> Result<String> {
    let own = std::env::current_exe().context("find this program")?;
    Ok(own.to_str().context("a path in UTF-8")?.to_owned())
}
