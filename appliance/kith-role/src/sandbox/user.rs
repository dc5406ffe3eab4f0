//! Becoming somebody with few capabilities or none, for good.
//!
//! capabilities(7): of what root may, the bounding set keeps what shall be left for this process and all it
//! executes; the ambient set hands it on to programs that know nothing of capabilities.

use std::io;

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
pub use rustix::thread::CapabilitySet;
use rustix::thread::{
    CapabilitySets, capabilities, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities,
};

use super::SandboxError;

/// Somebody to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user; 0 stays root and only loses capabilities.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// All that is kept of root's capabilities.
    pub keep: CapabilitySet,
}

impl User {
    /// Somebody without any capability.
    #[must_use]
    pub const fn plain(uid: u32, groups: Vec<u32>) -> Self {
        Self { uid, gid: uid, groups, keep: CapabilitySet::empty() }
    }
}

/// Becomes `user`. Only root can; call it while there is one thread, since the others would keep what they
/// have.
///
/// # Errors
/// [`SandboxError::User`]; the process should then end, as it may be half of each.
pub fn become_user(user: &User) -> Result<(), SandboxError> {
    let failed = |what| move |source: io::Error| SandboxError::User { uid: user.uid, what, source };
    drop_bounding(user.keep).map_err(failed("limit capabilities"))?;
    let groups: Vec<_> = user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_keep_capabilities(true).map_err(|e| failed("keep capabilities")(e.into()))?;
    setgroups(&groups).map_err(|e| failed("leave the groups")(e.into()))?;
    setresgid(gid, gid, gid).map_err(|e| failed("change the group")(e.into()))?;
    setresuid(uid, uid, uid).map_err(|e| failed("change the user")(e.into()))?;
    let sets =
        CapabilitySets { effective: user.keep, permitted: user.keep, inheritable: user.keep };
    set_capabilities(None, sets).map_err(|e| failed("give up capabilities")(e.into()))?;
    set_keep_capabilities(false).map_err(|e| failed("keep capabilities")(e.into()))?;
    for capability in user.keep.iter() {
        configure_capability_in_ambient_set(capability, true)
            .map_err(|e| failed("hand capabilities on")(e.into()))?;
    }
    check(user)
}

/// Tries what must not work any more.
fn check(user: &User) -> Result<(), SandboxError> {
    let holds = capabilities(None).is_ok_and(|sets| sets.permitted == user.keep);
    let root = Uid::from_raw(0);
    let back = user.uid != 0 && setresuid(root, root, root).is_ok();
    if holds && !back { Ok(()) } else { Err(SandboxError::StillPrivileged(user.uid)) }
}

/// Takes everything but `keep` out of the bounding set, as far as this kernel knows capabilities.
fn drop_bounding(keep: CapabilitySet) -> io::Result<()> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if keep.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
