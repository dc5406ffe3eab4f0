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

#[cfg(test)]
mod tests {
    use super::*;

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
