//! What is said to be kept is kept, whatever the disk and the power do.

use std::time::Duration;

use kith_files::Switches;
use kith_files::cut::CutFiles;
use kith_link::store::{Order, carry_out, load};
use kith_model::network::ask::NetworkAsk;
use kith_model::network::change::ChangeState;
use kith_model::refusal::RefusalKind;

use super::bad::GOOD;
use super::lockouts::settled;
use super::rig::{BOOT, Fault, Rig};

fn renamed() -> String {
    GOOD.replace("ssid = \"Mill House\"", "ssid = \"Mill\"")
}

fn waiting() -> (Rig, String) {
    let mut rig = settled().0;
    rig.run(Duration::from_secs(1));
    let token = rig.apply("ada", &renamed(), None).unwrap().unwrap();
    rig.run(Duration::from_secs(5));
    (rig, token)
}

/// The orders of a change from arming to keeping, as the machine gives them.
fn orders() -> Vec<Order> {
    let (mut rig, token) = waiting();
    rig.orders.clear();
    rig.confirm(&token).unwrap();
    rig.orders.clone()
}

#[test]
fn a_cut_while_keeping_leaves_the_old_settings_or_the_new_and_after_it_the_new() {
    assert_eq!(losses(Switches::default()), (0, 0));
}

#[test]
fn control_without_a_sync_kept_settings_are_lost() {
    let (lost, torn) = losses(Switches { no_fsync: true, no_dirsync: false });
    assert!(lost + torn > 0);
    let (lost, _) = losses(Switches { no_fsync: false, no_dirsync: true });
    assert!(lost > 0);
}

/// Keeps a change on a disk with these switches and cuts the power everywhere: how often the change is
/// lost although it was kept, and how often neither document is there.
fn losses(switches: Switches) -> (usize, usize) {
    let disk = CutFiles::with(switches);
    let folder = Rig::folder();
    let (rig, _) = waiting();
    let before = rig.kept();
    let arm = Order::Arm(before.armed.clone().unwrap());
    let revert = Order::Revert { text: GOOD.to_owned(), current: before.current.unwrap() };
    carry_out(&disk, folder, &revert).unwrap();
    carry_out(&disk, folder, &arm).unwrap();
    let first = disk.operations();
    for order in orders() {
        carry_out(&disk, folder, &order).unwrap();
    }
    let last = disk.operations();
    let (mut lost, mut torn) = (0, 0);
    for at in first..=last {
        for seed in 0..30 {
            let text = load(&disk.crashed_at(at, seed), folder).text;
            let (old, new) = (text == GOOD, text == renamed());
            torn += usize::from(!old && !new);
            lost += usize::from(at == last && old);
        }
    }
    (lost, torn)
}

#[test]
fn a_full_disk_refuses_a_change_in_words_and_changes_nothing() {
    let mut rig = settled().0;
    rig.ask("ada", NetworkAsk::DraftReplace { text: renamed() }).unwrap();
    let digest = rig.review("ada").digest;
    rig.files.set_capacity(Some(rig.files.used() + 10));
    rig.steps.clear();
    let full = rig.apply_reviewed("ada", digest.clone(), None).unwrap().unwrap_err();
    assert_eq!(full.kind, RefusalKind::NoSpace);
    assert!(full.message.contains("the disk is full"), "{full}");
    rig.run(Duration::from_secs(10));
    assert_eq!(rig.steps, Vec::<String>::new(), "nothing was done");
    assert_eq!(rig.kept().text, GOOD);
    // With room again it goes on.
    rig.files.set_capacity(None);
    rig.apply_reviewed("ada", digest, None).unwrap().unwrap();
}

#[test]
fn a_disk_that_turns_read_only_cannot_keep_a_change_and_it_is_taken_back() {
    let (mut rig, token) = waiting();
    rig.files.set_read_only(true);
    let refused = rig.confirm(&token).unwrap_err();
    assert_eq!(refused.kind, RefusalKind::DiskFailed);
    assert_eq!(rig.change().unwrap().state, ChangeState::Applied, "it goes on waiting");
    rig.run(Duration::from_secs(120));
    assert_eq!(rig.change().unwrap().state, ChangeState::Reverted);
    let problems = rig.status().problems;
    assert!(problems.iter().any(|problem| problem.code == "disk-failed"), "{problems:?}");
    // The mark is still there, but its deadline has passed.
    rig.strike(Fault::Kill);
    rig.run(Duration::from_secs(5));
    assert_eq!(rig.change().unwrap().state, ChangeState::Reverted);
    rig.files.set_read_only(false);
    rig.run(Duration::from_secs(30));
    assert!(rig.kept().armed.is_none());
    assert!(rig.status().problems.iter().all(|problem| problem.code != "disk-failed"));
}

#[test]
fn settings_that_cannot_be_read_any_more_give_way_to_older_ones() {
    let (mut rig, token) = waiting();
    rig.confirm(&token).unwrap();
    rig.run(Duration::from_secs(5));
    rig.files.rot(&Rig::folder().join("settings.toml"), 0);
    rig.strike(Fault::Kill);
    rig.run(Duration::from_secs(5));
    let problems = rig.status().problems;
    assert!(problems.iter().any(|problem| problem.code == "settings-unreadable"), "{problems:?}");
    let ssid = rig.world.serving(rig.now).into_iter().find(|(bss, _)| bss.ssid == "Mill House");
    assert!(ssid.is_some(), "what was in force before");
}

#[test]
fn a_mark_that_cannot_be_read_is_a_change_taken_back() {
    let (mut rig, _) = waiting();
    rig.files.rot(&Rig::folder().join("armed"), 0);
    rig.strike(Fault::Kill);
    rig.run(Duration::from_secs(10));
    assert!(rig.kept().armed.is_none());
    assert!(rig.world.serving(rig.now).iter().any(|(bss, _)| bss.ssid == "Mill House"));
}

#[test]
fn a_box_whose_settings_are_gone_starts_as_a_new_one() {
    let (mut rig, _) = settled();
    rig.files = CutFiles::new();
    rig.strike(Fault::Reboot);
    rig.run(BOOT + Duration::from_secs(5));
    assert!(rig.world.addresses("br-lan").any(|net| net.to_string() == "192.168.77.1/24"));
}
