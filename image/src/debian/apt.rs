//! The hands that ask apt: which packages, and their files, without touching the system that asks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::lock::{self, Locked};
use crate::programs::Program;

/// A world of apt's own in a folder: nothing is installed in it, and only one suite is known.
#[derive(Debug)]
pub struct Apt {
    folder: PathBuf,
    arch: String,
}

impl Apt {
    /// Makes it and asks the mirror for its lists. The mirror is the host's.
    ///
    /// # Errors
    /// The host names no mirror, or the mirror does not answer.
    pub fn start(folder: &Path, suite: &str, arch: &str) -> anyhow::Result<Self> {
        let apt = Self { folder: folder.to_owned(), arch: arch.to_owned() };
        for part in ["lists/partial", "cache/archives/partial", "debs"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let mirror = mirror()?;
        let source = format!("deb [signed-by={key}] {mirror} {suite} main non-free-firmware\n");
        fs::write(folder.join("sources.list"), source).context("cannot write sources.list")?;
        fs::write(folder.join("status"), "").context("cannot write status")?;
        apt.get().arg("-qq").arg("update").output()?;
        Ok(apt)
    }

    fn get(&self) -> Program {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let options = [
            format!("Dir::Etc::sourcelist={}", at("sources.list")),
            "Dir::Etc::sourceparts=/dev/null".into(),
            format!("Dir::State::lists={}", at("lists")),
            format!("Dir::State::status={}", at("status")),
            format!("Dir::Cache={}", at("cache")),
            format!("APT::Architecture={}", self.arch),
            format!("APT::Architectures={}", self.arch),
            "APT::Install-Recommends=false".into(),
            "APT::Sandbox::User=root".into(),
            "Debug::NoLocking=1".into(),
        ];
        options
            .iter()
            .fold(Program::new("apt-get"), |program, option| program.arg("-o").arg(option))
    }

    /// What an installation of `names` would bring, name and version.
    ///
    /// # Errors
    /// A package is not known, or cannot be installed.
    pub fn resolve(&self, names: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
        let asked = names.iter().fold(self.get().arg("--simulate").arg("install"), Program::arg);
        let said = String::from_utf8_lossy(&asked.output()?).into_owned();
        Ok(lock::simulated(&said)?.into_iter().collect())
    }

    /// Fetches packages of these versions, and says with which digests.
    ///
    /// # Errors
    /// A version is gone from the mirror.
    pub fn fetch(&self, wanted: &BTreeMap<String, String>) -> anyhow::Result<Vec<Locked>> {
        let missing: Vec<_> =
            wanted.iter().filter(|(name, version)| self.find(name, version).is_none()).collect();
        if !missing.is_empty() {
            let get = self.get().arg("-qq").arg("download").within(&self.folder.join("debs"));
            let get = missing
                .iter()
                .fold(get, |get, (name, version)| get.arg(format!("{name}={version}")));
            get.output().context("a locked version may have left the mirror: lock anew")?;
        }
        let locked = wanted.iter().map(|(name, version)| {
            let path = self
                .find(name, version)
                .with_context(|| format!("{name} {version} was not fetched"))?;
            let bytes =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let sha256 = HEXLOWER.encode(&Sha256::digest(&bytes));
            Ok(Locked { name: name.clone(), version: version.clone(), sha256 })
        });
        locked.collect()
    }

    /// The files of locked packages, fetched and checked.
    ///
    /// # Errors
    /// A file is not the one that was locked.
    pub fn locked(&self, locked: &[Locked]) -> anyhow::Result<Vec<PathBuf>> {
        let wanted = locked.iter().map(|package| (package.name.clone(), package.version.clone()));
        let fetched = self.fetch(&wanted.collect())?;
        for package in locked {
            if !fetched.contains(package) {
                bail!("{} {} is not the file that was locked", package.name, package.version);
            }
        }
        let path = |package: &Locked| {
            self.find(&package.name, &package.version).context("a file went away")
        };
        locked.iter().map(path).collect()
    }

    /// As apt names files: colons of versions escaped.
    fn find(&self, name: &str, version: &str) -> Option<PathBuf> {
        let version = version.replace(':', "%3a");
        let path = |arch: &str| self.folder.join(format!("debs/{name}_{version}_{arch}.deb"));
        [path(&self.arch), path("all")].into_iter().find(|path| path.is_file())
    }
}

/// The mirror that the host's apt uses for Debian itself.
fn mirror() -> anyhow::Result<String> {
    let said = Program::new("apt-get")
        .arg("indextargets")
        .arg("--format")
        .arg("$(REPO_URI)")
        .arg("Created-By: Packages")
        .output()?;
    let said = String::from_utf8_lossy(&said).into_owned();
    let found = said.lines().find(|line| line.trim_end_matches('/').ends_with("/debian"));
    found.map(str::to_owned).context("this machine's apt names no mirror of Debian")
}
