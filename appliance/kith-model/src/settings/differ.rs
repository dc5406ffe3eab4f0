//! What differs between two settings: in sentences, as a diff, and as a digest. No secret is ever told.

use std::collections::BTreeSet;
use std::fmt::Display;

use kith_core::cid::{Cid, Codec};
use similar::TextDiff;

use super::mask;
use super::values::Ssid;
use super::{
    AccessPoint, Client, Dhcp, Dns, Firewall, Forward, Guest, Lan, Mesh, Place, Protocol, Radio,
    Security, Settings, Uplink, UplinkWifi, Wifi,
};
use crate::sentence::patterns as say;
use crate::sentence::{Part, Pattern, Sentence};

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
pub fn words(old: &Settings, new: &Settings) -> Vec<Sentence> {
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
    words.given(say::COUNTRY, plain, old.country.as_ref(), country.as_ref());
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
        words.say(say::NO_DIFFERENCE);
    }
    words.0
}

/// Collects sentences.
#[derive(Default)]
struct Words(Vec<Sentence>);

/// How a value is shown: with its unit.
type Unit = fn(&dyn Display) -> Part;

fn plain(value: &dyn Display) -> Part {
    Part::typed(value)
}

fn seconds(value: &dyn Display) -> Part {
    say::SECONDS.with([Part::typed(value)]).into()
}

fn kbit(value: &dyn Display) -> Part {
    Part::typed(format_args!("{value} kbit/s"))
}

fn mhz(value: &dyn Display) -> Part {
    Part::typed(format_args!("{value} MHz"))
}

fn dbm(value: &dyn Display) -> Part {
    Part::typed(format_args!("{value} dBm"))
}

impl Words {
    fn say(&mut self, sentence: impl Into<Sentence>) {
        self.0.push(sentence.into());
    }

    /// A value that is always there.
    fn value<T: PartialEq + Display>(
        &mut self,
        what: impl Into<Part>,
        unit: Unit,
        old: &T,
        new: &T,
    ) {
        if old != new {
            self.say(say::IS_INSTEAD.with([what.into(), unit(new), unit(old)]));
        }
    }

    /// A value that may be absent.
    fn given<T: PartialEq + Display>(
        &mut self,
        what: impl Into<Part>,
        unit: Unit,
        old: Option<&T>,
        new: Option<&T>,
    ) {
        match (old, new) {
            (Some(old), Some(new)) => self.value(what, unit, old, new),
            (None, Some(new)) => self.say(say::IS.with([what.into(), unit(new)])),
            (Some(old), None) => self.say(say::NO_LONGER_GIVEN.with([what.into(), unit(old)])),
            (None, None) => {}
        }
    }

    fn switch(&mut self, old: bool, new: bool, (on, off): (Pattern, Pattern)) {
        if old != new {
            self.say(if new { on } else { off });
        }
    }

    /// A switch of something that has a name.
    fn switch_of(&mut self, old: bool, new: bool, name: &str, (on, off): (Pattern, Pattern)) {
        if old != new {
            let pattern = if new { on } else { off };
            self.say(pattern.with([Part::typed(name)]));
        }
    }

