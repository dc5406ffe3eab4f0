//! Who gets in, and what is resumed.

use std::net::UdpSocket;
use std::time::Duration;

use kith_core::seal::End;
use tokio::time::timeout;

use super::*;
use crate::quic::Closed;

#[tokio::test]
async fn the_right_key_connects_and_both_ends_agree_on_everything() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, here) = connect(&dialler, &acceptor).await;
    assert_eq!(there.peer(), node(2));
    assert_eq!(here.peer(), node(1), "the acceptor sees the dialler's key");
    assert_eq!((there.end(), here.end()), (End::Dialler, End::Acceptor));
    assert_eq!(there.exporter(), here.exporter());
    assert_eq!(there.remote_address(), address(&acceptor));
    assert_eq!(here.remote_address(), address(&dialler));
    let (again, _) = connect(&dialler, &acceptor).await;
    assert_ne!(there.exporter(), again.exporter(), "another connection, another secret");
}

#[tokio::test]
async fn another_key_than_expected_fails_in_the_handshake() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let at = address(&acceptor);
    let (dialled, arrived) = tokio::join!(
        dialler.dial(at, Some(node(3))),
        timeout(Duration::from_millis(500), acceptor.accept())
    );
    assert_eq!(dialled.unwrap_err(), DialError::OtherKey(at));
    assert!(arrived.is_err(), "the acceptor has no connection to show");
    let anybody = within(async { tokio::join!(dialler.dial(at, None), acceptor.accept()) }).await;
    assert_eq!(anybody.0.unwrap().peer(), node(2), "without an expectation it connects");
}

#[tokio::test]
async fn a_second_handshake_is_a_resumption_of_the_first() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (first, _first) = connect(&dialler, &acceptor).await;
    // Tickets come after the handshake; an answer on a stream comes after the tickets.
    say_hello(&first, &_first).await;
    assert_eq!((dialler.proofs(), acceptor.proofs()), (1, 1));
    let (second, _second) = connect(&dialler, &acceptor).await;
    assert_eq!((dialler.proofs(), acceptor.proofs()), (1, 1), "no key had to be proven again");
    assert_eq!((second.peer(), _second.peer()), (node(2), node(1)));
    assert_eq!(second.exporter(), _second.exporter());
    assert_ne!(first.exporter(), second.exporter());
}

#[tokio::test]
async fn a_ticket_of_one_box_does_not_open_another() {
    let (dialler, honest) = (endpoint(1), endpoint(2));
    let (first, _first) = connect(&dialler, &honest).await;
    say_hello(&first, &_first).await;
    let thief = endpoint(3);
    let dialled = dial(&dialler, &thief, Some(node(2))).await;
    assert_eq!(dialled.unwrap_err(), DialError::OtherKey(address(&thief)));
}

#[tokio::test]
async fn a_restarted_box_is_met_by_a_full_handshake() {
    let (dialler, before) = (endpoint(1), endpoint(2));
    let (first, _first) = connect(&dialler, &before).await;
    say_hello(&first, &_first).await;
    let after = endpoint(2);
    let (second, _second) = connect(&dialler, &after).await;
    assert_eq!((second.peer(), dialler.proofs()), (node(2), 2));
}

#[tokio::test]
async fn whoever_dials_itself_is_told_so() {
    let alone = endpoint(1);
    let at = address(&alone);
    let (dialled, _) =
        tokio::join!(alone.dial(at, None), timeout(Duration::from_millis(300), alone.accept()));
    assert_eq!(dialled.unwrap_err(), DialError::Ourselves(at));
}

#[tokio::test]
async fn nobody_at_an_address_is_silence_in_the_handshakes_time() {
    let config = Config { handshake: Duration::from_millis(200), ..Config::default() };
    let dialler = endpoint_with(1, config);
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = deaf.local_addr().unwrap();
    assert_eq!(dialler.dial(at, None).await.unwrap_err(), DialError::Silence(at));
}

#[tokio::test]
async fn of_several_addresses_the_one_that_answers_wins() {
    let (dialler, acceptor, other) = (endpoint(1), endpoint(2), endpoint(3));
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ways = [deaf.local_addr().unwrap(), address(&other), address(&acceptor)];
    let dialled = within(async {
        tokio::select! {
            dialled = dialler.dial_any(&ways, Some(node(2))) => dialled,
            () = async { while other.accept().await.is_some() {} } => panic!("the endpoint closed"),
            () = async { while acceptor.accept().await.is_some() {} } => panic!("the endpoint closed"),
        }
    });
    assert_eq!(dialled.await.unwrap().remote_address(), address(&acceptor));
    assert_eq!(dialler.dial_any(&[], None).await.unwrap_err(), DialError::NoAddress);
}

#[tokio::test]
async fn a_silent_connection_is_kept_alive_and_without_that_given_up() {
    let idle = Duration::from_millis(400);
    for (keep_alive, ended) in [(idle / 4, None), (idle * 10, Some(Closed::Silent))] {
        let config = Config { idle, keep_alive, ..Config::default() };
        let (dialler, acceptor) = (endpoint_with(1, config.clone()), endpoint_with(2, config));
        let (there, here) = connect(&dialler, &acceptor).await;
        let end = timeout(idle * 3, async { tokio::join!(there.closed(), here.closed()) }).await;
        assert_eq!(end.ok().map(|(there, _)| there), ended);
    }
}
