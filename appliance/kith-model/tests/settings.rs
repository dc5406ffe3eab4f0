//! Properties of the settings document: nothing that is read, edited, shown or compared breaks a promise,
//! whatever it is made of.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

use std::collections::BTreeSet;

use kith_model::settings::text::{parse, render};
use kith_model::settings::{Settings, check, differ, edit, impact, mask, migrate, show};
use proptest::prelude::*;
use proptest::sample::select;

#[path = "../../../tests/fuzz/operator.rs"]
mod operator;

const FULL: &str = include_str!("../src/settings/full.toml");

/// Secrets that stand in no other value.
const SECRETS: [&str; 4] = ["zyxwvuts-1", "zyxwvuts-2", "zyxwvuts-3", "zyxwvuts-4"];

/// Keys with values they take, some of them twice.
const VALUES: &[(&str, &str)] = &[
    ("country", "\"FR\""),
    ("place.outdoors", "true"),
    ("place.contact", "\"Ada # \\\"x\\\" [lan]\""),
    ("lan.address", "\"192.168.20.1/24\""),
    ("lan.ports", "[]"),
    ("lan.ports", "[\"lan1\", \"lan2\"]"),
    ("lan.dhcp.enabled", "false"),
    ("lan.dhcp.lease_seconds", "600"),
    ("guest.rate_kbit", "7"),
    ("mesh.enabled", "true"),
    ("mesh.id", "\"valley\""),
    ("mesh.secret", "\"zyxwvuts-1\""),
    ("mesh.share_uplink", "true"),
    ("wifi.household.ssid", "'Ada \"8\"'"),
    ("wifi.household.passphrase", "\"zyxwvuts-2\""),
    ("wifi.guest.passphrase", "\"zyxwvuts-3\""),
    ("wifi.guest.security", "\"wpa3\""),
    ("radio.phy0.channel", "1"),
    ("radio.phy9.enabled", "false"),
    ("radio.\"wl.0\".width_mhz", "40"),
    ("uplink.+", "{ device = \"eth7\", wifi = { ssid = \"x\", passphrase = \"zyxwvuts-4\" } }"),
    ("uplink.+.device", "\"eth8\""),
    ("uplink.0.device", "\"eth9\""),
    ("dns.upstream", "[\"9.9.9.9\"]"),
    ("firewall.forward.0.port", "80"),
    ("firewall.forward.+", "{ name = \"x\", protocol = \"tcp\", port = 1, to = \"192.168.9.9\" }"),
    ("firewall.pinhole.0.to", "\"::7\""),
    ("client.\"aa:bb:cc:dd:ee:02\".name", "\"nas\""),
    ("client.\"aa:bb:cc:dd:ee:08\".paused", "true"),
];

/// Documents in several layouts.
fn documents() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "version = 1\n",
        "# a box\n\n[lan] # c1\n# c2\naddress = \"192.168.9.1/24\" # c3\n\n# c4\n",
        "lan.address = \"192.168.9.1/24\" # c1\nwifi.guest.ssid = \"b\"\n",
        "uplink = [{ device = \"wan\" }] # c1\nwifi = { guest = { enabled = true } }\n# c2\n",
        "[firewall]\nforward = [\n  # c1\n]\n[client]\n",
        FULL,
    ])
}

fn edits() -> impl Strategy<Value = Vec<(String, Option<String>)>> {
    let value = |(key, value): &(&str, &str), given| {
        let given = given || key.contains('+');
        ((*key).to_owned(), given.then(|| (*value).to_owned()))
    };
    let one =
        (select(VALUES), prop::bool::weighted(0.8)).prop_map(move |(v, given)| value(&v, given));
    prop::collection::vec(one, 0..8)
}

/// Texts that look like settings and are broken in places.
fn nearly() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "[",
        "]",
        "[[",
        "]]",
        "=",
        ".",
        ",",
        "\"",
        "'",
        "\"\"\"",
        "#",
        "\n",
        " ",
        "{",
        "}",
        "\u{0}",
        "\u{202e}",
        "é",
        "1",
        "-1",
        "99999999999",
        "0x",
        "1e9",
        "nan",
        "true",
        "1979-05-27",
        "version",
        "lan",
        "address",
        "\"192.168.9.1/24\"",
        "wifi",
        "guest",
        "household",
        "ssid",
        "uplink",
        "device",
        "radio",
        "phy0",
        "client",
        "\"aa:bb:cc:dd:ee:02\"",
        "firewall",
        "forward",
        "port",
        "mesh",
        "secret",
        "\\u12",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn comments(text: &str) -> BTreeSet<String> {
    let quoted = |line: &&str| !line.contains("Ada # ");
    let comment = |line: &str| line.split_once('#').map(|(_, comment)| comment.trim().to_owned());
    text.lines().filter(quoted).filter_map(comment).collect()
}

