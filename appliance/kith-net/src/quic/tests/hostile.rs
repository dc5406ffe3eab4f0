//! What a hostile peer can do, and what comes of it.

use bytes::Bytes;
use kith_core::wire::frame::{StreamKind, limits};

use super::*;
use crate::quic::{Closed, FrameError, code};

#[tokio::test]
async fn a_cancelled_read_loses_nothing() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, here) = connect(&dialler, &acceptor).await;
    let raw = raw_stream(&there, 5).await;
    let (mut sender, _receiver) = raw;
    let (_, _answer, mut pushed) = within(here.accept()).await.unwrap();
    let mut bytes = vec![0, 0, 0, 200];
    bytes.extend([3; 200]);
    for piece in bytes.chunks(50) {
        sender.write_all(piece).await.unwrap();
        // The frame is not complete, so this is always cancelled halfway, except for the last piece.
        if let Ok(frame) = timeout(Duration::from_millis(30), pushed.next()).await {
            assert_eq!(frame.unwrap().unwrap(), vec![3; 200]);
            return;
        }
    }
    assert_eq!(within(pushed.next()).await.unwrap().unwrap(), vec![3; 200]);
}

#[tokio::test]
async fn an_oversized_frame_is_refused_by_sender_and_receiver() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, here) = connect(&dialler, &acceptor).await;
    let (mut hello, _answers) = there.open(StreamKind::Hello).await.unwrap();
    let size = limits::CONTROL + 1;
    let too_large = FrameError::TooLarge { size, limit: limits::CONTROL };
    assert_eq!(hello.send(&[vec![0; size].into()]).await.unwrap_err(), too_large);
    drop(hello);
    let (mut sender, _receiver) = raw_stream(&there, 1).await;
    sender.write_all(&[0xff, 0xff, 0xff, 0xff, 0]).await.unwrap();
    for _ in 0..2 {
        let (_, _, mut received) = within(here.accept()).await.unwrap();
        match within(received.next()).await {
            Ok(frame) => assert_eq!(frame, None, "the first stream ended before its first frame"),
            Err(error) => {
                let size = u32::MAX as usize;
                assert_eq!(error, FrameError::TooLarge { size, limit: limits::CONTROL });
            }
        }
    }
    let stopped = within(sender.stopped()).await.unwrap();
    assert_eq!(stopped, Some(quinn::VarInt::from_u32(code::TOO_LARGE)));
}

#[tokio::test]
async fn a_stranger_sends_small_frames_until_it_is_admitted() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, here) = connect(&dialler, &acceptor).await;
    let frame = Bytes::from(vec![7; (32 << 10) + 1]);
    let (mut push, _answers) = there.open(StreamKind::Push).await.unwrap();
    push.send(std::slice::from_ref(&frame)).await.unwrap();
    let (_, _, mut pushed) = within(here.accept()).await.unwrap();
    let (size, limit) = (frame.len(), 32 << 10);
    let refused = within(pushed.next()).await.unwrap_err();
    assert_eq!(refused, FrameError::TooLarge { size, limit });

    here.admit();
    let (mut push, _answers) = there.open(StreamKind::Push).await.unwrap();
    push.send(std::slice::from_ref(&frame)).await.unwrap();
    let (_, _, mut pushed) = within(here.accept()).await.unwrap();
    assert_eq!(within(pushed.next()).await.unwrap().unwrap(), frame);
}

#[tokio::test]
async fn frames_that_have_begun_share_what_the_endpoint_has_and_small_ones_pass() {
    let config = Config { admitted_frames: 1 << 20, ..Config::default() };
    let (dialler, acceptor) = (endpoint(1), endpoint_with(2, config));
    let (there, here) = connect(&dialler, &acceptor).await;
    let (other, over_there) = connect(&endpoint(3), &acceptor).await;
    here.admit();
    over_there.admit();
    let begin = async |from: &Connection, to: &Connection, size: u32| {
        let (mut sender, _receiver) = raw_stream(from, StreamKind::Push as u8).await;
        sender.write_all(&size.to_be_bytes()).await.unwrap();
        sender.write_all(&[1; 100]).await.unwrap();
        (sender, within(to.accept()).await.unwrap().2)
    };
    let moment = Duration::from_millis(300);
    let (mut first, mut pushed) = begin(&there, &here, 800_000).await;
    assert!(timeout(moment, pushed.next()).await.is_err(), "it has begun");
    let (mut second, mut late) = begin(&other, &over_there, 800_000).await;
    let rest = vec![1; 800_000 - 100];
    let (written, waits) =
        tokio::join!(timeout(moment, second.write_all(&rest)), timeout(moment, late.next()));
    assert!(waits.is_err(), "it has arrived, and there is no room for another one");
    let (_third, mut small) = begin(&other, &over_there, 100).await;
    assert_eq!(within(small.next()).await.unwrap().unwrap().len(), 100);

    let (begun, frame) = tokio::join!(within(first.write_all(&rest)), within(pushed.next()));
    begun.unwrap();
    assert_eq!(frame.unwrap().unwrap().len(), 800_000);
    written.unwrap().unwrap();
    assert_eq!(within(late.next()).await.unwrap().unwrap().len(), 800_000, "there is room now");
}

