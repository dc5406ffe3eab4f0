//! What differs between two settings: in sentences, as a diff, and as a digest. No secret is ever told.

use std::collections::BTreeSet;
use std::fmt::Display;

use kith_core::cid::{Cid, Codec};
use similar::TextDiff;

use super::mask;
use super::{
    AccessPoint, Client, Dhcp, Dns, Firewall, Forward, Guest, Lan, Mesh, Place, Protocol, Radio,
    Security, Settings, Uplink, Wifi,
};

/// The revision of a document: the first 16 hexadecimal digits of its SHA2-256.
#[must_use]
pub fn revision(text: &str) -> String {
    let cid = Cid::of(Codec::Raw, text.as_bytes());
    cid.digest().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A unified diff of two documents with their secrets hidden; empty where one of them is no TOML.
#[must_use]
pub fn unified(old: &str, new: &str) -> String {
    let known = mask::secrets(old).unwrap_or_default();
    let known: Vec<_> = known.into_iter().map(|secret| (secret.key, secret.value)).collect();
    let (Some(old), Some(new)) = (mask::masked(old), mask::masked_against(new, &known)) else {
        return String::new();
    };
    let diff = TextDiff::from_lines(&old, &new);
    diff.unified_diff().context_radius(2).header("before", "after").to_string()
}

/// What changes from `old` to `new`, one sentence for each change. Empty if and only if they are equal.
#[must_use]
pub fn words(old: &Settings, new: &Settings) -> Vec<String> {
    let mut words = Words::default();
    let Settings {
        version: _,
        country,
        place,
        lan,
        guest,
        mesh,
        wifi,
        radio,
        uplink,
        dns,
        firewall,
        client,
    } = new;
    words.given("The country", "", old.country.as_ref(), country.as_ref());
    words.place(&old.place, place);
    words.lan(&old.lan, lan);
    words.guest(&old.guest, guest);
    words.mesh(&old.mesh, mesh);
    words.wifi(&old.wifi, wifi);
    words.each(&old.radio, radio, |words, name, old, new| words.radio(&name.to_string(), old, new));
    words.uplinks(&old.uplink, uplink);
    words.dns(&old.dns, dns);
    words.firewall(&old.firewall, firewall);
    words
        .each(&old.client, client, |words, mac, old, new| words.client(&mac.to_string(), old, new));
    if words.0.is_empty() && old != new {
        words.0.push("Something changes that makes no difference.".to_owned());
    }
    words.0
}

/// Collects sentences.
#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn say(&mut self, sentence: impl Into<String>) {
        self.0.push(sentence.into());
    }

    /// A value that is always there.
    fn value<T: PartialEq + Display>(&mut self, what: &str, unit: &str, old: &T, new: &T) {
        if old != new {
            self.say(format!("{what} is {new}{unit} instead of {old}{unit}."));
        }
    }

    /// A value that may be absent.
    fn given<T: PartialEq + Display>(
        &mut self,
        what: &str,
        unit: &str,
        old: Option<&T>,
        new: Option<&T>,
    ) {
        match (old, new) {
            (Some(old), Some(new)) => self.value(what, unit, old, new),
            (None, Some(new)) => self.say(format!("{what} is {new}{unit}.")),
            (Some(old), None) => {
                self.say(format!("{what} is no longer given; it was {old}{unit}."))
            }
            (None, None) => {}
        }
    }

    fn switch(&mut self, old: bool, new: bool, on: &str, off: &str) {
        if old != new {
            self.say(if new { on } else { off });
        }
    }

    fn secret<T: PartialEq>(&mut self, what: &str, old: Option<&T>, new: Option<&T>) {
        match (old, new) {
            (Some(old), Some(new)) if old != new => self.say(format!("{what} changes.")),
            (None, Some(_)) => self.say(format!("{what} is given.")),
            (Some(_), None) => self.say(format!("{what} is taken away.")),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// A list, told by what comes and goes.
    fn list<T: PartialEq + Display>(&mut self, what: &str, old: &[T], new: &[T]) {
        if old == new {
            return;
        }
        let list = |list: &[T]| match list {
            [] => "none".to_owned(),
            list => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        self.say(format!("{what}: {} instead of {}.", list(new), list(old)));
    }

    /// Things by name; one that is absent is as if it had its defaults.
    fn each<K: Ord, V: Default>(
        &mut self,
        old: &std::collections::BTreeMap<K, V>,
        new: &std::collections::BTreeMap<K, V>,
        say: impl Fn(&mut Self, &K, &V, &V),
    ) {
        let default = V::default();
        for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let [old, new] = [old, new].map(|map| map.get(key).unwrap_or(&default));
            say(self, key, old, new);
        }
    }

    fn place(&mut self, old: &Place, new: &Place) {
        let Place { outdoors, location, contact } = new;
        self.switch(old.outdoors, *outdoors, "The box hangs outside.", "The box stands inside.");
        self.given("The place", "", quoted(&old.location).as_ref(), quoted(location).as_ref());
        self.given("Whom to call", "", quoted(&old.contact).as_ref(), quoted(contact).as_ref());
    }

    fn lan(&mut self, old: &Lan, new: &Lan) {
        let Lan { address, dhcp, ula, ports } = new;
        self.value("The box's address in the household", "", &old.address, address);
        self.dhcp(&old.dhcp, dhcp);
        self.given("The local IPv6 network", "", old.ula.as_ref(), ula.as_ref());
        match (&old.ports, ports) {
            (Some(old), Some(new)) => self.list("The household's ports", old, new),
            (None, Some(new)) => {
                self.say(format!("The household's ports are chosen: {}.", joined(new)))
            }
            (Some(old), None) => self.say(format!(
                "The household's ports are those of the board again; they were {}.",
                joined(old)
            )),
            (None, None) => {}
        }
    }

    fn dhcp(&mut self, old: &Dhcp, new: &Dhcp) {
        let Dhcp { enabled, first, last, lease_seconds } = new;
        self.switch(
            old.enabled,
            *enabled,
            "Devices get their addresses from this box.",
            "Devices no longer get their addresses from this box.",
        );
        self.given("The first address given out", "", old.first.as_ref(), first.as_ref());
        self.given("The last address given out", "", old.last.as_ref(), last.as_ref());
        self.value(
            "The time an address is given for",
            " seconds",
            &old.lease_seconds,
            lease_seconds,
        );
    }

    fn guest(&mut self, old: &Guest, new: &Guest) {
        let Guest { address, internet, rate_kbit } = new;
        self.value("The box's address for visitors", "", &old.address, address);
        self.switch(
            old.internet,
            *internet,
            "Visitors may use the internet.",
            "Visitors may no longer use the internet.",
        );
        let (old, new) = (old.rate_kbit.as_ref(), rate_kbit.as_ref());
        self.given("What all visitors together get at most", " kbit/s", old, new);
    }

    fn mesh(&mut self, old: &Mesh, new: &Mesh) {
        let Mesh { enabled, id, secret, ports, share_uplink, share_down_kbit, share_up_kbit } = new;
        self.switch(
            old.enabled,
            *enabled,
            "This box takes part in the mesh.",
            "This box no longer takes part in the mesh.",
        );
        self.given("The mesh's name", "", quoted(&old.id).as_ref(), quoted(id).as_ref());
        self.secret("The mesh's secret", old.secret.as_ref(), secret.as_ref());
        self.list("The ports to other boxes", &old.ports, ports);
        self.switch(
            old.share_uplink,
            *share_uplink,
            "Others may use this box's way to the internet.",
            "Others may no longer use this box's way to the internet.",
        );
        self.value(
            "What is shared towards the box",
            " kbit/s",
            &old.share_down_kbit,
            share_down_kbit,
        );
        self.value("What is shared away from it", " kbit/s", &old.share_up_kbit, share_up_kbit);
    }

    fn wifi(&mut self, old: &Wifi, new: &Wifi) {
        let Wifi { household, guest } = new;
        self.access_point("The Wi-Fi", &old.household, household);
        self.access_point("The visitors' Wi-Fi", &old.guest, guest);
    }

    fn access_point(&mut self, what: &str, old: &AccessPoint, new: &AccessPoint) {
        let AccessPoint { enabled, ssid, passphrase, security } = new;
        let (on, off) = (format!("{what} is switched on."), format!("{what} is switched off."));
        self.switch(old.enabled, *enabled, &on, &off);
        match (&old.ssid, ssid) {
            (Some(old), Some(new)) if old != new => {
                self.say(format!("{what} is called {new:?} instead of {old:?}."));
            }
            (None, Some(new)) => self.say(format!("{what} is called {new:?}.")),
            (Some(old), None) => self.say(format!("{what} has no name; it was {old:?}.")),
            (Some(_), Some(_)) | (None, None) => {}
        }
        match (&old.passphrase, passphrase) {
            (Some(old), Some(new)) if old != new => {
                self.say(format!("{what} gets another passphrase."));
            }
            (None, Some(_)) => self.say(format!("{what} gets a passphrase.")),
            (Some(_), None) => self.say(format!("{what} has no passphrase any more: it is open.")),
            (Some(_), Some(_)) | (None, None) => {}
        }
        if old.security != *security {
            let how = match security {
                Security::Transition => "takes devices with WPA2 too",
                Security::Wpa3 => "takes devices with WPA3 only",
            };
            self.say(format!("{what} {how}."));
        }
    }

    fn radio(&mut self, name: &str, old: &Radio, new: &Radio) {
        let Radio { enabled, mesh, access_point, channel, width_mhz, power_dbm } = new;
        let mut switch = |old, new, what: &str| {
            let (on, off) = (
                format!("The radio {name} {what}."),
                format!("The radio {name} no longer {what}."),
            );
            self.switch(old, new, &on, &off);
        };
        switch(old.enabled, *enabled, "is in use");
        switch(old.mesh, *mesh, "serves the mesh");
        switch(old.access_point, *access_point, "serves household and visitors");
        let of = |what: &str| format!("The {what} of the radio {name}");
        self.given(&of("channel"), "", old.channel.as_ref(), channel.as_ref());
        self.value(&of("channel's width"), " MHz", &old.width_mhz, width_mhz);
        self.given(&of("greatest power"), " dBm", old.power_dbm.as_ref(), power_dbm.as_ref());
    }

    fn uplinks(&mut self, old: &[Uplink], new: &[Uplink]) {
        for gone in old.iter().filter(|old| !new.iter().any(|new| new.device == old.device)) {
            self.say(format!("{} is no way to the internet any more.", gone.device));
        }
        for uplink in new {
            match old.iter().find(|old| old.device == uplink.device) {
                None => self.say(uplink_words(uplink)),
                Some(old) => self.uplink(old, uplink),
            }
        }
        let order = |list: &[Uplink]| list.iter().map(|u| u.device.clone()).collect::<Vec<_>>();
        let (mut sorted_old, mut sorted_new) = (order(old), order(new));
        sorted_old.sort();
        sorted_new.sort();
        if sorted_old == sorted_new && order(old) != order(new) {
            self.list("The order of the ways to the internet", &order(old), &order(new));
        }
    }

    fn uplink(&mut self, old: &Uplink, new: &Uplink) {
        let Uplink { device, wifi, fixed, ipv6 } = new;
        match (&old.wifi, wifi) {
            (Some(before), Some(after)) => {
                let at = format!("The Wi-Fi that {device} joins");
                let (before_name, after_name) =
                    (format!("{:?}", before.ssid), format!("{:?}", after.ssid));
                self.value(&at, "", &before_name, &after_name);
                let at = format!("The passphrase with which {device} joins");
                self.secret(&at, before.passphrase.as_ref(), after.passphrase.as_ref());
            }
            (None, Some(after)) => self.say(format!("{device} joins the Wi-Fi {:?}.", after.ssid)),
            (Some(before), None) => {
                self.say(format!("{device} no longer joins the Wi-Fi {:?}.", before.ssid))
            }
            (None, None) => {}
        }
        match (&old.fixed, fixed) {
            (Some(before), Some(after)) => {
                self.value(
                    &format!("The box's address at {device}"),
                    "",
                    &before.address,
                    &after.address,
                );
                self.value(
                    &format!("The next router at {device}"),
                    "",
                    &before.router,
                    &after.router,
                );
                self.list(&format!("The name servers at {device}"), &before.dns, &after.dns);
            }
            (None, Some(after)) => {
                self.say(format!(
                    "The box's address at {device} is {}, by way of {}.",
                    after.address, after.router
                ));
            }
            (Some(_), None) => self.say(format!("The box asks for its address at {device}.")),
            (None, None) => {}
        }
        let (on, off) = (
            format!("The box asks for IPv6 at {device}."),
            format!("The box no longer asks for IPv6 at {device}."),
        );
        self.switch(old.ipv6, *ipv6, &on, &off);
    }

    fn dns(&mut self, old: &Dns, new: &Dns) {
        let Dns { upstream, rebind_exceptions } = new;
        self.list("The servers that are asked for names", &old.upstream, upstream);
        let what = "The domains that may lead into private networks";
        self.list(what, &old.rebind_exceptions, rebind_exceptions);
    }

    fn firewall(&mut self, old: &Firewall, new: &Firewall) {
        let Firewall { forward, pinhole } = new;
        for gone in without(&old.forward, forward) {
            self.say(format!(
                "{} no longer leads from the internet to {}.",
                port(gone.protocol, gone.port),
                gone.to
            ));
        }
        for come in without(forward, &old.forward) {
            self.say(forward_words(come));
        }
        for gone in without(&old.pinhole, pinhole) {
            self.say(format!(
                "{} of {} is no longer open to the internet.",
                port(gone.protocol, gone.port),
                gone.to
            ));
        }
        for come in without(pinhole, &old.pinhole) {
            let (port, name) = (port(come.protocol, come.port), &come.name);
            self.say(format!("{port} of {} is open to the internet over IPv6 ({name}).", come.to));
        }
    }

    fn client(&mut self, mac: &str, old: &Client, new: &Client) {
        let Client { name, address, paused } = new;
        let who =
            new.name.as_ref().or(old.name.as_ref()).map_or(mac.to_owned(), ToString::to_string);
        self.given(&format!("The name of the device {mac}"), "", old.name.as_ref(), name.as_ref());
        self.given(&format!("The address of {who}"), "", old.address.as_ref(), address.as_ref());
        let (on, off) = (
            format!("{who} is kept off the internet."),
            format!("{who} may use the internet again."),
        );
        self.switch(old.paused, *paused, &on, &off);
    }
}

fn quoted<T: Display>(text: &Option<T>) -> Option<String> {
    text.as_ref().map(|text| format!("{:?}", text.to_string()))
}

fn joined<T: Display>(list: &[T]) -> String {
    if list.is_empty() {
        return "none".to_owned();
    }
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What of `list` is not in `other`.
fn without<'l, T: PartialEq>(list: &'l [T], other: &'l [T]) -> impl Iterator<Item = &'l T> {
    list.iter().filter(|item| !other.contains(item))
}

fn port(protocol: Protocol, port: u16) -> String {
    match protocol {
        Protocol::Tcp => format!("TCP port {port}"),
        Protocol::Udp => format!("UDP port {port}"),
    }
}

fn forward_words(forward: &Forward) -> String {
    let Forward { name, protocol, port: outside, to, to_port } = forward;
    let inside = to_port.map_or(String::new(), |port| format!(", port {port}"));
    format!("{} leads from the internet to {to}{inside} ({name}).", port(*protocol, *outside))
}

fn uplink_words(uplink: &Uplink) -> String {
    let Uplink { device, wifi, fixed, ipv6 } = uplink;
    let how = wifi.as_ref().map_or(String::new(), |wifi| format!(", by the Wi-Fi {:?}", wifi.ssid));
    let fixed = fixed
        .as_ref()
        .map_or(String::new(), |fixed| format!(", with the address {}", fixed.address));
    let ipv6 = if *ipv6 { "" } else { ", without IPv6" };
    format!("{device} is a way to the internet{how}{fixed}{ipv6}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::edit::set;
    use crate::settings::text::parse;

    const FULL: &str = include_str!("full.toml");

    #[track_caller]
    fn said(old: &str, key: &str, value: &str) -> Vec<String> {
        let value = (value != "-").then(|| value.to_owned());
        let new = set(old, &[(key.to_owned(), value)]).unwrap();
        words(&parse(old).unwrap(), &parse(&new).unwrap())
    }

    #[test]
    fn a_change_is_a_plain_sentence() {
        let one = |key, value| said(FULL, key, value).join("|");
        assert_eq!(
            one("wifi.household.ssid", "\"Valley\""),
            "The Wi-Fi is called \"Valley\" instead of \"Café \\\"8\\\" & <b>\"."
        );
        assert_eq!(
            one("wifi.guest.passphrase", "\"eight or more\""),
            "The visitors' Wi-Fi gets another passphrase."
        );
        assert_eq!(
            one("wifi.guest.passphrase", "-"),
            "The visitors' Wi-Fi has no passphrase any more: it is open."
        );
        assert_eq!(one("mesh.secret", "\"eight or more\""), "The mesh's secret changes.");
        assert_eq!(
            one("lan.address", "\"192.168.9.2/24\""),
            "The box's address in the household is 192.168.9.2/24 instead of 192.168.9.1/24."
        );
        assert_eq!(one("country", "-"), "The country is no longer given; it was DE.");
        assert_eq!(one("radio.phy1.enabled", "true"), "The radio phy1 is in use.");
        assert_eq!(one("uplink.1", "-"), "phy2 is no way to the internet any more.");
        assert_eq!(
            one("firewall.forward.0.to", "\"192.168.9.30\""),
            "TCP port 443 no longer leads from the internet to 192.168.9.20.|\
             TCP port 443 leads from the internet to 192.168.9.30, port 8443 (web server)."
        );
        assert_eq!(
            one("client.aa:bb:cc:dd:ee:02.paused", "true"),
            "laptop is kept off the internet."
        );
    }

    #[test]
    fn the_order_of_uplinks_matters() {
        let old = parse(FULL).unwrap();
        let mut new = old.clone();
        new.uplink.reverse();
        let expected = "The order of the ways to the internet: phy2, wan instead of wan, phy2.";
        assert_eq!(words(&old, &new), [expected]);
    }

    #[test]
    fn a_strangers_name_cannot_steer_a_terminal_or_leave_its_quotes() {
        let said = said("", "wifi.guest.ssid", "\"a\\\" \\u202e\"");
        assert_eq!(said, ["The visitors' Wi-Fi is called \"a\\\" \\u{202e}\"."]);
    }

    #[test]
    fn the_diff_shows_that_a_secret_changed_and_not_to_what() {
        let new =
            set(FULL, &[("mesh.secret".to_owned(), Some("\"eight or more\"".to_owned()))]).unwrap();
        let diff = unified(FULL, &new);
        assert!(diff.starts_with("--- before\n+++ after\n@@ "), "{diff}");
        assert!(diff.contains("-secret = \"••••••••\" # ask Ada\n"), "{diff}");
        assert!(diff.contains("+secret = \"•••••••• (another one)\" # ask Ada\n"), "{diff}");
        assert_eq!(unified(FULL, FULL), "");
        assert!(!unified("", FULL).contains("valley\" # ask"));
    }

    #[test]
    fn the_revision_is_the_digest_of_the_text() {
        // SHA2-256 of nothing (FIPS 180-4).
        assert_eq!(revision(""), "e3b0c44298fc1c14");
        assert_ne!(revision("a"), revision("b"));
    }
}
