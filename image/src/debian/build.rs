//! The hands that put an image together from locked packages: root, initrd, kernel, disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use kith_model::profile::Profile;

use super::cpio;
use super::modules::Known;
use crate::definition::Debian;
use crate::files::Source;
use crate::programs::Program;
use crate::{disk, dist};

/// What of Debian's packages no box reads.
const UNREAD: &[&str] = &[
    "etc/cron.d",
    "etc/cron.daily",
    "etc/default",
    "etc/init.d",
    "etc/ifplugd",
    "etc/logrotate.d",
    "etc/network",
    "etc/ppp",
    "etc/resolvconf",
    "etc/sysctl.d",
    "usr/lib/systemd",
    "usr/share/bash-completion",
    "usr/share/bug",
    "usr/share/dbus-1",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/initramfs-tools",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/perl5",
    "usr/share/zoneinfo",
    "var",
];

/// What BusyBox is called by: init and what its inittab names, and no shell.
const BUSYBOX: &[&str] = &["init", "reboot", "poweroff"];

/// Folders of the root that something is mounted on.
const MOUNTED: &[&str] = &["data", "dev", "proc", "run", "sys", "tmp", "var"];

/// What an image is put together from.
#[derive(Debug)]
pub struct Parts<'p> {
    /// The board.
    pub board: &'p Profile,
    /// What is said of Debian.
    pub debian: &'p Debian,
    /// The files of the packages.
    pub packages: Vec<PathBuf>,
    /// Our program.
    pub kith: &'p Path,
    /// The first program, linked statically.
    pub init: &'p Path,
}

/// Puts an image together in `out`: `disk.img`, `vmlinuz`, `initrd`, `root.squashfs`.
///
/// # Errors
/// A program is missing or fails, or a file cannot be written.
pub fn build(source: &Source, parts: &Parts<'_>, out: &Path) -> anyhow::Result<()> {
    let work = out.join("work");
    if work.exists() {
        fs::remove_dir_all(&work).context("cannot clear the last work")?;
    }
    let root = work.join("root");
    let kernel = work.join("kernel");
    for folder in [&root, &kernel] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    // Before anything is unpacked, so that all of it lands in /usr.
    for name in ["bin", "lib", "lib64", "sbin"] {
        fs::create_dir_all(root.join("usr").join(name)).context("cannot make /usr")?;
        symlink(format!("usr/{name}"), root.join(name)).context("cannot link into /usr")?;
    }
    for package in &parts.packages {
        let file = package.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let into = if file.starts_with("linux-image-") { &kernel } else { &root };
        Program::new("dpkg-deb").arg("-x").arg(package).arg(into).output()?;
    }
    furnish(source, parts, &root)?;
    let (version, image) = kernel_of(&kernel)?;
    fs::copy(&image, out.join("vmlinuz")).context("cannot copy the kernel")?;
    let first = modules(parts, &kernel, &version, &root)?;
    initrd(parts, &root, &first, &out.join("initrd"))?;
    squash(&root, &out.join("root.squashfs"))?;
    let plan = disk::plan(parts.board)?;
    let payloads = [("kith-root-a".to_owned(), out.join("root.squashfs"))];
    let payloads = payloads.iter().map(|(name, path)| (name.clone(), path.as_path()));
    let payloads: Vec<_> = payloads.collect();
    disk::image::write(&plan, parts.board.name.as_bytes(), &payloads, &out.join("disk.img"))
}

fn furnish(source: &Source, parts: &Parts<'_>, root: &Path) -> anyhow::Result<()> {
    for name in UNREAD {
        let path = root.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("cannot leave out {name}"))?;
        }
    }
    for name in MOUNTED {
        fs::create_dir_all(root.join(name)).with_context(|| format!("cannot make /{name}"))?;
    }
    for name in BUSYBOX {
        let link = root.join("usr/sbin").join(name);
        let _ = fs::remove_file(&link);
        symlink("/usr/bin/busybox", &link).with_context(|| format!("cannot make /sbin/{name}"))?;
    }
    symlink("/usr/bin/busybox", root.join("usr/bin/umount")).context("cannot make /bin/umount")?;
    // Debian chooses between two signatures by its alternatives, which no script has set here.
    for name in ["regulatory.db", "regulatory.db.p7s"] {
        let folder = root.join("usr/lib/firmware");
        if folder.join(format!("{name}-debian")).is_file() {
            let _ = fs::remove_file(folder.join(name));
            symlink(format!("{name}-debian"), folder.join(name))
                .context("cannot link the rules")?;
        }
    }
    lay_over(&source.join("buildroot-overlay/board/common/rootfs-overlay"), root)?;
    fs::write(root.join("etc/kith/board"), format!("{}\n", parts.board.name))
        .context("cannot say which board it is")?;
    let kith = root.join("usr/bin/kith");
    fs::copy(parts.kith, &kith).with_context(|| format!("cannot copy {}", parts.kith.display()))?;
    mode(&kith, 0o755)?;
    mode(&root.join("etc/shadow"), 0o600)
}