#[tokio::test]
async fn a_stream_cut_within_a_frame_is_an_error_and_not_an_end() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, here) = connect(&dialler, &acceptor).await;
    for cut in [&[0][..], &[0, 0, 0, 9, 1]] {
        let (mut sender, _receiver) = raw_stream(&there, 1).await;
        sender.write_all(cut).await.unwrap();
        sender.finish().unwrap();
        let (_, _, mut received) = within(here.accept()).await.unwrap();
        assert_eq!(within(received.next()).await.unwrap_err(), FrameError::Truncated);
    }
}

#[tokio::test]
async fn a_stream_of_unknown_kind_is_reset_and_the_next_one_served() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, here) = connect(&dialler, &acceptor).await;
    let (unknown, mut unknown_answers) = raw_stream(&there, 0x2a).await;
    let (mut silent, _silent_answers) = there.quic().open_bi().await.unwrap();
    let (_hello, _answers) = there.open(StreamKind::Hello).await.unwrap();
    let (kind, ..) = within(here.accept()).await.unwrap();
    assert_eq!(kind, StreamKind::Hello, "neither the unknown nor the silent stream is in the way");
    let mut rest = [0; 9];
    let accepting = tokio::select! {
        reset = within(unknown_answers.read(&mut rest)) => reset,
        _ = here.accept() => panic!("nothing more was opened"),
    };
    let reset = quinn::VarInt::from_u32(code::UNKNOWN_KIND);
    assert_eq!(accepting.unwrap_err(), quinn::ReadError::Reset(reset));
    assert_eq!(within(unknown.stopped()).await.unwrap(), Some(reset));
    silent.write_all(&[StreamKind::Push as u8]).await.unwrap();
    assert_eq!(within(here.accept()).await.unwrap().0, StreamKind::Push);
}

#[tokio::test]
async fn a_slow_reader_holds_the_sender_back() {
    let window = 256 << 10;
    let config = Config { stream_window: window, send_window: 128 << 10, ..Config::default() };
    let (dialler, acceptor) = (endpoint_with(1, config.clone()), endpoint_with(2, config));
    let (there, here) = connect(&dialler, &acceptor).await;
    there.admit();
    let (_asks, mut answers) = there.open(StreamKind::Want).await.unwrap();
    let (_, mut answer, _asked) = within(here.accept()).await.unwrap();
    let frame = Bytes::from(vec![1; 64 << 10]);
    let mut sent = 0;
    // A send that waits longer than this waits for the reader.
    let patience = Duration::from_millis(500);
    while let Ok(result) = timeout(patience, answer.send(std::slice::from_ref(&frame))).await {
        result.unwrap();
        sent += frame.len();
        assert!(sent < 1 << 20, "nobody reads, and still everything is taken");
    }
    assert!((sent + frame.len()) as u32 >= window, "{sent} bytes do not even fill the window");
    assert!(there.traffic().udp_received < 2 * u64::from(window));
    assert_eq!(
        within(answers.next()).await.unwrap().unwrap(),
        frame,
        "the reader has lost nothing"
    );
}

#[tokio::test]
async fn a_peer_opens_no_more_streams_than_it_may() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, here) = connect(&dialler, &acceptor).await;
    let mut open = Vec::new();
    for most in [4, 32] {
        while let Ok(stream) =
            timeout(Duration::from_millis(500), there.open(StreamKind::Hello)).await
        {
            open.push(stream.unwrap());
            assert!(open.len() <= most, "{most}");
        }
        assert_eq!(open.len(), most);
        here.admit();
    }
    // Those that end make room for the next.
    drop(open);
    for _ in 0..32 {
        drop(within(here.accept()).await.unwrap());
    }
    within(there.open(StreamKind::Hello)).await.unwrap();
}

