//! A peer without manners: every trick at the wire that a stranger can play.
//!
//! It speaks QUIC by itself, since our own hands would refuse to say such things.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kith_core::cid::{Cid, Codec};
use kith_core::record::{Class, SpaceId};
use kith_core::time::UnixTime;
use kith_core::wire::cbor;
use kith_core::wire::frame::{ALPN, GetRecords, Hello, HelloSpace, Push, Recon, StreamKind, Want};
use quinn::{Connection, ReadError, ReadToEndError, VarInt};
use serde_bytes::{ByteArray, ByteBuf};
use tokio::time::timeout;

use super::Watch;
use crate::lab::process::{Node, Plan};
use crate::lab::report::Report;
use crate::lab::{raw_quic, scratch};

const KINDS: [StreamKind; 5] = [
    StreamKind::Hello,
    StreamKind::Recon,
    StreamKind::Push,
    StreamKind::GetRecords,
    StreamKind::Want,
];
/// A peer that does not answer in this time is waiting for us, or has shut us out: both are fine.
const PATIENCE: Duration = Duration::from_secs(2);
const FLOOD: usize = 2_000;

type Trick = fn(&mut Dice, SocketAddr) -> Result<()>;

pub(super) fn run(seed: u64, report: &mut Report) {
    let tricks: [(&str, Trick); 9] = [
        ("oversized frames", |d, to| each_connection(d, to, 5, oversized)),
        ("truncated frames", |d, to| each_connection(d, to, 5, truncated)),
        ("unknown operations", |d, to| each_connection(d, to, 5, unknown)),
        ("mutated frames", |d, to| each_connection(d, to, 10, mutated)),
        ("promises, never sends", |d, to| each_connection(d, to, 40, promises)),
        ("a flood of streams", |d, to| each_connection(d, to, 3, streams)),
        ("sends unasked", |d, to| each_connection(d, to, 5, unasked)),
        ("a flood of connections", connections),
        ("a flood of datagrams", datagrams),
    ];
    let prepared = prepare();
    let (mut node, to, _folder) = match prepared {
        Ok(prepared) => prepared,
        Err(why) => return report.note("hostile wire", Err(why)),
    };
    for (name, trick) in tricks {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let seen = Watch::start(&node).and_then(|watch| {
            trick(&mut dice, to)?;
            watch.check(&mut node)
        });
        report.note(&format!("hostile {name}"), seen);
    }
    report.note("hostile, after it all", still_good(&node));
    report.note("hostile refusals", refusals(&node, to));
}

fn prepare() -> Result<(Node, SocketAddr, tempfile::TempDir)> {
    let folder = scratch("hostile")?;
    let node = Node::start(Plan::new("anna", folder.path()))?;
    node.kith(&["post", "Kept through everything"])?;
    let port = node.json(&["status"])?["peer_port"].as_u64().context("the peers' port")?;
    let port = u16::try_from(port).context("the peers' port")?;
    Ok((node, (Ipv4Addr::LOCALHOST, port).into(), folder))
}

/// The node still holds what it held, and lets an honest box in.
fn still_good(node: &Node) -> Result<String> {
    if node.posts()? != ["Kept through everything"] {
        bail!("the notice is lost: {:?}", node.posts()?);
    }
    let folder = scratch("honest")?;
    let bert = Node::start(Plan::new("bert", folder.path()))?;
    bert.kith(&["join", &node.invite()?])?;
    crate::lab::wait(Duration::from_secs(30), "an honest box has the notice", || {
        Ok(bert.posts()?.len() == 1)
    })?;
    bert.stop()?;
    Ok("the notice is there, and an honest box still gets it".into())
}

/// The answer to what exists is byte for byte the answer to what does not.
fn refusals(node: &Node, to: SocketAddr) -> Result<String> {
    let spaces = node.json(&["space", "list"])?;
    let id = spaces[0]["id"].as_str().context("the space's id")?;
    let real: SpaceId = id.parse().ok().context("the space's id")?;
    let invented = SpaceId([0x5a; 32]);
    let mut answers = Vec::new();
    for space in [real, invented] {
        let heard = block_on(async {
            let (_endpoint, connection) = dial(to, 77).await?;
            let mut exporter = [0; 32];
            let exported = connection.export_keying_material(&mut exporter, ALPN, b"");
            exported.map_err(|_| anyhow::anyhow!("no exporter"))?;
            let handle = kith_core::seal::Seal::new(&exporter, &space).handle();
            let mut heard = Vec::new();
            for (kind, frame) in questions(handle) {
                heard.push(ask(&connection, kind, &frame).await?);
            }
            Ok(heard)
        })?;
        answers.push(heard);
    }
    if answers[0] != answers[1] {
        bail!("existing: {:?}\ninvented: {:?}", answers[0], answers[1]);
    }
    let silent = answers[0].iter().filter(|a| a.ends_with("silence")).count();
    let asked = answers[0].len();
    if silent == asked {
        bail!("only silence, which would prove nothing: {:?}", answers[0]);
    }
    Ok(format!(
        "{asked} questions, same bytes for what exists and what does not; {silent} unanswered"
    ))
}

