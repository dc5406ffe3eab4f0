//! `kith confirm`, `kith revert` and `kith extend`: what becomes of a change that waits.

use clap::Args;
use kith_model::network::ask::NetworkAsk;
use kith_model::network::change::{ChangeState, ChangeStatus};

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::{link, show};

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
        let answer = link.change(NetworkAsk::Confirm { token }).await;
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
