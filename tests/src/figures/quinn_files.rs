//! The baseline of transfers: quinn and nothing else, from a file to a file.
//!
//! No checks of content, no index, no resumption, one stream a file: what a transfer over QUIC on this
//! machine costs at least. A path that is a folder is sent file by file. The key is thrown away.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt};
use quinn::{Connection, RecvStream, SendStream, VarInt};

use crate::lab::raw_quic;

const CHUNK: usize = 256 << 10;
/// Streams that may be open at once, as for any pipelined protocol.
const STREAMS: u32 = 64;
const WINDOW: u32 = 8 << 20;
/// The kernel's own default loses packets at this speed.
const SOCKET_BUFFER: usize = 4 << 20;

/// Serves the file or the folder `from`: prints its address, ends after one connection.
pub(super) fn serve(from: &str) -> Result<()> {
    runtime()?.block_on(async {
        let mut server = raw_quic::server(b"files")?;
        server.transport_config(transport());
        let endpoint = raw_quic::endpoint(Some(server), socket()?)?;
        println!("{}", endpoint.local_addr().context("own address")?);
        let incoming = endpoint.accept().await.context("a connection")?;
        let connection = incoming.await.context("a handshake")?;
        for path in files(Path::new(from))? {
            send(&connection, &path).await?;
        }
        let mut done = connection.open_uni().await.context("say that this was all")?;
        done.write_all(&0_u32.to_be_bytes()).await.context("say that this was all")?;
        done.finish().context("say that this was all")?;
        connection.closed().await;
        Ok(())
    })
}

/// Fetches everything into the folder `to` and ends when it is durable.
pub(super) fn fetch(address: &str, to: &str) -> Result<()> {
    runtime()?.block_on(async {
        let address: SocketAddr = address.parse().context("an address")?;
        let endpoint = raw_quic::endpoint(None, socket()?)?;
        let mut client = raw_quic::client(b"files", None)?;
        client.transport_config(transport());
        let connecting = endpoint.connect_with(client, address, "any.invalid").context("dial")?;
        let connection = connecting.await.context("a handshake")?;
        let mut buffer = vec![0; CHUNK];
        while receive(&connection, Path::new(to), &mut buffer).await? {}
        File::open(to).and_then(|f| f.sync_all()).context("make the folder durable")?;
        connection.close(VarInt::from_u32(0), b"done");
        endpoint.wait_idle().await;
        Ok(())
    })
}

async fn send(connection: &Connection, path: &Path) -> Result<()> {
    let name = path.file_name().and_then(|n| n.to_str()).context("a name in UTF-8")?.to_owned();
    let mut file = File::open(path).context("open a file")?;
    let mut stream = connection.open_uni().await.context("open a stream")?;
    let length = u32::try_from(name.len()).context("a short name")?;
    stream.write_all(&length.to_be_bytes()).await.context("send a name")?;
    stream.write_all(name.as_bytes()).await.context("send a name")?;
    send_bytes(&mut file, &mut stream).await
}

async fn send_bytes(file: &mut File, stream: &mut SendStream) -> Result<()> {
    loop {
        let mut chunk = vec![0; CHUNK];
        let n = file.read(&mut chunk).context("read a file")?;
        if n == 0 {
            return stream.finish().context("finish a stream");
        }
        chunk.truncate(n);
        stream.write_chunk(chunk.into()).await.context("send a file")?;
    }
}

/// Receives one file; false when the sender said that this was all.
async fn receive(connection: &Connection, to: &Path, buffer: &mut [u8]) -> Result<bool> {
    let mut stream: RecvStream = connection.accept_uni().await.context("accept a stream")?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.context("receive a name")?;
    let length = u32::from_be_bytes(length) as usize;
    if length == 0 {
        return Ok(false);
    }
    let mut name = vec![0; length.min(255)];
    stream.read_exact(&mut name).await.context("receive a name")?;
    let path = to.join(String::from_utf8(name).context("a name in UTF-8")?);
    let file = File::create(&path).context("make a file")?;
    let mut file = BufWriter::with_capacity(CHUNK, file);
    while let Some(n) = stream.read(buffer).await.context("receive a file")? {
        file.write_all(&buffer[..n]).context("write a file")?;
    }
    let file = file.into_inner().context("write a file")?;
    file.sync_data().context("make a file durable")?;
    Ok(true)
}

fn files(from: &Path) -> Result<Vec<PathBuf>> {
    if from.is_file() {
        return Ok(vec![from.to_owned()]);
    }
    let entries = fs::read_dir(from).context("read the folder")?;
    entries.map(|e| Ok(e.context("read the folder")?.path())).collect()
}

fn transport() -> Arc<quinn::TransportConfig> {
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS))
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(WINDOW.into());
    Arc::new(transport)
}

fn socket() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("a socket")?;
    setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER).context("a large buffer")?;
    setsockopt(&socket, sockopt::SndBuf, &SOCKET_BUFFER).context("a large buffer")?;
    Ok(socket)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")
}
