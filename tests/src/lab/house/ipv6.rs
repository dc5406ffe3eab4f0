//! What a customer's edge router does with the prefix of its provider (RFC 7084), seen on the wire: by the
//! advertisements that the family's devices hear and by what a stock kernel makes of them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::advert::{Advert, Asker, SOON};
use super::device::{addresses, ran, run};
use super::home::Home;
use super::provider6::{Asked, Offer, Provider6};
use super::row::Rows;
use crate::lab::namespace::call;
use crate::lab::wait_asking;

/// One that asked in vain doubles its pauses (RFC 8415, 15).
const AT_LAST: Duration = Duration::from_secs(80);
/// A client has asked again by then.
const SHORTLY: Duration = Duration::from_secs(6);
/// How long is waited for what shall not come.
const NEVER: Duration = Duration::from_secs(3);

/// The provider's network, a server behind it, and the prefixes that it delegates one after the other.
const ON_LINK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0);
const SERVER: &str = "2001:db8:2::1";
const FIRST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xbb00, 0, 0, 0, 0, 0);
const SECOND: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xcc00, 0, 0, 0, 0, 0);
const SIZE: u8 = 56;
/// Seconds for which a prefix is preferred and valid.
const LIFETIMES: (u32, u32) = (3_600, 7_200);
/// A prefix that is soon over unless it is renewed.
const SHORT: (u32, u32) = (600, 1_200);

fn delegated(prefix: Ipv6Addr) -> (Ipv6Addr, u8, u32, u32) {
    (prefix, SIZE, LIFETIMES.0, LIFETIMES.1)
}

fn over(prefix: Ipv6Addr) -> (Ipv6Addr, u8, u32, u32) {
    (prefix, SIZE, 0, 0)
}

/// Whether an address is in the /64 of a prefix.
fn made_of(address: &str, prefix: Ipv6Addr) -> bool {
    let Ok(IpAddr::V6(address)) = address.parse() else { return false };
    address.segments().get(..4) == prefix.segments().get(..4)
}

/// The device's address of a prefix and for how long it is preferred.
fn address_of(space: &str, prefix: Ipv6Addr) -> Result<Option<(String, u64)>> {
    let found = addresses(space)?.into_iter().find_map(|address| {
        let local = address["local"].as_str().filter(|local| made_of(local, prefix))?.to_owned();
        Some((local, address["preferred_life_time"].as_u64().unwrap_or(0)))
    });
    Ok(found)
}

/// All of it, in the order in which a provider's IPv6 comes, changes and goes.
pub(super) fn run_all(rows: &mut Rows, home: &mut Home) {
    let begun = Provider6::start(&home.wan()).and_then(|provider| {
        call("ip", &["-n", &home.wan(), "address", "add", &format!("{SERVER}/128"), "dev", "lo"])?;
        Ok((provider, Asker::open(&home.lan())?))
    });
    match begun {
        Ok((provider, asker)) => {
            without(rows, home, &provider, &asker);
            comes(rows, home, &provider, &asker);
            used(rows, home);
            changes(rows, home, &provider, &asker);
            short(rows, &provider, &asker);
            lasts(rows, home, &provider, &asker);
            goes(rows, &provider, &asker);
        }
        Err(why) => rows.failed("IPv6", why),
    }
}

