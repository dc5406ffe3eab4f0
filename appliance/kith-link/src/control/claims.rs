//! Whether the box's IPv4 addresses in the mesh are its own (RFC 5227): each is asked for before it is used,
//! again when boxes come that were not there, and again now and then.
//!
//! The address that is made of the box's key gives way: the next one is made and asked for. Those under
//! which a gateway is found are made of what batman-adv tells of it, so nobody could find it under another
//! one: they wait until they are free, and boxes that have one of them as their own give way.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::network::status::Problem;
use kith_model::settings::values::Mac;

use crate::desire::MeshAddresses;
use crate::hands::HandsError;
use crate::names::MESH;
use crate::seen::Seen;

/// How long others have to answer: the kernel asks three times, a second apart.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);

/// How long to wait for the first other box before asking: a mesh takes a moment to come together, and
/// until then nobody hears the question.
const COMPANY_WITHIN: Duration = Duration::from_secs(10);

/// Time between two questions for an address in use.
const AGAIN: Duration = Duration::from_secs(600);

/// The same, when boxes have come that were not there before, or somebody has it.
const SOON: Duration = Duration::from_secs(60);

/// Conflicts after which a new address is tried only so often (RFC 5227, 2.1.1: `MAX_CONFLICTS`,
/// `RATE_LIMIT_INTERVAL`).
const MOST_CONFLICTS: u32 = 10;
const RATE_LIMIT: Duration = Duration::from_secs(60);

/// Other boxes that are remembered.
const MOST_COMPANY: usize = 4_096;

#[derive(Clone, Copy, Debug, Default)]
struct Claim {
    /// When others were asked last.
    asked: Option<Instant>,
    /// When they are to be asked next.
    due: Instant,
    /// Who has it.
    taken: Option<Mac>,
    /// Whether it may be used.
    free: bool,
}

/// The addresses and who has them.
#[derive(Debug, Default)]
pub(super) struct Claims {
    claims: BTreeMap<Ipv4Addr, Claim>,
    /// Which of them are a gateway's.
    gateways: BTreeSet<Ipv4Addr>,
    /// The one that is being asked for.
    asking: Option<Ipv4Addr>,
    /// From when on it makes sense to ask; nothing without an interface to ask on.
    ready: Option<Instant>,
    company: BTreeSet<String>,
    retries: u8,
    conflicts: u32,
    /// When another address of the box's own may be tried.
    another: Instant,
    /// Why nobody can be asked.
    mute: Option<String>,
    /// What to remember: who has which address of the box's.
    lost: Vec<(Ipv4Addr, Mac)>,
}

impl Claims {
    /// How often the box's own address had to be made anew.
    pub(super) const fn retries(&self) -> u8 {
        self.retries
    }

    /// Addresses that must not be used (yet).
    pub(super) fn held_back(&self) -> BTreeSet<Ipv4Addr> {
        let held = self.claims.iter().filter(|(_, claim)| !claim.free);
        held.map(|(address, _)| *address).collect()
    }

    /// Takes what was seen of the addresses that are wanted; whether the box's own is given up, so that
    /// others are wanted from now on.
    pub(super) fn see(&mut self, now: Instant, wanted: &MeshAddresses, seen: &Seen) -> bool {
        let link = seen.links.get(MESH).filter(|link| link.up);
        self.ready = link.map(|_| match self.ready {
            _ if !seen.mesh.neighbours.is_empty() => now,
            Some(ready) => ready,
            None => now + COMPANY_WITHIN,
        });
        self.gateways.clone_from(&wanted.gateways);
        let all: BTreeSet<Ipv4Addr> = wanted.own.iter().chain(&wanted.gateways).copied().collect();
        self.claims.retain(|address, _| all.contains(address));
        for address in all {
            let used =
                || seen.addresses.iter().any(|(on, net)| on == MESH && net.addr() == address);
            // What is in use when the role begins goes on; it is asked for all the same.
            let fresh = || Claim { due: now, free: used(), ..Claim::default() };
            self.claims.entry(address).or_insert_with(fresh);
        }
        let mac = link.and_then(|link| link.mac);
        for (address, claim) in &mut self.claims {
            let other = seen.mesh_arp.get(address).copied().filter(|other| Some(*other) != mac);
            claim.see(now, other);
        }
        if self.newcomers(seen) {
            for claim in self.claims.values_mut() {
                let soonest = claim.asked.map_or(now, |asked| asked + SOON);
                claim.due = claim.due.min(soonest.max(now));
            }
        }
        self.give_way(now, wanted)
    }

