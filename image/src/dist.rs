//! The archive of our source and of all crates it is built from: the same bytes from the same source.
//!
//! Buildroot fetches crates only while it downloads, and leaves an archive alone that brings a folder
//! `VENDOR` along, so building it needs no registry.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use data_encoding::HEXLOWER;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::files::Source;
use crate::programs::Program;

/// Folders that are never source, where git is not there to say.
const NEVER: &[&str] = &[".git", "target", "node_modules", "dist"];

/// An archive that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Where it lies.
    pub path: PathBuf,
    /// Its digest, in hexadecimal.
    pub sha256: String,
    /// How many files are in it.
    pub files: usize,
}

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Where in the archive, below its top folder.
    pub name: String,
    /// What is there.
    pub what: What,
}

/// What is at a place of the archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Bytes, and whether they can be run.
    File(Vec<u8>, bool),
    /// A link to this.
    Link(String),
}

/// Makes `kith-VERSION.tar.gz` in `to`, and beside it the hash file by which Buildroot checks it.
///
/// # Errors
/// A file cannot be read, `cargo vendor` fails, or there is no room.
pub fn make(source: &Source, to: &Path) -> anyhow::Result<Made> {
    let version = version(&source.read("Cargo.toml")?)?;
    let name = format!("kith-{version}");
    let mut entries = own(source)?;
    let work = tempfile::tempdir().context("no room for the crates")?;
    let config = vendor(source, work.path())?;
    gather(&work.path().join("VENDOR"), "VENDOR", &mut entries, &|_| true)?;
    entries.push(Entry { name: ".cargo/config.toml".into(), what: What::File(config, false) });
    let files = entries.len();
    let bytes = pack(&name, entries)?;
    let sha256 = HEXLOWER.encode(&Sha256::digest(&bytes));
    let path = to.join(format!("{name}.tar.gz"));
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    let hashes = to.join("patches/kith");
    fs::create_dir_all(&hashes).with_context(|| format!("cannot make {}", hashes.display()))?;
    let line = format!("# Calculated when the archive was made\nsha256  {sha256}  {name}.tar.gz\n");
    fs::write(hashes.join("kith.hash"), line).context("cannot write the hash file")?;
    Ok(Made { path, sha256, files })
}

/// The version that all our crates have.
fn version(manifest: &str) -> anyhow::Result<String> {
    let manifest: toml::Table = manifest.parse().context("Cargo.toml is no TOML")?;
    let package = manifest.get("workspace").and_then(|workspace| workspace.get("package"));
    let version = package.and_then(|package| package.get("version")).and_then(toml::Value::as_str);
    version.map(str::to_owned).context("Cargo.toml names no version")
}

/// The files that are ours: what git knows, or everything where git is not.
fn own(source: &Source) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    if source.join(".git").exists() {
        let list =
            Program::new("git").arg("-C").arg(source.top()).arg("ls-files").arg("-z").output()?;
        for name in list.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let name = std::str::from_utf8(name).context("a file's name is no UTF-8")?;
            // One that was removed and not yet committed.
            if source.join(name).symlink_metadata().is_ok() {
                entries.push(entry(&source.join(name), name)?);
            }
        }
    } else {
        gather(source.top(), "", &mut entries, &|name| !NEVER.contains(&name))?;
    }
    // Buildroot's own configuration of where crates come from takes its place.
    entries.retain(|entry| entry.name != ".cargo/config.toml");
    Ok(entries)
}

/// Fetches all crates into `work/VENDOR`; returns what cargo must be told to find them there.
fn vendor(source: &Source, work: &Path) -> anyhow::Result<Vec<u8>> {
    // Without `-q`, which would silence what is wanted here.
    let config = Program::new("cargo")
        .arg("vendor")
        .arg("--locked")
        .arg("--versioned-dirs")
        .arg("--manifest-path")
        .arg(source.join("Cargo.toml"))
        .arg(work.join("VENDOR"))
        .output()?;
    let config = String::from_utf8(config).context("cargo said something that is no text")?;
    let here = work.join("VENDOR").display().to_string();
    if !config.contains(&here) {
        bail!("cargo did not say where the crates are");
    }
    Ok(config.replace(&here, "VENDOR").into_bytes())
}

/// Everything below a folder.
///
/// # Errors
/// It cannot be read.
pub fn below(folder: &Path) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    gather(folder, "", &mut entries, &|_| true)?;
    Ok(entries)
}

