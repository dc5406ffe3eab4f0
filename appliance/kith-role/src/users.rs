//! Who is who on an appliance: the numbers of the users and groups of our processes and daemons. The image
//! gives them names; only the numbers count.

use kith_model::daemon::Program;

use crate::socket::Guests;

/// The group of what our own processes share, such as the sockets between them.
pub const SHARED: u32 = 900;

/// The link role, user and group.
pub const LINK: u32 = 901;

/// The node, user and group.
pub const NODE: u32 = 902;

/// The group that may read what link has rendered for daemons.
pub const RENDERED: u32 = 903;

/// The user and group of a daemon. Dhcpcd starts as root and separates its parts itself; its group is for
/// its files only.
#[must_use]
pub const fn of(program: Program) -> u32 {
    match program {
        Program::Hostapd => 910,
        Program::WpaSupplicant => 911,
        Program::Dnsmasq => 912,
        Program::Dhcpcd => 913,
    }
}

/// The groups of link beside its own: it makes files for daemons and speaks on their control sockets.
#[must_use]
pub fn groups_of_link() -> Vec<u32> {
    let programs = Program::ALL.into_iter().map(of);
    [SHARED, RENDERED].into_iter().chain(programs).collect()
}

/// Whom link lets in on its socket besides root: the node, where each is a user of its own.
#[must_use]
pub fn guests_of_link() -> Option<Guests<'static>> {
    let is_link = nix::unistd::geteuid().as_raw() == LINK;
    is_link.then_some(Guests { group: SHARED, users: &[NODE] })
}

/// Whether root is root only of a user namespace (user_namespaces(7)) here, and not of the machine. When the
/// kernel does not say, it is of the machine.
#[must_use]
pub fn in_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !is_everybody(&map))
}

/// Whether a map of users (first inside, first outside, how many) leaves everybody who they are.
fn is_everybody(map: &str) -> bool {
    let words: Vec<&str> = map.split_whitespace().collect();
    // Unsigned 32-bit numbers but for the last, which is nobody.
    matches!(*words, ["0", "0", "4294967295"] | [])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_map_that_changes_somebody_is_a_namespace() {
        assert!(is_everybody("         0          0 4294967295\n"));
        assert!(is_everybody(""), "a namespace that nobody is in yet");
        for map in ["0 0 1", "0 1000 1", "0 100000 65536", "0 0 1000\n1000 1001 5"] {
            assert!(!is_everybody(map), "{map}");
        }
    }

    #[test]
    fn nobody_is_somebody_else() {
        let mut all = vec![0, SHARED, LINK, NODE, RENDERED];
        all.extend(Program::ALL.map(of));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