/// No IPv6 from the provider, then a router without a prefix.
fn without(rows: &mut Rows, home: &Home, provider: &Provider6, asker: &Asker) {
    let local = |advert: &Advert| {
        advert.prefixes.len() == 1
            && advert.prefixes.iter().all(|one| one.prefix.is_unique_local() && one.autonomous)
    };
    rows.row(
        "RFC 7084 ULA-1 a local prefix of its own",
        "no IPv6 from the provider; a device solicits",
        "a /64 of fd00::/8 to make addresses of",
        || {
            let advert = asker.until("a local prefix is advertised", local)?;
            let prefix = advert.prefixes.first().context("a prefix")?;
            let made = || Ok(address_of(&home.lan(), prefix.prefix)?.is_some());
            wait_asking(Duration::from_millis(100), (SOON, "a device has an address"), made)?;
            Ok(format!("{}/{}", prefix.prefix, prefix.size))
        },
    );
    rows.row(
        "RFC 7084 G-4 no default router without one of its own",
        "no IPv6 from the provider; a device solicits",
        "router lifetime 0, and no default route at the device",
        || {
            let advert = asker.until("it advertises", local)?;
            ensure!(advert.router == 0, "{advert:?}");
            let routes = run(&home.lan(), "ip", &["-6", "route", "show", "default"])?;
            ensure!(routes.is_empty(), "{routes}");
            Ok("0 s".into())
        },
    );
    rows.row(
        "RFC 7084 ULA-5 no default router with local prefixes alone",
        "the provider's router advertises itself, and delegates nothing",
        "router lifetime 0",
        || {
            provider.offer(Offer { router_seconds: Some(1_800), ..Offer::default() });
            let there =
                || Ok(run(&home.name, "ip", &["-6", "route", "show", "default"])?.contains("wan"));
            wait_asking(Duration::from_millis(100), (SOON, "the box has a router"), there)?;
            std::thread::sleep(NEVER);
            let advert = asker.until("it advertises", local)?;
            ensure!(advert.router == 0, "{advert:?}");
            Ok("the box has a default route, its devices have none".into())
        },
    );
    rows.row(
        "RFC 7084 WPD-4 asks for a prefix whatever the router's flags",
        "an advertisement without M and O",
        "solicitations with the hint of a /56",
        || {
            let mut all = Vec::new();
            let hinted = || {
                all.extend(provider.asked());
                Ok(all.iter().any(|asked: &Asked| asked.hint == Some(SIZE)))
            };
            wait_asking(Duration::from_millis(100), (SOON, "it asks"), hinted)?;
            Ok(format!("{} messages, hint /{SIZE}", all.len()))
        },
    );
}

/// A prefix is delegated.
fn comes(rows: &mut Rows, home: &Home, provider: &Provider6, asker: &Asker) {
    provider.offer(Offer {
        router_seconds: Some(1_800),
        on_link: Some(ON_LINK),
        address: None,
        prefixes: vec![delegated(FIRST)],
    });
    let offered = "router advertisement with a prefix, IA_PD with a /56";
    rows.row("RFC 7084 L-2 a /64 of the prefix for the household", offered, "it", || {
        let advert =
            asker.within(AT_LAST, "the prefix is advertised", |a| a.of(FIRST).is_some())?;
        let prefix = advert.of(FIRST).context("the prefix")?;
        ensure!(prefix.size == 64 && prefix.autonomous, "{prefix:?}");
        ensure!(prefix.preferred > 0 && prefix.preferred <= LIFETIMES.0, "{prefix:?}");
        ensure!(prefix.valid >= prefix.preferred && prefix.valid <= LIFETIMES.1, "{prefix:?}");
        Ok(format!("{}/64, {} s of {}", prefix.prefix, prefix.preferred, prefix.valid))
    });
    rows.row("RFC 7084 L-3 a default router with a prefix", offered, "a lifetime", || {
        let advert = asker.until("it is a router", |advert| advert.router > 0)?;
        let there = || Ok(!run(&home.lan(), "ip", &["-6", "route", "show", "default"])?.is_empty());
        wait_asking(Duration::from_millis(100), (SOON, "a device has a default route"), there)?;
        Ok(format!("{} s", advert.router))
    });
    rows.row("RFC 7084 L-11 resolvers in advertisements", offered, "the box", || {
        let advert = asker.until("a resolver is named", |advert| !advert.resolvers.is_empty())?;
        let named: Vec<String> = advert.resolvers.iter().map(ToString::to_string).collect();
        let own = run(&home.name, "ip", &["-6", "-br", "address", "show", "dev", "br-lan"])?;
        ensure!(named.iter().all(|name| own.contains(&format!("{name}/"))), "{named:?}: {own}");
        Ok(named.join(" "))
    });
}

