//! Numbers that look accidental and never are.

use kith_core::time::Instant;

/// The finaliser of splitmix64 (Steele, Lea and Flood 2014).
pub(super) const fn mix(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let a = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    b ^ (b >> 31)
}

/// One of `0..sides`.
pub(super) const fn roll(seed: u64, sides: u64) -> u64 {
    mix(seed) % sides
}

/// A value that wanders slowly between `-most` and `most`: each half minute has one, and between them
/// it goes in a straight line.
pub(super) fn wander(seed: u64, now: Instant, most: i64) -> i64 {
    const STEP: u64 = 30_000;
    let ms = now.as_micros() / 1_000;
    let span = most.unsigned_abs() * 2 + 1;
    let at = |slot: u64| i64::try_from(roll(seed ^ mix(slot), span)).unwrap_or(0) - most;
    let (slot, within) = (ms / STEP, i64::try_from(ms % STEP).unwrap_or(0));
    let step = i64::try_from(STEP).unwrap_or(1);
    (at(slot) * (step - within) + at(slot + 1) * within) / step
}
