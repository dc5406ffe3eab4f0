//! Which way to the internet works: each is asked for signs of life in turn, the first that answers is
//! used.
//!
//! One check asks the way's own router and then somebody behind it, so that a router without internet is
//! told apart from no router. Three lost checks in a row make a way unhealthy, three good ones healthy
//! again; after that it has to stay so for a while before it is preferred to one that works.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::Ipv6Net;
use kith_core::time::Instant;
use kith_model::network::status::{Internet, Uplink};

use crate::facts::Offer;
use crate::names::MESH;
use crate::seen::Seen;

/// Time between the checks of all ways.
const EVERY: Duration = Duration::from_secs(10);

/// The same, after a lost one.
const AFTER_LOSS: Duration = Duration::from_secs(3);

/// Lost in a row before a way counts as unhealthy, and good ones before it counts as healthy again.
const IN_A_ROW: u32 = 3;

/// How long a way that came back has to stay healthy before it is preferred to another.
const HOLD_DOWN: Duration = Duration::from_secs(30);

/// Targets behind the router in one check.
const TARGETS: usize = 3;

/// How long devices are told that addresses of a former prefix are over (RFC 9096, 3.5).
const FORMER: Duration = Duration::from_secs(7_200);

/// Former prefixes that are remembered.
const MOST_FORMER: usize = 8;

/// A way as the settings want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The interface that is there; [`MESH`] for somebody's shared way.
    pub(super) device: String,
    /// What people call it.
    pub(super) label: String,
    /// What it offers without asking anybody, when its address is fixed.
    pub(super) fixed: Option<Offer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Unknown,
    /// Since when; nothing when it never was unhealthy.
    Healthy(Option<Instant>),
    Unhealthy,
}

#[derive(Debug)]
struct Way {
    wanted: Wanted,
    health: Health,
    lost_in_a_row: u32,
    good_in_a_row: u32,
    /// The last checks, newest in the lowest bit; set when lost.
    lost: u128,
    checks: u32,
    rtt: Option<Duration>,
    since: u64,
    error: Option<String>,
    due: Instant,
}

/// A check under way.
#[derive(Debug)]
struct Check {
    device: String,
    router: Option<IpAddr>,
    behind: Vec<IpAddr>,
    /// How many of router and those behind have been asked.
    asked: usize,
    router_rtt: Option<Duration>,
}

/// All ways and the check under way.
#[derive(Debug, Default)]
pub(super) struct Uplinks {
    ways: Vec<Way>,
    offers: BTreeMap<String, Offer>,
    /// Prefixes that were delegated once, and until when devices are told that they are not any more.
    former: Vec<(Ipv6Net, Instant)>,
    check: Option<Check>,
}

impl Uplinks {
    /// Takes the ways that the settings want, the preferred first.
    pub(super) fn want(&mut self, now: Instant, wanted: Vec<Wanted>) {
        let mut old: Vec<Way> = std::mem::take(&mut self.ways);
        for wanted in wanted {
            let known = old.iter().position(|way| way.wanted == wanted);
            self.ways.push(known.map_or_else(|| Way::new(now, wanted), |at| old.swap_remove(at)));
        }
        let named = |device: &str| self.ways.iter().any(|way| way.wanted.device == device);
        if self.check.as_ref().is_some_and(|check| !named(&check.device)) {
            self.check = None;
        }
    }

    /// Prefixes that were delegated before and are not any more.
    pub(super) fn former_prefixes(&self, now: Instant) -> Vec<Ipv6Net> {
        let live: Vec<Ipv6Net> = self.offers.values().filter_map(prefix).collect();
        let over = self.former.iter().filter(|(net, until)| *until > now && !live.contains(net));
        over.map(|(net, _)| *net).collect()
    }

    /// Takes what a way was offered; empty when the lease is lost.
    pub(super) fn offered(&mut self, now: Instant, device: &str, offer: Offer) {
        if let Some(old) = self.offers.get(device).and_then(prefix)
            && Some(old) != prefix(&offer)
        {
            self.former.retain(|(net, until)| *until > now && *net != old);
            self.former.push((old, now + FORMER));
            self.former.drain(..self.former.len().saturating_sub(MOST_FORMER));
        }
        if let Some(way) = self.ways.iter_mut().find(|way| way.wanted.device == device)
            && self.offers.get(device) != Some(&offer)
        {
            way.due = now;
        }
        if offer == Offer::default() {
            self.offers.remove(device);
            if let Some(way) = self.ways.iter_mut().find(|way| way.wanted.device == device) {
                *way = Way::new(now, way.wanted.clone());
            }
        } else {
            self.offers.insert(device.to_owned(), offer);
        }
    }

    /// What each was offered or has for good.
    pub(super) fn offers(&self) -> BTreeMap<String, Offer> {
        let mut offers = self.offers.clone();
        offers.retain(|device, _| self.ways.iter().any(|way| way.wanted.device == *device));
        let fixed = self
            .ways
            .iter()
            .filter_map(|way| Some((way.wanted.device.clone(), way.wanted.fixed.clone()?)));
        offers.extend(fixed);
        offers
    }