fn never_panics(text: &str) {
    let read = parse(text);
    if let Err(findings) = &read {
        assert!(!findings.is_empty() && findings.len() <= 50);
        assert!(findings.iter().all(|finding| finding.message.len() < 1_000), "{findings:?}");
    }
    let (settings, _) = check::document(text);
    assert_eq!(settings.is_some(), read.is_ok());
    let _ = (mask::masked(text), differ::unified(text, FULL), differ::unified(FULL, text));
    let _ = (show::show(text, None, false), show::get(text, text), show::typed("country", text));
    let _ = edit::set("", &[("place.contact".to_owned(), Some(text.to_owned()))]);
    if let (Ok(migrated), Ok(_)) = (migrate::migrate(text), &read) {
        assert_eq!(parse(&migrated.text), read);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn reading_never_panics_on_any_text(text in "\\PC{0,200}") {
        never_panics(&text);
    }

    #[test]
    fn reading_never_panics_on_what_looks_like_settings(text in nearly()) {
        never_panics(&text);
    }

    #[test]
    fn reading_never_panics_on_a_damaged_document(at in 0..FULL.len(), piece in nearly()) {
        let at = (0..=at).rev().find(|at| FULL.is_char_boundary(*at)).unwrap();
        never_panics(&format!("{}{piece}{}", &FULL[..at], &FULL[at..]));
        never_panics(&FULL[..at]);
    }

    #[test]
    fn what_is_set_is_got_and_comments_stay(text in documents(), edits in edits()) {
        let Ok(new) = edit::set(text, &edits) else { return Ok(()) };
        let last = |key: &str| edits.iter().rev().find(|(other, _)| other == key);
        // Elements of lists come and go beneath their numbers.
        let named = |key: &str| !["uplink", "firewall"].iter().any(|list| key.starts_with(list));
        for (key, _) in edits.iter().filter(|(key, _)| named(key)) {
            let got = show::get(&new, key).unwrap();
            match &last(key).unwrap().1 {
                Some(value) => {
                    let value: toml::Table = format!("x = {value}").parse().unwrap();
                    let got: toml::Table = format!("x = {}", got.unwrap()).parse().unwrap();
                    prop_assert_eq!(got, value);
                }
                None => prop_assert_eq!(got, show::get("", key).unwrap()),
            }
        }
        let (before, after) = (comments(text), comments(&new));
        let lost: Vec<_> = before.difference(&after).filter(|comment| !comment.is_empty()).collect();
        prop_assert!(lost.is_empty(), "{:?} lost from\n{}\nin\n{}", lost, text, new);
    }

    #[test]
    fn setting_again_changes_nothing(text in documents(), edits in edits()) {
        let edits: Vec<_> = edits.into_iter().filter(|(key, _)| !key.contains('+')).collect();
        let Ok(new) = edit::set(text, &edits) else { return Ok(()) };
        // The last of several values for one key holds.
        let again = edit::set(&new, &edits).unwrap();
        prop_assert_eq!(parse(&again), parse(&new));
    }

    #[test]
    fn what_is_rendered_is_read_as_the_same(text in documents(), edits in edits()) {
        let Ok(new) = edit::set(text, &edits) else { return Ok(()) };
        let settings = parse(&new).unwrap();
        prop_assert_eq!(parse(&render(&settings)), Ok(settings));
    }

    #[test]
    fn differences_are_told_without_secrets(
        first in documents(),
        second in documents(),
        edits in (edits(), edits()),
    ) {
        let texts = [edit::set(first, &edits.0), edit::set(second, &edits.1)];
        let [Ok(old_text), Ok(new_text)] = texts else { return Ok(()) };
        let [old, new] = [&old_text, &new_text].map(|text| parse(text).unwrap());
        let words = differ::words(&old, &new);
        prop_assert_eq!(words.is_empty(), old == new);
        let masked = [mask::masked(&old_text), mask::masked(&new_text)].map(Option::unwrap);
        let shown = show::show(&new_text, None, false).unwrap();
        let told = format!(
            "{words:?} {:?} {} {masked:?} {shown:?} {:?}",
            impact::impact(&old, &new, 80),
            differ::unified(&old_text, &new_text),
            check::check(&new),
        );
        let secrets = ["the mesh of", "battery", "sit down", "sugar"];
        for secret in SECRETS.iter().chain(&secrets) {
            prop_assert!(!told.contains(secret), "{} in {}", secret, told);
        }
        if impact::moves_to(&old, &new, 80).is_some() {
            prop_assert!(impact::risky(&old, &new));
        }
        prop_assert!(!impact::risky(&old, &old));
    }
}

/// The control of the properties above: with nothing masked they would see the secrets.
#[test]
fn the_secrets_are_in_what_is_not_masked() {
    let values: Vec<_> =
        VALUES.iter().map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned()))).collect();
    let text = edit::set("", &values[..20]).unwrap();
    assert!(SECRETS[..3].iter().all(|secret| text.contains(secret)), "{text}");
    assert!(SECRETS.iter().all(|secret| !mask::masked(&text).unwrap().contains(secret)));
    assert_eq!(parse(&render(&Settings::default())), Ok(Settings::default()));
}

/// What the fuzzer starts from, and copies of it with a byte cut, doubled or changed.
#[test]
fn seeds_of_the_fuzzer_are_taken_and_broken_copies_break_no_promise() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = std::fs::read_dir(folder.join("../../tests/fuzz/seeds_operator/settings")).unwrap();
    let (mut taken, mut tried) = (0, 0);
    for seed in seeds {
        let path = seed.unwrap().path();
        let seed = std::fs::read(&path).unwrap();
        assert!(operator::settings(&seed), "{} is refused", path.display());
        for at in (0..seed.len()).step_by(3) {
            let (mut changed, mut doubled) = (seed.clone(), seed.clone());
            changed[at] ^= 1 << (at % 7);
            doubled.insert(at, seed[at]);
            for broken in [&seed[..at], &seed[at..], &changed, &doubled] {
                tried += 1;
                taken += usize::from(operator::settings(broken));
            }
        }
    }
    assert!(taken > tried / 20 && taken < tried * 9 / 10, "{taken} of {tried} taken");
}