    /// Whether boxes are there that were not before.
    fn newcomers(&mut self, seen: &Seen) -> bool {
        let near = seen.mesh.neighbours.iter().map(|neighbour| &neighbour.mac);
        let far = seen.mesh.nodes.iter().map(|node| &node.mac);
        let fresh: Vec<String> =
            near.chain(far).filter(|mac| !self.company.contains(*mac)).cloned().collect();
        if self.company.len() + fresh.len() > MOST_COMPANY {
            self.company.clear();
        }
        self.company.extend(fresh.iter().cloned());
        !fresh.is_empty()
    }

    fn give_way(&mut self, now: Instant, wanted: &MeshAddresses) -> bool {
        let Some(own) = wanted.own else { return false };
        let reserved = wanted.reserved.get(&own).copied();
        let Some(other) = reserved.or_else(|| self.claims.get(&own)?.taken) else { return false };
        if let Some(claim) = self.claims.get_mut(&own) {
            (claim.taken, claim.free) = (Some(other), false);
        }
        if self.another > now {
            return false;
        }
        self.claims.remove(&own);
        self.lost.push((own, other));
        self.retries = self.retries.wrapping_add(1);
        self.conflicts = self.conflicts.saturating_add(1);
        if self.conflicts >= MOST_CONFLICTS {
            self.another = now + RATE_LIMIT;
        }
        true
    }

    /// What to ask for now, if anything.
    pub(super) fn next(&mut self, now: Instant) -> Option<Ipv4Addr> {
        self.ready.filter(|ready| *ready <= now)?;
        let (address, _) = self.claims.iter().find(|(_, claim)| claim.due <= now)?;
        self.asking = Some(*address);
        self.asking
    }

    /// When it shows whether an address is free.
    pub(super) fn answered_by(&self) -> Option<Instant> {
        let waiting = self.claims.values().filter(|claim| !claim.free && claim.taken.is_none());
        waiting.filter_map(|claim| claim.asked).map(|asked| asked + ANSWERS_WITHIN).min()
    }

    /// Others have been asked, or could not be; when to look who has answered.
    pub(super) fn asked(
        &mut self,
        now: Instant,
        result: Result<(), HandsError>,
    ) -> Option<Instant> {
        let claim = self.asking.take().and_then(|address| self.claims.get_mut(&address))?;
        self.mute = result.err().map(|error| error.to_string());
        if self.mute.is_some() {
            // A mesh without this certainty is better than none.
            claim.free = claim.taken.is_none();
            claim.due = now + SOON;
            return Some(now);
        }
        claim.asked = Some(now);
        claim.due = now + if claim.taken.is_some() { SOON } else { AGAIN };
        Some(now + ANSWERS_WITHIN)
    }

    /// When there is something to ask.
    pub(super) fn due(&self) -> Option<Instant> {
        let due = self.claims.values().map(|claim| claim.due).min()?;
        Some(due.max(self.ready?))
    }

    /// Which addresses were given up since this was asked last, and to whom.
    pub(super) fn lost(&mut self) -> Vec<(Ipv4Addr, Mac)> {
        std::mem::take(&mut self.lost)
    }