#[tokio::test]
async fn garbage_does_not_end_the_endpoint() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, here) = connect(&dialler, &acceptor).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut seed = 1_u32;
    for round in 0..20_000_usize {
        let mut datagram = vec![0; round % 1_400];
        for byte in &mut datagram {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (seed >> 24) as u8;
        }
        // A third looks like a first packet, a third like one of a connection.
        if let [first, v1, v2, v3, v4, ..] = &mut datagram[..] {
            match round % 3 {
                0 => (*first, [*v1, *v2, *v3, *v4]) = (0xc3, [0, 0, 0, 1]),
                1 => *first = 0x41,
                _ => {}
            }
        }
        // A full buffer on the way is part of the flood.
        let _dropped = stranger.send_to(&datagram, address(&acceptor));
        if round % 500 == 0 {
            tokio::task::yield_now().await;
        }
    }
    say_hello(&there, &here).await;
    let (late, _late) = connect(&endpoint(3), &acceptor).await;
    assert_eq!(late.peer(), node(2));
    assert!(acceptor.connections() <= 3, "{} connections", acceptor.connections());
}

#[tokio::test]
async fn above_the_bound_a_dialler_has_to_prove_its_address() {
    for (retry_above, expected) in [(0, 1), (1, 0)] {
        let config = Config { retry_above, ..Config::default() };
        let (dialler, acceptor) = (endpoint(1), endpoint_with(2, config));
        let between = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let way = between.local_addr().unwrap();
        let retries = within(async {
            tokio::select! {
                retries = count_retries(&between, address(&dialler), address(&acceptor)) => retries,
                never = async {
                    let (dialled, _) = tokio::join!(dialler.dial(way, None), acceptor.accept());
                    dialled.unwrap();
                    between.send_to(b"done", way).await.unwrap();
                    std::future::pending().await
                } => never,
            }
        });
        assert_eq!(retries.await, expected);
    }
}

#[tokio::test]
async fn a_full_box_lets_nobody_else_in_and_keeps_whom_it_has() {
    let config = Config { connections: 1, ..Config::default() };
    let impatient = Config { handshake: Duration::from_millis(500), ..Config::default() };
    let (dialler, acceptor) = (endpoint(1), endpoint_with(2, config));
    let (there, here) = connect(&dialler, &acceptor).await;
    let late = endpoint_with(3, impatient);
    let (refused, _) = tokio::join!(
        late.dial(address(&acceptor), Some(node(2))),
        timeout(Duration::from_secs(1), acceptor.accept())
    );
    assert_eq!(refused.unwrap_err(), DialError::Silence(address(&acceptor)));
    say_hello(&there, &here).await;
}

#[tokio::test]
async fn the_reason_for_closing_reaches_the_peer() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, here) = connect(&dialler, &acceptor).await;
    assert_eq!(there.close_reason(), None);
    here.close(7, "go\u{1b} away");
    let closed = Closed::ByPeer { code: 7, reason: "go away".into() };
    assert_eq!(within(there.closed()).await, closed);
    assert_eq!(within(here.closed()).await, Closed::ByUs);
    assert_eq!(there.open(StreamKind::Hello).await.unwrap_err(), closed);
    assert_eq!(there.accept().await.unwrap_err(), closed);
}

#[tokio::test]
async fn a_box_that_stops_says_goodbye() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, _here) = connect(&dialler, &acceptor).await;
    within(acceptor.close(0, "stopping")).await;
    assert_eq!(within(acceptor.accept()).await.map(|c| c.peer()), None);
    let closed = Closed::ByPeer { code: 0, reason: "stopping".into() };
    assert_eq!(within(there.closed()).await, closed);
}

/// Passes datagrams on between two ends until it hears "done", and counts the Retry packets (RFC 9000,
/// section 17.2.5) among them.
async fn count_retries(
    between: &tokio::net::UdpSocket,
    dialler: SocketAddr,
    acceptor: SocketAddr,
) -> usize {
    let (mut datagram, mut retries) = ([0; 2_000], 0);
    loop {
        let (size, from) = between.recv_from(&mut datagram).await.unwrap();
        if &datagram[..size] == b"done" {
            return retries;
        }
        retries += usize::from(from == acceptor && datagram[0] & 0xf0 == 0xf0);
        let to = if from == dialler { acceptor } else { dialler };
        between.send_to(&datagram[..size], to).await.unwrap();
    }
}
