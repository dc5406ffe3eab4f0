//! The programs that read what is rendered judge the golden files: nft, dnsmasq, hostapd, wpa_supplicant,
//! dhcpcd. What is not installed is skipped, and said; with `KITH_PROGRAMS=all` nothing may be skipped.
//!
//! nft asks the kernel and so needs a user namespace of its own; nothing outside of it is touched.
#![expect(clippy::unwrap_used, reason = "a test may fail at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "a test asks the real programs")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

mod any;
mod cases;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cases::{cases, rendered};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

/// Whether a program can be asked; if not, it is said.
fn can_be_asked(program: &str, probe: &[&str]) -> bool {
    let all = std::env::var_os("KITH_PROGRAMS").is_some_and(|value| value == "all");
    let works = Command::new("unshare")
        .args(["-rn", program])
        .args(probe)
        .output()
        .is_ok_and(|output| !matches!(output.status.code(), Some(126 | 127) | None));
    assert!(works || !all, "{program} is not installed, or user namespaces are not allowed");
    if !works {
        println!("skipped: {program} is not installed, or user namespaces are not allowed here");
    }
    works
}

/// What a program says about a file, in a network namespace without anything in it.
fn ask(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("unshare")
        .args(["-rn", "timeout", "10", program])
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// The rendered files whose name begins so, in a folder of their own.
fn files(prefix: &str) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for case in cases() {
        for (name, text) in rendered(&case) {
            if name.starts_with(prefix) {
                let path = folder.path().join(format!("{}-{name}", case.name));
                fs::write(&path, text).unwrap();
                paths.push(path);
            }
        }
    }
    assert!(!paths.is_empty(), "no golden file begins with {prefix}");
    (folder, paths)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn nft_takes_every_ruleset() {
    if !can_be_asked("nft", &["--version"]) {
        return;
    }
    let (folder, paths) = files("ruleset");
    for path in &paths {
        let (fine, words) = ask("nft", &["-c", "-f", text(path)]);
        assert!(fine, "{}: {words}", path.display());
    }
    let probe = folder.path().join("probe.nft");
    fs::write(&probe, kith_link::render::nft::probe([10, 217, 1, 2].into())).unwrap();
    let (fine, words) = ask("nft", &["-c", "-f", text(&probe)]);
    assert!(fine, "probe: {words}");
    let closed = folder.path().join("closed.nft");
    fs::write(&closed, kith_link::render::nft::closed()).unwrap();
    assert!(ask("nft", &["-c", "-f", text(&closed)]).0);
    let broken = folder.path().join("broken.nft");
    fs::write(&broken, fs::read_to_string(&paths[0]).unwrap().replace("accept", "acept")).unwrap();
    assert!(!ask("nft", &["-c", "-f", text(&broken)]).0, "nft takes anything");
}

/// Each ruleset after each: sets and chains keep their kinds, and nothing is left over.
#[test]
fn a_ruleset_takes_the_place_of_any_other() {
    if !can_be_asked("nft", &["--version"]) {
        return;
    }
    let (folder, paths) = files("ruleset");
    let closed = folder.path().join("closed.nft");
    fs::write(&closed, kith_link::render::nft::closed()).unwrap();
    for path in &paths {
        let after_all_others: Vec<&Path> = [closed.as_path()]
            .into_iter()
            .chain(paths.iter().map(PathBuf::as_path))
            .chain([path.as_path()])
            .collect();
        assert_eq!(listed(&after_all_others), listed(&[path]), "{}", path.display());
    }
}

/// The sets and chains that nft lists after files were loaded one after the other, in no order.
fn listed(paths: &[&Path]) -> BTreeSet<String> {
    let loads = paths.iter().map(|path| format!("nft -f '{}' && ", path.display()));
    let script = format!("{}nft -s list ruleset", loads.collect::<String>());
    let (fine, words) = ask("sh", &["-c", &script]);
    assert!(fine, "{words}");
    words.split("\n\n").map(|part| part.trim_end_matches(['}', '\n', '\t']).to_owned()).collect()
}

#[test]
fn dnsmasq_takes_every_file() {
    if !can_be_asked("dnsmasq", &["--version"]) {
        return;
    }
    let (folder, paths) = files("dnsmasq");
    for path in &paths {
        let (fine, words) = ask("dnsmasq", &["--test", "-C", text(path)]);
        assert!(fine, "{}: {words}", path.display());
    }
    let broken = folder.path().join("broken");
    fs::write(&broken, fs::read_to_string(&paths[0]).unwrap() + "no-such-option\n").unwrap();
    assert!(!ask("dnsmasq", &["--test", "-C", text(&broken)]).0, "dnsmasq takes anything");
}

/// Both read their file before they look for the radio, which is not there; they name the lines they do
/// not understand.
#[test]
fn hostapd_and_wpa_supplicant_understand_every_line() {
    if !can_be_asked("hostapd", &["-v"]) || !can_be_asked("wpa_supplicant", &["-v"]) {
        return;
    }
    let (folder, hostapd) = files("hostapd");
    for path in &hostapd {
        assert_eq!(complaint("hostapd", &[text(path)]), None, "{}", path.display());
    }
    let broken = folder.path().join("broken");
    fs::write(&broken, fs::read_to_string(&hostapd[0]).unwrap() + "no_such_option=1\n").unwrap();
    assert!(complaint("hostapd", &[text(&broken)]).is_some(), "hostapd takes anything");

    let (folder, supplicant) = files("wpa_supplicant");
    for path in &supplicant {
        let arguments = ["-Dnl80211", "-ix", "-c", text(path)];
        assert_eq!(complaint("wpa_supplicant", &arguments), None, "{}", path.display());
    }
    let broken = folder.path().join("broken");
    fs::write(&broken, fs::read_to_string(&supplicant[0]).unwrap().replace("mode=5", "mood=5"))
        .unwrap();
    let arguments = ["-Dnl80211", "-ix", "-c", text(&broken)];
    assert!(complaint("wpa_supplicant", &arguments).is_some(), "wpa_supplicant takes anything");
}

fn complaint(program: &str, arguments: &[&str]) -> Option<String> {
    let (_, words) = ask(program, arguments);
    words.contains("Line ").then_some(words)
}

/// What any settings make, beside what the golden cases make.
#[test]
fn the_programs_take_what_any_settings_make() {
    let programs = ["nft", "dnsmasq", "hostapd", "wpa_supplicant"];
    let probes = ["--version", "--version", "-v", "-v"];
    if !programs.iter().zip(probes).all(|(program, probe)| can_be_asked(program, &[probe])) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let mut runner = TestRunner::deterministic();
    for _ in 0..32 {
        let settings = any::settings().new_tree(&mut runner).unwrap().current();
        let facts = any::facts().new_tree(&mut runner).unwrap().current();
        let desired = kith_link::desire::desire(&settings, &any::profile(), &facts);
        let ruleset = write("ruleset", &desired.ruleset);
        let (fine, words) = ask("nft", &["-c", "-f", text(&ruleset)]);
        assert!(fine, "{words}\n{}", desired.ruleset);
        for (name, file) in desired.files.iter().filter(|(name, _)| !name.contains('/')) {
            let path = write(name, &file.content);
            let complaint = match name.split_once('-') {
                Some(("dnsmasq", _)) => {
                    let (fine, words) = ask("dnsmasq", &["--test", "-C", text(&path)]);
                    (!fine).then_some(words)
                }
                Some(("hostapd", _)) => complaint("hostapd", &[text(&path)]),
                Some(("wpa_supplicant", _)) => {
                    complaint("wpa_supplicant", &["-Dnl80211", "-ix", "-c", text(&path)])
                }
                Some(_) | None => None,
            };
            assert_eq!(complaint, None, "{}", file.content);
        }
    }
}

#[test]
fn dhcpcd_understands_every_line() {
    if !can_be_asked("dhcpcd", &["--version"]) {
        return;
    }
    let (folder, paths) = files("dhcpcd");
    let unknown = |path: &Path| {
        let script = format!("ip link set lo up && timeout 2 dhcpcd -T -f '{}' lo", text(path));
        let (_, words) = ask("sh", &["-c", &script]);
        assert!(words.contains("starting"), "{words}");
        words.contains("unknown option").then_some(words)
    };
    // It reads the part of an interface only if there is one, and here there is none but `lo`. The files
    // then differ in little but the box's identifier.
    let mut kinds = BTreeMap::new();
    for path in &paths {
        let (_, device) = text(path).rsplit_once("dhcpcd-").unwrap();
        let file = fs::read_to_string(path).unwrap().replace(device, "lo");
        let but_duid: String = file.lines().filter(|line| !line.starts_with("duid")).collect();
        kinds.insert(but_duid, file);
    }
    for file in kinds.values() {
        fs::write(&paths[0], file).unwrap();
        assert_eq!(unknown(&paths[0]), None, "{file}");
    }
    let broken = folder.path().join("broken");
    fs::write(&broken, fs::read_to_string(&paths[0]).unwrap() + "no_such_option\n").unwrap();
    assert!(unknown(&broken).is_some(), "dhcpcd takes anything");
}
