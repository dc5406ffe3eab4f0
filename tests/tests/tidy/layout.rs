//! What lies where: the fixed top level, and manifests that take versions and lints from one place.

use super::tree::{Crate, File};

const TOP: &[&str] = &[
    "appliance",
    "webui",
    "image",
    "buildroot-overlay",
    "hw-profiles",
    "tests",
    "Cargo.toml",
    "Cargo.lock",
    "deny.toml",
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "target",
];

/// Names at the top that are neither in the plan nor dotfiles.
pub(crate) fn top_complaints(names: &[String]) -> Vec<String> {
    names
        .iter()
        .filter(|n| !n.starts_with('.') && !TOP.contains(&&***n))
        .map(|n| format!("{n} does not belong at the top"))
        .collect()
}

/// Crates without a description.
pub(crate) fn crate_complaints(crates: &[Crate]) -> Vec<String> {
    crates
        .iter()
        .filter(|c| c.description.as_ref().is_none_or(|d| d.len() < 10))
        .map(|c| format!("{}: no description in Cargo.toml", c.name))
        .collect()
}

/// Members whose manifest sets versions, licences or lints of its own.
pub(crate) fn manifest_complaints(files: &[File]) -> Vec<String> {
    let members = |f: &&File| f.path.ends_with("/Cargo.toml") && !f.path.contains("/fuzz/");
    files.iter().filter(members).flat_map(of_one).collect()
}

fn of_one(file: &File) -> Vec<String> {
    let Ok(manifest) = file.text.parse::<toml::Table>() else {
        return vec![format!("{}: not TOML", file.path)];
    };
    let mut complaints = Vec::new();
    let from_workspace = |v: Option<&toml::Value>| {
        v.and_then(|v| v.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
    };
    if !from_workspace(manifest.get("lints")) {
        complaints.push(format!("{}: lints are not the workspace's", file.path));
    }
    if !from_workspace(manifest.get("package").and_then(|p| p.get("license"))) {
        complaints.push(format!("{}: the licence is not the workspace's", file.path));
    }
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let table = manifest.get(kind).and_then(toml::Value::as_table);
        for (name, value) in table.into_iter().flatten() {
            if !from_workspace(Some(value)) {
                complaints.push(format!("{}: {name} has a version of its own", file.path));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Vec<String> {
        manifest_complaints(&[File { path: "appliance/x/Cargo.toml".into(), text: text.into() }])
    }

    #[test]
    fn a_stranger_at_the_top_is_caught() {
        assert_eq!(top_complaints(&["docs".into(), "scratch.txt".into()]).len(), 2);
        assert!(top_complaints(&["tests".into(), ".gitignore".into()]).is_empty());
    }

    #[test]
    fn a_crate_without_a_description_is_caught() {
        let dumb = Crate { name: "kith-x".into(), ..Crate::default() };
        assert_eq!(crate_complaints(&[dumb]).len(), 1);
    }

    #[test]
    fn a_manifest_with_a_mind_of_its_own_is_caught() {
        let good = "[package]\nlicense.workspace = true\n[dependencies]\nserde.workspace = true\n\
                    [lints]\nworkspace = true";
        assert!(manifest(good).is_empty());
        assert_eq!(manifest(&good.replace("serde.workspace = true", "serde = '1'")).len(), 1);
        assert_eq!(manifest(&good.replace("[lints]\nworkspace = true", "")).len(), 1);
        assert_eq!(manifest(&good.replace("license.workspace = true", "license = 'MIT'")).len(), 1);
        assert_eq!(manifest("not = = toml").len(), 1);
    }
}
