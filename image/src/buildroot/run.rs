//! The hands of the checks: asks a Buildroot tree, one board after the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use kith_model::profile::{Buildroot, Profile};

use super::{answers, drift};
use crate::defconfig;
use crate::definition::Definition;
use crate::files::Source;
use crate::programs::Program;

/// What was found about one board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What must be changed before its configuration can be built.
    pub faults: Vec<String>,
    /// What is worth knowing.
    pub remarks: Vec<String>,
}

/// Which release a tree is of.
///
/// # Errors
/// It is no Buildroot tree.
pub fn release(tree: &Path) -> anyhow::Result<String> {
    let path = tree.join("Makefile");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{} is no Buildroot tree", tree.display()))?;
    let found = text.lines().find_map(|line| line.strip_prefix("export BR2_VERSION :="));
    let found = found.with_context(|| format!("{} names no release", path.display()))?;
    Ok(found.trim().to_owned())
}

/// Asks everything about one board that can be asked offline.
///
/// # Errors
/// `make` cannot be started, or what it wrote cannot be read. What is wrong with the board is no error.
pub fn board(
    source: &Source,
    tree: &Path,
    definition: &Definition,
    board: &Profile,
) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let Some(buildroot) = board.image.as_ref().and_then(|image| image.buildroot.as_ref()) else {
        bail!("{} is made by no Buildroot", board.name);
    };
    let out = tempfile::tempdir().context("no room for Buildroot's output")?;
    let name = defconfig::name(board);
    let make = |target: &str| -> Program {
        Program::new("make")
            .arg("-s")
            .arg("-C")
            .arg(tree)
            .arg(format!("BR2_EXTERNAL={}", source.join("buildroot-overlay").display()))
            .arg(format!("O={}", out.path().display()))
            .arg(target)
            // Buildroot refuses both.
            .without("LD_LIBRARY_PATH")
            .without("PERL_MM_OPT")
    };
    let said = make(&format!("{name}_defconfig")).said()?;
    if !said.success {
        findings.faults.push(format!("Buildroot refuses it: {}", said.err.trim()));
        return Ok(findings);
    }
    let defconfig = source.read(&format!("{}/{name}_defconfig", defconfig::FOLDER))?;
    let resolved =
        fs::read_to_string(out.path().join(".config")).context("no .config was written")?;
    findings.faults.extend(
        answers::lost(&defconfig, &resolved).into_iter().map(|line| format!("lost: {line}")),
    );
    let smallest = out.path().join("smallest");
    make("savedefconfig").arg(format!("BR2_DEFCONFIG={}", smallest.display())).output()?;
    let smallest = fs::read_to_string(&smallest).context("no configuration was saved")?;
    let redundant = answers::redundant(&defconfig, &smallest).into_iter();
    findings.remarks.extend(redundant.map(|line| format!("says nothing new: {line}")));
    let info = answers::info(&make("show-info").output()?)?;
    let unlicensed = answers::unlicensed(&info).into_iter();
    let unlicensed =
        unlicensed.filter(|name| !definition.buildroot.licence_unrecorded.contains(name));
    findings.faults.extend(unlicensed.map(|name| format!("no licence: {name}")));
    packages(source, tree, buildroot, &info, &mut findings);
    drifted(tree, buildroot, definition, &mut findings)?;
    Ok(findings)
}

fn packages(
    source: &Source,
    tree: &Path,
    buildroot: &Buildroot,
    info: &answers::Info,
    findings: &mut Findings,
) {
    if !info.contains_key("kith") {
        findings.faults.push("kith itself is not in the image".into());
    }
    let digests = digests(source, tree, buildroot, info);
    let missing = answers::without_digest(info, &digests).into_iter();
    findings.faults.extend(missing.map(|file| format!("no digest: {file}")));
    let target = info.values().filter(|package| package.kind == "target").count();
    let host = info.values().filter(|package| package.kind == "host").count();
    let hosts = answers::hosts(info).len();
    findings.remarks.push(format!("{target} packages, {host} tools, from {hosts} hosts"));
}

/// The hash files of each package, together: beside its recipe and in the folders of patches.
fn digests(
    source: &Source,
    tree: &Path,
    buildroot: &Buildroot,
    info: &answers::Info,
) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for package in info.values() {
        let name = package.name.trim_start_matches("host-");
        let file = format!("{name}.hash");
        let mut folders = Vec::new();
        if let Some(folder) = &package.package_dir {
            let folder = tree.join(folder);
            folders.extend(package.version.iter().map(|version| folder.join(version)));
            folders.push(folder);
        }
        folders.extend(buildroot.patches.iter().map(|folder| tree.join(folder).join(name)));
        for ours in ["buildroot-overlay/patches", "image/dist/patches"] {
            folders.push(source.join(ours).join(name));
        }
        let found: String = folders
            .iter()
            .filter_map(|folder| fs::read_to_string(folder.join(&file)).ok())
            .collect();
        texts.insert(package.name.clone(), found);
    }
    texts
}

fn drifted(
    tree: &Path,
    buildroot: &Buildroot,
    definition: &Definition,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let Some(base) = &buildroot.base else {
        let release = &definition.buildroot.release;
        findings
            .remarks
            .push(format!("Buildroot {release} has no configuration of its own for it"));
        return Ok(());
    };
    let path = tree.join(format!("configs/{base}_defconfig"));
    let Ok(text) = fs::read_to_string(&path) else {
        findings.faults.push(format!("there is no {} any more", path.display()));
        return Ok(());
    };
    let drifted = drift::drift(&text, buildroot).into_iter();
    findings.faults.extend(drifted.map(|line| format!("{base} says: {line}")));
    Ok(())
}
