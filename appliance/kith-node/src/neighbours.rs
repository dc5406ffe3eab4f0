//! What the local network and this host say: boxes heard by mDNS, addresses, and whether the clock is
//! set.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kith_core::identity::NodeId;
use kith_model::status::Status;
use kith_net::{interfaces, mdns};
use kith_proto::replica::Input;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::desk::{Message, News};

/// How often this host's addresses and its clock are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long until mDNS is tried again when there was no network for it.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// systemd-timesyncd makes this file when a time server has set the clock (systemd-timesyncd(8)).
const CLOCK_IS_SET: &str = "/run/systemd/timesync/synchronized";

/// What the box says of itself on the local network.
pub(crate) struct Announced {
    pub(crate) node: NodeId,
    /// The UDP port for peers.
    pub(crate) port: u16,
    /// Where the panel listens; announced under the box's name once it is claimed, unless it is on
    /// loopback.
    pub(crate) panel: SocketAddr,
    /// Where the box's name comes from.
    pub(crate) status: watch::Receiver<Arc<Status>>,
}

/// Announces the box and tells the hub whom it hears, until told to stop.
pub(crate) async fn listen(
    mut announced: Announced,
    facts: mpsc::Sender<Input>,
    stop: CancellationToken,
) {
    let mut service = loop {
        match mdns::Mdns::start(announced.node, announced.port) {
            Ok(service) => break service,
            Err(error) => {
                tracing::warn!(%error, "the local network cannot be used; trying again");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TRY_AGAIN) => {}
        }
    };
    let mut name = None;
    loop {
        announce_panel(&mut service, &mut announced, &mut name);
        let event = tokio::select! {
            () = stop.cancelled() => break,
            Ok(()) = announced.status.changed() => continue,
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

fn announce_panel(service: &mut mdns::Mdns, announced: &mut Announced, known: &mut Option<String>) {
    let status = announced.status.borrow_and_update();
    let name = status.claimed.then(|| kith_webui::host_label(&status.name));
    if name == *known {
        return;
    }
    if let Some(name) = &name
        && let Err(error) = service.announce_panel(name, announced.panel)
    {
        tracing::warn!(%error, "the panel cannot be announced");
    }
    *known = name;
}

/// What of this host is watched, and with what.
pub(crate) struct Host {
    /// The UDP port for peers.
    pub(crate) port: u16,
    pub(crate) clock: Arc<Clock>,
}

/// Tells desk and hub when this host's addresses change, and the desk when its clock has been set.
pub(crate) async fn watch_host(
    host: Host,
    desk: mpsc::Sender<Message>,
    facts: mpsc::Sender<Input>,
    stop: CancellationToken,
) {
    let mut last = None;
    loop {
        match interfaces::reachable_at(host.port) {
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
            Err(error) => {
                tracing::warn!(%error, "the addresses of this host are not to be had");
            }
        }
        if !host.clock.trusted() && Path::new(CLOCK_IS_SET).exists() {
            let news = News::TimeConfirmed(host.clock.system().wall());
            if desk.send(Message::News(news)).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
