//! Aiming an antenna: one neighbour's signal, large enough to read in the sun, every second.

use askama::Template;
use kith_model::network::ask::NetworkAsk;
use kith_model::network::status::MeshNeighbour;

use super::mesh::called;
use super::{Net, expect_network, network};
use crate::answer::{Answer, Failure, page};
use crate::ask::Ask;
use crate::view::{Nav, View};

/// The page's address.
const PATH: &str = "/aim";

/// The weakest and the strongest signal that the bar shows, in dBm.
const SCALE: (i16, i16) = (-95, -30);

#[derive(Template)]
#[template(path = "network/aim.html")]
struct Page {
    v: View,
    net: Net,
    /// Whom the antenna is aimed at.
    chosen: Option<MeshNeighbour>,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let mut net = Net::load(&ask, PATH).await?;
    // From here on the box looks once a second, for a minute.
    let fresh = network(&ask, NetworkAsk::Aim).await?;
    net.status = *expect_network!(fresh, Status);
    net.status.mesh.neighbours.sort_by_key(|neighbour| std::cmp::Reverse(neighbour.signal_dbm));
    let wanted = ask.query.some("to");
    let mut neighbours = net.status.mesh.neighbours.iter();
    let chosen = match wanted {
        Some(mac) => neighbours.find(|neighbour| neighbour.mac == mac),
        None => neighbours.next(),
    };
    let chosen = chosen.cloned();
    Ok(page(&Page { v: View::new(&ask, Nav::Network), net, chosen }))
}

impl Page {
    /// How full the bar is, in percent.
    fn full(signal: &i8) -> i16 {
        let (least, most) = SCALE;
        (i16::from(*signal) - least).clamp(0, most - least) * 100 / (most - least)
    }

    fn is_chosen(&self, mac: &str) -> bool {
        self.chosen.as_ref().is_some_and(|neighbour| neighbour.mac == mac)
    }

    fn name(neighbour: &MeshNeighbour) -> String {
        called(neighbour.name.as_ref(), &neighbour.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_ends_where_signals_do() {
        assert_eq!(Page::full(&-128), 0);
        assert_eq!(Page::full(&-95), 0);
        assert_eq!(Page::full(&-30), 100);
        assert_eq!(Page::full(&127), 100);
        assert!(Page::full(&-60) > Page::full(&-61));
    }
}
