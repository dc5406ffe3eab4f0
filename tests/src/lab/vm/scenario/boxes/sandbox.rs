//! What somebody could do who has taken over a role or a daemon of a box: tried from inside, where the box's
//! own code has put it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kith_role::users;

use super::product::Product;
use crate::lab::vm::inside::attempts::{ALL, ROOT, Targets};
use crate::lab::vm::inside::lab::Lab;
use crate::lab::vm::inside::roles::DAEMONS;
use crate::lab::vm::kernel::filtered;

/// What link is for; it also executes nft.
const LINK: &[&str] =
    &["change an address", "change a setting of the network", "execute a program"];
/// The panel shows what the supervisor knows.
const NODE: &[&str] = &["speak to the supervisor"];
/// What daemons are for, which have no walls around files but those of their user.
const RADIO: &[&str] = &[
    "open a raw socket",
    "change an address",
    "change a setting of the network",
    "execute a program",
];
const SERVES: &[&str] = &[
    "open a raw socket",
    "listen on port 80",
    "change an address",
    "change a setting of the network",
    "execute a program",
];
/// dhcpcd is root at its start, without what makes root the master of the machine.
const ROOT_WITHOUT: &[&str] = &[
    "read another role's file",
    "read the system's passwords",
    "write into /etc",
    "write into /usr",
    "speak to the supervisor",
    "signal another role",
    "open a raw socket",
    "listen on port 80",
    "change an address",
    "change a setting of the network",
    "change a setting of the kernel",
    "execute a program",
    ROOT,
];

/// Who is tried, and what each may.
const TRIED: [(&str, &[&str]); 6] = [
    ("link", LINK),
    ("node", NODE),
    ("hostapd", RADIO),
    ("wpa_supplicant", RADIO),
    ("dnsmasq", SERVES),
    ("dhcpcd", ROOT_WITHOUT),
];

/// An uncompressed module where everybody may read it.
const MODULE: &str = "/usr/lib/module-of-the-lab.ko";

pub(super) fn tried(lab: &Lab, first: &Product<'_>) -> Result<()> {
    let module = module(&first.host.root())?;
    for (who, may) in TRIED {
        let done = format!("{} attempts as A's own code starts {who}", ALL.len() + 1);
        lab.check(&format!("{who} can do no more than its work"), &done, &may.join(", "), || {
            let allowed = attempt(lab, first, who, &module)?;
            let wanted: BTreeSet<String> = may.iter().map(|&may| may.to_owned()).collect();
            let beyond: Vec<_> = allowed.difference(&wanted).collect();
            let missing: Vec<_> = wanted.difference(&allowed).collect();
            ensure!(beyond.is_empty(), "it can also {beyond:?}");
            ensure!(missing.is_empty(), "it cannot even {missing:?}");
            let refused = ALL.iter().map(|(name, _)| *name).chain([ROOT]);
            let refused: Vec<_> = refused.filter(|name| !allowed.contains(*name)).collect();
            Ok(format!("refused: {}", refused.join(", ")))
        })?;
    }
    let done = "the same attempts with nothing given up";
    lab.check("control: the attempts work without a sandbox", done, "all allowed", || {
        let allowed = attempt(lab, first, "nobody", &module)?;
        let all = ALL.iter().map(|(name, _)| *name).chain([ROOT]);
        let refused: Vec<_> = all.filter(|name| !allowed.contains(*name)).collect();
        ensure!(refused.is_empty(), "refused all the same: {refused:?}");
        Ok(format!("all {}", allowed.len()))
    })?;
    Ok(())
}

/// Has `who` make all attempts; answers which were allowed.
fn attempt(lab: &Lab, first: &Product<'_>, who: &str, module: &Path) -> Result<BTreeSet<String>> {
    let targets = serde_json::to_string(&targets(first, who, module)?)?;
    let own = std::env::current_exe().context("find this program")?;
    // The place of a daemon's program is taken for this one alone.
    let daemon = DAEMONS.contains(&who);
    let mut command = first.host.command(if daemon { Path::new("unshare") } else { &own });
    if daemon {
        command.arg("--mount").arg(&own).args(["vm-taken-daemon", who]).arg(lab.kith()?);
    } else {
        command.args(["vm-taken", who, first.state()]);
    }
    let output = command.arg(targets).output().context("start it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{who} ended with {}: {said}", output.status);
    let mut allowed = BTreeSet::new();
    let mut count = 0;
    for line in said.lines().filter(|line| line.starts_with('[')) {
        let (name, refused): (String, Option<String>) =
            serde_json::from_str(line).with_context(|| format!("{who} said {line:?}"))?;
        count += 1;
        if refused.is_none() {
            allowed.insert(name);
        }
    }
    ensure!(count == ALL.len() + 1, "{count} attempts were made: {said}");
    Ok(allowed)
}

/// What it is attempted upon, as the processes in the box count.
fn targets(first: &Product<'_>, who: &str, module: &Path) -> Result<Targets> {
    let inside = |pid: u32| -> Result<i32> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("its status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let number = line.and_then(|line| line.split_whitespace().last());
        number.context("its number in the box")?.parse().context("its number in the box")
    };
    let other = if who == "node" { "link" } else { "node" };
    let state = Path::new(first.state());
    let owner = if other == "link" { users::LINK } else { users::NODE };
    let folder = if other == "link" { state.join("settings") } else { state.to_owned() };
    let file = match owned(&folder, owner) {
        Some(file) => file,
        // A new box has few; one of that user's is as good as what the role will write.
        None => plant(&folder.join("of-the-lab"), owner)?,
    };
    let own = match who {
        "link" => PathBuf::from("/run/kith/link"),
        "node" => state.to_owned(),
        _ => {
            first.host.run("mkdir", &["-p", "/run/tried"])?;
            PathBuf::from("/run/tried")
        }
    };
    let pid = *first.roles().get(other).with_context(|| format!("no {other}"))?;
    Ok(Targets {
        supervisor: inside(first.supervisor()?)?,
        other: inside(pid)?,
        file,
        state: state.to_owned(),
        own,
        module: module.to_owned(),
    })
}

fn plant(file: &Path, uid: u32) -> Result<PathBuf> {
    fs::write(file, "x").with_context(|| format!("write {}", file.display()))?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).context("lock it")?;
    chown(file, Some(uid), Some(uid)).context("give it away")?;
    Ok(file.to_owned())
}

/// A file of somebody below `folder`.
fn owned(folder: &Path, uid: u32) -> Option<PathBuf> {
    let entries: Vec<_> = fs::read_dir(folder).ok()?.flatten().collect();
    entries.iter().find_map(|entry| {
        let found = entry.metadata().ok()?;
        if found.is_dir() {
            return owned(&entry.path(), uid);
        }
        (found.is_file() && found.uid() == uid).then(|| entry.path())
    })
}

/// Unpacks a module of this kernel that nobody uses to where a box reads its programs.
fn module(root: &Path) -> Result<PathBuf> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("which kernel")?;
    let folder = format!("/lib/modules/{}/kernel/drivers/net", release.trim());
    let packed = Path::new(&folder).join("dummy.ko.xz");
    let module = if packed.exists() {
        let packed = fs::read(&packed).context("read a module")?;
        filtered("xz", &["-dc"], &packed)?
    } else {
        fs::read(Path::new(&folder).join("dummy.ko")).context("read a module")?
    };
    let place = root.join(MODULE.trim_start_matches('/'));
    fs::write(&place, module).with_context(|| format!("write {}", place.display()))?;
    Ok(PathBuf::from(MODULE))
}
