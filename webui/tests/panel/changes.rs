//! Changes of the network: applied, kept, undone; and two people who are at it at once.

use axum::http::{StatusCode, header};
use kith_model::command::Command;
use kith_model::network::ask::NetworkAsk;

use crate::client::{Panel, Who};
use crate::fake::Fake;
use crate::fake::network::{CHANGE_TOKEN, DIGEST};

fn drafted() -> Panel {
    let panel = Panel::new(Fake::lively());
    let mut world = panel.fake.world.lock().unwrap();
    world.network.draft = Some(world.network.text.replace("Home", "Valley"));
    drop(world);
    panel
}

fn applied(panel: &Panel) -> bool {
    panel.fake.world.lock().unwrap().network.status.change.is_some()
}

#[tokio::test]
async fn a_change_is_reviewed_applied_and_kept_without_any_script() {
    let panel = drafted();
    let review = panel.get(Who::Owner, "/changes").await.text();
    assert!(review.contains(&format!("name=\"digest\" value=\"{DIGEST}\"")), "{review}");
    let seen = panel.post(Who::Owner, "/changes/apply", &[("digest", DIGEST)]).await;
    let waits = panel.follow(Who::Owner, &seen).await.text();
    assert!(waits.contains("Do you still reach the box?") && waits.contains(CHANGE_TOKEN));
    assert!(waits.contains("<noscript><meta http-equiv=\"refresh\""), "it asks again by itself");
    let (keep, list) =
        (waits.find("/changes/keep").unwrap(), waits.find("What has changed").unwrap());
    assert!(keep < list, "nobody has to scroll while a clock runs");
    let seen = panel.post(Who::Owner, "/changes/keep", &[("change", CHANGE_TOKEN)]).await;
    assert!(panel.follow(Who::Owner, &seen).await.text().contains("Kept."));
}

#[tokio::test]
async fn of_two_people_who_apply_at_once_the_second_is_shown_how_things_stand() {
    let panel = drafted();
    // Somebody reviewed the draft, and then it became another one.
    let seen =
        panel.post(Who::Owner, "/changes/apply", &[("digest", "what-was-reviewed-before")]).await;
    assert_eq!(seen.status, StatusCode::CONFLICT);
    let html = seen.text();
    assert!(html.contains("Something changed in the meantime") && html.contains("review it again"));
    assert!(html.contains(&format!("value=\"{DIGEST}\"")), "with what there is to review now");
    assert!(!applied(&panel));
}

#[tokio::test]
async fn who_did_not_apply_a_change_can_undo_it_and_not_keep_it() {
    let panel = drafted();
    panel.post(Who::Owner, "/changes/apply", &[("digest", DIGEST)]).await;
    let member = panel.get(Who::Member, "/changes").await.text();
    assert!(member.contains("Do you still reach the box?"));
    assert!(!member.contains(CHANGE_TOKEN) && !member.contains("/changes/undo"));
    let seen = panel.post(Who::Owner, "/changes/keep", &[("change", "somebody-elses")]).await;
    assert!(seen.status.is_client_error() && applied(&panel));
    let seen = panel.post(Who::Owner, "/changes/undo", &[]).await;
    assert!(seen.header(header::LOCATION).starts_with("/changes"));
    assert!(panel.fake.commands().contains(&Command::Network(NetworkAsk::Revert)));
}
