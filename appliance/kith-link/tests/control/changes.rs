//! How a change goes: who may do what when, in which words it is refused, and that it ends as it should.

use std::time::Duration;

use kith_model::network::ask::{NetworkAsk, NetworkReply, SettingsText};
use kith_model::network::change::ChangeState;
use kith_model::refusal::RefusalKind;

use super::bad::GOOD;
use super::lockouts::settled;
use super::rig::{BOOT, Fault, Rig};

fn renamed() -> String {
    GOOD.replace("ssid = \"Mill House\"", "ssid = \"Mill\"")
}

fn base() -> Rig {
    settled().0
}

fn draft(rig: &mut Rig, who: &str) -> SettingsText {
    match rig.ask(who, NetworkAsk::Draft).unwrap() {
        NetworkReply::Settings(text) => text,
        other => panic!("{other:?}"),
    }
}

fn kind(answer: Result<impl std::fmt::Debug, kith_model::refusal::Refusal>) -> RefusalKind {
    answer.unwrap_err().kind
}

#[test]
fn a_change_that_is_confirmed_stays() {
    let mut rig = base();
    let token = rig.apply("ada", &renamed(), None).unwrap().unwrap();
    rig.run(Duration::from_secs(5));
    let applied = rig.change().unwrap();
    assert_eq!((applied.state, applied.seconds_left), (ChangeState::Applied, Some(115)));
    rig.confirm(&token).unwrap();
    assert_eq!(rig.kept().text, renamed(), "durable before it is answered");
    assert!(rig.kept().armed.is_none());
    rig.run(Duration::from_secs(300));
    assert_eq!(rig.change().unwrap().state, ChangeState::Confirmed);
    assert!(!draft(&mut rig, "ada").draft, "the draft is done with");
    rig.strike(Fault::Reboot);
    rig.run(BOOT + Duration::from_secs(5));
    assert_eq!(rig.kept().text, renamed());
}

#[test]
fn whoever_came_over_the_mesh_has_ten_minutes_unless_they_say_otherwise() {
    let (mut rig, _) = settled();
    let over_mesh = rig.world.addresses("bat0").map(|net| net.network());
    let over_mesh: Vec<std::net::IpAddr> = over_mesh.collect();
    assert!(over_mesh.iter().any(|net| net.is_ipv4()) && over_mesh.iter().any(|net| net.is_ipv6()));
    let elsewhere = ["192.168.77.20", "192.168.178.1", "fe80::", "2001:db8:178:a00::"];
    let elsewhere = elsewhere.map(|text| text.parse().unwrap());
    let mut left = |from, seconds| {
        rig.from = from;
        rig.apply("ada", &renamed(), seconds).unwrap();
        let left = rig.change().unwrap().seconds_left.unwrap();
        rig.run(Duration::from_secs(3));
        rig.ask("ada", NetworkAsk::Revert).unwrap();
        rig.run(Duration::from_secs(3));
        left
    };
    for from in over_mesh {
        assert_eq!(left(Some(from), None), 600, "{from}");
        assert_eq!(left(Some(from), Some(60)), 60, "what people say counts");
    }
    for from in elsewhere.map(Some).into_iter().chain([None]) {
        assert_eq!(left(from, None), 120, "{from:?}");
    }
}

#[test]
fn it_can_be_taken_back_at_once_and_says_why() {
    let mut rig = base();
    rig.apply("ada", &renamed(), None).unwrap();
    rig.run(Duration::from_secs(3));
    rig.ask("ada", NetworkAsk::Revert).unwrap();
    assert!(rig.kept().armed.is_none(), "durable before it is answered");
    let change = rig.change().unwrap();
    assert_eq!(change.state, ChangeState::Reverted);
    assert_eq!(change.reason.as_deref(), Some("ada wanted it so"));
    assert!(draft(&mut rig, "ada").draft, "what was edited is still there");
}

#[test]
fn a_token_that_is_not_the_change_s_keeps_nothing() {
    let mut rig = base();
    let token = rig.apply("ada", &renamed(), None).unwrap().unwrap();
    rig.run(Duration::from_secs(3));
    for wrong in ["", "x", &token.to_lowercase(), &format!("{token}A")] {
        assert_eq!(kind(rig.confirm(wrong)), RefusalKind::WrongSecret, "{wrong}");
    }
    rig.run(Duration::from_secs(130));
    let late = rig.confirm(&token).unwrap_err();
    assert_eq!(late.kind, RefusalKind::Conflict);
    assert!(late.message.contains("nobody confirmed it in time"), "{late}");
    assert_eq!(rig.kept().text, GOOD);
}

