//! What settings do besides files and interfaces: how strongly radios send, which connections end.

use std::net::IpAddr;
use std::time::Duration;

use kith_link::control::Printed;
use kith_link::flows::Flows;
use kith_link::step::Step;
use kith_model::network::ask::{Identity, NetworkAsk};
use kith_model::settings::Protocol;
use kith_model::settings::edit::set;

use super::bad::GOOD;
use super::lockouts::settled;
use super::rig::{Fault, Rig};

fn with(values: &[(&str, &str)]) -> String {
    let values: Vec<_> =
        values.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
    set(GOOD, &values).unwrap()
}

/// With how many dBm the 2.4 GHz radio sends.
fn power(rig: &mut Rig) -> i8 {
    let radios = rig.status().radios;
    radios.iter().find(|radio| radio.name == "phy0").unwrap().power_dbm.unwrap()
}

#[test]
fn a_radio_sends_with_the_power_it_is_given_whoever_tells_it_otherwise() {
    let (mut rig, _) = settled();
    assert_eq!(power(&mut rig), 20);
    rig.settle(&with(&[("radio.phy0.power_dbm", "10")]));
    rig.run(Duration::from_secs(40));
    assert_eq!(power(&mut rig), 10);
    let louder = Step::SetPower { radio: "phy0".into(), dbm: Some(17) };
    rig.world.meddle(rig.now, &louder).unwrap();
    rig.run(Duration::from_secs(1));
    assert_eq!(power(&mut rig), 10);
    let repairs = rig.status().repairs;
    assert_eq!(repairs[0].what, "let phy0 send with 10 dBm at most");
    rig.strike(Fault::Kill);
    rig.steps.clear();
    rig.run(Duration::from_secs(60));
    assert_eq!(rig.steps, Vec::<String>::new(), "it was told already");
    rig.settle(GOOD);
    assert_eq!(power(&mut rig), 20, "what is not said any more does not hold any more");
}

#[test]
fn more_power_than_is_allowed_is_refused_in_words() {
    let (mut rig, _) = settled();
    rig.settle(&with(&[("radio.phy0.power_dbm", "27")]));
    let status = rig.status();
    let said = status.problems.iter().find(|problem| problem.code == "power").unwrap();
    assert!(said.message.contains("27 dBm") && said.message.contains("20 dBm"), "{said:?}");
    assert_eq!(power(&mut rig), 20);
    let steps = rig.steps.iter().filter(|step| step.contains("dBm")).count();
    assert_eq!(steps, 1, "it is told once");
}

#[test]
fn a_port_forward_that_is_taken_away_ends_its_connections_and_no_others() {
    let (mut rig, _) = settled();
    let forward =
        "{ name = \"web\", protocol = \"tcp\", port = 8080, to = \"192.168.77.30\", to_port = 80 }";
    rig.settle(&with(&[("firewall.forward.+", forward)]));
    assert!(rig.world.forgotten().is_empty(), "what is allowed more ends nothing");
    rig.settle(GOOD);
    let to = [192, 168, 77, 30].into();
    let web = Flows::Forward { protocol: Protocol::Tcp, port: 8_080, to, to_port: 80 };
    assert_eq!(rig.world.forgotten(), [web]);
    rig.settle(&GOOD.replace("ssid = \"Mill House\"", "ssid = \"Mill\""));
    assert_eq!(rig.world.forgotten(), [web], "a name is no permission");
}

#[test]
fn a_change_that_is_taken_back_ends_what_only_it_allowed() {
    let (mut rig, _) = settled();
    let hole = "{ name = \"game\", protocol = \"udp\", port = 5000, to = \"::30\" }";
    let values = [("firewall.pinhole.+", hole), ("wifi.household.ssid", "\"Mill\"")];
    rig.apply("ada", &with(&values), None).unwrap();
    rig.run(Duration::from_secs(10));
    rig.ask("ada", NetworkAsk::Revert).unwrap();
    rig.run(Duration::from_secs(10));
    let to = "::30".parse().unwrap();
    let game = Flows::Pinhole { protocol: Protocol::Udp, port: 5_000, to };
    assert_eq!(rig.world.forgotten(), [game]);
}

