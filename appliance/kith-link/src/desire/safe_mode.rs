//! Safe mode: a built-in network on every household port and the Wi-Fi for setting a box up, whatever the
//! settings say. The internet is closed, visitors and mesh are away.

use kith_model::settings::Settings;

use crate::facts::Facts;

/// What stands in for settings and facts. The settings' defaults are the built-in network.
pub(super) fn instead(facts: &Facts) -> (Settings, Facts) {
    let facts =
        Facts { claimed: false, way_out: None, mesh_router: None, old_lan: None, ..facts.clone() };
    (Settings::default(), facts)
}
