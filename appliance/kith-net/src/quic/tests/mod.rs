//! Two endpoints on loopback with real sockets. Nothing here sleeps; each wait ends with an event or
//! fails after [`PATIENCE`].

mod handshake;
mod hostile;
mod streams;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use kith_core::identity::{NodeId, SecretKey};
use kith_core::wire::frame::StreamKind;
use quinn::{RecvStream, SendStream};
use tokio::time::timeout;

use super::{Config, Connection, DialError, Endpoint};

const PATIENCE: Duration = Duration::from_secs(20);

fn node(seed: u8) -> NodeId {
    SecretKey::from_seed(&[seed; 32]).node_id()
}

fn endpoint(seed: u8) -> Endpoint {
    endpoint_with(seed, Config::default())
}

fn endpoint_with(seed: u8, config: Config) -> Endpoint {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    Endpoint::bind(socket, &SecretKey::from_seed(&[seed; 32]), config).unwrap()
}

fn address(endpoint: &Endpoint) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, endpoint.local_address().unwrap().port()).into()
}

async fn within<F: Future>(what: F) -> F::Output {
    timeout(PATIENCE, what).await.expect("it takes too long")
}

/// Dials while the other end accepts.
async fn dial(
    dialler: &Endpoint,
    acceptor: &Endpoint,
    expect: Option<NodeId>,
) -> Result<(Connection, Connection), DialError> {
    let dialling = dialler.dial(address(acceptor), expect);
    let mut accepting = Box::pin(acceptor.accept());
    tokio::pin!(dialling);
    let mut accepted = None;
    let dialled = within(async {
        loop {
            tokio::select! {
                dialled = &mut dialling => return dialled,
                arrived = &mut accepting, if accepted.is_none() => accepted = arrived,
            }
        }
    })
    .await?;
    let accepted = match accepted {
        Some(accepted) => accepted,
        None => within(accepting).await.unwrap(),
    };
    Ok((dialled, accepted))
}

async fn connect(dialler: &Endpoint, acceptor: &Endpoint) -> (Connection, Connection) {
    dial(dialler, acceptor, Some(acceptor.node_id())).await.unwrap()
}

/// One stream there and back.
async fn say_hello(there: &Connection, here: &Connection) {
    let (mut asks, mut answers) = there.open(StreamKind::Hello).await.unwrap();
    asks.finish();
    let (_, mut answer, _) = within(here.accept()).await.unwrap();
    answer.finish();
    assert_eq!(within(answers.next()).await.unwrap(), None);
}

/// A stream without the manners of ours.
async fn raw_stream(connection: &Connection, kind: u8) -> (SendStream, RecvStream) {
    let (mut sender, receiver) = within(connection.quic().open_bi()).await.unwrap();
    sender.write_all(&[kind]).await.unwrap();
    (sender, receiver)
}
