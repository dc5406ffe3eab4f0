//! One heavy crate, one fence: replacing it touches one folder.

use super::tree::{Crate, File};

/// Each heavy crate and the crates of ours that may name it. `kith-tests` may name all of them, as
/// it measures us against them bare.
const FENCES: &[(&str, &[&str])] = &[
    ("argon2", &["kith-node"]),
    ("askama", &["kith-webui"]),
    ("axum", &["kith-webui"]),
    ("clap", &["kith", "kith-image"]),
    ("ed25519-dalek", &["kith-core"]),
    ("igd-next", &["kith-net"]),
    ("ipld-core", &["kith-core"]),
    ("mdns-sd", &["kith-net"]),
    ("negentropy", &["kith-proto"]),
    ("nix", &["kith", "kith-files", "kith-role", "kith-supervise", "kith-net", "kith-link"]),
    ("quinn", &["kith-net"]),
    ("rustls", &["kith-net"]),
    ("serde_ipld_dagcbor", &["kith-core"]),
    ("sled", &["kith-store"]),
    ("smoltcp", &["kith-lora"]),
    ("stun-rs", &["kith-net"]),
    ("yrs", &["kith-docs"]),
];

/// Crates that decide and never wait: no runtime, no randomness.
const PURE: &[&str] = &["kith-core", "kith-model", "kith-proto"];
const NOT_PURE: &[&str] = &["tokio", "tokio-util", "getrandom", "rand", "tempfile"];

/// Which fences `crates` break.
pub(crate) fn complaints(crates: &[Crate]) -> Vec<String> {
    crates.iter().filter(|c| c.name != "kith-tests").flat_map(of_one).collect()
}

fn of_one(this: &Crate) -> Vec<String> {
    let fenced =
        |d: &str| FENCES.iter().any(|(heavy, ours)| *heavy == d && !ours.contains(&&*this.name));
    let impure = |d: &str| PURE.contains(&&*this.name) && NOT_PURE.contains(&d);
    this.dependencies
        .iter()
        .filter(|d| fenced(d) || impure(d))
        .map(|d| format!("{} may not name {d}", this.name))
        .collect()
}

/// Files of the store beside the index that use sled.
pub(crate) fn sled_files(files: &[File]) -> Vec<String> {
    let users: Vec<&str> = files
        .iter()
        .filter(|f| f.path.starts_with("appliance/") && f.path.ends_with(".rs"))
        .filter(|f| f.text.lines().any(names_sled))
        .map(|f| &*f.path)
        .collect();
    if users.len() > 1 { vec![format!("more than one file names sled: {users:?}")] } else { vec![] }
}

fn names_sled(line: &str) -> bool {
    let code = line.trim_start();
    !code.starts_with("//") && (code.contains("sled::") || code.starts_with("use sled"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_crate(name: &str, dependency: &str) -> Crate {
        Crate { name: name.into(), dependencies: vec![dependency.into()], ..Crate::default() }
    }

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    #[test]
    fn a_heavy_crate_outside_its_fence_is_caught() {
        assert_eq!(complaints(&[a_crate("kith-node", "sled")]).len(), 1);
        assert_eq!(complaints(&[a_crate("kith", "quinn")]).len(), 1);
        assert!(complaints(&[a_crate("kith-store", "sled")]).is_empty());
    }

    #[test]
    fn a_clock_or_dice_in_a_pure_crate_is_caught() {
        assert_eq!(complaints(&[a_crate("kith-proto", "tokio")]).len(), 1);
        assert_eq!(complaints(&[a_crate("kith-core", "getrandom")]).len(), 1);
        assert!(complaints(&[a_crate("kith-net", "getrandom")]).is_empty());
    }

    #[test]
    fn a_second_file_with_sled_is_caught() {
        let index = file("appliance/kith-store/src/index.rs", "use sled::Db;");
        let other = file("appliance/kith-store/src/gc.rs", "fn f(db: &sled::Db) {}");
        let words = file("appliance/kith-store/src/lib.rs", "//! sled:: is in index.rs");
        assert!(sled_files(&[index, words]).is_empty());
        let index = file("appliance/kith-store/src/index.rs", "use sled::Db;");
        assert_eq!(sled_files(&[index, other]).len(), 1);
    }
}
