//! Who learns what of a space: strangers, members, newcomers.

use core::time::Duration;

use kith_core::capability::{Ability, Capability, Grant};
use kith_core::cid::{Cid, Codec};
use kith_core::identity::SecretKey;
use kith_core::record::{Class, Record};
use kith_core::seal::{End, Seal};
use kith_core::time::UnixTime;
use kith_core::wire::cbor;
use kith_core::wire::frame::{Admission, GetRecords, Hello, Push, Recon, StreamKind, Want};
use serde_bytes::ByteBuf;

use super::super::*;
use super::lab::{EXPORTER, Lab, NOON, decode, empty};

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
fn an_invite_that_has_ended_lets_nobody_in() {
    for (wait, opens) in [(9_000, true), (10_000, false)] {
        let mut lab = Lab::new();
        lab.pass(Duration::from_secs(wait));
        let author = SecretKey::from_seed(&[61; 32]);
        let peer = lab.peer_key.clone();
        let link = lab.connect(&peer);
        let grant = lab.grant(NOON + Duration::from_secs(99_999));
        let host = Capability::issue(&author, &grant);
        let join = Some(ByteBuf::from(lab.join_on(&author, &peer).bytes().to_vec()));
        lab.say_hello(link, lab.space, Admission { host, join });
        assert_eq!(!lab.take_stores().is_empty(), opens);
    }
}

#[test]
fn who_joins_reconciles_governance_and_nothing_else_with_a_peer_it_cannot_check_yet() {
    let (mut lab, _) = joining();
    let link = lab.connect(&lab.peer_key.clone());
    let member = lab.member.clone();
    let answer: Hello = decode(&lab.greet(link, lab.space, &member));
    assert_eq!(answer.s.len(), 1);
    let h = Seal::new(&EXPORTER, &lab.space).handle();
    let open = |c| Recon::Open { h, c, n: 9, f: empty() };
    let board = lab.ask(link, StreamKind::Recon, &open(Class::Board));
    assert_eq!(decode::<Recon>(&board[0]), Recon::Refused);
    let gov = lab.ask(link, StreamKind::Recon, &open(Class::Gov));
    assert!(matches!(decode::<Recon>(&gov[0]), Recon::Message(_)));
    assert!(lab.replica.peers()[0].spaces.is_empty(), "it is not shown as shared yet");
}

#[test]
fn a_joiner_leaves_a_peer_that_governance_does_not_bear_out() {
    let (mut lab, join) = joining();
    let link = lab.connect(&lab.peer_key.clone());
    let stranger = SecretKey::from_seed(&[90; 32]);
    let answer: Hello = decode(&lab.greet(link, lab.space, &stranger));
    assert_eq!(answer.s.len(), 1, "it cannot tell yet");
    let h = Seal::new(&EXPORTER, &lab.space).handle();
    let item = crate::sync::set::Item::new(join.time(), join.id());
    let f = crate::sync::set::RecordSet::of(vec![item]).whole().into();
    let open = Recon::Open { h, c: Class::Gov, n: 1, f };
    let equal = lab.ask(link, StreamKind::Recon, &open);
    assert_eq!(decode::<Recon>(&equal[0]), Recon::Equal);
    let refused = lab.ask(link, StreamKind::Recon, &open);
    assert_eq!(decode::<Recon>(&refused[0]), Recon::Refused);
    assert_eq!(lab.replica.peers()[0].state, PeerState::Stranger);
}

/// A box on which somebody has just used an invite.
fn joining() -> (Lab, Record) {
    let mut lab = Lab::new();
    let author = SecretKey::from_seed(&[63; 32]);
    lab.tell(Input::SpaceClosed { space: lab.space });
    lab.tell(Input::AuthorAdded { key: author.clone() });
    let join = lab.join_of(&author);
    let invite = Box::new(lab.invite_for(&author));
    let gov = vec![join.clone()];
    lab.tell(Input::JoinStarted { invite, join: Box::new(join.clone()), gov });
    (lab, join)
}
