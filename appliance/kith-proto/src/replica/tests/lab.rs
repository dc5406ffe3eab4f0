//! A replica and a peer whose every frame the test writes, in virtual time.

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
use kith_core::wire::frame::{Admission, Block, Hello, HelloSpace, Push, Recon, StreamKind, Want};
use serde::Serialize;
use serde_bytes::ByteBuf;

use super::super::*;

pub(super) const EXPORTER: Exporter = [8; 32];
pub(super) const NOON: UnixTime = UnixTime::from_millis(1_800_000_000_000);

pub(super) fn empty() -> serde_bytes::ByteArray<16> {
    crate::sync::set::RecordSet::default().whole().into()
}

pub(super) fn decode<T: Serialize + serde::de::DeserializeOwned>(frame: &[u8]) -> T {
    cbor::decode(frame, 1 << 20).unwrap()
}

/// A replica of a space with a founder (on this box) and a member, in virtual time.
pub(super) struct Lab {
    pub(super) now: Instant,
    pub(super) replica: Replica,
    pub(super) key: SecretKey,
    pub(super) founder: SecretKey,
    pub(super) member: SecretKey,
    pub(super) peer_key: SecretKey,
    pub(super) space: SpaceId,
    pub(super) out: VecDeque<Output>,
    pub(super) links: u64,
    pub(super) streams: u64,
}

