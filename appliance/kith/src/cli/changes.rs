//! `kith changes`: what the draft would change, and what was changed before.

use clap::Args;
use kith_model::network::ask::{NetworkAsk, NetworkReply, SettingsText};
use kith_model::network::change::{ChangeState, ChangeStatus, PastSettings, Review};
use kith_model::sentence::Sentence;

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::{link, show};

/// What your draft would change
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kith changes\n  kith changes --diff\n  kith changes --discard\n  \
                        kith changes --history\n  kith changes --restore 7f3a0c1d2e4b5a69"
)]
pub(crate) struct Changes {
    /// As a diff of the document too, without secrets
    #[arg(long)]
    diff: bool,
    /// Throw the draft away
    #[arg(long, conflicts_with_all = ["diff", "history", "restore"])]
    discard: bool,
    /// The settings that were in force before
    #[arg(long, conflicts_with_all = ["diff", "restore"])]
    history: bool,
    /// Make settings that were in force before your draft
    #[arg(long, value_name = "REVISION", conflicts_with = "diff")]
    restore: Option<String>,
}

impl Changes {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let mut link = desk.link().await?;
        if self.discard {
            let NetworkReply::Done = link.ask(NetworkAsk::DraftDiscard).await? else {
                return Err(Failure::off_topic());
            };
            return desk.say("The draft is gone.");
        }
        if self.history {
            let NetworkReply::History(past) = link.ask(NetworkAsk::History).await? else {
                return Err(Failure::off_topic());
            };
            return history(desk, &past);
        }
        if let Some(revision) = self.restore {
            let draft = link.settings(NetworkAsk::Restore { revision }).await?;
            return count(desk, &draft);
        }
        let change = link.change(NetworkAsk::Change).await?;
        let review = link.review(NetworkAsk::Review).await?;
        if desk.json {
            return show::print_json(&serde_json::json!({ "change": change, "review": review }));
        }
        let mut text = change.as_ref().map(waiting).unwrap_or_default();
        text.push_str(&reviewed(&review));
        if self.diff {
            text.push_str(&format!("\n{}", review.diff));
        }
        show::print(&show::plain(&text))
    }
}

/// What a change would do, in lines.
pub(super) fn reviewed(review: &Review) -> String {
    if review.words.is_empty() {
        return "Nothing to apply.\n".to_owned();
    }
    let lines = |list: &[Sentence], mark: &str| -> String {
        list.iter().map(|words| format!("{mark}{}\n", words.replace('\n', " "))).collect()
    };
    let mut text = lines(&review.words, "  ");
    if !review.impact.is_empty() {
        text.push_str("What you will notice:\n");
        text.push_str(&lines(&review.impact, "  "));
    }
    text.push_str(&link::findings("", &review.findings));
    text
}

/// A change that waits, in a line; nothing when none does.
fn waiting(change: &ChangeStatus) -> String {
    match (change.state, change.seconds_left) {
        (ChangeState::Armed | ChangeState::Applied, Some(left)) => format!(
            "A change by {} waits for kith confirm, {left} seconds more; kith revert takes it back.\n",
            change.who
        ),
        (ChangeState::Armed | ChangeState::Applied, None) => {
            format!("A change by {} is being carried out.\n", change.who)
        }
        (ChangeState::Confirmed | ChangeState::Reverted, _) => String::new(),
    }
}

/// Says how many values of a draft differ, and what is wrong with it.
pub(super) fn count(desk: &Desk, draft: &SettingsText) -> Outcome {
    if desk.json {
        let SettingsText { revision, changes, findings, .. } = draft;
        let json =
            serde_json::json!({ "base": revision, "changes": changes, "findings": findings });
        return show::print_json(&json);
    }
    let findings = link::findings("", &draft.findings);
    if !findings.is_empty() {
        show::remark(findings.trim_end());
    }
    show::print(&match draft.changes {
        0 => "The draft is what is in force already.\n".to_owned(),
        n => format!(
            "{} in your draft: kith changes shows what, kith apply makes it hold.\n",
            show::count(u64::from(n), "change", "changes")
        ),
    })
}

fn history(desk: &Desk, past: &[PastSettings]) -> Outcome {
    if desk.json {
        return show::print_json(past);
    }
    let now = show::now();
    let row = |past: &PastSettings| {
        vec![
            past.revision.clone(),
            show::when(now, past.since),
            past.who.clone(),
            past.words.iter().map(|words| &**words).collect::<Vec<_>>().join(" "),
        ]
    };
    let rows: Vec<_> = past.iter().map(row).collect();
    show::print(&show::table(&["REVISION", "SINCE", "BY", "WHAT"], &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_says_what_changes_and_what_one_will_notice() {
        let review = Review {
            words: vec!["The Wi-Fi is called \"Valley\".".into()],
            impact: vec!["Wi-Fi restarts, about 10 seconds.".into()],
            ..Review::default()
        };
        let expected = "  The Wi-Fi is called \"Valley\".\nWhat you will notice:\n  Wi-Fi restarts, about 10 \
                        seconds.\n";
        assert_eq!(reviewed(&review), expected);
        assert_eq!(reviewed(&Review::default()), "Nothing to apply.\n");
    }
}
