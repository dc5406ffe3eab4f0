//! What a process may open from now on (Landlock, landlock(7)). What is open already stays so, and needs no
//! rule.

use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};

use super::SandboxError;

/// What later kernels can restrict beyond this is left alone: it has not been tried.
const KNOWN: ABI = ABI::V6;

/// What stays open to a process; everything else is closed. Paths that do not exist are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// What it may read.
    pub read: Vec<PathBuf>,
    /// Folders whose names, and those of all folders in them, it may list and flush, without reading files.
    pub list: Vec<PathBuf>,
    /// What it may read and execute.
    pub execute: Vec<PathBuf>,
    /// What it may read and change in any way, apart from making devices.
    pub write: Vec<PathBuf>,
    /// Where it may make, rename and remove sockets, and nothing else.
    pub sockets: Vec<PathBuf>,
}

/// How much of it the kernel enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforced {
    /// All that was asked for.
    Wholly,
    /// What this kernel knows of it.
    Partly,
    /// Nothing: the kernel has no Landlock, or it is not switched on (`lsm=`).
    Not,
}

/// Closes everything but `paths`. Holds for this thread and what it starts, so call it while there is one.
///
/// # Errors
/// When the kernel refuses what it says it can do.
pub fn restrict(paths: &Paths) -> Result<Enforced, SandboxError> {
    let read = AccessFs::from_read(KNOWN) & !AccessFs::Execute;
    let execute = AccessFs::from_read(KNOWN);
    let devices = AccessFs::MakeBlock | AccessFs::MakeChar;
    let write = AccessFs::from_all(KNOWN) & !AccessFs::Execute & !devices;
    let sockets = read | AccessFs::MakeSock | AccessFs::RemoveFile;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    let ruleset = allow(ruleset, &paths.read, read)?;
    let ruleset = allow(ruleset, &paths.list, AccessFs::ReadDir.into())?;
    let ruleset = allow(ruleset, &paths.execute, execute)?;
    let ruleset = allow(ruleset, &paths.write, write)?;
    let ruleset = allow(ruleset, &paths.sockets, sockets)?;
    let status = ruleset.restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Enforced::Wholly,
        RulesetStatus::PartiallyEnforced => Enforced::Partly,
        RulesetStatus::NotEnforced => Enforced::Not,
    })
}

fn allow(
    ruleset: RulesetCreated,
    paths: &[PathBuf],
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    // Leaves out what does not exist, and what does not fit a file.
    ruleset.add_rules(path_beneath_rules(paths, access))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A thread restricts itself alone, so the rest of the tests is not in here with it.
    #[test]
    fn what_is_not_listed_is_closed_and_what_is_listed_is_as_open_as_it_says() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        for folder in ["read", "write", "sockets", "other", "list"] {
            fs::create_dir(at(folder)).unwrap();
            fs::write(at(folder).join("file"), folder).unwrap();
        }
        let inside = {
            let paths = Paths {
                read: vec![at("read")],
                write: vec![at("write"), at("missing")],
                sockets: vec![at("sockets")],
                list: vec![at("list")],
                execute: Vec::new(),
            };
            let root = temp.path().to_owned();
            std::thread::spawn(move || {
                let at = |name: &str| root.join(name);
                let enforced = restrict(&paths).unwrap();
                let tries = [
                    fs::read(at("read/file")).is_ok(),
                    fs::write(at("read/file"), "x").is_ok(),
                    fs::write(at("write/new"), "x").is_ok(),
                    fs::remove_file(at("write/file")).is_ok(),
                    fs::read(at("other/file")).is_ok(),
                    fs::write(at("other/new"), "x").is_ok(),
                    fs::write(at("sockets/new"), "x").is_ok(),
                    UnixListener::bind(at("sockets/a.sock")).is_ok(),
                    fs::rename(at("sockets/a.sock"), at("sockets/b.sock")).is_ok(),
                    UnixListener::bind(at("read/a.sock")).is_ok(),
                    fs::read_dir(at("list")).is_ok(),
                    fs::read(at("list/file")).is_ok(),
                    fs::read_dir(at("other")).is_ok(),
                ];
                (enforced, tries)
            })
            .join()
            .unwrap()
        };
        let (enforced, tries) = inside;
        if enforced == Enforced::Not {
            assert_eq!(tries, [true; 13], "without Landlock everything is open");
            return;
        }
        let expected = [
            [true, false, true, true, false, false].as_slice(),
            [false, true, true, false].as_slice(),
            [true, false, false].as_slice(),
        ];
        assert_eq!(tries.as_slice(), expected.concat());
    }
}
