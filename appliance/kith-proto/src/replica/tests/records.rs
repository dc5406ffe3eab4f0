//! Records that come in: copies, forgeries, unknown authors, a failing store.

use kith_core::identity::SecretKey;
use kith_core::record::{Class, Record};
use kith_core::seal::Seal;
use kith_core::wire::frame::{Push, Pushed, Recon, StreamKind};
use serde_bytes::ByteBuf;

use super::super::*;
use super::lab::{EXPORTER, Lab, decode, empty};

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
