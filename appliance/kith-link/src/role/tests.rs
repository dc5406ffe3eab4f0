//! The process as its supervisor and its clients see it, with simulated hands.

use std::path::Path;

use kith_model::network::ask::{
    COMMAND_LINE, LinkAnswer, LinkAsk, MAX_MESSAGE, NetworkAsk, NetworkReply, SOCKET,
};
use kith_model::network::change::ChangeState;
use kith_model::role::{MAX_MESSAGE as MAX_REPORT, Report, Spawned};
use kith_role::socket::{Channel, connect};

use super::run;

async fn ask(state: &Path, ask: NetworkAsk) -> LinkAnswer {
    let mut channel = connect(state, SOCKET, MAX_MESSAGE).await.unwrap();
    let question = LinkAsk { who: COMMAND_LINE.to_owned(), from: None, ask };
    channel.send(&question, &[]).await.unwrap();
    channel.receive::<LinkAnswer>().await.unwrap().unwrap().0
}

async fn report(supervisor: &mut Channel) -> Report {
    supervisor.receive::<Report>().await.unwrap().unwrap().0
}

#[tokio::test]
async fn it_serves_beats_and_ends_with_its_supervisor() {
    let state = tempfile::tempdir().unwrap();
    let (mut supervisor, theirs) = Channel::pair(MAX_REPORT).unwrap();
    let role = run(state.path(), Spawned::default(), theirs);
    let talk = async {
        assert!(matches!(report(&mut supervisor).await, Report::Ready { claim: None, .. }));
        assert_eq!(report(&mut supervisor).await, Report::Beat);
        let Ok(NetworkReply::Status(status)) = ask(state.path(), NetworkAsk::Status).await else {
            panic!("no status");
        };
        assert!(status.simulated && status.managed);
        drop(supervisor);
    };
    let (ended, ()) = tokio::join!(role, talk);
    ended.unwrap();
}

#[tokio::test]
async fn a_change_is_applied_and_kept_over_the_socket() {
    let state = tempfile::tempdir().unwrap();
    let (mut supervisor, theirs) = Channel::pair(MAX_REPORT).unwrap();
    let role = run(state.path(), Spawned::default(), theirs);
    let talk = async {
        report(&mut supervisor).await;
        let values = vec![("place.contact".to_owned(), Some("\"Ada\"".to_owned()))];
        ask(state.path(), NetworkAsk::DraftSet { values }).await.unwrap();
        let Ok(NetworkReply::Review(review)) = ask(state.path(), NetworkAsk::Review).await else {
            panic!("no review");
        };
        assert!(!review.risky);
        let apply = NetworkAsk::Apply { digest: review.digest, confirm_seconds: None };
        ask(state.path(), apply).await.unwrap();
        loop {
            let change = ask(state.path(), NetworkAsk::Change).await.unwrap();
            let NetworkReply::Change(Some(change)) = change else { panic!("no change") };
            if change.state == ChangeState::Confirmed {
                break;
            }
            tokio::task::yield_now().await;
        }
        let kept = std::fs::read_to_string(state.path().join("settings/settings.toml")).unwrap();
        assert!(kept.contains("contact = \"Ada\""), "{kept}");
        drop(supervisor);
    };
    let (ended, ()) = tokio::join!(role, talk);
    ended.unwrap();
}

#[tokio::test]
async fn nonsense_on_the_socket_ends_only_its_own_conversation() {
    let state = tempfile::tempdir().unwrap();
    let (mut supervisor, theirs) = Channel::pair(MAX_REPORT).unwrap();
    let role = run(state.path(), Spawned::default(), theirs);
    let talk = async {
        report(&mut supervisor).await;
        let mut channel = connect(state.path(), SOCKET, MAX_MESSAGE).await.unwrap();
        channel.send(&"what?".to_owned(), &[]).await.unwrap();
        assert!(channel.receive::<LinkAnswer>().await.unwrap().is_none(), "hung up");
        let text = "x".repeat(200_000);
        let refused = ask(state.path(), NetworkAsk::DraftReplace { text }).await;
        assert!(refused.is_err(), "too long");
        ask(state.path(), NetworkAsk::Status).await.unwrap();
        drop(supervisor);
    };
    let (ended, ()) = tokio::join!(role, talk);
    ended.unwrap();
}
