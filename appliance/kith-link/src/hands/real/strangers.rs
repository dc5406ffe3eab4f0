//! What strangers send, read as the hands read it: for whoever tries to break that (`tests/fuzz`).

use std::net::Ipv4Addr;

use kith_model::network::ask::Heard;
use kith_model::settings::values::Mac;

use super::{leases, wifi};

/// What a message of a scan says: the attributes are the kernel's, all in them a neighbour's.
#[must_use]
pub fn scan(message: &[u8]) -> Vec<Heard> {
    wifi::read_scan(message)
}

/// What devices call themselves, in the file of leases: who, where, how.
#[must_use]
pub fn names(leases: &[u8]) -> Vec<(Mac, Ipv4Addr, Option<String>)> {
    leases::read(leases).into_iter().map(|lease| (lease.mac, lease.ip, lease.hostname)).collect()
}
