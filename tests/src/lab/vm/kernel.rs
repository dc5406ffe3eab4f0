//! The kernel of the virtual machine: Debian 13's, with simulated radios and batman-adv, fetched
//! through this machine's own mirror and unpacked, never installed.
//!
//! It stays in `target/vm`, so that only the first run needs the network. What it is and the digest of
//! the package is printed each time, since the mirror keeps no old versions.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::lab::namespace::call;

/// Debian's release, and the package that always depends on its newest kernel. The kernel for cloud
/// machines has neither radios nor batman-adv.
const SUITE: &str = "trixie";
const NEWEST: &str = "linux-image-amd64";
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A kernel, unpacked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kernel {
    /// The package's file name, with its version.
    pub(crate) package: String,
    /// Digest of the package, hexadecimal.
    pub(crate) sha256: String,
    /// What `uname -r` says in it.
    pub(crate) release: String,
    folder: PathBuf,
}

impl Kernel {
    /// The one in `folder`, fetched when it is not there yet.
    ///
    /// # Errors
    /// When this machine has no apt, or no mirror of Debian.
    pub(crate) fn get(folder: &Path) -> Result<Self> {
        let note = folder.join("kernel.json");
        if let Ok(text) = fs::read_to_string(&note)
            && let Ok(kernel) = serde_json::from_str::<Self>(&text)
            && kernel.image().is_file()
        {
            return Ok(kernel);
        }
        let kernel = fetch(&folder.join("kernel"))?;
        let text = serde_json::to_string(&kernel).context("write down the kernel")?;
        fs::write(&note, text).with_context(|| format!("write {}", note.display()))?;
        Ok(kernel)
    }

    /// The uncompressed image: QEMU starts it seconds sooner than one that unpacks itself.
    #[must_use]
    pub(crate) fn image(&self) -> PathBuf {
        self.folder.join("vmlinux")
    }

    /// Its modules, as in `/lib/modules/RELEASE`.
    #[must_use]
    pub(crate) fn modules(&self) -> PathBuf {
        self.folder.join("usr/lib/modules").join(&self.release)
    }
}

fn fetch(folder: &Path) -> Result<Kernel> {
    if folder.exists() {
        fs::remove_dir_all(folder).context("remove the old kernel")?;
    }
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(folder.join(part)).context("make folders for apt")?;
    }
    let apt = Apt { folder };
    fs::write(folder.join("sources.list"), source(&mirror()?)).context("write apt's sources")?;
    apt.run("apt-get", &["-qq", "update"])?;
    let depends = apt.run("apt-cache", &["depends", NEWEST])?;
    let name = dependency(&depends).with_context(|| format!("{NEWEST} depends on no kernel"))?;
    apt.run("apt-get", &["-qq", "download", &name])?;
    let package = only(folder, |n| n.starts_with(&name) && n.ends_with(".deb"))?;
    let path = folder.join(&package);
    let digest = text(&call("sha256sum", &[utf8(&path)?])?.stdout);
    call("dpkg", &["-x", utf8(&path)?, utf8(folder)?])?;
    fs::remove_file(&path).context("remove the package")?;
    let release = only(&folder.join("usr/lib/modules"), |_| true)?;
    call(utf8(&super::find("depmod")?)?, &["-b", utf8(&folder.join("usr"))?, &release])?;
    let compressed = fs::read(folder.join("boot").join(format!("vmlinuz-{release}")));
    let image = decompressed(payload(&compressed.context("read the kernel")?)?)?;
    fs::write(folder.join("vmlinux"), image).context("write the kernel")?;
    let sha256 = digest.split_whitespace().next().unwrap_or_default().to_owned();
    Ok(Kernel { package, sha256, release, folder: folder.to_owned() })
}

/// apt with lists and a cache of its own, so that it needs no root and changes nothing.
struct Apt<'a> {
    folder: &'a Path,
}