fn mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

fn lay_over(overlay: &Path, root: &Path) -> anyhow::Result<()> {
    for entry in dist::below(overlay)? {
        let path = root.join(&entry.name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let _ = fs::remove_file(&path);
        match entry.what {
            dist::What::File(bytes, _) => fs::write(&path, bytes),
            dist::What::Link(target) => symlink(target, &path),
        }
        .with_context(|| format!("cannot lay {} over the root", entry.name))?;
    }
    Ok(())
}

/// The version of the kernel that was unpacked, and its image.
fn kernel_of(kernel: &Path) -> anyhow::Result<(String, PathBuf)> {
    let boot = kernel.join("boot");
    for entry in fs::read_dir(&boot).context("no kernel was unpacked")? {
        let path = entry.context("cannot list the kernel")?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(version) = name.strip_prefix("vmlinuz-") {
            return Ok((version.to_owned(), path));
        }
    }
    bail!("{} holds no kernel", boot.display())
}

/// Copies the modules of the image into the root, uncompressed; returns those that lead to the disk, in order.
fn modules(
    parts: &Parts<'_>,
    kernel: &Path,
    version: &str,
    root: &Path,
) -> anyhow::Result<Vec<String>> {
    let from = kernel.join("usr/lib/modules").join(version);
    Program::new("depmod").arg("-b").arg(kernel.join("usr")).arg(version).output()?;
    let text = |name: &str| {
        fs::read_to_string(from.join(name)).with_context(|| format!("the kernel has no {name}"))
    };
    let known = Known::read(
        &text("modules.dep")?,
        &text("modules.softdep")?,
        &text("modules.alias")?,
        &text("modules.builtin")?,
    );
    let mut first = parts.debian.initrd_modules.clone();
    first.extend(parts.board.modules.iter().cloned());
    let first = known.closure(&first)?;
    let mut wanted = parts.debian.modules.clone();
    wanted.extend(parts.board.modules.iter().cloned());
    wanted.extend(parts.board.radio.iter().map(|radio| radio.driver.clone()));
    let into = root.join("usr/lib/modules").join(version);
    for path in known.closure(&wanted)?.iter().chain(&first) {
        let target = into.join(path.trim_end_matches(".xz"));
        if target.exists() {
            continue;
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).context("cannot make a folder for modules")?;
        }
        let source = from.join(path);
        let bytes = if path.ends_with(".xz") {
            Program::new("xz").arg("-dc").arg(&source).output()?
        } else {
            fs::read(&source).with_context(|| format!("cannot read {path}"))?
        };
        fs::write(&target, bytes).with_context(|| format!("cannot write {path}"))?;
    }
    for name in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        fs::copy(from.join(name), into.join(name)).with_context(|| format!("no {name}"))?;
    }
    Program::new("depmod").arg("-b").arg(root.join("usr")).arg(version).output()?;
    let within =
        |path: &String| format!("usr/lib/modules/{version}/{}", path.trim_end_matches(".xz"));
    Ok(first.iter().map(within).collect())
}

fn initrd(parts: &Parts<'_>, root: &Path, first: &[String], to: &Path) -> anyhow::Result<()> {
    let init =
        fs::read(parts.init).with_context(|| format!("cannot read {}", parts.init.display()))?;
    let mut files: Vec<cpio::File> = ["dev", "modules", "newroot", "proc", "sys"]
        .into_iter()
        .map(|name| (name.to_owned(), None))
        .collect();
    files.push(("init".into(), Some(init)));
    let mut order = String::new();
    for path in first {
        let name = path.rsplit('/').next().unwrap_or(path);
        order.push_str(name);
        order.push('\n');
        let bytes = fs::read(root.join(path)).with_context(|| format!("cannot read {path}"))?;
        files.push((format!("modules/{name}"), Some(bytes)));
    }
    files.push(("modules/order".into(), Some(order.into_bytes())));
    fs::write(to, cpio::initrd(&files)?).with_context(|| format!("cannot write {}", to.display()))
}

/// The root as one file: no times, no owners, so that the same packages give the same bytes.
fn squash(root: &Path, to: &Path) -> anyhow::Result<()> {
    Program::new("mksquashfs")
        .arg(root)
        .arg(to)
        .arg("-noappend")
        .arg("-all-root")
        .arg("-comp")
        .arg("zstd")
        .arg("-mkfs-time")
        .arg("0")
        .arg("-all-time")
        .arg("0")
        .arg("-no-progress")
        .arg("-quiet")
        .without("SOURCE_DATE_EPOCH")
        .output()?;
    Ok(())
}
