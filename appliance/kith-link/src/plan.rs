//! From what is there to what shall be, in the right order: a pure function.

use crate::desired::Desired;
use crate::seen::Seen;
use crate::step::Step;

/// What to do, in this order. Nothing when all is as it shall be.
#[must_use]
pub fn plan(_desired: &Desired, _seen: &Seen) -> Vec<Step> {
    Vec::new()
}
