//! What is laid over the root by both builders, read as the programs that live by it read it.
#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kith_model::daemon::Program;
use kith_role::users;

fn etc(name: &str) -> PathBuf {
    let overlay = "../buildroot-overlay/board/common/rootfs-overlay/etc";
    Path::new(env!("CARGO_MANIFEST_DIR")).join(overlay).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(etc(name)).unwrap()
}

/// The lines of a file such as passwd, by their first field.
fn table(text: &str) -> BTreeMap<String, Vec<String>> {
    let rows = text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
    rows.map(|row| (row[0].clone(), row)).collect()
}

#[test]
fn init_closes_the_firewall_first_and_then_only_starts_kith() {
    let inittab = text("inittab");
    let lines: Vec<&str> =
        inittab.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(lines[0], "::sysinit:/usr/sbin/nft -f /etc/kith/closed.nft");
    let respawned: Vec<&&str> = lines.iter().filter(|line| line.contains(":respawn:")).collect();
    assert_eq!(respawned, [&"::respawn:/usr/bin/kith --state /data/kith run --profile appliance"]);
    for line in &lines {
        // BusyBox starts a line with one of these through a shell (init.c, run).
        let shell = line.contains(|c| "~`!$^&*()=|\\{}[];\"'<>?".contains(c));
        assert!(!shell && !line.contains("askfirst") && !line.contains("getty"), "{line}");
    }
}

#[test]
fn the_closed_rules_are_those_that_link_replaces() {
    let golden = include_str!("../../appliance/kith-link/tests/golden/closed.nft");
    assert_eq!(text("kith/closed.nft"), golden);
}

#[test]
fn users_and_groups_have_the_numbers_that_our_processes_take() {
    let (passwd, group) = (table(&text("passwd")), table(&text("group")));
    let user = |name: &str| passwd[name][2].parse::<u32>().unwrap();
    let of_group = |name: &str| group[name][2].parse::<u32>().unwrap();
    assert_eq!((user("kith-link"), user("kith-node")), (users::LINK, users::NODE));
    assert_eq!((of_group("kith"), of_group("kith-files")), (users::SHARED, users::RENDERED));
    let name = |program: Program| match program {
        Program::Hostapd => "hostapd",
        Program::WpaSupplicant => "wpa_supplicant",
        Program::Dnsmasq => "dnsmasq",
        Program::Dhcpcd => "dhcpcd",
    };
    for program in Program::ALL {
        assert_eq!(user(name(program)), users::of(program));
        assert_eq!(of_group(name(program)), users::of(program));
    }
    let of_link = |row: &&Vec<String>| row[3].split(',').any(|member| member == "kith-link");
    let mut groups: Vec<u32> =
        group.values().filter(of_link).map(|row| row[2].parse().unwrap()).collect();
    let mut wanted = users::groups_of_link();
    groups.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(groups, wanted);
}

#[test]
fn nobody_has_a_password_and_nobody_a_shell() {
    let (passwd, shadow) = (table(&text("passwd")), table(&text("shadow")));
    assert_eq!(passwd.keys().collect::<Vec<_>>(), shadow.keys().collect::<Vec<_>>());
    assert!(shadow.values().all(|row| row[1] == "*"));
    assert!(passwd.values().all(|row| row[6] == "/bin/false"));
    // Git keeps no more of a mode than whether a file can be run; builders make it 0600.
    assert_eq!(fs::metadata(etc("shadow")).unwrap().permissions().mode() & 0o111, 0);
}

#[test]
fn buildroot_makes_the_same_users() {
    let recipe = include_str!("../../buildroot-overlay/package/kith/kith.mk");
    let passwd = table(&text("passwd"));
    for name in ["kith-link", "kith-node", "hostapd", "wpa_supplicant", "dnsmasq"] {
        let id = &passwd[name][2];
        assert!(recipe.contains(&format!("\t{name} {id} {name} {id} * ")), "{name}");
    }
}

#[test]
fn the_names_of_protocols_in_the_firewall_can_be_resolved() {
    let known = text("protocols");
    let known: Vec<&str> = known.lines().filter_map(|line| line.split('\t').next()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../appliance/kith-link/tests/golden");
    let mut asked = 0;
    for case in fs::read_dir(folder).unwrap() {
        let Ok(rules) = fs::read_to_string(case.unwrap().path().join("rendered/ruleset.nft"))
        else {
            continue;
        };
        let words: Vec<&str> = rules.split_whitespace().collect();
        for pair in words.windows(2).filter(|pair| pair[0] == "l4proto") {
            let name = pair[1].trim_matches(|c| "{},".contains(c));
            asked += 1;
            assert!(name.is_empty() || known.contains(&name), "{name} is not in /etc/protocols");
        }
    }
    assert!(asked > 0, "no rule was looked at");
}

#[test]
fn who_is_asked_for_names_is_a_link_to_what_link_renders() {
    let target = fs::read_link(etc("resolv.conf")).unwrap();
    let rendered = target.strip_prefix("/run/kith/link").unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../appliance/kith-link/tests/golden/two-uplinks/rendered");
    assert!(golden.join(rendered).is_file(), "link renders no {}", rendered.display());
}

#[test]
fn kernel_options_are_well_formed_and_said_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernel");
    let mut known = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let options = fs::read_to_string(&path).unwrap();
        for line in options.lines().filter(|line| !line.starts_with('#')) {
            let (option, value) = line.split_once('=').unwrap();
            assert!(option.starts_with("CONFIG_") && !value.is_empty(), "{line}");
            assert_eq!(
                known.insert(option.to_owned(), path.clone()),
                None,
                "{option} is said twice"
            );
        }
    }
    // What our sandbox rests on.
    for option in
        ["CONFIG_SECURITY_LANDLOCK", "CONFIG_SECCOMP_FILTER", "CONFIG_MEMCG", "CONFIG_LSM"]
    {
        assert!(known.contains_key(option), "{option}");
    }
}
