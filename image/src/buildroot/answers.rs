//! Buildroot's answers, judged: lines it dropped, packages without a licence or a digest.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde::Deserialize;

use crate::definition::symbol;

/// Lines of a configuration that did not come through: unknown symbols, unmet dependencies, overruled values.
#[must_use]
pub fn lost(defconfig: &str, resolved: &str) -> Vec<String> {
    let have: BTreeSet<&str> = resolved.lines().collect();
    let on: BTreeSet<&str> =
        resolved.lines().filter(|line| !line.starts_with('#')).filter_map(symbol).collect();
    let wanted = defconfig.lines().filter(|line| symbol(line).is_some());
    wanted
        .filter(|line| {
            // A symbol whose menu is off is not mentioned at all, and off all the same.
            let off =
                line.starts_with('#') && symbol(line).is_some_and(|symbol| !on.contains(symbol));
            !off && !have.contains(line)
        })
        .map(str::to_owned)
        .collect()
}

/// Lines of a configuration that say what would be so without them. The smallest configuration is what
/// `make savedefconfig` writes.
#[must_use]
pub fn redundant(defconfig: &str, smallest: &str) -> Vec<String> {
    let needed: BTreeSet<&str> = smallest.lines().collect();
    let given = defconfig.lines().filter(|line| symbol(line).is_some());
    given.filter(|line| !needed.contains(line)).map(str::to_owned).collect()
}

/// What `make show-info` says of a package; what is not asked here is passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Package {
    /// `target`, `host` or `rootfs`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Whether it only stands for another.
    #[serde(default, rename = "virtual")]
    pub is_virtual: bool,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
    /// Under what it may be passed on.
    #[serde(default)]
    pub licenses: Option<String>,
    /// Whether it may be passed on.
    #[serde(default)]
    pub redistributable: Option<bool>,
    /// What is fetched for it.
    #[serde(default)]
    pub downloads: Vec<Download>,
    /// Where its recipe lies.
    #[serde(default)]
    pub package_dir: Option<String>,
}

/// A file that is fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Download {
    /// Its name.
    #[serde(default)]
    pub source: String,
    /// Where it may be had.
    #[serde(default)]
    pub uris: Vec<String>,
}

/// All packages of an image and of the tools that build it, by Buildroot's key.
pub type Info = BTreeMap<String, Package>;

/// Reads the answer of `make show-info`.
///
/// # Errors
/// It is not what Buildroot 2026.05 answers.
pub fn info(json: &[u8]) -> anyhow::Result<Info> {
    serde_json::from_slice(json).context("`make show-info` answered something else than packages")
}

/// What of an image nobody could pass on: packages that bring something along, but no licence.
#[must_use]
pub fn unlicensed(info: &Info) -> Vec<String> {
    let brings = |package: &&Package| {
        package.kind == "target" && !package.is_virtual && !package.downloads.is_empty()
    };
    let unknown = |package: &&Package| {
        package.licenses.as_deref().is_none_or(|licence| licence.is_empty() || licence == "unknown")
    };
    info.values().filter(brings).filter(unknown).map(|package| package.name.clone()).collect()
}

/// Files that are fetched and whose digest stands in none of `digests`, the texts of Buildroot's hash files.
#[must_use]
pub fn without_digest(info: &Info, digests: &BTreeMap<String, String>) -> Vec<String> {
    let mut missing = BTreeSet::new();
    for package in info.values().filter(|package| !package.is_virtual) {
        let own = digests.get(&package.name).map(String::as_str).unwrap_or_default();
        let known: BTreeSet<&str> = own
            .lines()
            .filter(|line| line.starts_with("sha"))
            .filter_map(|line| line.split_whitespace().nth(2))
            .collect();
        for download in &package.downloads {
            if !known.contains(download.source.as_str()) {
                missing.insert(format!("{}: {}", package.name, download.source));
            }
        }
    }
    missing.into_iter().collect()
}

/// Hosts that packages are fetched from, ours excepted.
#[must_use]
pub fn hosts(info: &Info) -> BTreeSet<String> {
    let uris =
        info.values().flat_map(|package| &package.downloads).flat_map(|download| &download.uris);
    uris.filter_map(|uri| {
        let rest = uri.split_once("://")?.1;
        let host = rest.split('/').next().unwrap_or_default();
        (!host.is_empty()).then(|| host.to_owned())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_did_not_come_through_is_lost() {
        let resolved = "BR2_A=y\n# BR2_B is not set\nBR2_C=\"x\"\n";
        assert!(lost("# words\nBR2_A=y\n# BR2_B is not set\nBR2_C=\"x\"\n", resolved).is_empty());
        assert_eq!(
            lost("BR2_B=y\nBR2_C=\"y\"\nBR2_TYPO=y\n", resolved),
            ["BR2_B=y", "BR2_C=\"y\"", "BR2_TYPO=y"]
        );
        assert!(lost("# BR2_UNMENTIONED is not set\n", resolved).is_empty());
        assert_eq!(lost("# BR2_A is not set\n", resolved), ["# BR2_A is not set"]);
    }

    #[test]
    fn a_line_that_says_nothing_new_is_redundant() {
        assert_eq!(redundant("BR2_A=y\nBR2_B=y\n", "BR2_B=y\n"), ["BR2_A=y"]);
    }

    const INFO: &str = r#"{
      "good": {"type": "target", "name": "good", "virtual": false, "version": "1", "licenses": "MIT",
               "redistributable": true, "downloads": [{"source": "good-1.tar.gz", "uris": ["http|https://a.example/x"]}]},
      "bad": {"type": "target", "name": "bad", "version": "2", "licenses": "unknown",
              "downloads": [{"source": "bad-2.tar.gz", "uris": ["https://b.example"]}]},
      "face": {"type": "target", "name": "face", "virtual": true}
    }"#;

    #[test]
    fn a_package_without_licence_or_digest_is_told() {
        let info = info(INFO.as_bytes()).unwrap();
        assert_eq!(unlicensed(&info), ["bad"]);
        let digests = BTreeMap::from([
            ("good".to_owned(), "# words\nsha256  aa  good-1.tar.gz\n".to_owned()),
            ("bad".to_owned(), "sha256  aa  bad-1.tar.gz\n".to_owned()),
        ]);
        assert_eq!(without_digest(&info, &digests), ["bad: bad-2.tar.gz"]);
        assert_eq!(hosts(&info).into_iter().collect::<Vec<_>>(), ["a.example", "b.example"]);
    }
}