#[test]
fn the_token_itself_is_nowhere_on_the_disk() {
    let mut rig = base();
    let token = rig.apply("ada", &renamed(), None).unwrap().unwrap();
    let armed = rig.kept().armed.unwrap();
    assert_ne!(armed.token.as_deref(), Some(&*token));
    assert_eq!(armed.token.map(|hash| hash.len()), Some(64));
}

#[test]
fn two_people_at_once_are_told_of_each_other() {
    let mut rig = base();
    for (who, text) in [("ada", renamed()), ("bob", GOOD.replace("Mill House", "Bob's"))] {
        rig.ask(who, NetworkAsk::DraftReplace { text }).unwrap();
    }
    let (of_ada, of_bob) = (rig.review("ada").digest, rig.review("bob").digest);
    let token = rig.apply_reviewed("ada", of_ada, None).unwrap().unwrap().unwrap();
    let second = rig.apply_reviewed("bob", of_bob.clone(), None).unwrap().unwrap_err();
    assert_eq!(second.kind, RefusalKind::Conflict);
    assert!(second.message.contains("by ada"), "{second}");
    rig.run(Duration::from_secs(3));
    rig.confirm(&token).unwrap();
    let outdated = rig.apply_reviewed("bob", of_bob, None).unwrap().unwrap_err();
    assert_eq!(outdated.kind, RefusalKind::Conflict);
    assert!(outdated.message.starts_with("ada has changed the settings"), "{outdated}");
}

#[test]
fn only_what_was_reviewed_is_applied() {
    let mut rig = base();
    rig.ask("ada", NetworkAsk::DraftReplace { text: renamed() }).unwrap();
    let digest = rig.review("ada").digest;
    let values = vec![("wifi.household.ssid".to_owned(), Some("\"Other\"".to_owned()))];
    rig.ask("ada", NetworkAsk::DraftSet { values }).unwrap();
    let changed = rig.apply_reviewed("ada", digest, None).unwrap();
    assert_eq!(kind(changed), RefusalKind::Conflict);
    assert_eq!(rig.kept().text, GOOD);
    assert!(rig.kept().armed.is_none());
}

#[test]
fn settings_that_cannot_be_are_refused_in_words() {
    let mut rig = base();
    let wrong = rig.apply("ada", "version = 1\n[lan]\nadress = 7\n", None).unwrap_err();
    assert_eq!(wrong.kind, RefusalKind::Invalid);
    assert!(wrong.message.contains("address"), "{wrong}");
}

#[test]
fn what_cannot_lock_out_keeps_itself() {
    let mut rig = base();
    let text = format!("{GOOD}\n[place]\ncontact = \"Ada, 0170\"\n");
    assert_eq!(rig.apply("ada", &text, None).unwrap(), None);
    rig.run(Duration::from_secs(3));
    assert_eq!(rig.change().unwrap().state, ChangeState::Confirmed);
    assert_eq!(rig.kept().text, text);
}

#[test]
fn a_little_longer_is_two_minutes_and_an_hour_at_most() {
    let mut rig = base();
    rig.apply("ada", &renamed(), Some(60)).unwrap();
    rig.run(Duration::from_secs(50));
    rig.ask("ada", NetworkAsk::Extend).unwrap();
    assert_eq!(rig.change().unwrap().seconds_left, Some(130));
    for _ in 0..40 {
        drop(rig.ask("ada", NetworkAsk::Extend));
    }
    let left = rig.change().unwrap().seconds_left.unwrap();
    assert!((3_540..=3_550).contains(&left), "{left}");
    assert_eq!(kind(rig.ask("ada", NetworkAsk::Extend)), RefusalKind::Invalid);
    // The longer wait is durable, too.
    rig.strike(Fault::Kill);
    rig.run(Duration::from_secs(600));
    assert_eq!(rig.change().unwrap().state, ChangeState::Applied);
}

#[test]
fn the_countdown_goes_on_over_a_kill_and_can_be_confirmed_then() {
    let mut rig = base();
    let token = rig.apply("ada", &renamed(), None).unwrap().unwrap();
    rig.run(Duration::from_secs(20));
    rig.strike(Fault::Kill);
    rig.run(Duration::from_secs(10));
    assert_eq!(rig.change().unwrap().seconds_left, Some(90));
    rig.confirm(&token).unwrap();
    assert_eq!(rig.kept().text, renamed());
}

