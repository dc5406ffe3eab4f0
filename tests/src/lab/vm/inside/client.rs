//! Somebody's device: stock programs, configured by whoever serves its network and nobody else.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::ns::Ns;
use super::wait::{until, when};
use super::wpa::{self, Radio, Role};

const PATIENCE: Duration = Duration::from_secs(120);

/// A phone or a laptop: one interface in a network of its own.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its network.
    pub(crate) ns: Ns,
    /// Its interface.
    pub(crate) interface: String,
}

impl Client {
    /// The one behind `interface`, which is in `ns` already.
    pub(crate) fn new(ns: Ns, interface: &str) -> Self {
        Self { ns, interface: interface.to_owned() }
    }

    /// Joins an access point, and answers how long that took; it stays joined while the supplicant
    /// that is answered too is kept.
    ///
    /// # Errors
    /// When it does not come to that.
    pub(crate) fn join(&self, ssid: &str, password: &str) -> Result<(Radio, Duration)> {
        self.join_as(Role::Station { ssid, password })
    }

    /// As [`Client::join`], in another way.
    ///
    /// # Errors
    /// As [`Client::join`].
    pub(crate) fn join_as(&self, role: Role<'_>) -> Result<(Radio, Duration)> {
        let radio = wpa::supplicant(&self.ns, &self.interface, role)?;
        let took = self.connected(&radio)?;
        Ok((radio, took))
    }

    /// Waits until its supplicant has joined, for the first time or again.
    ///
    /// # Errors
    /// When it does not come to that.
    pub(crate) fn connected(&self, radio: &Radio) -> Result<Duration> {
        let ((), took) = until(PATIENCE, &format!("{} is connected", self.ns.name()), || {
            let status = radio.control.status()?;
            Ok(when(is_connected(&status), (), || format!("{status:?}; {}", radio.daemon.said())))
        })?;
        Ok(took)
    }

    /// Its IPv6 address of the internet, which it makes of what a router says.
    ///
    /// # Errors
    /// When no router says anything.
    pub(crate) fn address6(&self) -> Result<String> {
        let words = ["-6", "-br", "address", "show", "dev", &self.interface, "scope", "global"];
        let found = until(PATIENCE, &format!("{} has an IPv6 address", self.ns.name()), || {
            let said = self.ns.run("ip", &words)?;
            let global = said.split_whitespace().find(|word| word.starts_with("2001:db8:"));
            Ok(global.map(str::to_owned).ok_or(said))
        });
        found.map(|(address, _)| address)
    }

    /// Asks for an IPv4 address with dhcpcd, which sets it and goes.
    ///
    /// # Errors
    /// When nobody gives it one.
    pub(crate) fn lease(&self) -> Result<Duration> {
        let start = Instant::now();
        // Without the probe for another holder of the address, which only takes five seconds here, and
        // without asking first for what it had somewhere else.
        let words =
            ["-4", "-1", "-A", "-t", "60", "-y", "0", "-C", "resolv.conf", "-C", "hostname"];
        self.ns.run("dhcpcd", &[&words[..], &[&self.interface]].concat())?;
        Ok(start.elapsed())
    }

    /// Forgets the network it was in.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub(crate) fn forget(&self) -> Result<()> {
        self.ns.ip(&format!("address flush dev {}", self.interface))
    }

    /// Its IPv4 addresses with their prefix lengths.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub(crate) fn addresses(&self) -> Result<Vec<String>> {
        let said = self.ns.run("ip", &["-4", "-br", "address", "show", "dev", &self.interface])?;
        Ok(said.split_whitespace().skip(2).map(str::to_owned).collect())
    }

    /// Asks `server` for the address of a name.
    ///
    /// # Errors
    /// When it has none, or nobody answers.
    pub(crate) fn resolve(&self, name: &str, server: &str) -> Result<String> {
        let said = self.ns.run("busybox", &["nslookup", "-type=a", name, server])?;
        let found = answer(&said, name);
        ensure!(found.is_some(), "no address of {name}: {said}");
        found.context("an address")
    }
}

/// Whether a supplicant has joined, by its status.
pub(crate) fn is_connected(status: &BTreeMap<String, String>) -> bool {
    status.get("wpa_state").is_some_and(|state| state == "COMPLETED")
}

/// nslookup names the server and its address first, then the name that was asked for and its own.
fn answer(said: &str, name: &str) -> Option<String> {
    let mut lines = said.lines().skip_while(|l| !(l.starts_with("Name:") && l.ends_with(name)));
    let address = lines.find_map(|l| l.strip_prefix("Address"))?;
    address.split_once(':').map(|(_, a)| a.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_server_is_not_the_answer() {
        let said = "Server:\t\t10.8.0.1\nAddress:\t10.8.0.1:53\n\n\
                    Name:\tinternet.example\nAddress: 198.51.100.1\n\n";
        assert_eq!(answer(said, "internet.example").as_deref(), Some("198.51.100.1"));
        assert_eq!(answer("Server:\t\t10.8.0.1\nAddress:\t10.8.0.1:53\n", "x"), None);
    }
}