/// What the box and its devices do with it.
fn used(rows: &mut Rows, home: &Home) {
    let offered = "router advertisement with a prefix";
    rows.row("RFC 7084 WAA-1 addresses of its own by SLAAC", offered, "one", || {
        let own = || run(&home.name, "ip", &["-6", "-br", "address", "show", "dev", "wan"]);
        let made = || Ok(own()?.contains("2001:db8:1:"));
        wait_asking(Duration::from_millis(100), (SOON, "the box has an address"), made)?;
        Ok(own()?.split_whitespace().skip(2).collect::<Vec<_>>().join(" "))
    });
    rows.row("RFC 7084 W-3 the advertised router is the way out", offered, "a link-local", || {
        let routes = run(&home.name, "ip", &["-6", "route", "show", "default"])?;
        ensure!(routes.contains("via fe80:") && routes.contains("dev wan"), "{routes}");
        Ok(routes.lines().next().unwrap_or_default().trim().to_owned())
    });
    let done = format!("ping {SERVER} from a device with an address of the prefix");
    rows.row("RFC 7084 G-3 traffic of the prefix passes", &done, "an answer", || {
        let link = run(
            &home.name,
            "ip",
            &["-6", "-br", "address", "show", "dev", "wan", "scope", "link"],
        )?;
        let own = link.split_whitespace().nth(2).and_then(|net| net.split('/').next());
        let own = own.context("the box's link-local address")?.to_owned();
        let back = format!("{FIRST}/{SIZE}");
        run(&home.wan(), "ip", &["-6", "route", "replace", &back, "via", &own, "dev", "eth0"])?;
        let mut own = None;
        let made = || {
            own = address_of(&home.lan(), FIRST)?;
            Ok(own.is_some())
        };
        wait_asking(Duration::from_millis(100), (SOON, "a device has an address"), made)?;
        let own = own.context("an address")?.0;
        run(&home.lan(), "ping", &["-6", "-c1", "-W3", "-I", &own, SERVER])?;
        Ok(format!("{own} to {SERVER}"))
    });
    let unused = "2001:db8:bb00:77::1";
    let done = format!("ping {unused}, of no network of the box");
    rows.row("RFC 7084 WPD-5 what is left of the prefix goes nowhere", &done, "refused", || {
        let output = ran(&home.lan(), "ping", &["-6", "-c1", "-W2", unused])?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(!output.status.success() && said.contains("From "), "{said}");
        let line = said.lines().find(|line| line.starts_with("From ")).unwrap_or_default();
        ensure!(!line.contains("Time exceeded"), "it went round in circles: {line}");
        Ok(line.to_owned())
    });
}

/// Another prefix takes the place of the first.
fn changes(rows: &mut Rows, home: &Home, provider: &Provider6, asker: &Asker) {
    let done = "the provider renews another prefix and takes the first back";
    rows.row(
        "RFC 7084 L-13 the old prefix is over",
        done,
        "preferred for 0 s, valid 2 h at most",
        || {
            provider.offer(Offer {
                router_seconds: Some(1_800),
                on_link: Some(ON_LINK),
                address: None,
                prefixes: vec![over(FIRST), delegated(SECOND)],
            });
            let changed = |a: &Advert| {
                a.of(SECOND).is_some_and(|new| new.preferred > 0)
                    && a.of(FIRST).is_some_and(|old| old.preferred == 0)
            };
            let advert = asker.until("new and old are advertised", changed)?;
            let old = advert.of(FIRST).context("the old prefix")?;
            ensure!(old.valid <= 7_200, "{old:?}");
            Ok(format!("{old:?}"))
        },
    );
    rows.row(
        "RFC 7084 L-13 devices leave the old prefix",
        done,
        "the old address is deprecated",
        || {
            let space = home.lan();
            let left = || {
                let (old, new) = (address_of(&space, FIRST)?, address_of(&space, SECOND)?);
                Ok(old.is_none_or(|(_, preferred)| preferred == 0)
                    && new.is_some_and(|(_, preferred)| preferred > 0))
            };
            wait_asking(Duration::from_millis(100), (SOON, "it has a new address"), left)?;
            Ok(format!("{:?} and {:?}", address_of(&space, FIRST)?, address_of(&space, SECOND)?))
        },
    );
    let done = format!("ping {SERVER} with the old address");
    rows.row("RFC 7084 L-14 the old addresses are refused", &done, "ICMPv6 1, code 5", || {
        let old = address_of(&home.lan(), FIRST)?.context("no old address any more")?.0;
        let output = ran(&home.lan(), "ping", &["-6", "-c1", "-W2", "-I", &old, SERVER])?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find(|line| line.starts_with("From ")).unwrap_or_default();
        ensure!(line.contains("policy") || line.contains("code 5"), "{said}");
        Ok(line.to_owned())
    });
}

