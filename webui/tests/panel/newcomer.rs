//! What somebody meets in the first hour: used links, boxes that are only heard, first steps.

use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::{Activity, Deed};

use crate::client::{Panel, Who};
use crate::fake::Fake;

#[tokio::test]
async fn a_used_link_keeps_the_name_and_says_what_to_do() {
    let panel = Panel::new(Fake::lively());
    panel.fake.world.lock().unwrap().refuse =
        Some(Refusal::new(RefusalKind::BadInvite, "this link was used already or has expired"));
    let fields = [("name", "Mira"), ("passphrase", "correct horse battery")];
    let seen = panel.post(Who::Visitor, "/join/USED", &fields).await;
    assert!(seen.status.is_client_error());
    let page = seen.text();
    assert!(page.contains("value=\"Mira\"") && !page.contains("correct horse"));
    assert!(page.contains("ask the owner of the box for a new one.") && page.contains("/login"));
}

#[tokio::test]
async fn boxes_without_a_shared_space_are_no_neighbours_whatever_their_state() {
    let panel = Panel::new(Fake::lively());
    for peer in &mut panel.fake.world.lock().unwrap().peers {
        peer.spaces.clear();
    }
    let peers = panel.get(Who::Owner, "/peers").await.text();
    let (heard, attic) = (peers.find("Heard nearby").unwrap(), peers.find("attic").unwrap());
    assert!(peers.contains("There are three ways to find one") && heard < attic);
    let overview = panel.get(Who::Owner, "/overview").await.text();
    assert!(overview.contains("share no space with you yet") && !overview.contains("a-lit\"><"));
    assert_eq!(overview.matches("class=\"c-stranger\"").count(), 4);
}

#[tokio::test]
async fn first_steps_stay_until_there_is_a_notice_a_file_and_a_second_member() {
    let panel = Panel::new(Fake::lively());
    let steps = "Three good first steps";
    assert!(!panel.get(Who::Owner, "/overview").await.text().contains(steps));
    let done = std::mem::take(&mut panel.fake.world.lock().unwrap().activity);
    assert!(panel.get(Who::Owner, "/overview").await.text().contains(steps));
    let posted = done.iter().filter(|done| matches!(done.what, Deed::Posted { .. })).take(1);
    panel.fake.world.lock().unwrap().activity = posted.cloned().collect();
    assert!(panel.get(Who::Owner, "/overview").await.text().contains(steps), "no file yet");
    panel.fake.world.lock().unwrap().activity = done;
    panel.fake.world.lock().unwrap().members.truncate(1);
    assert!(panel.get(Who::Owner, "/overview").await.text().contains(steps));
}

#[tokio::test]
async fn an_own_name_is_taken_and_a_membership_of_another_is_changed() {
    let panel = Panel::new(Fake::lively());
    for name in ["Mira", "Jonas"] {
        let what = Deed::ChangedMember { name: name.into() };
        let done = Activity { time: 0, who: "Mira".into(), author: "did:key:z".into(), what };
        panel.fake.world.lock().unwrap().activity.push(done);
    }
    let page = panel.get(Who::Owner, "/activity").await.text();
    assert!(page.contains("A member took the name <bdi>Mira</bdi>"));
    assert!(page.contains("<bdi>Mira</bdi> changed the membership of <bdi>Jonas</bdi>"));
}
