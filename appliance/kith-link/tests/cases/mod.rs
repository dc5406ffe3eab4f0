//! The cases of the golden tests: how they are read, and what is rendered from one.
#![allow(dead_code, reason = "each test uses its own part")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kith_link::desire::desire;
use kith_link::desired::Desired;
use kith_link::facts::Facts;
use kith_link::plan::plan;
use kith_link::seen::{Seen, SeenKind, SeenLink};
use kith_model::profile::Profile;
use kith_model::settings::Settings;

/// A box and what it has found out.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) profile: Profile,
    pub(crate) facts: Facts,
}

impl Case {
    pub(crate) fn desired(&self) -> Desired {
        desire(&self.settings, &self.profile, &self.facts)
    }
}

/// All cases by name.
pub(crate) fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    folders.into_iter().map(case).collect()
}

fn case(folder: PathBuf) -> Case {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    Case {
        settings: parse(&folder.join("settings.toml")),
        profile: parse(&folder.join("profile.toml")),
        facts: parse(&folder.join("observed.toml")),
        name,
        folder,
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Everything that is rendered for a case, by path.
pub(crate) fn rendered(case: &Case) -> BTreeMap<String, String> {
    let desired = case.desired();
    let mut out = BTreeMap::new();
    for (path, file) in &desired.files {
        out.insert(path.clone(), file.content.clone());
    }
    out.insert("ruleset.nft".into(), desired.ruleset.clone());
    out.insert("kernel.txt".into(), kernel(&desired));
    out.insert("steps.txt".into(), steps(&desired, &case.facts));
    out
}

/// What shall be in the kernel, for people.
fn kernel(desired: &Desired) -> String {
    let mut out = String::new();
    let country = desired.country.as_ref().map_or_else(|| "world".to_owned(), ToString::to_string);
    writeln!(out, "country {country}").unwrap();
    writeln!(out, "\n# Interfaces").unwrap();
    for (name, link) in &desired.links {
        write!(out, "{name} {:?} {:?}", link.network, link.kind).unwrap();
        if let Some(master) = &link.master {
            write!(out, " in {master}").unwrap();
        }
        if let Some(mtu) = link.mtu {
            write!(out, " mtu {mtu}").unwrap();
        }
        writeln!(out, "{}", if link.isolated { " isolated" } else { "" }).unwrap();
    }
    writeln!(out, "\n# Addresses").unwrap();
    for (device, address) in &desired.addresses {
        writeln!(out, "{device} {address}").unwrap();
    }
    writeln!(out, "\n# Routes").unwrap();
    for route in &desired.routes {
        let via = route.via.map_or_else(String::new, |via| format!(" via {via}"));
        let device =
            route.device.as_ref().map_or_else(|| " unreachable".into(), |d| format!(" dev {d}"));
        writeln!(out, "{}{via}{device} metric {}", route.to, route.metric).unwrap();
    }
    writeln!(out, "\n# Kernel settings").unwrap();
    for (path, value) in &desired.sysctls {
        writeln!(out, "{path} = {value}").unwrap();
    }
    writeln!(out, "\n# Daemons").unwrap();
    for (id, generation) in &desired.daemons {
        writeln!(out, "{id}: {generation:016x}").unwrap();
    }
    writeln!(out, "\n# Problems").unwrap();
    for problem in &desired.problems {
        writeln!(out, "{}: {}", problem.code, problem.message).unwrap();
    }
    out
}

/// The way there on a machine on which nothing was set up yet.
fn steps(desired: &Desired, facts: &Facts) -> String {
    let steps = plan(desired, &bare(facts));
    steps.iter().map(|step| format!("{step}\n")).collect()
}

/// A machine on which nothing was set up yet: its ports, switched off.
pub(crate) fn bare(facts: &Facts) -> Seen {
    let port = SeenLink {
        index: 2,
        kind: SeenKind::Port,
        mac: None,
        up: false,
        carrier: false,
        master: None,
        mtu: 1_500,
        isolated: false,
        received_bytes: 0,
        sent_bytes: 0,
    };
    let links = facts.ports.iter().map(|name| (name.clone(), port.clone())).collect();
    Seen { links, ..Seen::default() }
}
