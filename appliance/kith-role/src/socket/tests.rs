//! Messages and descriptors over a socket pair, from honest and hostile senders.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream as StdStream;

use super::*;

const LIMIT: usize = 1 << 20;

#[tokio::test]
async fn many_messages_arrive_whole_and_in_order() {
    let (mut sender, mut receiver) = channels();
    let sending = async {
        for i in 0..2_000_u32 {
            sender.send(&message(i), &[]).await.unwrap();
        }
        drop(sender);
    };
    let receiving = async {
        for i in 0..2_000 {
            assert_eq!(receiver.receive::<String>().await.unwrap().unwrap().0, message(i));
        }
        assert!(receiver.receive::<String>().await.unwrap().is_none());
    };
    tokio::join!(sending, receiving);
}

#[tokio::test]
async fn descriptors_come_with_the_message_they_were_sent_with() {
    let (mut sender, mut receiver) = channels();
    let files: Vec<File> = (0..MAX_DESCRIPTORS).map(numbered).collect();
    for count in [0, 1, 0, MAX_DESCRIPTORS, 0, 2] {
        let fds: Vec<_> = files[..count].iter().map(|file| file.as_fd()).collect();
        sender.send(&count, &fds).await.unwrap();
    }
    for count in [0, 1, 0, MAX_DESCRIPTORS, 0, 2] {
        let (said, fds) = receiver.receive::<usize>().await.unwrap().unwrap();
        assert_eq!((said, fds.len()), (count, count));
        for (i, fd) in fds.into_iter().enumerate() {
            let flags = rustix::io::fcntl_getfd(&fd).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
            let (mut file, mut text) = (File::from(fd), String::new());
            file.rewind().unwrap();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, i.to_string());
        }
    }
}

#[tokio::test]
async fn a_cancelled_receive_loses_nothing() {
    let (mut raw, mut receiver) = raw_and_receiver();
    let bytes = wire(&message(7));
    for piece in bytes.chunks(5) {
        let early = tokio::select! {
            biased;
            early = receiver.receive::<String>() => Some(early),
            () = std::future::ready(()) => None,
        };
        assert!(early.is_none());
        raw.write_all(piece).unwrap();
    }
    assert_eq!(receiver.receive::<String>().await.unwrap().unwrap().0, message(7));
}

#[tokio::test]
async fn a_hostile_length_is_refused_before_it_is_believed() {
    for length in [LIMIT as u32 + 1, u32::MAX] {
        let (mut raw, mut receiver) = raw_and_receiver();
        raw.write_all(&length.to_be_bytes()).unwrap();
        let refused = receiver.receive::<u8>().await;
        assert!(matches!(refused, Err(ChannelError::TooLarge { .. })), "{refused:?}");
        assert!(receiver.buffer.capacity() < 100);
        let again = receiver.receive::<u8>().await;
        assert!(matches!(again, Err(ChannelError::OutOfStep)), "{again:?}");
    }
}

#[tokio::test]
async fn a_promised_length_takes_no_memory_before_the_bytes_come() {
    let (mut raw, mut receiver) = raw_and_receiver();
    raw.write_all(&(LIMIT as u32).to_be_bytes()).unwrap();
    tokio::select! {
        biased;
        never = receiver.receive::<u8>() => panic!("{never:?}"),
        () = tokio::task::yield_now() => {}
    }
    assert!(receiver.buffer.capacity() <= 2 * STEP);
}

#[tokio::test]
async fn every_cut_of_a_message_is_an_error_and_not_an_end() {
    let bytes = wire(&message(1));
    for cut in 1..bytes.len() {
        let (mut raw, mut receiver) = raw_and_receiver();
        raw.write_all(&bytes[..cut]).unwrap();
        drop(raw);
        let refused = receiver.receive::<String>().await;
        assert!(matches!(refused, Err(ChannelError::Truncated)), "cut at {cut}: {refused:?}");
    }
}

#[tokio::test]
async fn another_type_and_another_encoding_are_malformed_and_the_next_message_is_read() {
    let (mut raw, mut receiver) = raw_and_receiver();
    raw.write_all(&wire(&"text")).unwrap();
    raw.write_all(b"\0\0\0\x02\x18\x01").unwrap();
    raw.write_all(&wire(&9_u8)).unwrap();
    for _ in 0..2 {
        let malformed = receiver.receive::<u8>().await;
        assert!(matches!(malformed, Err(ChannelError::Malformed(_))), "{malformed:?}");
    }
    assert_eq!(receiver.receive::<u8>().await.unwrap().unwrap().0, 9);
}

