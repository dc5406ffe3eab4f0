//! Discovery in virtual time.

use super::*;

const ME: NodeId = NodeId([1; 32]);
const ANN: NodeId = NodeId([2; 32]);
const WALL: UnixTime = UnixTime::from_millis(1);

#[test]
fn a_box_out_of_reach_is_tried_at_ever_longer_pauses_of_five_minutes_at_most() {
    let mut room = Room::new();
    room.discovery.heard(room.now, ANN, &[address(1)], false);
    let tries = room.run(Duration::from_secs(24 * 3600));
    let pauses: Vec<Duration> = tries.windows(2).map(|t| t[1].0.since(t[0].0)).collect();
    assert!(pauses.iter().all(|p| *p >= SHORTEST && *p <= LONGEST), "{pauses:?}");
    assert!(pauses[0] <= 2 * SHORTEST);
    let late = &pauses[pauses.len() - 100..];
    let mean = late.iter().sum::<Duration>() / 100;
    assert!(mean > LONGEST / 3 && mean < LONGEST * 2 / 3, "{mean:?}");
}

#[test]
fn the_pause_is_over_when_the_network_changes_or_the_box_is_heard_anew() {
    let mut room = Room::new();
    room.discovery.heard(room.now, ANN, &[address(1)], false);
    room.run(Duration::from_secs(3600));
    room.discovery.network_changed(room.now);
    assert_eq!(room.run(Duration::ZERO).len(), 1);
    room.discovery.heard(room.now, ANN, &[address(1)], false);
    assert!(room.run(Duration::ZERO).is_empty(), "it was heard all along");
    room.discovery.heard_gone(ANN);
    room.discovery.heard(room.now, ANN, &[address(1)], false);
    assert_eq!(room.run(Duration::ZERO).len(), 1);
}

#[test]
fn this_box_is_never_dialled() {
    let mut room = Room::new();
    room.discovery.heard(room.now, ME, &[address(1)], false);
    assert!(room.run(LONGEST).is_empty());
}

#[test]
fn all_addresses_are_tried_a_quarter_second_apart_ipv6_first() {
    let mut room = Room::new();
    let six: SocketAddr = "[fd00::1]:7".parse().unwrap();
    room.discovery.heard(room.now, ANN, &[address(1), six, address(2)], false);
    let tries = room.run(Duration::from_millis(600));
    let order: Vec<SocketAddr> = tries.iter().map(|t| t.1).collect();
    assert_eq!(order, [six, address(1), address(2)]);
    assert_eq!(tries[2].0.since(tries[0].0), 2 * STAGGER);
}

#[test]
fn a_storm_of_names_neither_fills_memory_nor_starts_many_dials() {
    let mut room = Room::new();
    for n in 0..5_000_u32 {
        let mut id = [7; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        room.discovery.heard(room.now, NodeId(id), &[address(1)], false);
    }
    assert!(room.discovery.targets.len() <= MAX_PEERS);
    let mut begun = 0;
    while room.discovery.poll(room.now, &mut room.rng).is_some() {
        begun += 1;
    }
    assert_eq!(begun, MAX_DIALS);
}

#[test]
fn who_was_only_heard_is_not_dialled_once_there_are_enough_and_who_was_invited_is() {
    let mut room = Room::new();
    room.discovery.set_shared(ENOUGH_SHARED);
    room.discovery.heard(room.now, ANN, &[address(1)], false);
    room.discovery.known(room.now, NodeId([3; 32]), &[address(2)], Via::Known);
    room.discovery.known(room.now, NodeId([4; 32]), &[address(3)], Via::Invite);
    let tries = room.run(Duration::ZERO);
    assert_eq!(tries.iter().map(|t| t.1).collect::<Vec<_>>(), [address(3)]);
    room.discovery.set_shared(ENOUGH_SHARED - 1);
    assert_eq!(room.run(Duration::ZERO).len(), 2);
}

#[test]
fn a_connected_box_is_left_alone_until_the_connection_ends() {
    let mut room = Room::new();
    room.discovery.typed(room.now, address(1));
    let dial = room.discovery.poll(room.now, &mut room.rng).unwrap().dial;
    let via = room.discovery.link_up(LinkId(1), (ANN, address(1)), Some(dial), WALL);
    assert_eq!(via, Via::Typed);
    assert!(room.run(LONGEST).is_empty());
    room.discovery.link_down(room.now, (LinkId(1), WALL), &[], &mut room.rng);
    assert!(!room.run(Duration::from_secs(2)).is_empty());
}

#[test]
fn a_stranger_out_of_reach_is_forgotten_and_whoever_is_known_is_not() {
    let mut room = Room::new();
    let [heard, came, known, invited, met] = [2, 3, 4, 5, 6].map(|n| NodeId([n; 32]));
    room.discovery.heard(room.now, heard, &[address(1)], false);
    for (link, node) in [(1, came), (2, met)] {
        room.discovery.link_up(LinkId(link), (node, address(9)), None, WALL);
    }
    room.discovery.known(room.now, known, &[address(2)], Via::Known);
    room.discovery.known(room.now, invited, &[address(3)], Via::Invite);
    room.discovery.typed(room.now, address(4));
    room.run(Duration::from_secs(600));
    assert_eq!(room.discovery.targets.len(), 6, "they are heard, connected or known");

    let proved = [(SpaceId([1; 32]), AuthorId([1; 32]))];
    room.discovery.heard_gone(heard);
    room.discovery.link_down(room.now, (LinkId(1), WALL), &[], &mut room.rng);
    room.discovery.link_down(room.now, (LinkId(2), WALL), &proved, &mut room.rng);
    room.run(Duration::from_secs(119));
    assert_eq!(room.discovery.targets.len(), 6);
    room.run(Duration::from_secs(2));
    assert!(room.discovery.candidate(heard).is_none() && room.discovery.candidate(came).is_none());
    let tries = room.run(Duration::from_secs(3600));
    assert!(tries.iter().all(|(_, to)| *to != address(1)), "it is not dialled any more");
    assert_eq!(room.discovery.targets.len(), 4);
    assert_eq!(room.discovery.candidate(met).unwrap().proved, proved);
}

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 168, 0, n], 7000))
}

struct Room {
    now: Instant,
    rng: Rng,
    discovery: Discovery,
}

impl Room {
    fn new() -> Self {
        let now = Instant::from_micros(1_000_000);
        Self { now, rng: Rng::new([3; 32]), discovery: Discovery::new(ME) }
    }

    /// Lets time pass; every try fails at once.
    fn run(&mut self, span: Duration) -> Vec<(Instant, SocketAddr)> {
        let end = self.now + span;
        let mut tries = Vec::new();
        loop {
            while let Some(attempt) = self.discovery.poll(self.now, &mut self.rng) {
                tries.push((self.now, attempt.address));
                self.discovery.dial_failed(attempt.dial, "refused".into());
            }
            match self.discovery.next_due().filter(|due| *due <= end) {
                Some(due) => self.now = due.max(self.now),
                None => break,
            }
        }
        self.now = end;
        tries
    }
}
