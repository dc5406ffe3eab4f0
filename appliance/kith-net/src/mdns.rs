//! DNS-SD over multicast DNS (RFC 6762, RFC 6763): says that a box is here and hears who else is.
//!
//! What is heard is a hint where to dial and nothing more: whoever is on the network can say anything
//! here, and only the key proven in the handshake counts. What is said is the key and the port, never
//! a space, a person's name or the host's. The protocol runs on mdns-sd's own thread.

mod book;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use data_encoding::BASE32_DNSSEC;
use kith_core::identity::NodeId;
use mdns_sd::{IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tracing::{debug, warn};

pub use book::{Event, MAX_ADDRESSES, MAX_NEIGHBOURS};

use book::Book;

/// The service of boxes.
pub const SERVICE: &str = "_kith._udp.local.";

/// The service of their panels.
pub const PANEL_SERVICE: &str = "_http._tcp.local.";

/// The version of what the TXT record says.
const VERSION: &str = "1";

/// Records of others kept before the network is taken for flooded.
const MAX_RECORDS: i64 = 8_192;

/// How often their number is looked at.
const INSPECTION: Duration = Duration::from_secs(2);

/// How long a flooded network is left alone.
const DEAF: Duration = Duration::from_secs(30);

/// How long leaving may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// The longest name of an instance, in bytes (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 63;

/// Why the local network cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MdnsError {
    /// The sockets or the thread.
    #[error("cannot start multicast DNS")]
    Start(#[source] mdns_sd::Error),
    /// The list of interfaces.
    #[error("cannot list the network interfaces")]
    Interfaces(#[source] nix::Error),
    /// A service could not be announced.
    #[error("cannot announce {service}")]
    Announce {
        /// Which service.
        service: &'static str,
        /// Why not.
        #[source]
        source: mdns_sd::Error,
    },
}

/// A box on the local network: announced, and hearing others.
#[derive(Debug)]
pub struct Mdns {
    node: NodeId,
    port: u16,
    /// Where mDNS itself is spoken; another port than usual in tests, so that they are among themselves.
    mdns_port: u16,
    panel: Option<ServiceInfo>,
    loopback: BTreeSet<String>,
    book: Book,
    inspection: Interval,
    ears: Ears,
}

enum Ears {
    Open {
        daemon: ServiceDaemon,
        heard: Receiver<ServiceEvent>,
        since: Instant,
    },
    /// The network was flooded; listening goes on at this time.
    Shut(Instant),
}

impl Mdns {
    /// Announces `node` at `port` of every address of this host, and listens. Has to be called within
    /// a tokio runtime.
    ///
    /// # Errors
    /// When there are no multicast sockets to be had.
    pub fn start(node: NodeId, port: u16) -> Result<Self, MdnsError> {
        Self::start_on(node, port, mdns_sd::MDNS_PORT)
    }

    fn start_on(node: NodeId, port: u16, mdns_port: u16) -> Result<Self, MdnsError> {
        let loopback = loopback_interfaces()?;
        let mut inspection = interval_at(Instant::now() + INSPECTION, INSPECTION);
        inspection.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ears = open(node, port, mdns_port)?;
        let book = Book::new(node);
        Ok(Self { node, port, mdns_port, panel: None, loopback, book, inspection, ears })
    }

    /// What is heard next. May be cancelled and called again.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.book.poll_event() {
                return event;
            }
            match &self.ears {
                Ears::Open { heard, since, .. } => tokio::select! {
                    event = heard.recv_async() => match event {
                        Ok(event) => self.learn(event),
                        // We were too slow and mdns-sd dropped us, or its thread has died. Once in a
                        // while that is made good at once.
                        Err(_) if since.elapsed() > DEAF => self.reopen(),
                        Err(_) => self.shut(Instant::now() + DEAF),
                    },
                    _ = self.inspection.tick() => self.inspect().await,
                },
                Ears::Shut(until) => {
                    tokio::time::sleep_until(*until).await;
                    self.reopen();
                }
            }
        }
    }

    /// Announces the panel as well, under `name`; does nothing when it listens on loopback only.
    ///
    /// # Errors
    /// When the name cannot be announced.
    pub fn announce_panel(&mut self, name: &str, address: SocketAddr) -> Result<(), MdnsError> {
        self.withdraw_panel();
        if address.ip().is_loopback() {
            return Ok(());
        }
        let panel = panel_service(self.node, &shorten(name), address)?;
        if let Ears::Open { daemon, .. } = &self.ears {
            register_panel(daemon, &panel)?;
        }
        self.panel = Some(panel);
        Ok(())
    }

    /// Takes the panel's announcement back.
    pub fn withdraw_panel(&mut self) {
        if let (Ears::Open { daemon, .. }, Some(panel)) = (&self.ears, self.panel.take())
            && let Err(error) = daemon.unregister(panel.get_fullname())
        {
            debug!(%error, "the panel stays announced until its record expires");
        }
    }

    /// Says goodbye, so that nobody dials in vain.
    pub async fn stop(self) {
        if let Ears::Open { daemon, .. } = &self.ears
            && let Ok(stopped) = daemon.shutdown()
        {
            // Whoever does not hear of it finds out by dialling.
            let _said = timeout(GOODBYE, stopped.recv_async()).await;
        }
    }

    fn learn(&mut self, event: ServiceEvent) {
        match event {
            ServiceEvent::ServiceResolved(service) => self.book.resolved(&service, &self.loopback),
            ServiceEvent::ServiceRemoved(_, name) => self.book.removed(&name),
            // The rest is the progress of the search; the type is open-ended.
            ServiceEvent::SearchStarted(_)
            | ServiceEvent::ServiceFound(..)
            | ServiceEvent::SearchStopped(_)
            | _ => {}
        }
    }

    /// Looks at how much mdns-sd remembers, since nothing in it bounds that.
    async fn inspect(&mut self) {
        let Ears::Open { daemon, .. } = &self.ears else { return };
        let Ok(metrics) = daemon.get_metrics() else { return };
        let Ok(Ok(metrics)) = timeout(INSPECTION, metrics.recv_async()).await else { return };
        let cached = metrics.iter().filter(|(name, _)| name.starts_with("cached-"));
        let records: i64 = cached.map(|(_, count)| count).sum();
        if records > MAX_RECORDS {
            warn!(
                records,
                "the local network floods us with announcements; not listening for a while"
            );
            self.shut(Instant::now() + DEAF);
        }
    }

    fn reopen(&mut self) {
        self.shut(Instant::now() + DEAF);
        match open(self.node, self.port, self.mdns_port) {
            Ok(ears) => self.ears = ears,
            Err(error) => {
                warn!(%error, "not listening on the local network for a while");
                return;
            }
        }
        if let (Ears::Open { daemon, .. }, Some(panel)) = (&self.ears, &self.panel)
            && let Err(error) = register_panel(daemon, panel)
        {
            warn!(%error, "the panel is not announced");
        }
    }

    fn shut(&mut self, until: Instant) {
        self.book.forget_all();
        if let Ears::Open { daemon, .. } = std::mem::replace(&mut self.ears, Ears::Shut(until)) {
            // An error means that the thread has ended by itself.
            let _ended = daemon.shutdown();
        }
    }
}

