//! `kith confirm`, `kith revert` and `kith extend`: what becomes of a change that waits.

use std::time::Duration;

use clap::Args;
use kith_model::network::ask::NetworkAsk;
use kith_model::network::change::{ChangeState, ChangeStatus};
use kith_model::refusal::Refusal;

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::link::{self, Link};
use crate::show;

/// For how long a confirmation that comes too early is tried again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keep the change that waits
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith confirm\n  kith confirm 2TVhVG3kD0\n\n\
                        The token of kith apply is left in $XDG_RUNTIME_DIR, or in the state where there is \
                        none, readable by you alone.")]
pub(crate) struct Confirm {
    /// The token that kith apply showed, if somebody else applied the change
    token: Option<String>,
}

/// Take the change that waits back now
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kith revert")]
pub(crate) struct Revert {}

/// Wait two minutes more for the confirmation
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kith extend")]
pub(crate) struct Extend {}

impl Confirm {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let mut link = desk.link().await?;
        let Some(token) = self.token.or_else(|| link::kept_token(&desk.state)) else {
            let change = link.change(NetworkAsk::Change).await?;
            return Err(not_waiting(change.as_ref()));
        };
        let answer = patiently(&mut link, &NetworkAsk::Confirm { token }).await;
        let change = match answer {
            Ok(change) => change,
            Err(refused) => {
                let change = link.change(NetworkAsk::Change).await?;
                let reverted = change.as_ref().is_some_and(|c| c.state == ChangeState::Reverted);
                return Err(if reverted { not_waiting(change.as_ref()) } else { refused });
            }
        };
        link::forget_token(&desk.state);
        told(desk, change.as_ref(), "It is kept.")
    }
}

impl Revert {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let change = desk.link().await?.change(NetworkAsk::Revert).await?;
        link::forget_token(&desk.state);
        told(desk, change.as_ref(), "It is taken back.")
    }
}

impl Extend {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let change = desk.link().await?.change(NetworkAsk::Extend).await?;
        let left = change.as_ref().and_then(|change| change.seconds_left).unwrap_or_default();
        told(
            desk,
            change.as_ref(),
            &format!("It is taken back in {left} seconds unless you confirm it."),
        )
    }
}

/// Asks again while the box says when to: what is still being carried out cannot be confirmed yet.
async fn patiently(link: &mut Link, ask: &NetworkAsk) -> Outcome<Option<ChangeStatus>> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = link.change(ask.clone()).await;
        let Err(Failure::Refused(Refusal { retry_after: Some(seconds), .. })) = &answer else {
            return answer;
        };
        let pause = Duration::from_secs((*seconds).clamp(1, 5));
        if tokio::time::Instant::now() + pause > deadline {
            return answer;
        }
        tokio::time::sleep(pause).await;
    }
}

fn told(desk: &Desk, change: Option<&ChangeStatus>, words: &str) -> Outcome {
    if desk.json { show::print_json(&change) } else { desk.say(words) }
}

