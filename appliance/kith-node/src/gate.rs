//! For whom the panel is, by the address of the box that somebody came to.
//!
//! On an appliance one listener serves all addresses, so that none has to be rebound when they change,
//! and the firewall keeps the internet out. This is the second lock, for the moment in which the first
//! one is open by mistake: what is no address of the household, the visitors or the mesh gets nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kith_model::network::status::{Network, NetworkStatus};
use kith_model::role::Mode;
use kith_model::status::Status;
use kith_webui::backend::Side;
use tokio::sync::{Notify, watch};

/// How long somebody waits who came to an address that nobody has named yet: it may be a new one.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which network each address of the box is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    addresses: BTreeMap<IpAddr, Network>,
    /// By the kernel's numbers of interfaces, for addresses that mean nothing without (RFC 4007).
    interfaces: BTreeMap<u32, Network>,
}

impl Reach {
    /// As whoever drives the network says it.
    pub(crate) fn of(status: &NetworkStatus) -> Self {
        let mut reach = Self::default();
        for link in &status.links {
            let Some(network) = link.network else { continue };
            reach.interfaces.insert(link.index, network);
            let ips = link.addresses.iter().filter_map(|address| bare(address));
            reach.addresses.extend(ips.map(|ip| (ip, network)));
        }
        // Last, so that no mistake above makes one of them the household's. One through the mesh has the
        // mesh's addresses.
        let uplinks = status.uplinks.iter().flat_map(|uplink| &uplink.addresses);
        for ip in uplinks.filter_map(|address| bare(address)) {
            let network = reach.addresses.entry(ip).or_insert(Network::Wan);
            if *network != Network::Mesh {
                *network = Network::Wan;
            }
        }
        reach
    }

    fn network(&self, local: SocketAddr) -> Option<Network> {
        if let SocketAddr::V6(local) = local
            && local.ip().is_unicast_link_local()
        {
            return self.interfaces.get(&local.scope_id()).copied();
        }
        self.addresses.get(&local.ip().to_canonical()).copied()
    }
}

/// The address before the size of its network.
fn bare(address: &str) -> Option<IpAddr> {
    address.split('/').next().and_then(|ip| ip.parse().ok())
}

/// Who is let in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    /// Nothing where the operator chose the panel's address: there the listener is the lock.
    guarded: Option<Guarded>,
}

#[derive(Clone, Debug)]
struct Guarded {
    known: watch::Receiver<Reach>,
    look: Arc<Notify>,
    status: watch::Receiver<Arc<Status>>,
}

/// The other end: whoever learns how the network is.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    known: watch::Sender<Reach>,
    look: Arc<Notify>,
}

/// A gate and its keeper. Until the keeper says something, an appliance lets nobody in but itself.
pub(crate) fn pair(mode: Mode, status: watch::Receiver<Arc<Status>>) -> (Gate, Keeper) {
    let (known, knows) = watch::channel(Reach::default());
    let look = Arc::new(Notify::new());
    let guarded = match mode {
        Mode::Appliance => Some(Guarded { known: knows, look: Arc::clone(&look), status }),
        Mode::Tryout | Mode::Host => None,
    };
    (Gate { guarded }, Keeper { known, look })
}

impl Keeper {
    /// Says how the network is now.
    pub(crate) fn tell(&self, reach: Reach) {
        // Also when it is the same: somebody may wait for it.
        self.known.send_replace(reach);
    }

    /// Waits until somebody came to an address that is not known.
    pub(crate) async fn wanted(&self) {
        self.look.notified().await;
    }
}

impl Gate {
    /// For whom the panel is at this address.
    pub(crate) async fn side(&self, local: SocketAddr) -> Side {
        let Some(guarded) = &self.guarded else { return Side::Household };
        if local.ip().to_canonical().is_loopback() {
            return Side::Household;
        }
        guarded.side(local).await
    }
}