    fn secret<T: PartialEq>(&mut self, what: impl Into<Part>, old: Option<&T>, new: Option<&T>) {
        match (old, new) {
            (Some(old), Some(new)) if old != new => self.say(say::CHANGES.with([what.into()])),
            (None, Some(_)) => self.say(say::GIVEN.with([what.into()])),
            (Some(_), None) => self.say(say::TAKEN_AWAY.with([what.into()])),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// A list, told by what comes and goes.
    fn list<T: PartialEq + Display>(&mut self, what: impl Into<Part>, old: &[T], new: &[T]) {
        if old != new {
            self.say(say::LIST_INSTEAD.with([what.into(), joined(new), joined(old)]));
        }
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
        self.switch(old.outdoors, *outdoors, (say::OUTSIDE, say::INSIDE));
        self.given(say::PLACE, plain, quoted(&old.location).as_ref(), quoted(location).as_ref());
        self.given(say::CONTACT, plain, quoted(&old.contact).as_ref(), quoted(contact).as_ref());
    }

    fn lan(&mut self, old: &Lan, new: &Lan) {
        let Lan { address, dhcp, ula, ports } = new;
        self.value(say::LAN_ADDRESS, plain, &old.address, address);
        self.dhcp(&old.dhcp, dhcp);
        self.given(say::LAN_ULA, plain, old.ula.as_ref(), ula.as_ref());
        match (&old.ports, ports) {
            (Some(old), Some(new)) => self.list(say::LAN_PORTS, old, new),
            (None, Some(new)) => self.say(say::LAN_PORTS_CHOSEN.with([joined(new)])),
            (Some(old), None) => self.say(say::LAN_PORTS_OF_BOARD.with([joined(old)])),
            (None, None) => {}
        }
    }

    fn dhcp(&mut self, old: &Dhcp, new: &Dhcp) {
        let Dhcp { enabled, first, last, lease_seconds } = new;
        self.switch(old.enabled, *enabled, (say::DHCP_ON, say::DHCP_OFF));
        self.given(say::DHCP_FIRST, plain, old.first.as_ref(), first.as_ref());
        self.given(say::DHCP_LAST, plain, old.last.as_ref(), last.as_ref());
        self.value(say::DHCP_LEASE, seconds, &old.lease_seconds, lease_seconds);
    }

    fn guest(&mut self, old: &Guest, new: &Guest) {
        let Guest { address, internet, rate_kbit } = new;
        self.value(say::GUEST_ADDRESS, plain, &old.address, address);
        self.switch(old.internet, *internet, (say::GUEST_INTERNET_ON, say::GUEST_INTERNET_OFF));
        let (old, new) = (old.rate_kbit.as_ref(), rate_kbit.as_ref());
        self.given(say::GUEST_RATE, kbit, old, new);
    }

    fn mesh(&mut self, old: &Mesh, new: &Mesh) {
        let Mesh { enabled, id, secret, ports, share_uplink, share_down_kbit, share_up_kbit } = new;
        self.switch(old.enabled, *enabled, (say::MESH_ON, say::MESH_OFF));
        self.given(say::MESH_NAME, plain, quoted(&old.id).as_ref(), quoted(id).as_ref());
        self.secret(say::MESH_SECRET, old.secret.as_ref(), secret.as_ref());
        self.list(say::MESH_PORTS, &old.ports, ports);
        self.switch(old.share_uplink, *share_uplink, (say::SHARE_ON, say::SHARE_OFF));
        self.value(say::SHARED_DOWN, kbit, &old.share_down_kbit, share_down_kbit);
        self.value(say::SHARED_UP, kbit, &old.share_up_kbit, share_up_kbit);
    }

    fn wifi(&mut self, old: &Wifi, new: &Wifi) {
        let Wifi { household, guest } = new;
        self.access_point(&HOUSEHOLD, &old.household, household);
        self.access_point(&GUEST, &old.guest, guest);
    }

    fn access_point(&mut self, of: &OfWifi, old: &AccessPoint, new: &AccessPoint) {
        let AccessPoint { enabled, ssid, passphrase, security } = new;
        let quoted = |ssid: &Ssid| Part::typed(format_args!("{ssid:?}"));
        self.switch(old.enabled, *enabled, (of.on, of.off));
        match (&old.ssid, ssid) {
            (Some(old), Some(new)) if old != new => {
                self.say(of.renamed.with([quoted(new), quoted(old)]));
            }
            (None, Some(new)) => self.say(of.named.with([quoted(new)])),
            (Some(old), None) => self.say(of.nameless.with([quoted(old)])),
            (Some(_), Some(_)) | (None, None) => {}
        }
        match (&old.passphrase, passphrase) {
            (Some(old), Some(new)) if old != new => self.say(of.other_passphrase),
            (None, Some(_)) => self.say(of.passphrase),
            (Some(_), None) => self.say(of.open),
            (Some(_), Some(_)) | (None, None) => {}
        }
        if old.security != *security {
            self.say(match security {
                Security::Transition => of.wpa2,
                Security::Wpa3 => of.wpa3,
            });
        }
    }

    fn radio(&mut self, name: &str, old: &Radio, new: &Radio) {
        let Radio { enabled, mesh, access_point, channel, width_mhz, power_dbm } = new;
        self.switch_of(old.enabled, *enabled, name, (say::RADIO_ON, say::RADIO_OFF));
        self.switch_of(old.mesh, *mesh, name, (say::RADIO_MESH_ON, say::RADIO_MESH_OFF));
        let serves = (say::RADIO_AP_ON, say::RADIO_AP_OFF);
        self.switch_of(old.access_point, *access_point, name, serves);
        let of = |what: Pattern| what.with([Part::typed(name)]);
        self.given(of(say::RADIO_CHANNEL), plain, old.channel.as_ref(), channel.as_ref());
        self.value(of(say::RADIO_WIDTH), mhz, &old.width_mhz, width_mhz);
        self.given(of(say::RADIO_POWER), dbm, old.power_dbm.as_ref(), power_dbm.as_ref());
    }

    fn uplinks(&mut self, old: &[Uplink], new: &[Uplink]) {
        for gone in old.iter().filter(|old| !new.iter().any(|new| new.device == old.device)) {
            self.say(say::UPLINK_GONE.with([Part::typed(&gone.device)]));
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
            self.list(say::UPLINK_ORDER, &order(old), &order(new));
        }
    }

    fn uplink(&mut self, old: &Uplink, new: &Uplink) {
        let Uplink { device, wifi, fixed, ipv6 } = new;
        let of = |what: Pattern| what.with([Part::typed(device)]);
        let quoted = |wifi: &UplinkWifi| format!("{:?}", wifi.ssid);
        match (&old.wifi, wifi) {
            (Some(before), Some(after)) => {
                self.value(of(say::UPLINK_WIFI), plain, &quoted(before), &quoted(after));
                let (before, after) = (before.passphrase.as_ref(), after.passphrase.as_ref());
                self.secret(of(say::UPLINK_PASSPHRASE), before, after);
            }
            (None, Some(after)) => {
                let ssid = Part::typed(quoted(after));
                self.say(say::UPLINK_JOINS.with([Part::typed(device), ssid]));
            }
            (Some(before), None) => {
                let ssid = Part::typed(quoted(before));
                self.say(say::UPLINK_LEAVES.with([Part::typed(device), ssid]));
            }
            (None, None) => {}
        }
        match (&old.fixed, fixed) {
            (Some(before), Some(after)) => {
                self.value(of(say::UPLINK_ADDRESS), plain, &before.address, &after.address);
                self.value(of(say::UPLINK_ROUTER), plain, &before.router, &after.router);
                self.list(of(say::UPLINK_DNS), &before.dns, &after.dns);
            }
            (None, Some(after)) => self.say(say::UPLINK_FIXED.with([
                Part::typed(device),
                Part::typed(after.address),
                Part::typed(after.router),
            ])),
            (Some(_), None) => self.say(of(say::UPLINK_ASKS)),
            (None, None) => {}
        }
        self.switch_of(old.ipv6, *ipv6, device.as_str(), (say::IPV6_ON, say::IPV6_OFF));
    }

    fn dns(&mut self, old: &Dns, new: &Dns) {
        let Dns { upstream, rebind_exceptions } = new;
        self.list(say::DNS_UPSTREAM, &old.upstream, upstream);
        self.list(say::DNS_EXCEPTIONS, &old.rebind_exceptions, rebind_exceptions);
    }

    fn firewall(&mut self, old: &Firewall, new: &Firewall) {
        let Firewall { forward, pinhole } = new;
        for gone in without(&old.forward, forward) {
            let port = port(gone.protocol, gone.port);
            self.say(say::FORWARD_GONE.with([port, Part::typed(gone.to)]));
        }
        for come in without(forward, &old.forward) {
            self.say(forward_words(come));
        }
        for gone in without(&old.pinhole, pinhole) {
            let port = port(gone.protocol, gone.port);
            self.say(say::PINHOLE_GONE.with([port, Part::typed(gone.to)]));
        }
        for come in without(pinhole, &old.pinhole) {
            let (port, name) = (port(come.protocol, come.port), Part::typed(&come.name));
            self.say(say::PINHOLE_NEW.with([port, Part::typed(come.to), name]));
        }
    }

    fn client(&mut self, mac: &str, old: &Client, new: &Client) {
        let Client { name, address, paused } = new;
        let who =
            new.name.as_ref().or(old.name.as_ref()).map_or(mac.to_owned(), ToString::to_string);
        let (name_of, address_of) = (
            say::CLIENT_NAME.with([Part::typed(mac)]),
            say::CLIENT_ADDRESS.with([Part::typed(&who)]),
        );
        self.given(name_of, plain, old.name.as_ref(), name.as_ref());
        self.given(address_of, plain, old.address.as_ref(), address.as_ref());
        self.switch_of(old.paused, *paused, &who, (say::CLIENT_PAUSED, say::CLIENT_RESUMED));
    }
}

/// What is said of one of the two Wi-Fis.
struct OfWifi {
    on: Pattern,
    off: Pattern,
    renamed: Pattern,
    named: Pattern,
    nameless: Pattern,
    other_passphrase: Pattern,
    passphrase: Pattern,
    open: Pattern,
    wpa2: Pattern,
    wpa3: Pattern,
}

const HOUSEHOLD: OfWifi = OfWifi {
    on: say::WIFI_ON,
    off: say::WIFI_OFF,
    renamed: say::WIFI_RENAMED,
    named: say::WIFI_NAMED,
    nameless: say::WIFI_NAMELESS,
    other_passphrase: say::WIFI_OTHER_PASSPHRASE,
    passphrase: say::WIFI_PASSPHRASE,
    open: say::WIFI_OPEN,
    wpa2: say::WIFI_WPA2,
    wpa3: say::WIFI_WPA3,
};

const GUEST: OfWifi = OfWifi {
    on: say::GUEST_ON,
    off: say::GUEST_OFF,
    renamed: say::GUEST_RENAMED,
    named: say::GUEST_NAMED,
    nameless: say::GUEST_NAMELESS,
    other_passphrase: say::GUEST_OTHER_PASSPHRASE,
    passphrase: say::GUEST_PASSPHRASE,
    open: say::GUEST_OPEN,
    wpa2: say::GUEST_WPA2,
    wpa3: say::GUEST_WPA3,
};

fn quoted<T: Display>(text: &Option<T>) -> Option<String> {
    text.as_ref().map(|text| format!("{:?}", text.to_string()))
}

fn joined<T: Display>(list: &[T]) -> Part {
    if list.is_empty() {
        return say::NONE.into();
    }
    Part::typed(list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// What of `list` is not in `other`.
fn without<'l, T: PartialEq>(list: &'l [T], other: &'l [T]) -> impl Iterator<Item = &'l T> {
    list.iter().filter(|item| !other.contains(item))
}

fn port(protocol: Protocol, port: u16) -> Part {
    let pattern = match protocol {
        Protocol::Tcp => say::PORT_TCP,
        Protocol::Udp => say::PORT_UDP,
    };
    pattern.with([Part::typed(port)]).into()
}

fn forward_words(forward: &Forward) -> Sentence {
    let Forward { name, protocol, port: outside, to, to_port } = forward;
    let (outside, to, name) = (port(*protocol, *outside), Part::typed(to), Part::typed(name));
    match to_port {
        Some(inside) => say::FORWARD_NEW_PORT.with([outside, to, Part::typed(inside), name]),
        None => say::FORWARD_NEW.with([outside, to, name]),
    }
}

fn uplink_words(uplink: &Uplink) -> Sentence {
    let Uplink { device, wifi, fixed, ipv6 } = uplink;
    let nothing = || Part::typed("");
    let how = wifi.as_ref().map_or_else(nothing, |wifi| {
        say::BY_WIFI.with([Part::typed(format_args!("{:?}", wifi.ssid))]).into()
    });
    let fixed = fixed
        .as_ref()
        .map_or_else(nothing, |fixed| say::WITH_ADDRESS.with([Part::typed(fixed.address)]).into());
    let ipv6 = if *ipv6 { nothing() } else { say::WITHOUT_IPV6.into() };
    say::UPLINK_NEW.with([Part::typed(device), how, fixed, ipv6])
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
        let words = words(&parse(old).unwrap(), &parse(&new).unwrap());
        words.iter().map(ToString::to_string).collect()
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
