//! What the rules look at: the files of the tree and what cargo knows of its crates.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// A file of the tree, by its path from the top, with `/`.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A crate of this workspace, with what it names outside its tests.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) dependencies: Vec<String>,
}

/// Any package cargo builds here.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) source: Option<String>,
    description: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// Everything at once.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    pub(crate) top: Vec<String>,
    pub(crate) crates: Vec<Crate>,
    pub(crate) packages: Vec<Package>,
    pub(crate) deny: String,
}

impl Package {
    /// A package for a rule's own test.
    pub(crate) fn sample(name: &str, license: Option<&str>, source: Option<&str>) -> Self {
        Self {
            name: name.into(),
            version: "1.0.0".into(),
            license: license.map(str::to_owned),
            source: source.map(str::to_owned),
            ..Self::default()
        }
    }
}

impl Tree {
    /// The tree this test was built from.
    pub(crate) fn here() -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = BTreeMap::new();
        walk(top, top, &mut files);
        let packages = metadata(top);
        Self {
            files: files.into_iter().map(|(path, text)| File { path, text }).collect(),
            top: fs::read_dir(top).unwrap().map(|e| name(&e.unwrap().path())).collect(),
            crates: packages.iter().filter(|p| p.source.is_none()).map(of_ours).collect(),
            packages,
            deny: fs::read_to_string(top.join("deny.toml")).unwrap(),
        }
    }
}

fn of_ours(package: &Package) -> Crate {
    Crate {
        name: package.name.clone(),
        description: package.description.clone(),
        dependencies: package
            .dependencies
            .iter()
            .filter(|d| d.kind.as_deref() != Some("dev"))
            .map(|d| d.name.clone())
            .collect(),
    }
}

/// Only the packages of this machine: cargo has not downloaded those of others.
#[expect(clippy::disallowed_methods, reason = "asks cargo, which runs this test")]
fn metadata(top: &Path) -> Vec<Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|l| l.strip_prefix("host: ")).unwrap();
    let told = Command::new(cargo)
        .args(["metadata", "--offline", "--locked", "--format-version", "1"])
        .args(["--filter-platform", host])
        .current_dir(top)
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    serde_json::from_slice::<Metadata>(&told.stdout).unwrap().packages
}

fn walk(top: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            if !["target", ".git", "node_modules", "corpus", "artifacts"].contains(&&*name(&path)) {
                walk(top, &path, files);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(top).unwrap().to_str().unwrap().replace('\\', "/");
            files.insert(path, text);
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