impl Apt<'_> {
    fn run(&self, program: &str, words: &[&str]) -> Result<String> {
        let folder = self.folder.display();
        let output = Command::new(program)
            .arg(format!("-oDir::Etc::sourcelist={folder}/sources.list"))
            .arg("-oDir::Etc::sourceparts=/dev/null")
            .arg(format!("-oDir::State::lists={folder}/lists"))
            .arg(format!("-oDir::Cache={folder}/cache"))
            .args(["-oAcquire::Languages=none", "-oAPT::Architecture=amd64"])
            .args(words)
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("start {program}"))?;
        if !output.status.success() {
            bail!("{program} {}: {}", words.join(" "), text(&output.stderr).trim());
        }
        Ok(text(&output.stdout))
    }
}

/// Where this machine gets Debian from.
fn mirror() -> Result<String> {
    let words = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"];
    let targets = call("apt-get", &words).context("no apt here to get a kernel with")?;
    let all = text(&targets.stdout);
    let found = all.lines().find(|uri| uri.trim_end_matches('/').ends_with("/debian"));
    Ok(found.context("apt knows no mirror of Debian to get a kernel from")?.to_owned())
}

fn source(mirror: &str) -> String {
    format!("deb [signed-by={KEYS}] {mirror} {SUITE} main\n")
}

/// The kernel that the package of the newest one depends on.
fn dependency(depends: &str) -> Option<String> {
    let mut names = depends.lines().filter_map(|l| l.trim().strip_prefix("Depends: "));
    names.find(|n| n.starts_with("linux-image-")).map(str::to_owned)
}

/// The compressed kernel within a bzImage: the boot protocol says where it begins and ends
/// (Linux, Documentation/arch/x86/boot.rst). Four bytes at its end are the unpacked length.
fn payload(image: &[u8]) -> Result<&[u8]> {
    let word = |at: usize| {
        let bytes = image.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
        bytes.map(u32::from_le_bytes).and_then(|w| usize::try_from(w).ok()).context("a short image")
    };
    ensure!(image.get(0x202..0x206) == Some(b"HdrS"), "not a bzImage");
    let sectors = usize::from(*image.get(0x1f1).context("a short image")?);
    let start = (sectors + 1) * 512 + word(0x248)?;
    let end = start + word(0x24c)?.saturating_sub(4);
    image.get(start..end).context("the image ends before its payload")
}

fn decompressed(payload: &[u8]) -> Result<Vec<u8>> {
    let program = match payload {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
        other => bail!("compressed in an unknown way: {:02x?}", &other[..other.len().min(6)]),
    };
    filtered(program, &["-dc"], payload)
}

/// What `program` makes of `input`.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn filtered(program: &str, words: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {program} (is it installed?)"))?;
    let mut stdin = child.stdin.take().context("its standard input")?;
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().with_context(|| format!("wait for {program}"))?;
    let fed = feeder.join();
    ensure!(output.status.success(), "{program}: {}", text(&output.stderr).trim());
    ensure!(matches!(fed, Ok(Ok(()))), "{program} did not read all");
    Ok(output.stdout)
}

/// The one name in `folder` that `fits`.
fn only(folder: &Path, fits: impl Fn(&str) -> bool) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
    let found: Vec<String> = names.filter(|n| fits(n)).collect();
    match <[String; 1]>::try_from(found) {
        Ok([name]) => Ok(name),
        Err(all) => bail!("{} holds {all:?}, not one", folder.display()),
    }
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_found_behind_the_newest() {
        let said = "linux-image-amd64\n  Depends: linux-image-6.12.1+deb13-amd64\n  Depends: x\n";
        assert_eq!(dependency(said).as_deref(), Some("linux-image-6.12.1+deb13-amd64"));
        assert_eq!(dependency("linux-image-amd64\n  Depends: base-files\n"), None);
    }

    #[test]
    fn the_payload_lies_where_the_header_says() {
        let mut image = vec![0; 2048];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&9_u32.to_le_bytes());
        image[1040..1049].copy_from_slice(b"abcdeSIZE");
        assert_eq!(payload(&image).unwrap(), b"abcde");
        assert!(payload(&image[..1000]).is_err());
        image[0x24c..0x250].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(payload(&image).is_err());
        assert!(payload(b"MZ").is_err());
    }
}