impl Drop for Mdns {
    fn drop(&mut self) {
        if let Ears::Open { daemon, .. } = &self.ears {
            // An error means that the thread has ended by itself.
            let _ended = daemon.shutdown();
        }
    }
}

impl std::fmt::Debug for Ears {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open { .. } => "Open",
            Self::Shut(_) => "Shut",
        })
    }
}

fn open(node: NodeId, port: u16, mdns_port: u16) -> Result<Ears, MdnsError> {
    let daemon = ServiceDaemon::new_with_port(mdns_port).map_err(MdnsError::Start)?;
    let instance = node.words().replace(' ', "-");
    let properties = [("v", VERSION.to_owned()), ("id", node.to_string())];
    let announced =
        ServiceInfo::new(SERVICE, &instance, &host_name(node), "", port, &properties[..])
            .and_then(|service| daemon.register(service.enable_addr_auto()));
    if let Err(source) = announced {
        // The thread would otherwise outlive the error.
        let _ended = daemon.shutdown();
        return Err(MdnsError::Announce { service: SERVICE, source });
    }
    let heard = daemon.browse(SERVICE).map_err(MdnsError::Start)?;
    Ok(Ears::Open { daemon, heard, since: Instant::now() })
}

fn panel_service(node: NodeId, name: &str, address: SocketAddr) -> Result<ServiceInfo, MdnsError> {
    let any = address.ip().is_unspecified();
    let ip = if any { String::new() } else { address.ip().to_string() };
    let (host, properties) = (host_name(node), [("path", "/")]);
    ServiceInfo::new(PANEL_SERVICE, name, &host, ip.as_str(), address.port(), &properties[..])
        .map(|mut service| {
            let others = IfPredicate::new(|interface| !interface.is_loopback());
            service.set_interfaces(vec![IfKind::Predicate(others)]);
            if any { service.enable_addr_auto() } else { service }
        })
        .map_err(|source| MdnsError::Announce { service: PANEL_SERVICE, source })
}

fn register_panel(daemon: &ServiceDaemon, panel: &ServiceInfo) -> Result<(), MdnsError> {
    daemon
        .register(panel.clone())
        .map_err(|source| MdnsError::Announce { service: PANEL_SERVICE, source })
}