fn questions(h: ByteArray<16>) -> Vec<(StreamKind, Vec<u8>)> {
    let recon = |c| cbor::encode(&Recon::Open { h, c, n: 0, f: ByteArray::new([0; 16]) });
    let records = GetRecords { h, i: vec![ByteArray::new([1; 32])] };
    let want = Want { h, c: vec![Cid::of(Codec::Raw, b"x")] };
    vec![
        (StreamKind::Recon, recon(Class::Gov)),
        (StreamKind::Recon, recon(Class::Board)),
        (StreamKind::GetRecords, cbor::encode(&records)),
        (StreamKind::Want, cbor::encode(&want)),
        (StreamKind::Push, cbor::encode(&Push { h, r: vec![ByteBuf::from(vec![0; 40])] })),
    ]
}

/// Everything that comes back on one stream, or how it was refused.
async fn ask(connection: &Connection, kind: StreamKind, frame: &[u8]) -> Result<String> {
    let (mut sender, mut receiver) = connection.open_bi().await.context("open a stream")?;
    let _closed = sender.write_all(&[kind as u8]).await;
    let _closed = sender.write_all(&framed(frame)).await;
    let _closed = sender.finish();
    Ok(match timeout(PATIENCE, receiver.read_to_end(1 << 20)).await {
        Ok(Ok(bytes)) => format!("{kind:?}: {bytes:02x?}"),
        // A stream that is given up with code 0 and one that ends empty say the same: nothing.
        Ok(Err(ReadToEndError::Read(ReadError::Reset(code)))) if code == VarInt::from_u32(0) => {
            format!("{kind:?}: []")
        }
        Ok(Err(error)) => format!("{kind:?}: {error}"),
        Err(_) => format!("{kind:?}: silence"),
    })
}

fn framed(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u32).to_be_bytes()[..], frame].concat()
}

/// xorshift64 (Marsaglia 2003): the same tricks for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.roll().to_le_bytes()[3]).collect()
    }
}

type Play = fn(&mut Dice) -> Vec<(u8, Vec<u8>, bool)>;

/// Plays streams (first byte, what follows, whether it is finished) on some connections.
fn each_connection(dice: &mut Dice, to: SocketAddr, times: usize, play: Play) -> Result<()> {
    block_on(async {
        let mut open = Vec::new();
        for n in 0..times {
            // A box that has had enough may let nobody in for a while.
            let Ok(dialled) = dial(to, n as u8 + 1).await else { continue };
            let connection = dialled.1.clone();
            open.push((dialled, play_all(&connection, play(dice)).await));
        }
        // All at once are still open here; a moment for the node to act on what it was told.
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(())
    })
}

type Halves = Vec<(quinn::SendStream, quinn::RecvStream)>;

async fn play_all(connection: &Connection, streams: Vec<(u8, Vec<u8>, bool)>) -> Halves {
    let mut held = Vec::new();
    for (kind, bytes, finish) in streams {
        let opened = timeout(PATIENCE, connection.open_bi()).await;
        let Ok(Ok((mut sender, receiver))) = opened else { break };
        let _refused = timeout(PATIENCE, sender.write_all(&[&[kind], &bytes[..]].concat())).await;
        if finish {
            let _refused = sender.finish();
        } else {
            held.push((sender, receiver));
        }
    }
    held
}

fn oversized(dice: &mut Dice) -> Vec<(u8, Vec<u8>, bool)> {
    let huge = |kind: StreamKind, size: u32, dice: &mut Dice| {
        (kind as u8, [&size.to_be_bytes()[..], &dice.bytes(1 << 20)].concat(), false)
    };
    let mut streams = Vec::new();
    for kind in KINDS {
        let limit = kind.max_frame(false) as u32;
        streams.push(huge(kind, limit + 1, dice));
        streams.push(huge(kind, u32::MAX, dice));
    }
    streams
}

fn truncated(dice: &mut Dice) -> Vec<(u8, Vec<u8>, bool)> {
    let mut streams = Vec::new();
    for kind in KINDS {
        for cut in [0, 1, 3, 4, 5, 100] {
            let whole = framed(&dice.bytes(1_000));
            streams.push((kind as u8, whole[..cut].to_vec(), true));
        }
    }
    streams
}