#[tokio::test]
async fn a_flood_of_descriptors_is_closed() {
    let (raw, receiver) = raw_and_receiver();
    let (reader, writer) = std::io::pipe().unwrap();
    let fds = [writer.as_fd(); 200];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(200))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(&raw, &[IoSlice::new(&wire(&1_u8))], &mut control, SendFlags::empty()).unwrap();
    all_closed(receiver, reader, writer).await;
}

#[tokio::test]
async fn descriptors_dripped_along_one_message_are_counted_together_and_closed() {
    let (raw, receiver) = raw_and_receiver();
    let (reader, writer) = std::io::pipe().unwrap();
    let fds = [writer.as_fd(); 30];
    for byte in wire(&message(1)).iter().take(4) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(30))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&raw, &[IoSlice::new(&[*byte])], &mut control, SendFlags::empty()).unwrap();
    }
    all_closed(receiver, reader, writer).await;
}

#[tokio::test]
async fn too_much_is_refused_before_it_is_sent() {
    let (mut sender, mut receiver) = channels();
    let large = "x".repeat(LIMIT);
    let refused = sender.send(&large, &[]).await;
    assert!(matches!(refused, Err(ChannelError::TooLarge { .. })), "{refused:?}");
    let file = numbered(0);
    let refused = sender.send(&0_u8, &[file.as_fd(); MAX_DESCRIPTORS + 1]).await;
    assert!(matches!(refused, Err(ChannelError::TooManyDescriptors)), "{refused:?}");
    sender.send(&1_u8, &[]).await.unwrap();
    assert_eq!(receiver.receive::<u8>().await.unwrap().unwrap().0, 1);
}

#[tokio::test]
async fn an_abandoned_send_leaves_the_channel_out_of_step() {
    let (mut sender, receiver) = channels();
    let large = "x".repeat(LIMIT - 9);
    tokio::select! {
        biased;
        _ = sender.send(&large, &[]) => panic!("nobody reads, and it fits into no buffer"),
        () = tokio::task::yield_now() => {}
    }
    let refused = sender.send(&1_u8, &[]).await;
    assert!(matches!(refused, Err(ChannelError::OutOfStep)), "{refused:?}");
    drop(receiver);
}

#[tokio::test]
async fn what_is_no_unix_socket_makes_no_channel() {
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(Channel::from_fd(udp.into(), LIMIT).is_err());
    let datagrams = std::os::unix::net::UnixDatagram::pair().unwrap().0;
    assert!(Channel::from_fd(datagrams.into(), LIMIT).is_err());
    assert!(Channel::from_fd(File::open("/dev/null").unwrap().into(), LIMIT).is_err());
}

#[tokio::test]
async fn a_vanished_reader_is_an_error_and_no_signal() {
    let (mut sender, receiver) = channels();
    drop(receiver);
    let failed = sender.send(&1_u8, &[]).await;
    assert!(matches!(failed, Err(ChannelError::Io(_))), "{failed:?}");
}

/// The receiver refuses, and the pipe ends once our own copy of its writer is closed.
async fn all_closed(
    mut receiver: ChannelReceiver,
    mut reader: std::io::PipeReader,
    writer: std::io::PipeWriter,
) {
    let refused = receiver.receive::<String>().await;
    assert!(matches!(refused, Err(ChannelError::TooManyDescriptors)), "{refused:?}");
    assert!(receiver.descriptors.is_empty());
    // Those not yet read go with the socket.
    drop((receiver, writer));
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

fn channels() -> (Channel, Channel) {
    let (one, other) = Channel::pair(LIMIT).unwrap();
    (one, Channel::from_fd(other, LIMIT).unwrap())
}

fn raw_and_receiver() -> (StdStream, ChannelReceiver) {
    let (channel, raw) = Channel::pair(LIMIT).unwrap();
    (raw.into(), channel.into_split().1)
}

fn message(i: u32) -> String {
    format!("message {i} ").repeat(1 + i as usize % 50)
}

fn wire<T: Serialize>(message: &T) -> Vec<u8> {
    let body = cbor::encode(message);
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

fn numbered(i: usize) -> File {
    let mut file = tempfile::tempfile().unwrap();
    write!(file, "{i}").unwrap();
    file
}