/// Why there is nothing to confirm.
fn not_waiting(change: Option<&ChangeStatus>) -> Failure {
    match change.map(|change| (change.state, change)) {
        Some((ChangeState::Reverted, change)) => Failure::reverted(change.reason.as_deref()),
        Some((ChangeState::Armed | ChangeState::Applied, change)) => Failure::Usage(format!(
            "the change that waits is by {}: give the token that was shown with it",
            change.who
        )),
        Some((ChangeState::Confirmed, _)) => {
            Failure::Usage("the last change is kept already; nothing waits".to_owned())
        }
        None => Failure::Usage("no change waits; kith apply makes one".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use kith_model::network::ask::{LinkAnswer, LinkAsk, MAX_MESSAGE, NetworkReply, SOCKET};
    use kith_model::network::change::Review;
    use kith_model::refusal::RefusalKind;
    use kith_role::socket;

    use super::*;
    use crate::cli::apply::Apply;

    fn change(state: ChangeState) -> ChangeStatus {
        ChangeStatus {
            id: 7,
            state,
            who: "command line".to_owned(),
            applied_at: None,
            seconds_left: None,
            ended_at: None,
            words: Vec::new(),
            reason: Some("nobody confirmed it".into()),
            moves_to: None,
        }
    }

    /// A link role that takes questions, one connection each or several, and answers from a list.
    async fn role(listener: &socket::Listener, mut answers: Vec<(NetworkAsk, LinkAnswer)>) {
        while !answers.is_empty() {
            let mut channel = listener.accept().await.unwrap();
            while let Some((ask, _)) = channel.receive::<LinkAsk>().await.unwrap() {
                let (expected, answer) = answers.remove(0);
                assert_eq!(ask.ask, expected);
                channel.send(&answer, &[]).await.unwrap();
            }
        }
    }

    fn desk(state: &std::path::Path) -> Desk {
        Desk { state: state.to_owned(), json: true }
    }

    fn applied() -> Vec<(NetworkAsk, LinkAnswer)> {
        let words = vec!["The country is DE.".into()];
        let review = Review { digest: "d".to_owned(), words, risky: true, ..Review::default() };
        let change = change(ChangeState::Applied);
        let token = Some("one-time".to_owned());
        vec![
            (NetworkAsk::Review, Ok(NetworkReply::Review(review))),
            (
                NetworkAsk::Apply { digest: "d".to_owned(), confirm_seconds: Some(5) },
                Ok(NetworkReply::Applied { change, token }),
            ),
        ]
    }

    fn seen(state: ChangeState) -> LinkAnswer {
        Ok(NetworkReply::Change(Some(change(state))))
    }

    #[tokio::test]
    async fn what_was_applied_is_confirmed_with_the_token_that_was_kept() {
        let temp = tempfile::tempdir().unwrap();
        let listener = socket::bind(temp.path(), SOCKET, MAX_MESSAGE).unwrap();
        let confirm = NetworkAsk::Confirm { token: "one-time".to_owned() };
        let mut answers = applied();
        answers.push((confirm, seen(ChangeState::Confirmed)));
        answers.push((NetworkAsk::Change, seen(ChangeState::Confirmed)));
        let desk = desk(temp.path());
        let asking = async {
            Apply::given(5, false).carry_out(&desk).await.unwrap();
            Confirm { token: None }.carry_out(&desk).await.unwrap();
            // The token is good for once.
            let failure = Confirm { token: None }.carry_out(&desk).await.unwrap_err();
            assert_eq!(failure.to_string(), "the last change is kept already; nothing waits");
        };
        tokio::join!(asking, role(&listener, answers));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_change_that_is_taken_back_ends_with_3() {
        let temp = tempfile::tempdir().unwrap();
        let listener = socket::bind(temp.path(), SOCKET, MAX_MESSAGE).unwrap();
        let mut answers = applied();
        answers.push((NetworkAsk::Change, seen(ChangeState::Applied)));
        answers.push((NetworkAsk::Change, seen(ChangeState::Reverted)));
        answers.push((NetworkAsk::Change, seen(ChangeState::Reverted)));
        let desk = desk(temp.path());
        let asking = async {
            let failure = Apply::given(5, true).carry_out(&desk).await.unwrap_err();
            assert_eq!(failure.exit_code(), 3);
            let late = Confirm { token: None }.carry_out(&desk).await.unwrap_err();
            assert_eq!(late.exit_code(), 3);
            assert_eq!(late.to_string(), "the change was taken back: nobody confirmed it");
        };
        tokio::join!(asking, role(&listener, answers));
    }

    #[tokio::test(start_paused = true)]
    async fn a_confirmation_that_comes_too_early_is_tried_again() {
        let temp = tempfile::tempdir().unwrap();
        let listener = socket::bind(temp.path(), SOCKET, MAX_MESSAGE).unwrap();
        let early = Refusal::new(RefusalKind::StillWaiting, "still being carried out");
        let early = Err(Refusal { retry_after: Some(2), ..early });
        let confirm = || NetworkAsk::Confirm { token: "x".to_owned() };
        let answers = vec![
            (confirm(), early.clone()),
            (confirm(), early),
            (confirm(), seen(ChangeState::Confirmed)),
        ];
        let desk = desk(temp.path());
        let asking = async {
            Confirm { token: Some("x".to_owned()) }.carry_out(&desk).await.unwrap();
        };
        tokio::join!(asking, role(&listener, answers));
    }

    #[tokio::test]
    async fn a_wrong_token_is_refused_as_the_box_says() {
        let temp = tempfile::tempdir().unwrap();
        let listener = socket::bind(temp.path(), SOCKET, MAX_MESSAGE).unwrap();
        let refusal = Refusal::new(RefusalKind::WrongSecret, "that is not the token");
        let answers = vec![
            (NetworkAsk::Confirm { token: "x".to_owned() }, Err(refusal)),
            (NetworkAsk::Change, seen(ChangeState::Applied)),
        ];
        let desk = desk(temp.path());
        let asking = async {
            let failure =
                Confirm { token: Some("x".to_owned()) }.carry_out(&desk).await.unwrap_err();
            assert_eq!(
                (failure.exit_code(), failure.to_string().as_str()),
                (5, "that is not the token")
            );
        };
        tokio::join!(asking, role(&listener, answers));
    }
}
