//! Blocks: corrupt, late, or never asked for.

use core::time::Duration;

use kith_core::cid::{Cid, Codec};
use kith_core::record::RecordId;
use kith_core::wire::frame::{Block, Records};
use serde_bytes::ByteBuf;

use super::super::*;
use super::lab::Lab;

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
fn blocks_owed_on_a_stream_that_was_cut_are_asked_for_anew() {
    let mut lab = Lab::new();
    let link = lab.live(41);
    let stream = lab.want(Cid::of(Codec::Raw, b"wanted"));
    lab.tell(Input::StreamEnded { stream, clean: false });
    let again = lab.want_stream();
    assert_eq!(again.link, link);
    assert_ne!(again, stream);
    assert_eq!(lab.sent(again).len(), 1);
}