#[test]
fn the_clock_at_1970_or_2038_changes_nothing() {
    for error in [-1_793_491_200_000, 365 * 86_400_000 * 12, -3_600_000] {
        let mut rig = base();
        let token = rig.apply("ada", &renamed(), Some(60)).unwrap().unwrap();
        rig.run(Duration::from_secs(30));
        rig.clock_error_ms = error;
        rig.run(Duration::from_secs(29));
        assert_eq!(rig.change().unwrap().state, ChangeState::Applied, "not early");
        rig.run(Duration::from_secs(2));
        assert_eq!(rig.change().unwrap().state, ChangeState::Reverted, "not late");
        assert!(rig.confirm(&token).is_err());
    }
}

#[test]
fn the_old_address_answers_until_a_lease_after_the_confirmation() {
    let mut rig = base();
    let text = GOOD.replace("192.168.77.1/24", "192.168.99.1/24\"\ndhcp.lease_seconds = 600 #");
    let text = text.replace(" #\"", "");
    let token = rig.apply("ada", &text, None).unwrap().unwrap();
    let addresses = |rig: &Rig| -> Vec<String> {
        let all = rig.world.addresses("br-lan").map(|net| net.addr().to_string());
        all.filter(|address| address.starts_with("192.")).collect()
    };
    rig.run(Duration::from_secs(5));
    let change = rig.change().unwrap();
    assert_eq!(change.moves_to.as_deref(), Some("http://192.168.99.1/"));
    assert_eq!(addresses(&rig), ["192.168.77.1", "192.168.99.1"]);
    rig.confirm(&token).unwrap();
    // What was given out before the change was given for twelve hours.
    rig.run(Duration::from_secs(43_000));
    assert_eq!(addresses(&rig), ["192.168.77.1", "192.168.99.1"]);
    rig.run(Duration::from_secs(300));
    assert_eq!(addresses(&rig), ["192.168.99.1"]);
}

#[test]
fn versions_are_kept_and_come_back_as_drafts() {
    let mut rig = base();
    for number in 0..24 {
        let text = format!("{GOOD}\n[place]\ncontact = \"number {number}\"\n");
        rig.apply("ada", &text, None).unwrap();
        rig.run(Duration::from_secs(2));
    }
    let Ok(NetworkReply::History(history)) = rig.ask("ada", NetworkAsk::History) else { panic!() };
    assert_eq!(history.len(), 20);
    assert!(history[0].words[0].contains("number 23"), "{:?}", history[0]);
    let oldest = history.last().unwrap().revision.clone();
    rig.ask("ada", NetworkAsk::Restore { revision: oldest.clone() }).unwrap();
    assert!(draft(&mut rig, "ada").text.contains("number 4"));
    assert_eq!(
        kind(rig.ask("ada", NetworkAsk::Restore { revision: "0".into() })),
        RefusalKind::NotFound
    );
    rig.strike(Fault::PowerCut(3));
    rig.run(BOOT + Duration::from_secs(2));
    assert!(draft(&mut rig, "ada").text.contains("number 4"), "a draft outlives the power");
}

#[test]
fn drafts_are_one_for_each_and_bounded() {
    let mut rig = base();
    for number in 0..20 {
        let values = vec![("place.contact".to_owned(), Some(format!("\"{number}\"")))];
        rig.ask(&format!("person {number}"), NetworkAsk::DraftSet { values }).unwrap();
    }
    assert_eq!(rig.kept().drafts.len(), 16);
    assert!(!draft(&mut rig, "person 0").draft);
    assert!(draft(&mut rig, "person 19").text.contains("\"19\""));
    let bad = vec![
        ("place.contact".to_owned(), Some("\"x\"".to_owned())),
        ("lan.address".to_owned(), Some("\"no\"".to_owned())),
    ];
    assert!(rig.ask("person 19", NetworkAsk::DraftSet { values: bad }).is_err());
    assert!(draft(&mut rig, "person 19").text.contains("\"19\""), "all or none");
}

