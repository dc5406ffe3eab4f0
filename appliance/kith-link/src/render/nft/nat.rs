//! Addresses that are translated: IPv4 towards the internet and the mesh, and ports that lead inside.
//!
//! `masquerade` keeps a source port where it can, so that a device's port looks the same from everywhere
//! (RFC 4787, REQ-1); with `random` it would not.

use kith_model::settings::Forward;

use super::text::Chain;
use super::{Rules, guest, household, mesh, protocol, quoted};

/// The port of the web.
pub(super) const WEB: u16 = 80;

pub(super) fn chains(rules: &Rules) -> [Chain; 2] {
    [destination(rules), source(rules)]
}

fn destination(rules: &Rules) -> Chain {
    let mut chain =
        Chain::base("destination", "type nat hook prerouting priority dstnat; policy accept;");
    if rules.forwarding {
        if !rules.forwards.is_empty() {
            chain.why("port forwards, from outside and from inside by the outer address (hairpin)");
        }
        for forward in &rules.forwards {
            chain.rule(format!("iifname @wan fib daddr type local {}", lead(forward)));
            chain.rule(format!(
                "iifname {} ip daddr != {{ {} }} fib daddr type local {}",
                household(),
                list(&rules.own_addresses()),
                lead(forward)
            ));
        }
    }
    if rules.panel_port != WEB {
        chain.why("the panel without its port");
        chain.rule(format!(
            "iifname {{ {}, {} }} fib daddr type local tcp dport {WEB} redirect to :{}",
            household(),
            guest(),
            rules.panel_port
        ));
    }
    chain
}

fn lead(forward: &Forward) -> String {
    format!(
        "{} dport {} dnat ip to {}:{} comment {}",
        protocol(forward.protocol),
        forward.port,
        forward.to,
        forward.to_port.unwrap_or(forward.port),
        quoted(forward.name.as_str())
    )
}

fn source(rules: &Rules) -> Chain {
    let mut chain =
        Chain::base("source", "type nat hook postrouting priority srcnat; policy accept;");
    if !rules.forwarding {
        return chain;
    }
    let family: Vec<_> = rules.household.iter().map(ipnet::Ipv4Net::trunc).collect();
    let family = ipnet::Ipv4Net::aggregate(&family);
    if !rules.forwards.is_empty() {
        chain.why("hairpin: the device has to answer by way of the box");
        chain.rule(format!(
            "oifname {} ip saddr {{ {} }} ct status dnat masquerade",
            household(),
            list(&family)
        ));
    }
    if rules.mesh.is_some() {
        let guests = rules.guest.iter().map(|guest| guest.address.trunc());
        let people: Vec<_> = family.into_iter().chain(guests).collect();
        let people = ipnet::Ipv4Net::aggregate(&people);
        chain.why("other boxes know only this box's address");
        chain.rule(format!("oifname {} ip saddr {{ {} }} masquerade", mesh(), list(&people)));
    }
    chain.rule("oifname @wan meta nfproto ipv4 masquerade");
    chain
}

fn list<'a, T: ToString + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    let texts: Vec<String> = items.into_iter().map(ToString::to_string).collect();
    texts.join(", ")
}