impl Lab {
    pub(super) fn new() -> Self {
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

    pub(super) fn tell(&mut self, input: Input) {
        self.replica.handle_input(self.now, input);
        self.drain();
        while self.replica.poll_timeout().is_some_and(|at| at <= self.now) {
            self.replica.handle_timeout(self.now);
            self.drain();
        }
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.replica.poll_output() {
            self.out.push_back(output);
        }
    }

    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.replica.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.replica.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub(super) fn connect(&mut self, peer: &SecretKey) -> LinkId {
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

    pub(super) fn try_connect(&mut self, seed: u8) -> LinkId {
        self.connect(&SecretKey::from_seed(&[seed; 32]))
    }

    /// A connection of a box that synchronises for the member.
    pub(super) fn admitted(&mut self, seed: u8) -> LinkId {
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
    pub(super) fn live(&mut self, seed: u8) -> LinkId {
        let link = self.admitted(seed);
        self.govern(link);
        link
    }

    /// Reconciles governance.
    pub(super) fn govern(&mut self, link: LinkId) {
        let h = Seal::new(&EXPORTER, &self.space).handle();
        let set = self.replica.spaces.get_mut(&self.space).unwrap().set(&Class::Gov).unwrap();
        let open = Recon::Open { h, c: Class::Gov, n: set.len() as u64, f: set.whole().into() };
        let answer = self.ask(link, StreamKind::Recon, &open);
        assert_eq!(decode::<Recon>(&answer[0]), Recon::Equal);
    }

    pub(super) fn grant(&self, expires: UnixTime) -> Grant {
        Grant {
            space: self.space,
            audience: self.peer_key.public(),
            ability: Ability::Host,
            not_before: UnixTime::default(),
            expires,
            nonce: [0; 16],
        }
    }

    pub(super) fn greet(&mut self, link: LinkId, space: SpaceId, author: &SecretKey) -> Vec<u8> {
        let grant = Grant { space, ..self.grant(NOON + Duration::from_secs(99_999)) };
        let host = Capability::issue(author, &grant);
        self.greet_with(link, space, Admission { host, join: None })
    }

    pub(super) fn greet_with(
        &mut self,
        link: LinkId,
        space: SpaceId,
        admission: Admission,
    ) -> Vec<u8> {
        let stream = self.say_hello(link, space, admission);
        self.sent(stream).remove(0)
    }

    pub(super) fn say_hello(
        &mut self,
        link: LinkId,
        space: SpaceId,
        admission: Admission,
    ) -> StreamId {
        let seal = Seal::new(&EXPORTER, &space);
        let c = ByteBuf::from(seal.seal(End::Dialler, 0, &cbor::encode(&admission)));
        let s = vec![HelloSpace { h: seal.handle(), c }];
        let stream = self.open(link, StreamKind::Hello);
        self.frame(stream, &Hello { v: vec![1], i: 0, t: NOON, s });
        stream
    }

    pub(super) fn admission(&self, author: &SecretKey, join: &Record) -> Admission {
        let host = Capability::issue(author, &self.grant(NOON + Duration::from_secs(60)));
        Admission { host, join: Some(ByteBuf::from(join.bytes().to_vec())) }
    }

    pub(super) fn open(&mut self, link: LinkId, kind: StreamKind) -> StreamId {
        self.streams += 1;
        let stream = StreamId { link, ours: false, number: self.streams };
        self.tell(Input::StreamOpened { stream, kind });
        stream
    }

    pub(super) fn frame<T: Serialize>(&mut self, stream: StreamId, frame: &T) {
        self.raw_frame(stream, cbor::encode(frame));
    }

    pub(super) fn raw_frame(&mut self, stream: StreamId, frame: Vec<u8>) {
        self.tell(Input::Frame { stream, frame: Bytes::from(frame) });
    }

    /// A frame that leaves the machine no time between it and the next.
    pub(super) fn frame_now<T: Serialize>(&mut self, stream: StreamId, frame: &T) {
        let frame = Bytes::from(cbor::encode(frame));
        self.replica.handle_input(self.now, Input::Frame { stream, frame });
        self.drain();
    }

    /// Opens a stream, sends one frame and answers what comes back.
    pub(super) fn ask<T: Serialize>(
        &mut self,
        link: LinkId,
        kind: StreamKind,
        frame: &T,
    ) -> Vec<Vec<u8>> {
        let stream = self.open(link, kind);
        self.frame(stream, frame);
        let mut sent = self.sent(stream);
        self.out.retain(|output| {
            let Output::DenyBlocks { stream: on, cids } = output else { return true };
            if *on == stream {
                sent.extend(cids.iter().map(Block::missing));
            }
            *on != stream
        });
        self.tell(Input::StreamEnded { stream, clean: true });
        sent
    }

    /// Takes the frames sent on a stream.
    pub(super) fn sent(&mut self, stream: StreamId) -> Vec<Vec<u8>> {
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
    pub(super) fn take<T>(&mut self, pick: impl Fn(&Output) -> Option<T>) -> T {
        let at = self.out.iter().position(|o| pick(o).is_some()).expect("it is put out");
        pick(&self.out.remove(at).unwrap()).unwrap()
    }

    pub(super) fn take_stores(&mut self) -> Vec<(Ticket, Vec<Record>)> {
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

    pub(super) fn closed(&mut self) -> Vec<(LinkId, Close)> {
        let closed = self.out.iter().filter_map(|o| {
            if let Output::CloseLink { link, why } = o { Some((*link, *why)) } else { None }
        });
        let closed = closed.collect();
        self.out.retain(|o| !matches!(o, Output::CloseLink { .. }));
        closed
    }

    /// Wants a block that the store lacks; answers the stream on which it is asked for.
    pub(super) fn want(&mut self, root: Cid) -> StreamId {
        self.tell(Input::WantRoot { space: self.space, root, size: 6 });
        let ticket = self.take(|o| {
            if let Output::CheckBlocks { ticket, .. } = o { Some(*ticket) } else { None }
        });
        self.tell(Input::BlocksChecked { ticket, have: vec![] });
        self.want_stream()
    }

    /// Wants a folder of which the store has the first node; answers the stream on which the rest is
    /// asked for.
    pub(super) fn want_folder(&mut self, name: &[u8], links: &[Link]) -> StreamId {
        let root = Cid::of(Codec::DagPb, name);
        self.tell(Input::WantRoot { space: self.space, root, size: 1 << 30 });
        let have = HaveBlock { cid: root, size: 100, links: links.to_vec() };
        self.check(vec![have]);
        while self.out.iter().any(|o| matches!(o, Output::CheckBlocks { .. })) {
            self.check(vec![]);
        }
        self.want_stream()
    }

    fn check(&mut self, have: Vec<HaveBlock>) {
        let ticket = self.take(|o| {
            if let Output::CheckBlocks { ticket, .. } = o { Some(*ticket) } else { None }
        });
        self.tell(Input::BlocksChecked { ticket, have });
    }

    /// Takes the blocks asked for on a stream.
    pub(super) fn wants(&mut self, stream: StreamId) -> Vec<Cid> {
        self.sent(stream).iter().flat_map(|frame| decode::<Want>(frame).c).collect()
    }

    /// Takes the answers to wants: the stream, and whether blocks are given.
    pub(super) fn block_answers(&mut self) -> Vec<(StreamId, bool)> {
        let mut answers = Vec::new();
        self.out.retain(|output| {
            if let Output::ServeBlocks { stream, .. } = output {
                answers.push((*stream, true));
            } else if let Output::DenyBlocks { stream, .. } = output {
                answers.push((*stream, false));
            } else {
                return true;
            }
            false
        });
        answers
    }

    /// Takes the streams opened to ask for blocks.
    pub(super) fn want_streams(&mut self) -> Vec<StreamId> {
        let mut streams = Vec::new();
        self.out.retain(|output| {
            if let Output::OpenStream { stream, kind: StreamKind::Want } = output {
                streams.push(*stream);
                return false;
            }
            true
        });
        streams
    }

    pub(super) fn want_stream(&mut self) -> StreamId {
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
    pub(super) fn compare_and_get(&mut self, link: LinkId, ids: &[RecordId]) -> StreamId {
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

    pub(super) fn push(&self, records: &[&Record]) -> Push {
        let h = Seal::new(&EXPORTER, &self.space).handle();
        Push { h, r: records.iter().map(|r| ByteBuf::from(r.bytes().to_vec())).collect() }
    }

    pub(super) fn post(&self, n: u64) -> Record {
        self.post_by(&self.member.clone(), n)
    }

    pub(super) fn post_by(&self, author: &SecretKey, n: u64) -> Record {
        let body = Body::Post { text: format!("{n}"), re: None };
        sign(author, Some(self.space), n, Class::Board, body)
    }

    pub(super) fn join_of(&self, author: &SecretKey) -> Record {
        self.join_on(author, &self.peer_key)
    }

    /// The same single-use invite for everybody but the member.
    pub(super) fn invite_for(&self, author: &SecretKey) -> Invite {
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
        Invite::issue(&self.founder, secret, &terms, contact)
    }

    pub(super) fn join_on(&self, author: &SecretKey, node: &SecretKey) -> Record {
        let invite = self.invite_for(author);
        let body = invite.join(&author.author_id(), &node.node_id(), "x".into());
        sign(author, Some(self.space), 0, Class::Gov, body)
    }
}

fn sign(key: &SecretKey, space: Option<SpaceId>, seq: u64, class: Class, body: Body) -> Record {
    let prev = (seq > 0).then_some(RecordId([1; 32]));
    let time = Hlc::at(NOON + Duration::from_secs(seq));
    Record::sign(key, Draft { space, class, seq, prev, time, gov_heads: vec![], body })
}