#[test]
fn a_device_s_name_address_and_pause_are_in_force_at_once() {
    let mut rig = base();
    rig.run(Duration::from_secs(60));
    let client = rig.status().clients.into_iter().find(|client| client.ipv4.is_some()).unwrap();
    let set = |name: Option<&str>, fixed, paused| NetworkAsk::ClientSet {
        mac: client.mac,
        name: name.map(str::to_owned),
        fixed,
        paused,
    };
    rig.ask("bob", NetworkAsk::DraftReplace { text: renamed() }).unwrap();
    rig.ask("ada", set(Some("kitchen"), Some(true), Some(true))).unwrap();
    let seen = |rig: &mut Rig| {
        rig.status().clients.into_iter().find(|known| known.mac == client.mac).unwrap()
    };
    let known = seen(&mut rig);
    assert_eq!((known.name.as_deref(), known.fixed, known.paused), (Some("kitchen"), true, true));
    assert!(rig.kept().text.contains(&client.ipv4.unwrap().to_string()));
    // Somebody else's draft follows, and does not undo it.
    let digest = rig.review("bob").digest;
    assert!(rig.apply_reviewed("bob", digest, None).unwrap().is_ok());
    let busy = rig.ask("ada", set(None, None, Some(false)));
    assert_eq!(kind(busy), RefusalKind::Conflict);
    rig.ask("bob", NetworkAsk::Revert).unwrap();
    rig.ask("ada", set(Some(""), Some(false), Some(false))).unwrap();
    let known = seen(&mut rig);
    assert_eq!((known.name, known.fixed, known.paused), (None, false, false));
}

#[test]
fn in_safe_mode_nothing_of_the_settings_is_applied_until_a_change_is_tried() {
    let (mut rig, _) = settled();
    rig.setup.safe_mode = Some("the link failed three times".to_owned());
    rig.strike(Fault::Kill);
    rig.run(Duration::from_secs(5));
    let status = rig.status();
    assert_eq!(status.safe_mode.as_deref(), Some("the link failed three times"));
    assert!(rig.world.neighbours(rig.now).is_empty(), "no mesh");
    assert_eq!(rig.kept().text, GOOD, "they are kept");
    let token = rig.apply("ada", &renamed(), Some(60)).unwrap().unwrap();
    rig.run(Duration::from_secs(10));
    assert_eq!(rig.status().safe_mode, None);
    rig.run(Duration::from_secs(60));
    assert!(rig.status().safe_mode.is_some(), "nobody confirmed");
    assert!(rig.confirm(&token).is_err());
}

/// Whether the box answers under the household's address before, and under the one now.
fn answers(rig: &Rig) -> (bool, bool) {
    let has = |text: &str| rig.world.addresses("br-lan").any(|net| net.to_string() == text);
    (has("192.168.77.1/24"), has("192.168.99.1/24"))
}

/// A box whose address was moved a little while ago; leases last ten minutes.
fn moved() -> Rig {
    let mut rig = base();
    let short = "address = \"192.168.77.1/24\"\ndhcp = { lease_seconds = 600 }";
    let before = GOOD.replace("address = \"192.168.77.1/24\"", short);
    rig.settle(&before);
    let token = rig.apply("ada", &before.replace("192.168.77.1/24", "192.168.99.1/24"), None);
    let token = token.unwrap().unwrap();
    rig.run(Duration::from_secs(5));
    rig.confirm(&token).unwrap();
    rig.run(Duration::from_secs(60));
    assert_eq!(answers(&rig), (true, true));
    rig
}

#[test]
fn an_address_that_was_left_answers_for_one_lease() {
    let mut rig = moved();
    rig.run(Duration::from_secs(530));
    assert_eq!(answers(&rig), (true, true));
    rig.run(Duration::from_secs(15));
    assert_eq!(answers(&rig), (false, true));
}

#[test]
fn it_does_so_when_the_role_or_the_box_starts_again() {
    for fault in [Fault::Kill, Fault::Reboot, Fault::PowerCut(7)] {
        let mut rig = moved();
        rig.strike(fault);
        rig.steps.clear();
        rig.run(BOOT + Duration::from_secs(20));
        assert_eq!(answers(&rig), (true, true), "{fault:?}");
        if fault == Fault::Kill {
            assert_eq!(rig.steps, Vec::<String>::new(), "nobody notices");
        }
        rig.run(Duration::from_secs(600));
        assert_eq!(answers(&rig), (false, true), "{fault:?}");
    }
}

#[test]
fn a_clock_that_was_set_back_keeps_it_no_longer_than_a_lease() {
    let mut rig = moved();
    rig.strike(Fault::Reboot);
    // A box without a battery begins in 1970.
    rig.clock_error_ms = -1_793_491_200_000;
    rig.run(BOOT + Duration::from_secs(20));
    assert_eq!(answers(&rig), (true, true));
    rig.run(Duration::from_secs(600));
    assert_eq!(answers(&rig), (false, true));
}
