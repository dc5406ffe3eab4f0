//! What the local network says: boxes heard by mDNS, and the addresses of this host.

use std::time::Duration;

use kith_net::{interfaces, mdns};
use kith_proto::replica::Input;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::desk::{Message, News};

/// How often this host's addresses are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long until mDNS is tried again when there was no network for it.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// Announces the box and tells the hub whom it hears, until told to stop.
pub(crate) async fn listen(
    (node, port): (kith_core::identity::NodeId, u16),
    facts: mpsc::Sender<Input>,
    stop: CancellationToken,
) {
    let mut service = loop {
        match mdns::Mdns::start(node, port) {
            Ok(service) => break service,
            Err(error) => tracing::warn!(%error, "the local network cannot be used; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TRY_AGAIN) => {}
        }
    };
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => break,
            event = service.next() => event,
        };
        let fact = match event {
            mdns::Event::Heard { node, addresses, on_loopback } => {
                Input::Heard { node, addresses, loopback: on_loopback }
            }
            mdns::Event::Gone { node } => Input::HeardGone { node },
        };
        if facts.send(fact).await.is_err() {
            break;
        }
    }
    service.stop().await;
}

/// Tells desk and hub when this host's addresses change.
pub(crate) async fn watch_addresses(
    port: u16,
    desk: mpsc::Sender<Message>,
    facts: mpsc::Sender<Input>,
    stop: CancellationToken,
) {
    let mut last = None;
    loop {
        match interfaces::reachable_at(port) {
            Ok(addresses) if last.as_ref() != Some(&addresses) => {
                let first = last.replace(addresses.clone()).is_none();
                let news = Message::News(News::Addresses(addresses));
                if desk.send(news).await.is_err() {
                    return;
                }
                if !first && facts.send(Input::NetworkChanged).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the addresses of this host are not to be had"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
