//! Blocks: corrupt, late, or never asked for.

use core::time::Duration;

use kith_core::cid::{Cid, Codec};
use kith_core::record::RecordId;
use kith_core::seal::Seal;
use kith_core::wire::frame::{Block, Records, StreamKind, Want};
use serde_bytes::ByteBuf;

use super::super::*;
use super::lab::{EXPORTER, Lab};

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
fn blocks_owed_on_a_stream_that_was_cut_are_asked_elsewhere_and_here_after_a_pause() {
    let mut lab = Lab::new();
    let link = lab.live(41);
    let stream = lab.want(Cid::of(Codec::Raw, b"wanted"));
    lab.tell(Input::StreamEnded { stream, clean: false });
    assert!(lab.out.iter().any(|o| matches!(o, Output::Reset { stream: s } if *s == stream)));
    assert_eq!(lab.want_streams(), [], "it is not asked again at once");
    lab.pass(Duration::from_secs(31));
    let again = lab.want_streams();
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].link, lab.sent(again[0]).len()), (link, 1));

    let other = lab.live(42);
    lab.tell(Input::StreamEnded { stream: again[0], clean: true });
    assert_eq!(lab.closed(), [(link, Close::Silence)], "who goes on ending them is dropped");
    assert_eq!(lab.want_stream().link, other);
}

#[test]
fn every_stream_of_ours_that_a_peer_ends_is_let_go_of() {
    let mut lab = Lab::new();
    let link = lab.live(41);
    let recon = lab.compare_and_get(link, &[RecordId([1; 32])]);
    lab.pass(Duration::from_millis(400));
    let opened: Vec<StreamId> = lab
        .out
        .iter()
        .filter_map(
            |o| if let Output::OpenStream { stream, .. } = o { Some(*stream) } else { None },
        )
        .chain([recon])
        .collect();
    assert!(opened.len() > 1, "{opened:?}");
    for stream in opened {
        lab.tell(Input::StreamEnded { stream, clean: true });
        let resets = |o: &&Output| matches!(o, Output::Reset { stream: s } if *s == stream);
        assert_eq!(lab.out.iter().filter(resets).count(), 1);
    }
}

#[test]
fn small_files_are_asked_for_in_a_wide_window_and_lies_about_their_size_narrow_it() {
    let mut lab = Lab::new();
    let link = lab.live(41);
    let cids = |from: u32| (from..from + 2_000).map(|n| Cid::of(Codec::Raw, &n.to_be_bytes()));
    let links: Vec<Link> = cids(0).map(|cid| Link { cid, size: 4_096 }).collect();
    let stream = lab.want_folder(b"honest", &links);
    let asked = lab.wants(stream);
    assert!((1_000..=1_025).contains(&asked.len()), "{}", asked.len());

    // The peer is honest: it sends what the lying folder names.
    let big = vec![7; 900_000];
    lab.raw_frame(stream, [Block::head(&asked[0], 900_000), big].concat());
    assert_eq!(lab.closed(), [], "it is not the peer who lied");
    assert!(lab.out.iter().any(|o| matches!(o, Output::Reset { stream: s } if *s == stream)));
    let next = lab.want_stream();
    assert_eq!(next.link, link);
    let asked = lab.wants(next).len();
    assert!((1..=4).contains(&asked), "{asked} blocks of 1 MiB may come at once");
}

#[test]
fn links_that_do_not_tell_a_size_and_nodes_never_exceed_sixteen_mebibytes() {
    for (codec, most) in [(Codec::Raw, 4), (Codec::DagPb, 16)] {
        let mut lab = Lab::new();
        lab.live(41);
        let cids = (0..2_000_u32).map(|n| Cid::of(codec, &n.to_be_bytes()));
        let links: Vec<Link> = cids.map(|cid| Link { cid, size: 0 }).collect();
        let stream = lab.want_folder(b"folder", &links);
        assert_eq!(lab.wants(stream).len(), most);
    }
}

#[test]
fn blocks_nobody_may_have_are_denied_with_one_output() {
    let mut lab = Lab::new();
    let link = lab.try_connect(41);
    let h = Seal::new(&EXPORTER, &lab.space).handle();
    let cids: Vec<Cid> = (0..1_024_u32).map(|n| Cid::of(Codec::Raw, &n.to_be_bytes())).collect();
    let stream = lab.open(link, StreamKind::Want);
    lab.out.clear();
    lab.frame(stream, &Want { h, c: cids.clone() });
    let about = |o: &&Output| !matches!(o, Output::Changed(_));
    let [Output::DenyBlocks { cids: denied, .. }] =
        &lab.out.iter().filter(about).collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", lab.out)
    };
    assert_eq!(*denied, cids);
    lab.tell(Input::Served { stream, bytes: 1 });
    lab.tell(Input::StreamEnded { stream, clean: true });
    assert!(lab.out.iter().any(|o| matches!(o, Output::Finish { stream: s } if *s == stream)));
}

#[test]
fn a_want_that_comes_before_governance_is_reconciled_waits_for_it() {
    let mut lab = Lab::new();
    let link = lab.admitted(41);
    let h = Seal::new(&EXPORTER, &lab.space).handle();
    let want = Want { h, c: vec![Cid::of(Codec::Raw, b"x")] };
    let [first, second] = [(); 2].map(|()| lab.open(link, StreamKind::Want));
    lab.frame(first, &want);
    lab.frame(second, &want);
    assert_eq!(lab.block_answers(), [(second, false)], "one stream is held, not any number");
    lab.govern(link);
    assert_eq!(lab.block_answers(), [(first, true)]);

    let link = lab.admitted(42);
    let late = lab.open(link, StreamKind::Want);
    lab.frame(late, &want);
    lab.pass(Duration::from_secs(29));
    assert_eq!(lab.block_answers(), []);
    lab.pass(Duration::from_secs(2));
    assert_eq!(lab.block_answers(), [(late, false)], "it does not wait for ever");
}