/// Everything below `folder`, but for folders whose name is not `wanted`.
fn gather(
    folder: &Path,
    name: &str,
    entries: &mut Vec<Entry>,
    wanted: &dyn Fn(&str) -> bool,
) -> anyhow::Result<()> {
    let list = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for found in list {
        let path = found.with_context(|| format!("cannot list {}", folder.display()))?.path();
        let own = path.file_name().and_then(|name| name.to_str()).context("a name is no UTF-8")?;
        let inner = if name.is_empty() { own.to_owned() } else { format!("{name}/{own}") };
        let is_folder = path.symlink_metadata().is_ok_and(|data| data.is_dir());
        match (is_folder, wanted(own)) {
            (true, true) => gather(&path, &inner, entries, wanted)?,
            (true, false) => {}
            (false, _) => entries.push(entry(&path, &inner)?),
        }
    }
    Ok(())
}

fn entry(path: &Path, name: &str) -> anyhow::Result<Entry> {
    use std::os::unix::fs::PermissionsExt as _;
    let wrong = || format!("cannot read {}", path.display());
    let data = path.symlink_metadata().with_context(wrong)?;
    let what = if data.is_symlink() {
        let target = fs::read_link(path).with_context(wrong)?;
        What::Link(target.into_os_string().into_string().ok().with_context(wrong)?)
    } else {
        What::File(fs::read(path).with_context(wrong)?, data.permissions().mode() & 0o100 != 0)
    };
    Ok(Entry { name: name.to_owned(), what })
}

/// A gzipped tar archive of `entries` below the folder `top`. Order, times, owners and modes follow from the
/// entries alone.
///
/// # Errors
/// A name is too long for the format.
pub fn pack(top: &str, mut entries: Vec<Entry>) -> anyhow::Result<Vec<u8>> {
    entries.sort();
    entries.dedup_by(|a, b| a.name == b.name);
    let gzip = GzBuilder::new().mtime(0).operating_system(255);
    let mut archive = Builder::new(gzip.write(Vec::new(), Compression::best()));
    for entry in &entries {
        let name = format!("{top}/{}", entry.name);
        let mut header = Header::new_gnu();
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        let told = match &entry.what {
            What::File(bytes, can_run) => {
                header.set_entry_type(EntryType::Regular);
                header.set_mode(if *can_run { 0o755 } else { 0o644 });
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, &name, bytes.as_slice())
            }
            What::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                archive.append_link(&mut header, &name, target)
            }
        };
        told.with_context(|| format!("{name} does not fit into an archive"))?;
    }
    let mut gzip = archive.into_inner().context("the archive cannot be closed")?;
    gzip.flush().context("the archive cannot be closed")?;
    gzip.finish().context("the archive cannot be closed")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A tree whose files were made in this order, with these times left to chance.
    fn tree(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("this is {name}")).unwrap();
        }
        let script = folder.path().join("run");
        fs::write(&script, "x").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
        symlink("../nowhere", folder.path().join("link")).unwrap();
        folder
    }

    fn packed(folder: &Path) -> Vec<u8> {
        let mut entries = Vec::new();
        gather(folder, "", &mut entries, &|name| !NEVER.contains(&name)).unwrap();
        pack("kith-1", entries).unwrap()
    }

    #[test]
    fn the_same_source_gives_the_same_bytes() {
        let long = format!("deep/{}/x.rs", "d".repeat(150));
        let one = tree(&["a", "b/c", &long, "target/rubbish"]);
        let two = tree(&["target/other", &long, "b/c", "a"]);
        let old = fs::File::open(two.path().join("a")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(packed(one.path()), packed(two.path()));
        fs::write(two.path().join("a"), "another").unwrap();
        assert_ne!(packed(one.path()), packed(two.path()));
    }

    #[test]
    fn what_is_packed_is_there_with_its_mode() {
        let bytes = packed(tree(&["a", "target/rubbish"]).path());
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*bytes));
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.mtime().unwrap(), header.uid().unwrap()), (0, 0));
            seen.push((entry.path().unwrap().display().to_string(), header.mode().unwrap()));
        }
        let want = [("kith-1/a", 0o644), ("kith-1/link", 0o777), ("kith-1/run", 0o755)];
        assert_eq!(seen, want.map(|(name, mode)| (name.to_owned(), mode)));
    }

    #[test]
    fn buildroots_recipe_has_the_version_of_our_crates() {
        let recipe = include_str!("../../buildroot-overlay/package/kith/kith.mk");
        let version = version(include_str!("../../Cargo.toml")).unwrap();
        assert!(recipe.lines().any(|line| line == format!("KITH_VERSION = {version}")));
        assert!(super::version("[package]").is_err());
    }

    #[test]
    fn buildroot_knows_the_digests_of_our_licences() {
        let hashes = include_str!("../../buildroot-overlay/package/kith/kith.hash");
        let licences = [
            ("LICENSE-APACHE", &include_bytes!("../../LICENSE-APACHE")[..]),
            ("LICENSE-MIT", &include_bytes!("../../LICENSE-MIT")[..]),
        ];
        for (name, text) in licences {
            let digest = HEXLOWER.encode(&Sha256::digest(text));
            assert!(hashes.contains(&format!("sha256  {digest}  {name}\n")), "{name}");
        }
    }
}
