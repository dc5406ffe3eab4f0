//! Addresses that are made of keys and names rather than given: the same on every start, and different
//! from the neighbours' (RFC 4193, 3.2.2, with SHA-256 of the domain and what it is made of).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use kith_model::settings::values::{Mac, MeshId};
use sha2::{Digest as _, Sha256};

/// What an address is for; its text is part of what is digested.
#[derive(Clone, Copy)]
enum Domain {
    Household,
    MeshPrefix,
    MeshInterface,
    MeshNetwork,
    MeshHost,
    MeshGateway,
    Setup,
    Duid,
}

impl Domain {
    const fn text(self) -> &'static str {
        match self {
            Self::Household => "kith/household-ula/1",
            Self::MeshPrefix => "kith/mesh-ula/1",
            Self::MeshInterface => "kith/mesh-interface/1",
            Self::MeshNetwork => "kith/mesh-ipv4-network/1",
            Self::MeshHost => "kith/mesh-ipv4-host/1",
            Self::MeshGateway => "kith/mesh-ipv4-gateway/1",
            Self::Setup => "kith/setup-name/1",
            Self::Duid => "kith/duid/1",
        }
    }

    /// Domains hold no zero byte, so that no two of them with their parts are the same bytes.
    fn digest(self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new().chain_update(self.text()).chain_update([0]);
        for part in parts {
            hash.update(part);
        }
        hash.finalize().into()
    }
}

/// The household's local prefix, a /48 (RFC 4193).
pub(super) fn household_ula(key: &[u8; 32]) -> Ipv6Net {
    local_prefix(Domain::Household.digest(&[key]), 48)
}

/// The mesh's local prefix, a /64 that all its boxes make alike.
pub(super) fn mesh_ula(id: &MeshId) -> Ipv6Net {
    local_prefix(Domain::MeshPrefix.digest(&[id.as_str().as_bytes()]), 64)
}

/// The box's address in it. The interface identifier is opaque (RFC 7136), never that of the subnet's
/// routers (RFC 4291, 2.6.1).
pub(super) fn mesh_ipv6(id: &MeshId, key: &[u8; 32]) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h, ..] = Domain::MeshInterface.digest(&[key]);
    let interface = u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1);
    let prefix = mesh_ula(id);
    join(prefix, interface, 64)
}

/// The mesh's IPv4 network, a /16 of 10.0.0.0/8.
pub(super) fn mesh_ipv4_network(id: &MeshId) -> Ipv4Net {
    let [second, ..] = Domain::MeshNetwork.digest(&[id.as_str().as_bytes()]);
    Ipv4Net::new_assert(Ipv4Addr::new(10, second, 0, 0), 16)
}

/// The box's address in it; another one for each time that somebody else was found to have it.
pub(super) fn mesh_ipv4(id: &MeshId, key: &[u8; 32], retries: u8) -> Ipv4Net {
    let [a, b, ..] = Domain::MeshHost.digest(&[key, &[retries]]);
    let host = u32::from(u16::from_be_bytes([a, b]).clamp(1, u16::MAX - 1));
    let network = u32::from(mesh_ipv4_network(id).addr());
    Ipv4Net::new_assert(Ipv4Addr::from(network | host), 16)
}

/// The address under which a box that shares its way to the internet is found in the mesh: batman-adv tells
/// of gateways by the address of one of the interfaces that carry the mesh, and nothing else tells which
/// IPv4 address a gateway has.
pub(crate) fn mesh_gateway(id: &MeshId, carrier: Mac) -> Ipv4Net {
    let [a, b, ..] = Domain::MeshGateway.digest(&[&carrier.0]);
    let host = u32::from(u16::from_be_bytes([a, b]).clamp(1, u16::MAX - 1));
    let network = u32::from(mesh_ipv4_network(id).addr());
    Ipv4Net::new_assert(Ipv4Addr::from(network | host), 32)
}

/// Whether an address, or a network's, is one of the boxes of this mesh. Who comes from a household behind
/// another box comes with that box's.
pub(crate) fn in_mesh(id: &MeshId, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => mesh_ipv4_network(id).contains(&address),
        IpAddr::V6(address) => mesh_ula(id).contains(&address),
    }
}

/// The name of the Wi-Fi for setting a box up: it tells two boxes apart, and nothing about either.
pub(super) fn setup_name(key: &[u8; 32]) -> String {
    let [a, b, ..] = Domain::Setup.digest(&[key]);
    format!("Kith setup {a:02X}{b:02X}")
}

