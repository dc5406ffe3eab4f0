//! Connections: crossing ones, silent ones, floods, and bits that flip.

use core::time::Duration;

use kith_core::cid::{Cid, Codec};
use kith_core::identity::SecretKey;
use kith_core::record::Class;
use kith_core::seal::{End, Seal};
use kith_core::wire::cbor;
use kith_core::wire::frame::{GetRecords, Hello, Recon, StreamKind, Want};

use super::super::*;
use super::lab::{EXPORTER, Lab, NOON, empty};

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
fn a_dialler_that_says_nothing_is_dropped() {
    let mut lab = Lab::new();
    let link = lab.connect(&lab.peer_key.clone());
    lab.pass(Duration::from_secs(11));
    assert_eq!(lab.closed(), [(link, Close::Silence)]);
}

#[test]
fn who_is_away_keeps_what_it_proved_and_the_time_it_left() {
    let mut lab = Lab::new();
    let link = lab.live(41);
    let author = lab.member.author_id();
    lab.pass(Duration::from_secs(20));
    lab.tell(Input::LinkDown { link, reason: "gone".into() });
    let [peer] = &lab.replica.peers()[..] else { panic!("one peer") };
    assert_eq!((&peer.spaces[..], &peer.authors[..]), (&[lab.space][..], &[author][..]));
    assert_eq!((peer.state, peer.link), (PeerState::Away, None));
    assert!(peer.seen.unwrap() >= NOON + Duration::from_secs(20), "{:?}", peer.seen);
    lab.pass(Duration::from_secs(600));
    assert_eq!(lab.replica.peers().len(), 1, "a member is not forgotten");
    lab.tell(Input::SpaceClosed { space: lab.space });
    assert!(lab.replica.peers()[0].spaces.is_empty(), "nothing is shared any more");

    let mut lab = Lab::new();
    let link = lab.try_connect(41);
    lab.tell(Input::LinkDown { link, reason: "gone".into() });
    assert_eq!(lab.replica.peers().len(), 1);
    lab.pass(Duration::from_secs(121));
    assert_eq!(lab.replica.peers(), [], "a stranger is");
}

#[test]
fn of_many_downloads_the_first_hundred_are_shown() {
    let mut lab = Lab::new();
    for n in 0..300_u32 {
        let root = Cid::of(Codec::Raw, &n.to_be_bytes());
        lab.tell(Input::WantRoot { space: lab.space, root, size: 4 });
    }
    let shown = lab.replica.transfers();
    assert_eq!(shown.len(), 100);
    assert!(shown.iter().any(|t| t.stalled.is_none()), "the store is being asked");
    while lab.out.iter().any(|o| matches!(o, Output::CheckBlocks { .. })) {
        let ticket =
            lab.take(
                |o| {
                    if let Output::CheckBlocks { ticket, .. } = o { Some(*ticket) } else { None }
                },
            );
        lab.tell(Input::BlocksChecked { ticket, have: vec![] });
    }
    assert!(lab.replica.transfers().iter().all(|t| t.stalled.is_some()), "nobody is there");
}

#[test]
fn of_two_crossing_connections_the_one_dialled_by_the_lower_key_stays() {
    let mut sides = [false; 2];
    for seed in 40..60 {
        let mut lab = Lab::new();
        let peer = SecretKey::from_seed(&[seed; 32]).node_id();
        let address = "10.0.0.9:7".parse().unwrap();
        let links = [(1, End::Dialler), (2, End::Acceptor)].map(|(n, end)| {
            let link = LinkId(n);
            let up = LinkUp { link, dial: None, peer, address, end, exporter: EXPORTER };
            lab.tell(Input::LinkUp(up));
            link
        });
        let lower_is_us = lab.key.node_id() < peer;
        sides[usize::from(lower_is_us)] = true;
        assert_eq!(lab.closed(), [(links[usize::from(lower_is_us)], Close::Duplicate)]);
    }
    assert_eq!(sides, [true; 2], "both cases came up");
}

#[test]
fn a_connection_to_this_very_box_is_closed() {
    let mut lab = Lab::new();
    let link = lab.connect(&lab.key.clone());
    assert_eq!(lab.closed(), [(link, Close::Unwanted)]);
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
