//! Streams and frames between two honest boxes.

use bytes::Bytes;
use kith_core::wire::frame::{StreamKind, limits};

use super::*;

#[tokio::test]
async fn frames_arrive_whole_and_in_order_and_the_end_is_seen() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, here) = connect(&dialler, &acceptor).await;
    there.admit();
    let (mut asks, mut answers) = there.open(StreamKind::Want).await.unwrap();
    asks.send(&[Bytes::from_static(b"one")]).await.unwrap();
    asks.send(&[]).await.unwrap();
    asks.finish();
    let (kind, mut answer, mut asked) = within(here.accept()).await.unwrap();
    assert_eq!(kind, StreamKind::Want);
    assert_eq!(within(asked.next()).await.unwrap().unwrap(), "one");
    assert_eq!(within(asked.next()).await.unwrap().unwrap(), "");
    assert_eq!(within(asked.next()).await.unwrap(), None);
    let block = Bytes::from(vec![7; limits::BLOCK - 3]);
    let sent = within(async {
        answer.send(&[Bytes::from_static(b"abc"), block.clone()]).await?;
        answer.finish_and_wait().await
    });
    let received = within(async { answers.next().await.unwrap().unwrap() });
    let (sent, received) = tokio::join!(sent, received);
    sent.unwrap();
    assert_eq!((&received[..3], &received[3..]), (&b"abc"[..], &block[..]));
    assert_eq!(here.traffic().frames_sent, limits::BLOCK as u64 + 4);
    assert_eq!(there.traffic().frames_received, limits::BLOCK as u64 + 4);
    assert!(there.traffic().udp_received > limits::BLOCK as u64);
}