    /// What people should know.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let problem = |code: &str, message| Problem { code: code.to_owned(), message };
        let mute = self.mute.iter().map(|why| {
            let message = format!(
                "The box cannot ask whether its address in the mesh is free, so it may have the same as \
                 another one: {why}."
            );
            problem("mesh-address-unasked", message)
        });
        let taken = self.claims.iter().filter_map(|(address, claim)| {
            let other = claim.taken?;
            Some(if self.gateways.contains(address) {
                let message = format!(
                    "The box {other} has the address {address}, under which the others would look for \
                     this one's way to the internet: it is not shared until that one takes another."
                );
                problem("mesh-gateway-taken", message)
            } else {
                let message = format!(
                    "Somebody in the mesh ({other}) has every address that this box tries, the last was \
                     {address}: it goes on trying, once a minute. Find the box {other} and update it, or \
                     take it off the mesh."
                );
                problem("mesh-address-taken", message)
            })
        });
        mute.chain(taken).collect()
    }
}

impl Claim {
    /// Takes who has the address, as far as is known now.
    fn see(&mut self, now: Instant, other: Option<Mac>) {
        let waited = self.asked.is_some_and(|asked| asked + ANSWERS_WITHIN <= now);
        if other.is_some() {
            if self.taken.is_none() {
                self.due = self.due.min(now + SOON);
            }
            (self.taken, self.free) = (other, false);
        } else if waited {
            (self.taken, self.free) = (None, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Batadv, GatewayMode};
    use crate::seen::{SeenKind, SeenLink};

    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn address(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 1, 0, last)
    }

    fn wanted(own: u8) -> MeshAddresses {
        MeshAddresses { own: Some(address(own)), ..MeshAddresses::default() }
    }

    /// A mesh in which these addresses are somebody else's.
    fn mesh(others: &[u8]) -> Seen {
        let batadv = Batadv {
            gateway: GatewayMode::Off,
            bridge_loop_avoidance: false,
            isolation: false,
            originator_interval_ms: 1_000,
        };
        let link = SeenLink {
            index: 7,
            kind: SeenKind::Batadv(batadv),
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            up: true,
            carrier: true,
            master: None,
            mtu: 1_500,
            isolated: false,
            received_bytes: 0,
            sent_bytes: 0,
        };
        let mut seen = Seen::default();
        seen.links.insert(MESH.to_owned(), link);
        seen.mesh.neighbours.push(neighbour("02:00:00:00:00:02"));
        seen.mesh_arp = others.iter().map(|last| (address(*last), OTHER)).collect();
        seen
    }

    fn neighbour(mac: &str) -> kith_model::network::status::MeshNeighbour {
        kith_model::network::status::MeshNeighbour { mac: mac.to_owned(), ..Default::default() }
    }

    #[test]
    fn nothing_is_asked_before_there_is_a_mesh() {
        let mut claims = Claims::default();
        assert!(!claims.see(at(0), &wanted(1), &Seen::default()));
        assert_eq!((claims.next(at(9)), claims.due()), (None, None));
        assert_eq!(claims.held_back(), [address(1)].into());
    }

    #[test]
    fn who_is_alone_asks_after_a_while() {
        let mut claims = Claims::default();
        let mut alone = mesh(&[]);
        alone.mesh.neighbours.clear();
        claims.see(at(0), &wanted(1), &alone);
        claims.see(at(5), &wanted(1), &alone);
        assert_eq!((claims.next(at(9)), claims.due()), (None, Some(at(10))));
        assert_eq!(claims.next(at(10)), Some(address(1)));
        claims.asked(at(10), Ok(()));
        claims.see(at(14), &wanted(1), &alone);
        assert!(claims.held_back().is_empty());
    }

    #[test]
    fn an_address_is_free_when_nobody_has_answered_for_four_seconds() {
        let mut claims = Claims::default();
        claims.see(at(0), &wanted(1), &mesh(&[]));
        assert_eq!(claims.next(at(0)), Some(address(1)));
        assert_eq!(claims.asked(at(0), Ok(())), Some(at(4)));
        claims.see(at(3), &wanted(1), &mesh(&[]));
        assert_eq!(claims.held_back(), [address(1)].into());
        claims.see(at(4), &wanted(1), &mesh(&[]));
        assert!(claims.held_back().is_empty());
        assert_eq!(claims.due(), Some(at(600)), "and asked for again later");
    }

    #[test]
    fn an_address_in_use_goes_on_being_used_while_it_is_asked_for() {
        let mut claims = Claims::default();
        let mut seen = mesh(&[]);
        let net = ipnet::Ipv4Net::new_assert(address(1), 16);
        seen.addresses.insert((MESH.to_owned(), net.into()));
        claims.see(at(0), &wanted(1), &seen);
        assert!(claims.held_back().is_empty());
        assert_eq!(claims.next(at(0)), Some(address(1)));
    }

    #[test]
    fn the_box_s_own_address_gives_way_and_a_gateway_s_waits() {
        let mut claims = Claims::default();
        let gateway = MeshAddresses { gateways: [address(2)].into(), ..wanted(1) };
        assert!(claims.see(at(0), &gateway, &mesh(&[1, 2])), "another one is wanted");
        assert_eq!(claims.retries(), 1);
        assert_eq!(claims.lost(), [(address(1), OTHER)]);
        let gateway = MeshAddresses { own: Some(address(3)), ..gateway };
        assert!(!claims.see(at(0), &gateway, &mesh(&[1, 2])));
        assert_eq!(claims.held_back(), [address(2), address(3)].into());
        assert_eq!(claims.problems()[0].code, "mesh-gateway-taken");
        // Nobody answers for it any more.
        assert_eq!(claims.next(at(1)), Some(address(2)));
        claims.asked(at(1), Ok(()));
        claims.see(at(5), &gateway, &mesh(&[]));
        assert_eq!(claims.held_back(), [address(3)].into());
        assert!(claims.problems().is_empty());
    }

    #[test]
    fn under_which_a_gateway_is_found_nobody_else_stays() {
        let mut claims = Claims::default();
        let reserved = [(address(1), OTHER)].into();
        assert!(claims.see(at(0), &MeshAddresses { reserved, ..wanted(1) }, &mesh(&[])));
    }

    #[test]
    fn whoever_has_every_address_is_asked_ten_times_and_then_once_a_minute() {
        let mut claims = Claims::default();
        let all: Vec<u8> = (0..=255).collect();
        let mut tried = 0;
        for second in 0..300 {
            let own = claims.retries();
            tried += u32::from(claims.see(at(second), &wanted(own), &mesh(&all)));
        }
        assert_eq!(tried, 10 + 4);
        claims.see(at(300), &wanted(claims.retries()), &mesh(&all));
        claims.see(at(301), &wanted(claims.retries()), &mesh(&all));
        assert_eq!(claims.problems()[0].code, "mesh-address-taken");
    }

    #[test]
    fn newcomers_are_asked_soon() {
        let mut claims = Claims::default();
        claims.see(at(0), &wanted(1), &mesh(&[]));
        claims.next(at(0));
        claims.asked(at(0), Ok(()));
        let mut seen = mesh(&[]);
        seen.mesh.neighbours.push(neighbour("02:00:00:00:00:07"));
        claims.see(at(10), &wanted(1), &seen);
        assert_eq!(claims.due(), Some(at(60)));
        claims.next(at(60));
        claims.asked(at(60), Ok(()));
        claims.see(at(70), &wanted(1), &seen);
        assert_eq!(claims.due(), Some(at(660)), "they are no newcomers any more");
    }

    #[test]
    fn without_anybody_to_ask_the_mesh_works_and_it_is_said() {
        let mut claims = Claims::default();
        claims.see(at(0), &wanted(1), &mesh(&[]));
        claims.next(at(0));
        claims.asked(at(0), Err(HandsError::Refused("no rules for ARP".to_owned())));
        assert!(claims.held_back().is_empty());
        let said = claims.problems();
        assert!(said[0].message.contains("no rules for ARP"), "{said:?}");
    }
}
