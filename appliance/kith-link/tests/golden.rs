//! Golden files: each case is a box (`settings.toml`, `profile.toml`) and what it has found out
//! (`observed.toml`, which is [`Facts`]); beside them lies all that is rendered from that.
//!
//! `KITH_GOLDEN=write cargo test -p kith-link --test golden` writes them anew; read the diff before it is
//! committed. The programs that read these files judge them in `tests/programs.rs`.
#![expect(clippy::unwrap_used, reason = "a test may fail at the first surprise")]

mod cases;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cases::{Case, cases, rendered};

#[test]
fn every_case_is_rendered_as_it_lies_there() {
    let write = std::env::var_os("KITH_GOLDEN").is_some_and(|value| value == "write");
    let mut complaints = Vec::new();
    for case in cases() {
        let now = rendered(&case);
        if write {
            write_case(&case, &now);
        }
        complaints.extend(differences(&case, &now));
    }
    assert!(complaints.is_empty(), "\n{}\n(KITH_GOLDEN=write writes them)", complaints.join("\n"));
}

#[test]
fn the_ruleset_at_boot_lets_nothing_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/closed.nft");
    let closed = kith_link::render::nft::closed();
    if std::env::var_os("KITH_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, &closed).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), closed);
    assert_eq!(closed.matches("accept").count(), 1, "more than the box itself may come in");
}

#[test]
fn a_question_for_an_address_names_no_sender() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/probe.nft");
    let probe = kith_link::render::nft::probe([10, 217, 1, 2].into());
    if std::env::var_os("KITH_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, &probe).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), probe);
}

#[test]
fn there_is_a_case_for_every_kind_of_box() {
    assert!(cases().len() >= 14, "{}", cases().len());
}

#[test]
fn a_changed_golden_file_is_noticed() {
    let case = cases().remove(0);
    let mut now = rendered(&case);
    assert!(differences(&case, &now).is_empty());
    now.entry("ruleset.nft".into()).or_default().push('x');
    assert_eq!(differences(&case, &now).len(), 1);
    now.insert("another".into(), String::new());
    assert_eq!(differences(&case, &now).len(), 2);
}

fn write_case(case: &Case, now: &BTreeMap<String, String>) {
    let folder = case.folder.join("rendered");
    let _ = fs::remove_dir_all(&folder);
    for (path, text) in now {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn differences(case: &Case, now: &BTreeMap<String, String>) -> Vec<String> {
    let folder = case.folder.join("rendered");
    let then = read(&folder, "");
    let names: BTreeSet<&String> = now.keys().chain(then.keys()).collect();
    let differ = names.into_iter().filter(|name| now.get(*name) != then.get(*name));
    differ.map(|name| describe(&case.name, name, then.get(name), now.get(name))).collect()
}

fn describe(case: &str, name: &str, then: Option<&String>, now: Option<&String>) -> String {
    let (Some(then), Some(now)) = (then, now) else {
        return format!("{case}/{name}: {}", if then.is_some() { "is gone" } else { "is new" });
    };
    let lines = then.lines().zip(now.lines()).enumerate();
    let first = lines.into_iter().find(|(_, (then, now))| then != now);
    match first {
        Some((at, (then, now))) => format!("{case}/{name}:{}\n  - {then}\n  + {now}", at + 1),
        None => format!("{case}/{name}: has another length"),
    }
}

fn read(folder: &Path, prefix: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files.extend(read(&entry.path(), &format!("{name}/")));
        } else {
            files.insert(name, fs::read_to_string(entry.path()).unwrap());
        }
    }
    files
}
