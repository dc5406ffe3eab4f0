//! From settings, profile and facts to what shall be: a pure function.

use kith_model::profile::Profile;
use kith_model::settings::Settings;

use crate::desired::Desired;
use crate::facts::Facts;

/// What shall be.
#[must_use]
pub fn desire(_settings: &Settings, _profile: &Profile, _facts: &Facts) -> Desired {
    Desired::default()
}