/// A host name of our own, since the host's may name a person.
fn host_name(node: NodeId) -> String {
    format!("kith-{}.local.", BASE32_DNSSEC.encode(&node.0[..10]))
}

fn shorten(name: &str) -> String {
    let end = name.floor_char_boundary(MAX_NAME);
    name[..end].chars().filter(|c| !c.is_control()).collect()
}

fn loopback_interfaces() -> Result<BTreeSet<String>, MdnsError> {
    let entries = getifaddrs().map_err(MdnsError::Interfaces)?;
    let loopback = entries.filter(|entry| entry.flags.contains(InterfaceFlags::IFF_LOOPBACK));
    Ok(loopback.map(|entry| entry.interface_name).collect())
}

#[cfg(test)]
mod tests {
    use kith_core::identity::SecretKey;

    use super::*;

    #[tokio::test]
    async fn two_boxes_on_loopback_hear_each_other_and_the_goodbye() {
        let (one, two) = (node(1), node(2));
        let mut first = Mdns::start_on(one, 4001, 5453).unwrap();
        let mut second = Mdns::start_on(two, 4002, 5453).unwrap();
        let began = Instant::now();
        let (heard_two, heard_one) = tokio::join!(hear(&mut first, two), hear(&mut second, one));
        println!("both heard after {:?}", began.elapsed());
        assert!(heard_two.iter().any(|a| a.to_string() == "127.0.0.1:4002"), "{heard_two:?}");
        assert!(heard_one.iter().any(|a| a.to_string() == "127.0.0.1:4001"), "{heard_one:?}");
        second.stop().await;
        within(async { while first.next().await != (Event::Gone { node: two }) {} }).await;
    }

    #[tokio::test]
    async fn a_flood_of_announcements_closes_our_ears_and_a_few_do_not() {
        let mut mdns = Mdns::start_on(node(1), 4001, 5454).unwrap();
        let mut announced = 0;
        within(async {
            while records(&mdns).await < 200 {
                announce(5454, announced, 40);
                announced += 40;
            }
            mdns.inspect().await;
            assert!(matches!(mdns.ears, Ears::Open { .. }), "{announced} are no flood");
            while matches!(mdns.ears, Ears::Open { .. }) {
                announce(5454, announced, 40);
                announced += 40;
                mdns.inspect().await;
            }
        })
        .await;
        assert!(announced > MAX_RECORDS as usize);
    }

    #[test]
    fn names_fit_dns() {
        assert_eq!(shorten(&"é".repeat(50)).len(), 62);
        assert_eq!(shorten("a\u{7}b"), "ab");
        let longest = "abstract ".repeat(6).trim().replace(' ', "-");
        assert!(longest.len() <= MAX_NAME);
        assert!(host_name(node(1)).ends_with(".local."));
    }

    fn node(seed: u8) -> NodeId {
        SecretKey::from_seed(&[seed; 32]).node_id()
    }

    async fn within<F: Future>(what: F) -> F::Output {
        timeout(Duration::from_secs(20), what).await.expect("it takes too long")
    }

    async fn hear(mdns: &mut Mdns, wanted: NodeId) -> Vec<SocketAddr> {
        within(async {
            loop {
                match mdns.next().await {
                    Event::Heard { node, addresses, on_loopback: true } if node == wanted => {
                        return addresses;
                    }
                    Event::Heard { .. } | Event::Gone { .. } => {}
                }
            }
        })
        .await
    }

    async fn records(mdns: &Mdns) -> usize {
        let Ears::Open { daemon, .. } = &mdns.ears else { return 0 };
        let metrics = daemon.get_metrics().unwrap().recv_async().await.unwrap();
        metrics.get("cached-ptr").map_or(0, |count| *count as usize)
    }

    /// Sends, on loopback, one answer with `count` boxes that do not exist (RFC 1035, section 4.1).
    fn announce(mdns_port: u16, first: usize, count: u16) {
        let service = b"\x05_kith\x04_udp\x05local\0";
        let mut answer = vec![0, 0, 0x84, 0, 0, 0];
        answer.extend(count.to_be_bytes());
        answer.extend([0; 4]);
        for i in first..first + usize::from(count) {
            let instance = format!("{i:08}");
            answer.extend(service);
            answer.extend([0, 12, 0, 1, 0, 0, 0x11, 0x94]);
            answer.extend((9 + service.len() as u16).to_be_bytes());
            answer.push(8);
            answer.extend(instance.as_bytes());
            answer.extend(service);
        }
        let socket = std::net::UdpSocket::bind(("127.0.0.1", mdns_port + 100)).unwrap();
        socket.send_to(&answer, ("127.0.0.1", mdns_port)).unwrap();
    }
}
