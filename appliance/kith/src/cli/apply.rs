//! `kith apply`: the draft comes into force, and goes again unless somebody confirms it.

use std::time::Duration;

use clap::Args;
use kith_model::network::ask::{NetworkAsk, NetworkReply};
use kith_model::network::change::{CONFIRM_SECONDS_MOST, ChangeState, ChangeStatus};
use kith_model::settings::check;

use super::Desk;
use super::changes::reviewed;
use crate::failure::{Failure, Outcome};
use crate::{link, show};

/// How often a change that waits is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How often a change that keeps itself is looked at, and how often at most: all of it is tried within
/// seconds.
const GLANCE: Duration = Duration::from_millis(100);
const GLANCES: u32 = 200;

/// How long the box may be away while it carries a change out or takes it back.
const AWAY: u32 = 60;

/// Make your draft hold; it is taken back unless you confirm it in time
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kith apply\n  kith apply --confirm 300\n  kith apply --yes --wait\n\n\
                  A change that can cut you off waits for kith confirm. With --wait the command stays \
                  until then and ends with 3 when the change was taken back."
)]
pub(crate) struct Apply {
    /// Take it back unless it is confirmed within so many seconds [default: 120]
    #[arg(long, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(CONFIRM_SECONDS_MOST)))]
    confirm: Option<u32>,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
    /// Stay until it is confirmed or taken back
    #[arg(long)]
    wait: bool,
}

impl Apply {
    /// As from the command line, without a question.
    #[cfg(test)]
    pub(super) const fn given(confirm: u32, wait: bool) -> Self {
        Self { confirm: Some(confirm), yes: true, wait }
    }

    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let mut link = desk.link().await?;
        let review = link.review(NetworkAsk::Review).await?;
        if !desk.json {
            show::print(&show::plain(&reviewed(&review)))?;
        }
        if check::any_error(&review.findings) {
            return Err(Failure::Usage("the draft cannot be applied as it is".to_owned()));
        }
        if review.words.is_empty() {
            return if desk.json { show::print_json(&review) } else { Ok(()) };
        }
        if !self.yes && !desk.json && !link::agreed("Apply this?")? {
            return desk.say("Nothing was changed.");
        }
        let ask = NetworkAsk::Apply { digest: review.digest, confirm_seconds: self.confirm };
        let NetworkReply::Applied { change, token } = link.ask(ask).await? else {
            return Err(Failure::off_topic());
        };
        drop(link);
        if let Some(token) = &token {
            link::keep_token(&desk.state, token)?;
        }
        // Only what holds is said to, and only then is there something to begin the next change with.
        let change = if token.is_none() { keeps_itself(desk, change).await? } else { change };
        if desk.json {
            show::print_json(&serde_json::json!({ "change": change, "token": token }))?;
        } else {
            show::print(&next(&change, token.as_deref()))?;
        }
        if self.wait && token.is_some() { wait(desk, &change).await } else { Ok(()) }
    }
}

/// Waits until a change that needs nobody's confirmation is kept, but not for ever: one that does not work is
/// taken back at its deadline.
async fn keeps_itself(desk: &Desk, mut change: ChangeStatus) -> Outcome<ChangeStatus> {
    for _ in 0..GLANCES {
        match change.state {
            ChangeState::Confirmed => break,
            ChangeState::Reverted => return Err(Failure::reverted(change.reason.as_deref())),
            ChangeState::Armed | ChangeState::Applied => tokio::time::sleep(GLANCE).await,
        }
        // While the household's network changes nobody may answer.
        let Ok(mut link) = desk.link().await else { continue };
        let seen = link.change(NetworkAsk::Change).await?;
        change = seen.filter(|seen| seen.id == change.id).unwrap_or(change);
    }
    Ok(change)
}

fn next(change: &ChangeStatus, token: Option<&str>) -> String {
    let Some(token) = token else {
        return match change.state {
            ChangeState::Confirmed => "Applied and kept.\n",
            ChangeState::Armed | ChangeState::Applied | ChangeState::Reverted => {
                "Applied, and kept as soon as all of it works: kith network says what does not yet.\n"
            }
        }
        .to_owned();
    };
    let left = change.seconds_left.unwrap_or_default();
    let moved = change
        .moves_to
        .as_ref()
        .map_or_else(String::new, |to| format!("The panel is at {to} then.\n"));
    format!(
        "Applied. It is taken back in {left} seconds unless you say: kith confirm\n{moved}\
         From another user or state: kith confirm {token}\n"
    )
}

/// Stays until the change is kept or taken back.
async fn wait(desk: &Desk, change: &ChangeStatus) -> Outcome {
    // Nobody knows for how long somebody extends it; what counts is that the box answers now and then.
    let mut silent = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let looked = async { desk.link().await?.change(NetworkAsk::Change).await };
        match looked.await {
            Ok(seen) => {
                silent = 0;
                if let Some(end) = ended(change.id, seen.as_ref()) {
                    link::forget_token(&desk.state);
                    return end
                        .and_then(|()| if desk.json { Ok(()) } else { desk.say("It is kept.") });
                }
            }
            Err(failure) if silent >= AWAY => return Err(failure),
            Err(_) => silent += 1,
        }
    }
}

/// How a change ended, if it did.
fn ended(id: u64, seen: Option<&ChangeStatus>) -> Option<Outcome> {
    let seen = seen.filter(|seen| seen.id == id);
    match seen.map(|seen| seen.state) {
        Some(ChangeState::Armed | ChangeState::Applied) => None,
        Some(ChangeState::Confirmed) => Some(Ok(())),
        Some(ChangeState::Reverted) => {
            let reason = seen.and_then(|seen| seen.reason.clone());
            Some(Err(Failure::reverted(reason.as_deref())))
        }
        None => Some(Err(Failure::reverted(Some("another change has taken its place")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(state: ChangeState) -> ChangeStatus {
        ChangeStatus {
            id: 7,
            state,
            who: "command line".to_owned(),
            applied_at: None,
            seconds_left: Some(120),
            ended_at: None,
            words: Vec::new(),
            reason: Some("nobody confirmed it".into()),
            moves_to: Some("http://192.168.9.1/".to_owned()),
        }
    }

    #[test]
    fn a_change_that_was_taken_back_is_exit_code_3() {
        assert!(ended(7, Some(&change(ChangeState::Applied))).is_none());
        assert!(ended(7, Some(&change(ChangeState::Confirmed))).unwrap().is_ok());
        let failure = ended(7, Some(&change(ChangeState::Reverted))).unwrap().unwrap_err();
        assert_eq!(failure.exit_code(), 3);
        assert_eq!(failure.to_string(), "the change was taken back: nobody confirmed it");
        assert_eq!(
            ended(8, Some(&change(ChangeState::Confirmed))).unwrap().unwrap_err().exit_code(),
            3
        );
    }

    #[test]
    fn what_to_do_next_is_said_with_the_place_of_the_panel() {
        let text = next(&change(ChangeState::Applied), Some("abc"));
        assert!(text.starts_with("Applied. It is taken back in 120 seconds unless"), "{text}");
        assert!(
            text.contains("http://192.168.9.1/") && text.contains("kith confirm abc"),
            "{text}"
        );
        assert_eq!(next(&change(ChangeState::Confirmed), None), "Applied and kept.\n");
        let text = next(&change(ChangeState::Applied), None);
        assert!(text.starts_with("Applied, and kept as soon as"), "{text}");
    }
}