fn unknown(dice: &mut Dice) -> Vec<(u8, Vec<u8>, bool)> {
    (0..=255_u8)
        .filter(|b| StreamKind::from_byte(*b).is_none())
        .map(|b| (b, framed(&dice.bytes(64)), true))
        .collect()
}

fn mutated(dice: &mut Dice) -> Vec<(u8, Vec<u8>, bool)> {
    let mut streams = Vec::new();
    let handle = ByteArray::new([3; 16]);
    let mut frames = questions(handle);
    frames.push((StreamKind::Hello, hello(dice, 3)));
    // A thousand arrays in one another, which a careless decoder follows until its stack ends.
    frames.push((StreamKind::Hello, vec![0x81; 60_000]));
    // An array that promises four billion items.
    frames.push((StreamKind::Recon, vec![0x9a, 0xff, 0xff, 0xff, 0xff]));
    for (kind, frame) in frames {
        for _ in 0..20 {
            let mut bad = frame.clone();
            let at = dice.roll() as usize % bad.len();
            bad[at] ^= 1 << (dice.roll() % 8);
            streams.push((kind as u8, framed(&bad), true));
        }
        streams.push((kind as u8, framed(&frame), true));
    }
    streams
}

/// As many streams as it may have, each with the largest frame it may announce, and one byte of it.
fn promises(_dice: &mut Dice) -> Vec<(u8, Vec<u8>, bool)> {
    let promise = |kind: StreamKind| {
        let size = kind.max_frame(false) as u32;
        (kind as u8, [&size.to_be_bytes()[..], &[0xa1]].concat(), false)
    };
    (0..6).flat_map(|_| KINDS).map(promise).collect()
}

fn streams(dice: &mut Dice) -> Vec<(u8, Vec<u8>, bool)> {
    (0..FLOOD).map(|n| (KINDS[n % KINDS.len()] as u8, dice.bytes(2), true)).collect()
}

fn unasked(dice: &mut Dice) -> Vec<(u8, Vec<u8>, bool)> {
    let mut streams = Vec::new();
    for _ in 0..20 {
        let records = (0..256).map(|_| ByteBuf::from(dice.bytes(1_000))).collect();
        let push = Push { h: ByteArray::new([4; 16]), r: records };
        streams.push((StreamKind::Push as u8, framed(&cbor::encode(&push)), true));
        let hello = hello(dice, 64);
        streams.push((StreamKind::Hello as u8, framed(&hello), true));
        // Blocks nobody asked for, on a stream that asks for none.
        streams.push((StreamKind::Want as u8, framed(&dice.bytes(60_000)), true));
    }
    streams
}

fn hello(dice: &mut Dice, spaces: usize) -> Vec<u8> {
    let space = |dice: &mut Dice| {
        let mut handle = [0; 16];
        handle.copy_from_slice(&dice.bytes(16));
        HelloSpace { h: ByteArray::new(handle), c: ByteBuf::from(dice.bytes(300)) }
    };
    let s = (0..spaces).map(|_| space(dice)).collect();
    cbor::encode(&Hello { v: vec![1], i: 0, t: UnixTime::from_millis(dice.roll() >> 20), s })
}

fn connections(_dice: &mut Dice, to: SocketAddr) -> Result<()> {
    block_on(async {
        let mut open = Vec::new();
        for n in 0..600_u32 {
            let dialled = dial(to, (n % 250) as u8).await;
            open.extend(dialled.ok());
        }
        Ok(())
    })
}

fn datagrams(dice: &mut Dice, to: SocketAddr) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("a socket")?;
    for n in 0..50_000 {
        let mut datagram = dice.bytes(1_200);
        // Every other one looks like the first packet of a handshake (RFC 9000, section 17.2.2).
        if n % 2 == 0 {
            datagram[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
        }
        let _lost = socket.send_to(&datagram, to);
    }
    Ok(())
}

async fn dial(to: SocketAddr, seed: u8) -> Result<(quinn::Endpoint, Connection)> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("a socket")?;
    let endpoint = raw_quic::endpoint(None, socket)?;
    let client = raw_quic::client(ALPN, Some(&[seed.wrapping_add(1); 32]))?;
    let connecting = endpoint.connect_with(client, to, "any.invalid").context("dial")?;
    let connection = timeout(PATIENCE, connecting).await.context("dial")?.context("dial")?;
    Ok((endpoint, connection))
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("a runtime")?.block_on(future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tricks_are_the_same_for_the_same_seed() {
        assert_eq!(Dice(9).bytes(50), Dice(9).bytes(50));
        assert_ne!(Dice(9).bytes(50), Dice(8).bytes(50));
    }
}
