//! From settings, profile and facts to what shall be: a pure function.
//!
//! The scene is set first (who gets which port, which ways there are); then each room adds its part to
//! [`Desired`]. Before somebody owns the box nothing is forwarded and there are neither visitors nor mesh;
//! in safe mode a built-in network stands in for the settings.

mod dns;
mod firewall;
mod guest;
mod lan;
mod made;
mod mesh;
mod safe_mode;
mod scene;
mod sysctl;
mod uplink;
mod wifi;

use kith_model::daemon::{DaemonId, Program};
use kith_model::network::status::Problem;
use kith_model::profile::Profile;
use kith_model::settings::Settings;
use kith_model::settings::values::InterfaceName;

use crate::desired::{Desired, FileSpec, OnChange};
use crate::facts::Facts;
use crate::render::generation;
pub(crate) use made::{in_mesh, mesh_gateway};
pub(crate) use mesh::{MeshAddresses, addresses as mesh_addresses};
use scene::Scene;

/// What shall be.
#[must_use]
pub fn desire(settings: &Settings, profile: &Profile, facts: &Facts) -> Desired {
    let instead;
    let (settings, facts) = if facts.safe_mode {
        instead = safe_mode::instead(facts);
        (&instead.0, &instead.1)
    } else {
        (settings, facts)
    };
    let mut desired = Desired { country: settings.country.clone(), ..Desired::default() };
    let scene = Scene::set(settings, profile, facts, &mut desired.problems);
    lan::add(&scene, &mut desired);
    guest::add(&scene, &mut desired);
    mesh::add(&scene, &mut desired);
    uplink::add(&scene, &mut desired);
    wifi::add(&scene, &mut desired);
    dns::add(&scene, &mut desired);
    firewall::add(&scene, &mut desired);
    sysctl::add(&scene, &mut desired);
    desired
}

impl Desired {
    /// Adds what cannot be done, once.
    fn problem(&mut self, code: &str, message: impl Into<String>) {
        problem(&mut self.problems, code, message);
    }

    /// Adds a daemon with the file it is named after; `start` is all that it reads only at its start.
    fn daemon(&mut self, id: DaemonId, content: String, start: &str, on_change: OnChange) {
        let secret = matches!(id.program, Program::Hostapd | Program::WpaSupplicant);
        self.files.insert(id.file(), FileSpec { content, secret, on_change });
        self.daemons.insert(id, generation(start));
    }

    /// Adds a file that is noticed.
    fn noticed(&mut self, path: &str, content: String) {
        let file = FileSpec { content, secret: false, on_change: OnChange::Noticed };
        self.files.insert(path.to_owned(), file);
    }
}

/// Adds what cannot be done, once.
fn problem(problems: &mut Vec<Problem>, code: &str, message: impl Into<String>) {
    let problem = Problem { code: code.to_owned(), message: message.into() };
    if !problems.contains(&problem) {
        problems.push(problem);
    }
}

/// The daemon of a program that looks after `instance`.
const fn daemon_id(program: Program, instance: InterfaceName) -> DaemonId {
    DaemonId { program, instance }
}

/// A name as an interface's, if it can be one. Names come from the kernel, which allows more than we do.
fn interface(name: &str) -> Option<InterfaceName> {
    name.parse().ok()
}