/// The box's identifier towards providers (DUID-UUID, RFC 6355): it survives without a file.
pub(super) fn duid(key: &[u8; 32]) -> [u8; 16] {
    let digest = Domain::Duid.digest(&[key]);
    let mut uuid = [0; 16];
    uuid.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
    // RFC 9562, 5.8: version 8, variant 10.
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

/// The subnet of a prefix by its number, a /64; nothing when the prefix has not so many.
pub(super) fn subnet(prefix: Ipv6Net, number: u16) -> Option<Ipv6Net> {
    let bits = 64_u8.checked_sub(prefix.prefix_len())?;
    if u32::from(number) >= 1_u32.checked_shl(u32::from(bits)).unwrap_or(u32::MAX) {
        return None;
    }
    let high = u128::from(prefix.network()) | u128::from(number) << 64;
    Ipv6Net::new(Ipv6Addr::from(high), 64).ok()
}

/// The box's own address in a /64: the first one.
pub(super) fn first(subnet: Ipv6Net) -> Ipv6Net {
    join(subnet, 1, 64)
}

fn local_prefix(digest: [u8; 32], length: u8) -> Ipv6Net {
    let [a, b, c, d, e, ..] = digest;
    let octets = [0xfd, a, b, c, d, e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    Ipv6Net::new_assert(Ipv6Addr::from(octets), length)
}

fn join(prefix: Ipv6Net, interface: u64, length: u8) -> Ipv6Net {
    let address = u128::from(prefix.network()) | u128::from(interface);
    Ipv6Net::new_assert(Ipv6Addr::from(address), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_a_mesh_agree_on_its_networks_and_differ_in_their_own_addresses() {
        let id: MeshId = "valley".parse().unwrap();
        let (one, two) = (mesh_ipv4(&id, &[1; 32], 0), mesh_ipv4(&id, &[2; 32], 0));
        assert_eq!(one.trunc(), two.trunc());
        assert_eq!(one.trunc(), mesh_ipv4_network(&id));
        assert_ne!(one.addr(), two.addr());
        assert_ne!(one, mesh_ipv4(&id, &[1; 32], 1));
        let (one, two) = (mesh_ipv6(&id, &[1; 32]), mesh_ipv6(&id, &[2; 32]));
        assert_eq!(one.trunc(), mesh_ula(&id));
        assert_ne!(one, two);
        assert_ne!(mesh_ula(&id), mesh_ula(&"hill".parse().unwrap()));
    }

    #[test]
    fn a_gateway_is_found_by_what_batman_adv_tells_of_it() {
        let id: MeshId = "valley".parse().unwrap();
        let (one, two) = (Mac([2, 0, 0, 0, 0, 0]), Mac([2, 0, 0, 0, 1, 0]));
        assert!(mesh_ipv4_network(&id).contains(&mesh_gateway(&id, one).addr()));
        assert_ne!(mesh_gateway(&id, one), mesh_gateway(&id, two));
        assert_ne!(mesh_gateway(&id, one), mesh_gateway(&"hill".parse().unwrap(), one));
    }

    #[test]
    fn boxes_of_a_mesh_are_known_by_their_addresses() {
        let (id, key): (MeshId, _) = ("valley".parse().unwrap(), [1; 32]);
        let of_box =
            [IpAddr::V4(mesh_ipv4(&id, &key, 0).addr()), mesh_ipv6(&id, &key).addr().into()];
        assert!(of_box.iter().all(|address| in_mesh(&id, *address)));
        assert!(in_mesh(&id, mesh_ula(&id).network().into()), "a /64 is as good as its boxes");
        let other = "hill".parse().unwrap();
        assert!(!of_box.iter().any(|address| in_mesh(&other, *address)));
        assert!(!in_mesh(&id, "192.168.77.20".parse().unwrap()));
        assert!(!in_mesh(&id, "fe80::1".parse().unwrap()));
    }

    #[test]
    fn local_prefixes_are_local() {
        assert_eq!(household_ula(&[7; 32]).addr().octets()[0], 0xfd);
        assert_eq!(household_ula(&[7; 32]).prefix_len(), 48);
    }

    #[test]
    fn a_prefix_has_as_many_subnets_as_it_has() {
        let net = |text: &str| text.parse::<Ipv6Net>().unwrap();
        assert_eq!(subnet(net("2001:db8::/56"), 1), Some(net("2001:db8:0:1::/64")));
        assert_eq!(subnet(net("2001:db8::/56"), 255), Some(net("2001:db8:0:ff::/64")));
        assert_eq!(subnet(net("2001:db8::/56"), 256), None);
        assert_eq!(subnet(net("2001:db8:0:5::/64"), 0), Some(net("2001:db8:0:5::/64")));
        assert_eq!(subnet(net("2001:db8:0:5::/64"), 1), None);
        assert_eq!(subnet(net("2001:db8::/72"), 0), None);
        assert_eq!(subnet(net("2000::/8"), 65_535), Some(net("2000:0:0:ffff::/64")));
        assert_eq!(first(net("2001:db8:0:1::/64")), net("2001:db8:0:1::1/64"));
    }
}
