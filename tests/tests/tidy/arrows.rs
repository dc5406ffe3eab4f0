//! Which of our crates may name which: the arrows of `appliance/README.md`.
//!
//! Tests of a crate may name anything, since they are no part of what runs.

use super::tree::Crate;

/// Each crate and the crates of ours it may name. One that is missing here may not exist.
const ARROWS: &[(&str, &[&str])] = &[
    ("kith-core", &[]),
    ("kith-files", &[]),
    ("kith-model", &["kith-core"]),
    ("kith-role", &["kith-core", "kith-model"]),
    ("kith-proto", &["kith-core"]),
    ("kith-docs", &["kith-core", "kith-role"]),
    ("kith-store", &["kith-core", "kith-files"]),
    ("kith-net", &["kith-core"]),
    ("kith-lora", &["kith-core", "kith-model"]),
    ("kith-webui", &["kith-core", "kith-model"]),
    ("kith-image", &["kith-model"]),
    ("kith-init", &[]),
    ("kith-link", &["kith-core", "kith-model", "kith-role", "kith-files"]),
    ("kith-supervise", &["kith-core", "kith-model", "kith-role", "kith-files"]),
    (
        "kith-node",
        &[
            "kith-core",
            "kith-model",
            "kith-role",
            "kith-files",
            "kith-proto",
            "kith-store",
            "kith-net",
            "kith-lora",
            "kith-webui",
        ],
    ),
];

/// Crates that tie the others together.
const FREE: &[&str] = &["kith", "kith-tests"];

/// What is wrong with the arrows between `crates`.
pub(crate) fn complaints(crates: &[Crate]) -> Vec<String> {
    crates.iter().filter(|c| !FREE.contains(&&*c.name)).flat_map(of_one).collect()
}

fn of_one(this: &Crate) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == this.name) else {
        return vec![format!("{}: has no place in the table of arrows", this.name)];
    };
    this.dependencies
        .iter()
        .filter(|d| **d == "kith" || d.starts_with("kith-"))
        .filter(|d| !allowed.contains(&&***d))
        .map(|d| format!("{} may not name {d}", this.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_crate(name: &str, dependency: &str) -> Crate {
        Crate { name: name.into(), dependencies: vec![dependency.into()], ..Crate::default() }
    }

    #[test]
    fn an_arrow_that_points_up_is_caught() {
        assert_eq!(complaints(&[a_crate("kith-core", "kith-store")]).len(), 1);
        assert_eq!(complaints(&[a_crate("kith-webui", "kith-node")]).len(), 1);
        assert_eq!(complaints(&[a_crate("kith-node", "kith")]).len(), 1);
        assert!(complaints(&[a_crate("kith-store", "kith-core")]).is_empty());
    }

    #[test]
    fn a_crate_outside_the_table_is_caught() {
        assert_eq!(complaints(&[a_crate("kith-drawer", "serde")]).len(), 1);
    }
}
