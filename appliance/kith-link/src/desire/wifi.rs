//! (being written)
use super::scene::Scene;
use crate::desired::Desired;
pub(super) fn add(_scene: &Scene<'_>, _desired: &mut Desired) {}
