//! Visitors: a bridge of their own, in which no port hears another.

use kith_model::network::status::Network;

use super::scene::Scene;
use super::{lan, made};
use crate::desired::Desired;
use crate::names::GUEST_BRIDGE;

pub(super) fn add(scene: &Scene<'_>, desired: &mut Desired) {
    if !scene.guest {
        return;
    }
    desired.links.insert(GUEST_BRIDGE.to_owned(), lan::bridge(Network::Guest));
    let address = scene.settings.guest.address;
    desired.addresses.insert((GUEST_BRIDGE.to_owned(), address.into()));
    lan::former(scene, GUEST_BRIDGE, 1, desired);
    for prefix in scene.visitors.all() {
        desired.addresses.insert((GUEST_BRIDGE.to_owned(), made::first(prefix).into()));
    }
}