    /// The next sign of life to ask for, if one is due: through what, of whom.
    pub(super) fn next(
        &mut self,
        now: Instant,
        seen: &Seen,
        known: &[IpAddr],
    ) -> Option<(String, IpAddr)> {
        if self.check.is_none() {
            let offers = self.offers();
            let due = |way: &&Way| way.due <= now && speaks(seen, &way.wanted.device);
            let way = self.ways.iter().filter(due).find_map(|way| {
                let offer = offers.get(&way.wanted.device)?;
                Some((way.wanted.device.clone(), offer))
            });
            let (device, offer) = way?;
            let router = offer.router.map(IpAddr::V4).or(offer.router6.map(IpAddr::V6));
            let mut behind: Vec<IpAddr> = known.to_vec();
            behind.extend(offer.dns.iter().filter(|dns| Some(**dns) != router));
            behind.truncate(TARGETS);
            self.check = Some(Check { device, router, behind, asked: 0, router_rtt: None });
        }
        let check = self.check.as_ref()?;
        if let Some(target) = check.target() {
            return Some((check.device.clone(), target));
        }
        // Nobody to ask: neither router nor anybody behind it is known.
        let device = self.check.take().map(|check| check.device);
        for way in self.ways.iter_mut().filter(|way| Some(&way.wanted.device) == device.as_ref()) {
            way.due = now + EVERY;
        }
        None
    }

    /// Takes what became of it; whether a verdict has changed.
    pub(super) fn probed(&mut self, now: Instant, wall: u64, rtt: Option<Duration>) -> bool {
        let Some(check) = &mut self.check else { return false };
        let of_router = check.asked == 0 && check.router.is_some();
        check.asked += 1;
        if of_router {
            check.router_rtt = rtt;
        }
        let alone = check.behind.is_empty();
        let answered = rtt.filter(|_| !of_router || alone);
        if answered.is_none() && check.target().is_some() {
            return false;
        }
        let Some(check) = self.check.take() else { return false };
        let Some(way) = self.ways.iter_mut().find(|way| way.wanted.device == check.device) else {
            return false;
        };
        let error = match (answered, check.router_rtt) {
            (Some(_), _) => None,
            (None, Some(_)) => Some("its router answers, but nothing behind it does".to_owned()),
            (None, None) => Some("its router does not answer".to_owned()),
        };
        way.take(now, wall, answered, error)
    }

    /// When the next check is due.
    pub(super) fn due(&self, seen: &Seen) -> Option<Instant> {
        if self.check.is_some() {
            return Some(Instant::ZERO);
        }
        let offers = self.offers();
        let ways = self.ways.iter().filter(|way| {
            offers.contains_key(&way.wanted.device) && speaks(seen, &way.wanted.device)
        });
        ways.map(|way| way.due).min()
    }

    /// The way to take: the first that works and has for a while; else the first that may; else somebody
    /// else's.
    pub(super) fn choose(&self, now: Instant, seen: &Seen) -> Option<String> {
        let offers = self.offers();
        let own = || {
            self.ways.iter().filter(|way| {
                let device = &way.wanted.device;
                offers.contains_key(device) && usable(seen, device)
            })
        };
        let shared = self.ways.iter().any(|way| way.wanted.device == MESH)
            && seen.mesh.gateways.iter().any(|gateway| gateway.quality > 0);
        let first = |sound: fn(&Way, Instant) -> bool| {
            own().find(|way| sound(way, now)).map(|way| way.wanted.device.clone())
        };
        first(Way::steady)
            .or_else(|| first(Way::alive))
            .or_else(|| shared.then(|| MESH.to_owned()))
            // A check may be wrong about a provider that drops it: better a doubtful way than none.
            .or_else(|| own().next().map(|way| way.wanted.device.clone()))
    }

    /// When a hold-down ends.
    pub(super) fn hold_down_ends(&self, now: Instant) -> Option<Instant> {
        let ends = self.ways.iter().filter_map(|way| match way.health {
            Health::Healthy(since) => since.map(|since| since + HOLD_DOWN),
            Health::Unknown | Health::Unhealthy => None,
        });
        ends.filter(|end| *end > now).min()
    }

    /// Whether the internet is reached over `way_out`.
    pub(super) fn internet(&self, way_out: Option<&str>) -> Internet {
        let Some(device) = way_out else { return Internet::None };
        if device == MESH {
            return Internet::Shared;
        }
        let way = self.ways.iter().find(|way| way.wanted.device == device);
        match way.map(|way| way.health) {
            Some(Health::Healthy(_)) => Internet::Own,
            Some(Health::Unknown) => Internet::Unknown,
            Some(Health::Unhealthy) | None => Internet::None,
        }
    }