impl Guarded {
    async fn side(&self, local: SocketAddr) -> Side {
        let mut known = self.known.clone();
        let first = known.borrow_and_update().network(local);
        let network = match first {
            Some(network) => Some(network),
            None => {
                self.look.notify_one();
                let again = known.wait_for(|reach| reach.network(local).is_some());
                let told = tokio::time::timeout(PATIENCE, again).await;
                told.ok().and_then(Result::ok).and_then(|reach| reach.network(local))
            }
        };
        match network {
            Some(Network::Household) => Side::Household,
            Some(Network::Guest) => Side::Visitors,
            Some(Network::Mesh) if self.status.borrow().visitor_pages => Side::Visitors,
            Some(Network::Mesh | Network::Wan) | None => Side::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use kith_model::network::status::{Link, Uplink};

    use super::*;

    fn link(index: u32, network: Option<Network>, addresses: &[&str]) -> Link {
        let addresses = addresses.iter().map(ToString::to_string).collect();
        Link { index, network, addresses, ..Link::default() }
    }

    fn network() -> NetworkStatus {
        let uplink = |device: &str, address: &str| Uplink {
            device: device.into(),
            addresses: vec![address.into()],
            ..Uplink::default()
        };
        NetworkStatus {
            links: vec![
                link(2, Some(Network::Wan), &["203.0.113.7/24", "2001:db8:7::1/64"]),
                link(3, Some(Network::Household), &["192.168.77.1/24", "fd00:7::1/64"]),
                link(4, Some(Network::Guest), &["192.168.78.1/24"]),
                link(5, Some(Network::Mesh), &["10.7.1.2/16"]),
                link(6, None, &["172.17.0.1/16"]),
            ],
            uplinks: vec![uplink("wan", "203.0.113.7/24"), uplink("mesh", "10.7.1.2/16")],
            ..NetworkStatus::default()
        }
    }

    fn gate(mode: Mode, pages: bool) -> (Gate, Keeper) {
        let status = Status { visitor_pages: pages, ..Status::default() };
        let (publish, status) = watch::channel(Arc::new(status));
        drop(publish);
        pair(mode, status)
    }

    const EVERYWHERE: [(&str, Side); 11] = [
        ("127.0.0.1:8480", Side::Household),
        ("[::1]:8480", Side::Household),
        ("192.168.77.1:8480", Side::Household),
        ("[::ffff:192.168.77.1]:8480", Side::Household),
        ("[fd00:7::1]:8480", Side::Household),
        ("[fe80::1%3]:8480", Side::Household),
        ("192.168.78.1:8480", Side::Visitors),
        ("[fe80::1%4]:8480", Side::Visitors),
        ("203.0.113.7:8480", Side::Outside),
        ("[fe80::1%2]:8480", Side::Outside),
        ("172.17.0.1:8480", Side::Outside),
    ];

    #[tokio::test(start_paused = true)]
    async fn each_network_gets_what_is_for_it() {
        let (gate, keeper) = gate(Mode::Appliance, false);
        keeper.tell(Reach::of(&network()));
        for (local, side) in EVERYWHERE {
            assert_eq!(gate.side(local.parse().unwrap()).await, side, "{local}");
        }
        assert_eq!(gate.side("[2001:db8:7::1]:8480".parse().unwrap()).await, Side::Outside);
    }

    #[tokio::test(start_paused = true)]
    async fn the_mesh_sees_what_the_owner_shows_it_and_no_more() {
        for (pages, side) in [(false, Side::Outside), (true, Side::Visitors)] {
            let (gate, keeper) = gate(Mode::Appliance, pages);
            keeper.tell(Reach::of(&network()));
            assert_eq!(gate.side("10.7.1.2:8480".parse().unwrap()).await, side);
        }
    }

    /// The control: without the check all of them are the household.
    #[tokio::test]
    async fn where_the_operator_chose_the_address_there_is_no_second_lock() {
        for mode in [Mode::Tryout, Mode::Host] {
            let (gate, _keeper) = gate(mode, false);
            for (local, _) in EVERYWHERE {
                assert_eq!(gate.side(local.parse().unwrap()).await, Side::Household, "{local}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_knows_the_network_yet_so_nobody_is_let_in() {
        let (gate, _keeper) = gate(Mode::Appliance, true);
        let begun = tokio::time::Instant::now();
        assert_eq!(gate.side("192.168.77.1:8480".parse().unwrap()).await, Side::Outside);
        assert_eq!(begun.elapsed(), PATIENCE);
        assert_eq!(gate.side("127.0.0.1:8480".parse().unwrap()).await, Side::Household);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_new_is_asked_about_and_waited_for() {
        let (gate, keeper) = gate(Mode::Appliance, false);
        keeper.tell(Reach::of(&network()));
        let moved = async {
            keeper.wanted().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut status = network();
            status.links.push(link(3, Some(Network::Household), &["192.168.91.1/24"]));
            keeper.tell(Reach::of(&status));
        };
        let (side, ()) = tokio::join!(gate.side("192.168.91.1:8480".parse().unwrap()), moved);
        assert_eq!(side, Side::Household);
    }

    #[test]
    fn an_uplink_is_the_internets_whatever_else_is_said_of_its_address() {
        let mut status = network();
        status.links.push(link(9, Some(Network::Household), &["203.0.113.7/24"]));
        let reach = Reach::of(&status);
        assert_eq!(reach.network("203.0.113.7:1".parse().unwrap()), Some(Network::Wan));
    }
}