#[test]
fn a_device_that_is_paused_loses_what_it_has_open() {
    let (mut rig, _) = settled();
    let client = rig.status().clients.into_iter().find(|client| client.ipv4.is_some()).unwrap();
    let pause = |paused| NetworkAsk::ClientSet {
        mac: client.mac,
        name: None,
        fixed: None,
        paused: Some(paused),
    };
    rig.ask("ada", pause(true)).unwrap();
    rig.run(Duration::from_secs(5));
    let address = IpAddr::V4(client.ipv4.unwrap());
    assert!(rig.world.forgotten().contains(&Flows::Of(address)), "{:?}", rig.world.forgotten());
    let before = rig.world.forgotten().len();
    rig.ask("ada", pause(false)).unwrap();
    rig.run(Duration::from_secs(5));
    assert_eq!(rig.world.forgotten().len(), before);
}

#[test]
fn a_box_that_is_given_away_ends_all_connections_even_if_the_role_is_killed_meanwhile() {
    for kill in [false, true] {
        let (mut rig, _) = settled();
        let unclaimed = Identity {
            node: "11".repeat(32),
            host_name: "mill-house".to_owned(),
            claimed: false,
            visitor_pages: false,
            panel_port: 80,
            peer_port: 8_480,
        };
        rig.ask_and_forget("node", NetworkAsk::Identify(unclaimed));
        if kill {
            // The firewall is loaded, and nothing else is done.
            while !rig.steps.iter().any(|step| step == "load the firewall") {
                rig.run(Duration::from_millis(1));
            }
            rig.strike(Fault::Kill);
        }
        rig.run(Duration::from_secs(10));
        assert_eq!(rig.world.forgotten(), [Flows::All], "killed: {kill}");
    }
}

/// The Wi-Fi for setting up that a fresh box serves: its name, and its passphrase if it has one.
fn setup_wifi(printed: Printed) -> (Rig, Option<Option<String>>) {
    let mut rig = Rig::fresh_with(1, printed);
    rig.run(Duration::from_secs(10));
    let serving = rig.world.serving(rig.now);
    let setup = serving.into_iter().find(|(bss, _)| bss.ssid.starts_with("Kith setup"));
    (rig, setup.map(|(bss, _)| bss.passphrase))
}

fn says(rig: &mut Rig, code: &str) -> bool {
    rig.status().problems.iter().any(|problem| problem.code == code)
}

#[test]
fn a_box_of_nobody_s_forwards_nothing_even_before_its_node_is_up() {
    let mut rig = Rig::fresh(1);
    rig.run(Duration::from_secs(10));
    assert_eq!(rig.world.sysctl("ipv4/ip_forward"), Some("0"));
    let forwards = |rig: &Rig| rig.world.ruleset().unwrap().contains("goto to_wan");
    assert!(!forwards(&rig));
    rig.identify();
    rig.run(Duration::from_secs(10));
    assert_eq!(rig.world.sysctl("ipv4/ip_forward"), Some("1"));
    assert!(forwards(&rig), "once somebody owns it, it does");
}

#[test]
fn the_wifi_for_setting_up_has_the_secret_that_was_printed_or_is_open_and_says_so() {
    let secret = "printed on the box";
    let (mut rig, serves) = setup_wifi(Printed::Secret(secret.parse().unwrap()));
    assert_eq!(serves, Some(Some(secret.to_owned())));
    assert!(!says(&mut rig, "setup-open"));
    let (mut rig, serves) = setup_wifi(Printed::None);
    assert_eq!(serves, Some(None));
    assert!(says(&mut rig, "setup-open"));
    rig.run(Duration::from_secs(15 * 60));
    assert!(!says(&mut rig, "setup-open"), "it is over");
}

#[test]
fn a_printed_secret_that_cannot_be_read_opens_nothing() {
    let why = "/etc/kith/setup-secret cannot be used: too short".to_owned();
    let (mut rig, serves) = setup_wifi(Printed::Unusable(why.clone()));
    assert_eq!(serves, None);
    let problems = rig.status().problems;
    let said = problems.iter().find(|problem| problem.code == "setup-secret").unwrap();
    assert!(said.message.contains(&why), "{said:?}");
}

#[test]
fn in_safe_mode_the_printed_secret_holds_for_as_long_as_it_lasts() {
    let (mut rig, _) = settled();
    rig.setup.safe_mode = Some("the node failed three times".to_owned());
    rig.setup.printed = Printed::Secret("printed on the box".parse().unwrap());
    rig.run(Duration::from_secs(20 * 60));
    rig.strike(Fault::Kill);
    rig.run(Duration::from_secs(20));
    let serving = rig.world.serving(rig.now);
    let passphrases: Vec<_> = serving.into_iter().map(|(bss, _)| bss.passphrase).collect();
    assert_eq!(passphrases, [Some("printed on the box".to_owned())]);
}
