//! The replica against a peer whose every frame the test writes.

use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use kith_core::body::Body;
use kith_core::capability::{Ability, Capability, Grant};
use kith_core::cid::{Cid, Codec};
use kith_core::identity::SecretKey;
use kith_core::invite::{Contact, Invite, Terms};
use kith_core::record::{Class, Draft, Record, RecordId};
use kith_core::seal::{End, Exporter, Seal};
use kith_core::time::{Hlc, UnixTime};
use kith_core::wire::cbor;
use kith_core::wire::frame::{
    Admission, Block, GetRecords, Hello, HelloSpace, Push, Pushed, Recon, Records, StreamKind, Want,
};
use serde::Serialize;
use serde_bytes::ByteBuf;

use super::*;

const EXPORTER: Exporter = [8; 32];
const NOON: UnixTime = UnixTime::from_millis(1_800_000_000_000);

#[test]
fn a_stranger_gets_the_same_bytes_for_a_space_that_exists_and_one_that_does_not() {
    let mut answers = Vec::new();
    for space in [None, Some(SpaceId([77; 32]))] {
        let mut lab = Lab::new();
        let space = space.unwrap_or(lab.space);
        let stranger = SecretKey::from_seed(&[90; 32]);
        let link = lab.connect(&lab.peer_key.clone());
        let mut heard = vec![lab.greet(link, space, &stranger)];
        let h = Seal::new(&EXPORTER, &space).handle();
        let open = Recon::Open { h, c: Class::Board, n: 1, f: [0; 16].into() };
        heard.extend(lab.ask(link, StreamKind::Recon, &open));
        heard.extend(lab.ask(
            link,
            StreamKind::GetRecords,
            &GetRecords { h, i: vec![[1; 32].into()] },
        ));
        let cid = Cid::of(Codec::Raw, b"x");
        heard.extend(lab.ask(link, StreamKind::Want, &Want { h, c: vec![cid] }));
        heard.extend(lab.ask(link, StreamKind::Push, &Push { h, r: vec![] }));
        assert_eq!(heard.len(), 4, "all but the push are answered");
        answers.push(heard);
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn a_member_gets_what_a_stranger_does_not() {
    let mut lab = Lab::new();
    let member = lab.member.clone();
    let link = lab.connect(&lab.peer_key.clone());
    let answer: Hello = decode(&lab.greet(link, lab.space, &member));
    assert_eq!(answer.s.len(), 1);
    let seal = Seal::new(&EXPORTER, &lab.space);
    let text = seal.open(End::Acceptor, answer.i, &answer.s[0].c).unwrap();
    let admission: Admission = cbor::decode(&text, 10_000).unwrap();
    assert_eq!(admission.host.issuer(), lab.founder.author_id());
    assert_eq!(lab.replica.peers()[0].spaces, [lab.space]);
}

#[test]
fn without_the_check_of_membership_the_stranger_would_learn_everything() {
    let mut lab = Lab::new();
    lab.replica.careless = true;
    let stranger = SecretKey::from_seed(&[90; 32]);
    let link = lab.connect(&lab.peer_key.clone());
    let answer: Hello = decode(&lab.greet(link, lab.space, &stranger));
    assert_eq!(answer.s.len(), 1);
    let h = Seal::new(&EXPORTER, &lab.space).handle();
    let open = Recon::Open { h, c: Class::Gov, n: 0, f: empty() };
    assert_ne!(decode::<Recon>(&lab.ask(link, StreamKind::Recon, &open)[0]), Recon::Refused);
}

#[test]
fn without_the_check_for_copies_a_record_would_be_stored_twice() {
    let mut lab = Lab::new();
    lab.replica.ingest.careless = true;
    let link = lab.admitted(41);
    let push = lab.push(&[&lab.post(0)]);
    let stream = lab.open(link, StreamKind::Push);
    lab.frame(stream, &push);
    lab.frame(stream, &push);
    assert_eq!(lab.take_stores().len(), 2);
}

#[test]
fn a_capability_for_another_box_another_space_or_of_the_past_opens_nothing() {
    let lab = Lab::new();
    let good = lab.grant(NOON + Duration::from_secs(3_600));
    let bad = [
        Grant { audience: [1; 32], ..good.clone() },
        Grant { space: SpaceId([1; 32]), ..good.clone() },
        Grant { ability: Ability::Join, ..good.clone() },
        Grant { expires: UnixTime::from_millis(NOON.as_millis() - 1), ..good.clone() },
    ];
    for (grant, opens) in bad.into_iter().map(|g| (g, false)).chain([(good, true)]) {
        let mut lab = Lab::new();
        let link = lab.connect(&lab.peer_key.clone());
        let host = Capability::issue(&lab.member, &grant);
        let answer: Hello =
            decode(&lab.greet_with(link, lab.space, Admission { host, join: None }));
        assert_eq!(!answer.s.is_empty(), opens, "{grant:?}");
    }
}

#[test]
fn a_record_from_two_peers_is_checked_and_stored_once_and_acknowledged_to_both_when_durable() {
    let mut lab = Lab::new();
    let (a, b) = (lab.admitted(41), lab.admitted(42));
    let record = lab.post(0);
    let push = lab.push(&[&record]);
    let streams = [lab.open(a, StreamKind::Push), lab.open(b, StreamKind::Push)];
    for stream in streams {
        lab.frame(stream, &push);
    }
    let stored = lab.take_stores();
    assert_eq!(stored.len(), 1, "one question");
    assert_eq!(stored[0].1.len(), 1, "one record");
    assert!(lab.sent(streams[0]).is_empty(), "nothing is acknowledged before it is durable");
    lab.tell(Input::RecordsStored { ticket: stored[0].0 });
    for stream in streams {
        assert_eq!(decode::<Pushed>(&lab.sent(stream)[0]), Pushed { n: 1 });
    }
    lab.frame(streams[0], &push);
    assert!(lab.take_stores().is_empty());
    assert_eq!(decode::<Pushed>(&lab.sent(streams[0])[0]), Pushed { n: 1 });
}

#[test]
fn a_failing_store_acknowledges_nothing() {
    let mut lab = Lab::new();
    let link = lab.admitted(41);
    let push = lab.push(&[&lab.post(0)]);
    let stream = lab.open(link, StreamKind::Push);
    lab.frame(stream, &push);
    let (ticket, _) = lab.take_stores().remove(0);
    lab.tell(Input::StoreFailed { ticket, error: "disk full".into() });
    assert_eq!(decode::<Pushed>(&lab.sent(stream)[0]), Pushed { n: 0 });
    lab.frame(stream, &push);
    assert_eq!(lab.take_stores().len(), 1, "it is taken again when it comes again");
}

#[test]
fn records_by_people_nobody_knows_wait_in_bounded_number_and_are_taken_once_they_are_known() {
    let mut lab = Lab::new();
    let link = lab.admitted(41);
    let newcomer = SecretKey::from_seed(&[60; 32]);
    let records: Vec<Record> = (0..1_200).map(|n| lab.post_by(&newcomer, n)).collect();
    let stream = lab.open(link, StreamKind::Push);
    for records in records.chunks(200) {
        let push = lab.push(&records.iter().collect::<Vec<_>>());
        lab.frame(stream, &push);
    }
    assert!(lab.take_stores().is_empty());
    assert_eq!(lab.replica.counters().records_waiting, 1_000);
    let join = lab.join_of(&newcomer);
    let push = lab.push(&[&join]);
    lab.frame(stream, &push);
    let mut stored = 0;
    loop {
        let stores = lab.take_stores();
        if stores.is_empty() {
            break;
        }
        for (ticket, records) in stores {
            stored += records.len();
            lab.tell(Input::RecordsStored { ticket });
        }
    }
    assert_eq!(stored, 1_001);
    assert_eq!(lab.replica.counters().records_waiting, 0);
}

#[test]
fn a_forged_record_costs_the_connection_and_is_not_stored() {
    let mut lab = Lab::new();
    let link = lab.admitted(41);
    let good = lab.post(0);
    let mut bytes = good.bytes().to_vec();
    let mark = bytes.windows(4).rposition(|w| w == [0x61, b'x', 0x58, 0x40]).unwrap();
    bytes[mark + 20] ^= 1;
    let h = Seal::new(&EXPORTER, &lab.space).handle();
    let stream = lab.open(link, StreamKind::Push);
    lab.frame(stream, &Push { h, r: vec![ByteBuf::from(bytes)] });
    assert!(lab.take_stores().is_empty());
    assert_eq!(lab.closed(), [(link, Close::Violation)]);
    assert_eq!(lab.replica.counters().records_refused, 1);
    let back = lab.try_connect(41);
    assert_eq!(lab.closed(), [(back, Close::Unwanted)], "it is not let in again at once");
}

#[test]
fn records_and_blocks_that_were_not_asked_for_cost_the_connection() {
    let mut lab = Lab::new();
    let link = lab.live(41);
    let ours = lab.compare_and_get(link, &[RecordId([1; 32])]);
    let answer = Records { r: vec![ByteBuf::from(lab.post(0).bytes().to_vec())], z: true };
    lab.frame(ours, &answer);
    assert_eq!(lab.closed(), [(link, Close::Violation)]);

    let mut lab = Lab::new();
    let link = lab.live(41);
    let wants = lab.want(Cid::of(Codec::Raw, b"wanted"));
    assert_eq!(wants.link, link);
    let cid = Cid::of(Codec::Raw, b"another");
    lab.raw_frame(wants, [Block::head(&cid, 7), b"another".to_vec()].concat());
    assert_eq!(lab.closed(), [(link, Close::Violation)]);
}

#[test]
fn a_corrupt_block_costs_the_connection_and_is_asked_elsewhere() {
    let mut lab = Lab::new();
    let (first, second) = (lab.live(41), lab.live(42));
    let cid = Cid::of(Codec::Raw, b"wanted");
    let stream = lab.want(cid);
    assert_eq!(stream.link, first);
    lab.raw_frame(stream, [Block::head(&cid, 6), b"warped".to_vec()].concat());
    let ticket =
        lab.take(|o| if let Output::StoreBlock { ticket, .. } = o { Some(*ticket) } else { None });
    lab.tell(Input::BlockRefused { ticket });
    assert_eq!(lab.closed(), [(first, Close::Violation)]);
    let next = lab.want_stream();
    assert_eq!(next.link, second);
    lab.raw_frame(next, [Block::head(&cid, 6), b"wanted".to_vec()].concat());
    let ticket =
        lab.take(|o| if let Output::StoreBlock { ticket, .. } = o { Some(*ticket) } else { None });
    lab.tell(Input::BlockStored { ticket, links: vec![] });
    assert!(lab.out.iter().any(|o| matches!(o, Output::FetchDone { root, .. } if *root == cid)));
}

#[test]
fn a_peer_that_owes_a_block_is_passed_over_and_dropped_when_it_goes_on() {
    let mut lab = Lab::new();
    let (first, second) = (lab.live(41), lab.live(42));
    let stream = lab.want(Cid::of(Codec::Raw, b"wanted"));
    assert_eq!(stream.link, first);
    lab.pass(Duration::from_secs(16));
    assert_eq!(lab.want_stream().link, second);
    lab.pass(Duration::from_secs(120));
    assert!(lab.closed().iter().any(|(_, why)| *why == Close::Silence));
}

#[test]
fn streams_and_pushes_without_end_are_a_flood() {
    let mut lab = Lab::new();
    let link = lab.admitted(41);
    for _ in 0..100 {
        lab.open(link, StreamKind::Recon);
    }
    assert_eq!(lab.closed(), [(link, Close::Flood)]);

    let mut lab = Lab::new();
    let link = lab.admitted(41);
    let stream = lab.open(link, StreamKind::Push);
    for n in 0..100 {
        let push = lab.push(&[&lab.post(n)]);
        lab.frame_now(stream, &push);
    }
    assert_eq!(lab.closed(), [(link, Close::Flood)]);
}

#[test]
fn a_stranger_may_ask_for_little_before_it_is_dropped() {
    let mut lab = Lab::new();
    let link = lab.connect(&lab.peer_key.clone());
    let stranger = SecretKey::from_seed(&[90; 32]);
    lab.greet(link, lab.space, &stranger);
    let get = GetRecords { h: [1; 16].into(), i: vec![[1; 32].into(); 256] };
    let asked = (0..10_000).take_while(|_| !lab.ask(link, StreamKind::GetRecords, &get).is_empty());
    let asked = asked.count();
    assert!((10..300).contains(&asked), "{asked}");
    assert_eq!(lab.closed(), [(link, Close::Flood)]);
}

#[test]
fn a_dialler_that_says_nothing_is_dropped() {
    let mut lab = Lab::new();
    let link = lab.connect(&lab.peer_key.clone());
    lab.pass(Duration::from_secs(11));
    assert_eq!(lab.closed(), [(link, Close::Silence)]);
}

#[test]
fn of_two_crossing_connections_the_one_dialled_by_the_lower_key_stays() {
    let mut lab = Lab::new();
    let peer = lab.peer_key.node_id();
    let address = "10.0.0.9:7".parse().unwrap();
    let links = [(1, End::Dialler), (2, End::Acceptor)].map(|(n, end)| {
        let link = LinkId(n);
        let up = LinkUp { link, dial: None, peer, address, end, exporter: EXPORTER };
        lab.tell(Input::LinkUp(up));
        link
    });
    let lower_is_us = lab.key.node_id() < peer;
    assert_eq!(lab.closed(), [(links[usize::from(lower_is_us)], Close::Duplicate)]);
}

#[test]
fn a_connection_to_this_very_box_is_closed() {
    let mut lab = Lab::new();
    let link = lab.connect(&lab.key.clone());
    assert_eq!(lab.closed(), [(link, Close::Unwanted)]);
}

#[test]
fn a_newcomer_is_let_in_once_the_join_is_durable_and_a_used_invite_lets_nobody_in() {
    let mut lab = Lab::new();
    let (ann, ben) = (SecretKey::from_seed(&[61; 32]), SecretKey::from_seed(&[62; 32]));
    let peer = lab.peer_key.clone();
    let link = lab.connect(&peer);
    let join = lab.join_on(&ann, &peer);
    let admission = lab.admission(&ann, &join);
    let stream = lab.say_hello(link, lab.space, admission);
    assert!(lab.sent(stream).is_empty(), "the join is not durable");
    let (ticket, records) = lab.take_stores().remove(0);
    assert_eq!(records[0].id(), join.id());
    lab.tell(Input::RecordsStored { ticket });
    assert_eq!(decode::<Hello>(&lab.sent(stream)[0]).s.len(), 1);
    let governance = lab.replica.governance(&lab.space).unwrap();
    assert!(governance.role(&ann.author_id()).is_some());

    let other = SecretKey::from_seed(&[45; 32]);
    let link = lab.connect(&other);
    let join = lab.join_on(&ben, &other);
    let grant = Grant { audience: other.public(), ..lab.grant(NOON + Duration::from_secs(60)) };
    let host = Capability::issue(&ben, &grant);
    let join = Some(ByteBuf::from(join.bytes().to_vec()));
    let stream = lab.say_hello(link, lab.space, Admission { host, join });
    assert!(lab.take_stores().is_empty());
    assert!(decode::<Hello>(&lab.sent(stream)[0]).s.is_empty());
}

#[test]
fn nothing_new_is_settled_by_two_small_frames() {
    let mut lab = Lab::new();
    let link = lab.live(41);
    let before = lab.replica.counters();
    let h = Seal::new(&EXPORTER, &lab.space).handle();
    let open = Recon::Open { h, c: Class::Board, n: 0, f: empty() };
    let answer = lab.ask(link, StreamKind::Recon, &open);
    assert_eq!(decode::<Recon>(&answer[0]), Recon::Equal);
    let after = lab.replica.counters();
    let bytes = after.recon_bytes - before.recon_bytes;
    assert!(bytes + 2 <= 128, "{bytes}");
    assert_eq!(after.recon_frames - before.recon_frames, 2);
}

#[test]
fn flipped_bits_in_any_frame_are_survived() {
    let mut lab = Lab::new();
    let record = lab.post(0);
    let h = Seal::new(&EXPORTER, &lab.space).handle();
    let frames = [
        (StreamKind::Push, cbor::encode(&lab.push(&[&record]))),
        (StreamKind::Recon, cbor::encode(&Recon::Open { h, c: Class::Board, n: 9, f: empty() })),
        (StreamKind::GetRecords, cbor::encode(&GetRecords { h, i: vec![record.id().0.into()] })),
        (StreamKind::Want, cbor::encode(&Want { h, c: vec![Cid::of(Codec::Raw, b"x")] })),
        (StreamKind::Hello, cbor::encode(&Hello { v: vec![1], i: 7, t: NOON, s: vec![] })),
    ];
    let mut link = lab.live(41);
    let mut key = 41;
    for (kind, frame) in frames {
        for at in 0..frame.len() {
            let mut flipped = frame.clone();
            flipped[at] ^= 1 << (at % 8);
            let stream = lab.open(link, kind);
            lab.raw_frame(stream, flipped);
            lab.tell(Input::StreamEnded { stream, clean: at % 2 == 0 });
            lab.take_stores();
            if !lab.closed().is_empty() {
                key = if key == 250 { 41 } else { key + 1 };
                lab.pass(Duration::from_secs(61));
                link = lab.live(key);
            }
        }
    }
}

fn empty() -> serde_bytes::ByteArray<16> {
    crate::sync::set::RecordSet::default().whole().into()
}

fn decode<T: Serialize + serde::de::DeserializeOwned>(frame: &[u8]) -> T {
    cbor::decode(frame, 1 << 20).unwrap()
}

/// A replica of a space with a founder (on this box) and a member, in virtual time.
struct Lab {
    now: Instant,
    replica: Replica,
    key: SecretKey,
    founder: SecretKey,
    member: SecretKey,
    peer_key: SecretKey,
    space: SpaceId,
    out: VecDeque<Output>,
    links: u64,
    streams: u64,
}

impl Lab {
    fn new() -> Self {
        let [key, founder, member, peer_key] =
            [30, 31, 32, 40].map(|n| SecretKey::from_seed(&[n; 32]));
        let body = Body::Genesis { nonce: [0; 16], name: "Home".into() };
        let genesis = sign(&founder, None, 0, Class::Gov, body);
        let mut lab = Self {
            now: Instant::from_micros(1_000_000),
            replica: Replica::new(Setup { node: key.node_id(), seed: [5; 32] }),
            key,
            founder,
            member,
            peer_key,
            space: SpaceId(genesis.id().0),
            out: VecDeque::new(),
            links: 0,
            streams: 0,
        };
        let join = lab.join_of(&lab.member.clone());
        lab.tell(Input::WallClock { now: NOON, trusted: true });
        lab.tell(Input::AuthorAdded { key: lab.founder.clone() });
        let gov = vec![genesis, join];
        lab.tell(Input::SpaceOpened { space: lab.space, gov, classes: vec![] });
        lab
    }

    fn tell(&mut self, input: Input) {
        self.replica.handle_input(self.now, input);
        self.drain();
        while self.replica.poll_timeout().is_some_and(|at| at <= self.now) {
            self.replica.handle_timeout(self.now);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.replica.poll_output() {
            self.out.push_back(output);
        }
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.replica.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.replica.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn connect(&mut self, peer: &SecretKey) -> LinkId {
        self.links += 1;
        let link = LinkId(self.links);
        let address = "10.0.0.9:7".parse().unwrap();
        let (peer, end) = (peer.node_id(), End::Acceptor);
        self.tell(Input::LinkUp(LinkUp {
            link,
            dial: None,
            peer,
            address,
            end,
            exporter: EXPORTER,
        }));
        link
    }

    fn try_connect(&mut self, seed: u8) -> LinkId {
        self.connect(&SecretKey::from_seed(&[seed; 32]))
    }

    /// A connection of a box that synchronises for the member.
    fn admitted(&mut self, seed: u8) -> LinkId {
        let key = SecretKey::from_seed(&[seed; 32]);
        let link = self.connect(&key);
        let grant =
            Grant { audience: key.public(), ..self.grant(NOON + Duration::from_secs(99_999)) };
        let host = Capability::issue(&self.member, &grant);
        let answer = self.greet_with(link, self.space, Admission { host, join: None });
        assert_eq!(decode::<Hello>(&answer).s.len(), 1);
        link
    }

    /// One with which governance was reconciled.
    fn live(&mut self, seed: u8) -> LinkId {
        let link = self.admitted(seed);
        let h = Seal::new(&EXPORTER, &self.space).handle();
        let set = self.replica.spaces.get_mut(&self.space).unwrap().set(&Class::Gov).unwrap();
        let open = Recon::Open { h, c: Class::Gov, n: set.len() as u64, f: set.whole().into() };
        let answer = self.ask(link, StreamKind::Recon, &open);
        assert_eq!(decode::<Recon>(&answer[0]), Recon::Equal);
        link
    }

    fn grant(&self, expires: UnixTime) -> Grant {
        Grant {
            space: self.space,
            audience: self.peer_key.public(),
            ability: Ability::Host,
            not_before: UnixTime::default(),
            expires,
            nonce: [0; 16],
        }
    }

    fn greet(&mut self, link: LinkId, space: SpaceId, author: &SecretKey) -> Vec<u8> {
        let grant = Grant { space, ..self.grant(NOON + Duration::from_secs(99_999)) };
        let host = Capability::issue(author, &grant);
        self.greet_with(link, space, Admission { host, join: None })
    }

    fn greet_with(&mut self, link: LinkId, space: SpaceId, admission: Admission) -> Vec<u8> {
        let stream = self.say_hello(link, space, admission);
        self.sent(stream).remove(0)
    }

    fn say_hello(&mut self, link: LinkId, space: SpaceId, admission: Admission) -> StreamId {
        let seal = Seal::new(&EXPORTER, &space);
        let c = ByteBuf::from(seal.seal(End::Dialler, 0, &cbor::encode(&admission)));
        let s = vec![HelloSpace { h: seal.handle(), c }];
        let stream = self.open(link, StreamKind::Hello);
        self.frame(stream, &Hello { v: vec![1], i: 0, t: NOON, s });
        stream
    }

    fn admission(&self, author: &SecretKey, join: &Record) -> Admission {
        let host = Capability::issue(author, &self.grant(NOON + Duration::from_secs(60)));
        Admission { host, join: Some(ByteBuf::from(join.bytes().to_vec())) }
    }

    fn open(&mut self, link: LinkId, kind: StreamKind) -> StreamId {
        self.streams += 1;
        let stream = StreamId { link, ours: false, number: self.streams };
        self.tell(Input::StreamOpened { stream, kind });
        stream
    }

    fn frame<T: Serialize>(&mut self, stream: StreamId, frame: &T) {
        self.raw_frame(stream, cbor::encode(frame));
    }

    fn raw_frame(&mut self, stream: StreamId, frame: Vec<u8>) {
        self.tell(Input::Frame { stream, frame: Bytes::from(frame) });
    }

    /// A frame that leaves the machine no time between it and the next.
    fn frame_now<T: Serialize>(&mut self, stream: StreamId, frame: &T) {
        let frame = Bytes::from(cbor::encode(frame));
        self.replica.handle_input(self.now, Input::Frame { stream, frame });
        self.drain();
    }

    /// Opens a stream, sends one frame and answers what comes back.
    fn ask<T: Serialize>(&mut self, link: LinkId, kind: StreamKind, frame: &T) -> Vec<Vec<u8>> {
        let stream = self.open(link, kind);
        self.frame(stream, frame);
        let sent = self.sent(stream);
        self.tell(Input::StreamEnded { stream, clean: true });
        sent
    }

    /// Takes the frames sent on a stream.
    fn sent(&mut self, stream: StreamId) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        self.out.retain(|output| {
            if let Output::Send { stream: on, frame } = output
                && *on == stream
            {
                frames.push(frame.to_vec());
                return false;
            }
            true
        });
        frames
    }

    /// Takes one output.
    fn take<T>(&mut self, pick: impl Fn(&Output) -> Option<T>) -> T {
        let at = self.out.iter().position(|o| pick(o).is_some()).expect("it is put out");
        pick(&self.out.remove(at).unwrap()).unwrap()
    }

    fn take_stores(&mut self) -> Vec<(Ticket, Vec<Record>)> {
        let mut stores = Vec::new();
        self.out.retain(|output| {
            if let Output::StoreRecords { ticket, records, .. } = output {
                stores.push((*ticket, records.clone()));
                return false;
            }
            true
        });
        stores
    }

    fn closed(&mut self) -> Vec<(LinkId, Close)> {
        let closed = self.out.iter().filter_map(|o| {
            if let Output::CloseLink { link, why } = o { Some((*link, *why)) } else { None }
        });
        let closed = closed.collect();
        self.out.retain(|o| !matches!(o, Output::CloseLink { .. }));
        closed
    }

    /// Wants a block that the store lacks; answers the stream on which it is asked for.
    fn want(&mut self, root: Cid) -> StreamId {
        self.tell(Input::WantRoot { space: self.space, root, size: 6 });
        let ticket = self.take(|o| {
            if let Output::CheckBlocks { ticket, .. } = o { Some(*ticket) } else { None }
        });
        self.tell(Input::BlocksChecked { ticket, have: vec![] });
        self.want_stream()
    }

    fn want_stream(&mut self) -> StreamId {
        self.take(|o| {
            if let Output::OpenStream { stream, kind: StreamKind::Want } = o {
                Some(*stream)
            } else {
                None
            }
        })
    }

    /// Lets the peer open a comparison in which it turns out to have records; answers the stream on
    /// which the replica asks for them.
    fn compare_and_get(&mut self, link: LinkId, ids: &[RecordId]) -> StreamId {
        let h = Seal::new(&EXPORTER, &self.space).handle();
        let stream = self.open(link, StreamKind::Recon);
        self.frame(
            stream,
            &Recon::Open { h, c: Class::Board, n: ids.len() as u64, f: [1; 16].into() },
        );
        let items = ids.iter().map(|id| crate::sync::set::Item::new(Hlc::default(), *id)).collect();
        let set = crate::sync::set::RecordSet::of(items);
        let Recon::Message(message) = decode(&self.sent(stream)[0]) else { panic!("a message") };
        let answer = crate::sync::ranges::answer(&set, &message, 100_000).unwrap();
        self.frame(stream, &Recon::Message(ByteBuf::from(answer)));
        self.take(|o| {
            if let Output::OpenStream { stream, kind: StreamKind::GetRecords } = o {
                Some(*stream)
            } else {
                None
            }
        })
    }

    fn push(&self, records: &[&Record]) -> Push {
        let h = Seal::new(&EXPORTER, &self.space).handle();
        Push { h, r: records.iter().map(|r| ByteBuf::from(r.bytes().to_vec())).collect() }
    }

    fn post(&self, n: u64) -> Record {
        self.post_by(&self.member.clone(), n)
    }

    fn post_by(&self, author: &SecretKey, n: u64) -> Record {
        let body = Body::Post { text: format!("{n}"), re: None };
        sign(author, Some(self.space), n, Class::Board, body)
    }

    fn join_of(&self, author: &SecretKey) -> Record {
        self.join_on(author, &self.peer_key)
    }

    /// A join by the same single-use invite for everybody but the member.
    fn join_on(&self, author: &SecretKey, node: &SecretKey) -> Record {
        let first = author.public() == self.member.public();
        let secret = SecretKey::from_seed(&[if first { 70 } else { 71 }; 32]);
        let terms = Terms {
            space: self.space,
            many: false,
            not_before: UnixTime::default(),
            expires: NOON + Duration::from_secs(9_999),
            nonce: [0; 16],
        };
        let contact = Contact { node: self.key.node_id(), addresses: vec![] };
        let invite = Invite::issue(&self.founder, secret, &terms, contact);
        let body = invite.join(&author.author_id(), &node.node_id(), "x".into());
        sign(author, Some(self.space), 0, Class::Gov, body)
    }
}

fn sign(key: &SecretKey, space: Option<SpaceId>, seq: u64, class: Class, body: Body) -> Record {
    let prev = (seq > 0).then_some(RecordId([1; 32]));
    let time = Hlc::at(NOON + Duration::from_secs(seq));
    Record::sign(key, Draft { space, class, seq, prev, time, gov_heads: vec![], body })
}
