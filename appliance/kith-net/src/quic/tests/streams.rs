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

#[tokio::test]
async fn buffers_of_large_frames_are_used_again_and_let_go_with_the_stream() {
    let (dialler, acceptor) = (endpoint(1), endpoint(2));
    let (there, here) = connect(&dialler, &acceptor).await;
    there.admit();
    let (mut asks, mut answers) = there.open(StreamKind::Want).await.unwrap();
    asks.finish();
    let (_, mut answer, _asked) = within(here.accept()).await.unwrap();
    let buffers = answers.buffers().clone();
    let mut place = None;
    for byte in 0..3 {
        let block = [Bytes::from(vec![byte; limits::BLOCK])];
        let (sent, received) = tokio::join!(within(answer.send(&block)), within(answers.next()));
        sent.unwrap();
        let received = received.unwrap().unwrap();
        assert_eq!(received, block[0]);
        assert_eq!(*place.get_or_insert(received.as_ptr()), received.as_ptr());
        assert_eq!(buffers.spare(), 0, "it is still looked at");
        drop(received);
        assert_eq!(buffers.spare(), 1);
    }
    drop(answers);
    assert_eq!(buffers.spare(), 0);
}