/// What a restart does not change.
fn lasts(rows: &mut Rows, home: &mut Home, provider: &Provider6, asker: &Asker) {
    rows.row(
        "RFC 7084 ULA-2 the local prefix is the same after a restart",
        "kill -9 of link",
        "the same prefixes as before",
        || {
            let of = |advert: Advert| {
                let prefixes = advert.prefixes.iter().filter(|one| one.preferred > 0);
                prefixes.map(|one| one.prefix).collect::<Vec<_>>()
            };
            let before = of(asker.until("it advertises", |advert| advert.prefixes.len() > 1)?);
            home.kill("link")?;
            let again = || Ok(home.network().is_ok());
            wait_asking(Duration::from_millis(100), (SOON, "link answers again"), again)?;
            std::thread::sleep(NEVER);
            let after = of(asker.until("it advertises", |advert| advert.prefixes.len() > 1)?);
            ensure!(before == after, "{before:?} became {after:?}");
            Ok(format!("{after:?}"))
        },
    );
    rows.row(
        "RFC 7084 W-5 the same DUID after a restart",
        "kill -9 of dhcpcd",
        "the same identifier in what is asked then",
        || {
            let who = |asked: Vec<Asked>| {
                asked.into_iter().map(|asked| asked.client).collect::<BTreeSet<_>>()
            };
            let before = who(provider.asked());
            home.kill("dhcpcd")?;
            let mut after = BTreeSet::new();
            let asked = || {
                // What the one that was killed had asked is among it as well, at most once.
                after.extend(who(provider.asked()));
                Ok(home.daemon("dhcpcd").is_some() && !after.is_empty())
            };
            wait_asking(Duration::from_millis(100), (SOON, "somebody asks"), asked)?;
            ensure!(before.len() == 1 && before == after, "{before:?} became {after:?}");
            let hex: String = after.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
            Ok(hex)
        },
    );
}

/// A delegation for minutes, as some providers give them before they change the prefix.
fn short(rows: &mut Rows, provider: &Provider6, asker: &Asker) {
    rows.excepted(
        "RFC 9096 3.4 no longer than the provider's lifetimes",
        &format!("the prefix is renewed for {} s of {} s", SHORT.0, SHORT.1),
        (
            "at most as long",
            "dnsmasq announces 2,700 s whatever is delegated; a prefix that ends sooner is announced as \
             over when it ends, as RFC 7084 L-13 has it",
        ),
        || {
            provider.offer(Offer {
                router_seconds: Some(1_800),
                on_link: Some(ON_LINK),
                address: None,
                prefixes: vec![(SECOND, SIZE, SHORT.0, SHORT.1)],
            });
            std::thread::sleep(SHORTLY);
            let advert = asker.until("the prefix is advertised", |a| a.of(SECOND).is_some())?;
            let prefix = *advert.of(SECOND).context("the prefix")?;
            ensure!(prefix.preferred <= SHORT.0 && prefix.valid <= SHORT.1, "{prefix:?}");
            Ok(format!("{prefix:?}"))
        },
    );
}

/// The provider's router goes, then its prefix.
fn goes(rows: &mut Rows, provider: &Provider6, asker: &Asker) {
    rows.row(
        "RFC 7084 G-5 no default router once its own is gone",
        "the provider's router says that it is none any more",
        "router lifetime 0",
        || {
            provider.offer(Offer {
                router_seconds: Some(0),
                on_link: None,
                address: None,
                prefixes: vec![delegated(SECOND)],
            });
            let advert = asker.until("it is no router", |advert| advert.router == 0)?;
            Ok(format!("{} s", advert.router))
        },
    );
    rows.row(
        "RFC 7084 L-13 a prefix that is taken back",
        "the provider takes the second back as well",
        "only the local prefix is preferred",
        || {
            provider.offer(Offer {
                router_seconds: Some(1_800),
                on_link: None,
                address: None,
                prefixes: vec![over(SECOND)],
            });
            let gone = |advert: &Advert| {
                let preferred = advert.prefixes.iter().filter(|one| one.preferred > 0);
                advert.router == 0
                    && preferred.clone().count() == 1
                    && preferred.clone().all(|one| one.prefix.is_unique_local())
            };
            let advert = asker.until("only the local prefix is left", gone)?;
            Ok(format!("{advert:?}"))
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_by_their_prefix() {
        assert!(made_of("2001:db8:bb00::20", FIRST) && !made_of("2001:db8:bb00:1::20", FIRST));
        assert!(!made_of("192.0.2.1", FIRST));
    }
}
