//! Which boot this is and how long it has lasted.

use kith_core::time::Instant;
use nix::time::{ClockId, clock_gettime};

use crate::control::Boot;

/// Where the kernel names the boot.
const ID: &str = "/proc/sys/kernel/random/boot_id";

/// This boot, at `at` of the machine's clock. One that has no name is never taken for another's.
pub(super) fn this(at: Instant) -> Boot {
    let id = std::fs::read_to_string(ID).map(|id| id.trim().to_owned());
    let since_ms = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| {
        let ms = time.tv_sec().saturating_mul(1_000) + time.tv_nsec() / 1_000_000;
        u64::try_from(ms).unwrap_or(0)
    });
    let unnamed = || format!("unnamed-{}-{since_ms}", std::process::id());
    Boot { id: id.unwrap_or_else(|_| unnamed()), since_ms, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_which_boot_this_is_and_how_long_it_lasts() {
        let boot = this(Instant::ZERO);
        assert_eq!(boot.id, this(Instant::ZERO).id);
        assert_eq!(boot.id.len(), 36);
        assert!(boot.since_ms > 0);
    }
}
