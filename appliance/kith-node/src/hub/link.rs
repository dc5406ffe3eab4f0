//! Connections: made, accepted, attended until they end.

use std::net::SocketAddr;
use std::time::Duration;

use kith_core::identity::NodeId;
use kith_net::quic::{Connection, Endpoint};
use kith_proto::replica::{DialId, Input, LinkId};
use tokio::sync::mpsc;

use super::Event;
use super::stream::Halves;

/// A try to connect that takes longer has failed.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that is up.
#[derive(Debug)]
pub(super) struct Link {
    connection: Connection,
    numbers: u64,
}

impl Link {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection, numbers: 0 }
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The number of the next stream the peer opened.
    pub(super) const fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

/// Accepts connections until the endpoint is closed.
pub(super) async fn accept_all(endpoint: Endpoint, report: mpsc::Sender<Event>) {
    while let Some(connection) = endpoint.accept().await {
        if report.send(Event::Connected(connection, None)).await.is_err() {
            break;
        }
    }
}

/// Dials and reports how it went.
pub(super) async fn dial(
    endpoint: Endpoint,
    (dial, address, expect): (DialId, SocketAddr, Option<NodeId>),
    report: mpsc::Sender<Event>,
) {
    let failed = |error: String| Event::Fact(Input::DialFailed { dial, error });
    let event = match tokio::time::timeout(DIAL_TIMEOUT, endpoint.dial(address, expect)).await {
        Ok(Ok(connection)) => Event::Connected(connection, Some(dial)),
        Ok(Err(error)) => failed(crate::words::chain(&error)),
        Err(_) => failed("nobody answered in 10 seconds".to_owned()),
    };
    let _ = report.send(event).await;
}

/// Reports the streams the peer opens, and at last the end of the connection.
pub(super) async fn attend(link: LinkId, connection: Connection, report: mpsc::Sender<Event>) {
    let reason = loop {
        match connection.accept().await {
            Ok((kind, sender, receiver)) => {
                let halves = Halves { kind, sender, receiver };
                if report.send(Event::Opened(link, halves)).await.is_err() {
                    return;
                }
            }
            Err(closed) => break closed.to_string(),
        }
    };
    let _ = report.send(Event::Fact(Input::LinkDown { link, reason })).await;
}