    /// The round trip over `way_out`.
    pub(super) fn rtt(&self, way_out: Option<&str>) -> Option<Duration> {
        let way = self.ways.iter().find(|way| Some(&*way.wanted.device) == way_out)?;
        way.rtt.filter(|_| way.alive(Instant::ZERO))
    }

    /// All ways, as people see them.
    pub(super) fn status(&self, seen: &Seen, way_out: Option<&str>) -> Vec<Uplink> {
        let offers = self.offers();
        let show = |way: &Way| way.show(seen, offers.get(&way.wanted.device), way_out);
        self.ways.iter().map(show).collect()
    }
}

fn prefix(offer: &Offer) -> Option<Ipv6Net> {
    offer.prefix.map(|delegated| delegated.prefix)
}

/// Whether the interface is there and has a plug or a signal.
fn usable(seen: &Seen, device: &str) -> bool {
    seen.links.get(device).is_some_and(|link| link.up && link.carrier)
}

/// Whether the box has an address there, without which nobody can answer it.
fn speaks(seen: &Seen, device: &str) -> bool {
    usable(seen, device) && seen.addresses.iter().any(|(name, _)| name == device)
}

impl Check {
    fn target(&self) -> Option<IpAddr> {
        self.router.iter().chain(&self.behind).nth(self.asked).copied()
    }
}

impl Way {
    fn new(now: Instant, wanted: Wanted) -> Self {
        Self {
            wanted,
            health: Health::Unknown,
            lost_in_a_row: 0,
            good_in_a_row: 0,
            lost: 0,
            checks: 0,
            rtt: None,
            since: 0,
            error: None,
            due: now,
        }
    }

    fn steady(&self, now: Instant) -> bool {
        match self.health {
            Health::Unknown => true,
            Health::Healthy(since) => since.is_none_or(|since| now.since(since) >= HOLD_DOWN),
            Health::Unhealthy => false,
        }
    }

    fn alive(&self, _now: Instant) -> bool {
        matches!(self.health, Health::Healthy(_))
    }

    /// Takes a check's result; whether the verdict has changed.
    fn take(
        &mut self,
        now: Instant,
        wall: u64,
        rtt: Option<Duration>,
        error: Option<String>,
    ) -> bool {
        let before = self.health;
        self.lost = (self.lost << 1) | u128::from(rtt.is_none());
        self.checks = (self.checks + 1).min(100);
        self.error = error;
        match rtt {
            Some(rtt) => {
                self.rtt = Some(rtt);
                self.good_in_a_row += 1;
                self.lost_in_a_row = 0;
                self.due = now + EVERY;
            }
            None => {
                self.lost_in_a_row += 1;
                self.good_in_a_row = 0;
                self.due = now + AFTER_LOSS;
            }
        }
        self.health = match self.health {
            Health::Unknown if self.good_in_a_row > 0 => Health::Healthy(None),
            Health::Unhealthy if self.good_in_a_row >= IN_A_ROW => Health::Healthy(Some(now)),
            Health::Unknown | Health::Healthy(_) if self.lost_in_a_row >= IN_A_ROW => {
                Health::Unhealthy
            }
            same @ (Health::Unknown | Health::Healthy(_) | Health::Unhealthy) => same,
        };
        let changed = before != self.health;
        if changed {
            self.since = wall;
        }
        changed
    }

    fn show(&self, seen: &Seen, offer: Option<&Offer>, way_out: Option<&str>) -> Uplink {
        let device = &self.wanted.device;
        let carrier = usable(seen, device);
        let shared = device == MESH && !seen.mesh.gateways.is_empty();
        let of_mine = seen.addresses.iter().filter(|(name, _)| name == device);
        let lost = (self.lost & ((1_u128 << self.checks) - 1)).count_ones();
        let error = if device == MESH {
            (!shared).then(|| "nobody in the mesh shares a way to the internet".to_owned())
        } else if !carrier {
            Some("no plug is in, or there is no signal".to_owned())
        } else if offer.is_none() {
            Some("nobody there gives the box an address".to_owned())
        } else {
            self.error.clone()
        };
        Uplink {
            device: device.clone(),
            label: self.wanted.label.clone(),
            carrier,
            addresses: of_mine.map(|(_, address)| address.to_string()).collect(),
            routers: offer.map_or_else(Vec::new, |offer| {
                let routers = offer.router.map(IpAddr::V4).into_iter();
                routers.chain(offer.router6.map(IpAddr::V6)).collect()
            }),
            dns: offer.map_or_else(Vec::new, |offer| offer.dns.clone()),
            prefix: offer.and_then(|o| o.prefix).map(|delegated| delegated.prefix.to_string()),
            healthy: shared
                || carrier && offer.is_some() && matches!(self.health, Health::Healthy(_)),
            in_use: way_out == Some(device),
            rtt_us: self.rtt.and_then(|rtt| u64::try_from(rtt.as_micros()).ok()),
            lost_percent: u8::try_from(lost * 100 / self.checks.max(1)).unwrap_or(100),
            since: self.since,
            error,
        }
    }
}
