//! The radios listen: the page says so at once, and goes on by itself.

use axum::http::{StatusCode, header};
use kith_model::command::Command;
use kith_model::network::ask::NetworkAsk;

use crate::client::{Panel, Who};
use crate::fake::Fake;

fn begun(panel: &Panel) -> usize {
    let survey = |command: &&Command| **command == Command::Network(NetworkAsk::Survey);
    panel.fake.commands().iter().filter(survey).count()
}

#[tokio::test]
async fn a_box_that_never_listened_begins_to_and_the_page_says_so() {
    let panel = Panel::new(Fake::lively());
    panel.fake.world.lock().unwrap().network.surveyed.at = None;
    let page = panel.get(Who::Owner, "/setup/mesh").await.text();
    assert!(page.contains("listens for its neighbours") && page.contains("http-equiv=\"refresh\""));
    assert!(!page.contains("name=\"country\""), "nobody types into a page that reloads itself");
    panel.get(Who::Owner, "/setup/mesh").await;
    assert_eq!(begun(&panel), 1, "a page that comes again does not begin anew");
    let page = panel.get(Who::Owner, "/setup/mesh?listen=no").await.text();
    assert!(page.contains("name=\"country\"") && !page.contains("http-equiv=\"refresh\""));
    {
        let mut world = panel.fake.world.lock().unwrap();
        world.network.surveyed.listening = false;
        world.network.surveyed.at = Some(1);
    }
    let page = panel.get(Who::Owner, "/setup/mesh").await.text();
    assert!(page.contains("Valley Mesh") && page.contains("Listen again"));
}

#[tokio::test]
async fn whoever_listens_again_loses_nothing_of_what_was_typed() {
    let panel = Panel::new(Fake::lively());
    let fields =
        [("country", "DE"), ("mesh", "heard:Valley Mesh"), ("secret", "s"), ("listen", "again")];
    let seen = panel.post(Who::Owner, "/setup/mesh", &fields).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    assert_eq!(seen.header(header::LOCATION), "/setup/mesh");
    let drafted = |command: &Command| {
        matches!(command, Command::Network(NetworkAsk::DraftSet { values })
            if values.iter().any(|(key, value)| key == "country" && value.as_deref() == Some("\"DE\"")))
    };
    assert!(panel.fake.commands().iter().any(drafted));
    assert_eq!(begun(&panel), 1);
    assert!(panel.follow(Who::Owner, &seen).await.text().contains("listens for its neighbours"));
}

#[tokio::test]
async fn a_box_of_the_mesh_is_asked_and_the_page_shows_how_it_goes() {
    let panel = Panel::new(Fake::lively());
    assert!(panel.get(Who::Owner, "/mesh").await.text().contains("action=\"/mesh/ping\""));
    let seen = panel.post(Who::Owner, "/mesh/ping", &[("mac", "02:00:00:00:01:02")]).await;
    let page = panel.follow(Who::Owner, &seen).await.text();
    assert!(
        page.contains("answers in 1.9 ms") && page.contains("no answer within two seconds"),
        "{page}"
    );
    assert!(page.contains("http-equiv=\"refresh\"") && page.contains("The way: from here to"));
    let seen = panel.post(Who::Owner, "/mesh/ping", &[("mac", "not a box")]).await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND);
    assert!(!panel.get(Who::Member, "/mesh").await.text().contains("/mesh/ping"));
}

#[tokio::test]
async fn radios_that_could_not_listen_do_not_begin_for_ever() {
    let panel = Panel::new(Fake::lively());
    {
        let mut world = panel.fake.world.lock().unwrap();
        world.network.surveyed.at = None;
        world.network.surveyed.error = Some("phy0 is busy".into());
    }
    let page = panel.get(Who::Owner, "/setup/mesh").await.text();
    assert!(page.contains("phy0 is busy") && page.contains("name=\"country\""));
    assert_eq!(begun(&panel), 0);
}
