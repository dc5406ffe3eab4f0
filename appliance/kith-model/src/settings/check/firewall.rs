//! What is let in, and what is known about devices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Findings;
use super::networks::{host_in, unusable};
use crate::settings::{Forward, Lan, Pinhole, Settings};

pub(super) fn check(settings: &Settings, findings: &mut Findings) {
    forwards(&settings.firewall.forward, &settings.lan, findings);
    pinholes(&settings.firewall.pinhole, findings);
    clients(settings, findings);
}

fn forwards(forwards: &[Forward], lan: &Lan, findings: &mut Findings) {
    let mut seen = BTreeMap::new();
    for (index, forward) in forwards.iter().enumerate() {
        let key = format!("firewall.forward.{index}");
        if forward.port == 0 {
            findings.error(&format!("{key}.port"), "Ports are numbered from 1 to 65535.");
        }
        if forward.to_port == Some(0) {
            findings.error(&format!("{key}.to_port"), "Ports are numbered from 1 to 65535.");
        }
        if let Some(first) = seen.insert((forward.protocol, forward.port), index) {
            let words = format!(
                "firewall.forward.{first} takes this port already: a port leads to one device."
            );
            findings.error(&format!("{key}.port"), words);
        }
        if let Some(words) = no_device(forward.to, lan) {
            findings.error(&format!("{key}.to"), words);
        }
    }
}

/// Why `address` is not that of a device of the household.
fn no_device(address: Ipv4Addr, lan: &Lan) -> Option<String> {
    if address == lan.address.addr() {
        return Some(
            "This is the box itself: its panel is never opened to the internet. Name a device of the \
             household."
                .to_owned(),
        );
    }
    if let Some(kind) = unusable(address.into()) {
        return Some(format!("{address} is {kind}: name a device of the household."));
    }
    (!host_in(lan.address, address)).then(|| {
        format!(
            "{address} is not an address for devices in the household's network {}.",
            lan.address.trunc()
        )
    })
}

fn pinholes(pinholes: &[Pinhole], findings: &mut Findings) {
    let mut seen = BTreeMap::new();
    for (index, pinhole) in pinholes.iter().enumerate() {
        let key = format!("firewall.pinhole.{index}");
        if pinhole.port == 0 {
            findings.error(&format!("{key}.port"), "Ports are numbered from 1 to 65535.");
        }
        if !interface_id(pinhole.to) && !global(pinhole.to) {
            let words = format!(
                "{} cannot be reached from the internet: give the device's global address, or :: and the \
                 last four groups of it, such as ::1c2b:3a4d:5e6f:7081, which stay when the prefix changes.",
                pinhole.to
            );
            findings.error(&format!("{key}.to"), words);
        }
        if let Some(first) = seen.insert((pinhole.to, pinhole.protocol, pinhole.port), index) {
            let words =
                format!("firewall.pinhole.{first} says the same already: keep one of them.");
            findings.error(&key, words);
        }
    }
}

/// `::` and an interface id: all of the prefix is zero, and it is not the loopback address.
fn interface_id(address: Ipv6Addr) -> bool {
    u128::from(address) >> 64 == 0 && address != Ipv6Addr::UNSPECIFIED && !address.is_loopback()
}

/// 2000::/3 (RFC 4291, section 2.4).
fn global(address: Ipv6Addr) -> bool {
    address.segments()[0] >> 13 == 1
}

fn clients(settings: &Settings, findings: &mut Findings) {
    let (mut addresses, mut names) = (BTreeMap::new(), BTreeMap::new());
    let reserved: BTreeSet<&str> = ["kith", "localhost"].into();
    for (mac, client) in &settings.client {
        let key = format!("client.\"{mac}\"");
        if mac.0[0] & 1 == 1 || mac.0 == [0; 6] {
            let words =
                "No device has such an address: it stands for many of them (multicast), or none.";
            findings.error(&key, words);
        }
        if let Some(address) = client.address {
            let key = format!("{key}.address");
            if let Some(words) = no_device(address, &settings.lan) {
                let own = address == settings.lan.address.addr();
                let words = if own { "This is the box's own address.".to_owned() } else { words };
                findings.error(&key, words);
            }
            if let Some(first) = addresses.insert(address, mac) {
                findings.error(&key, format!("{first} has this address already."));
            }
        }
        if let Some(name) = &client.name {
            let key = format!("{key}.name");
            if name.as_str().contains('.') {
                findings.error(&key, "The name of a device has no points, such as laptop.");
            }
            if reserved.contains(name.as_str()) {
                findings
                    .error(&key, format!("{name} is the box itself: call the device otherwise."));
            }
            if let Some(first) = names.insert(name, mac) {
                findings.error(&key, format!("{first} is called {name} already."));
            }
        }
    }
}
