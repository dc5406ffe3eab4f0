//! The connection to whoever drives the network, which works while the node is down.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use kith_model::network::ask::{
    LinkAnswer, LinkAsk, MAX_MESSAGE, MAX_SETTINGS, NetworkAsk, NetworkReply, SOCKET, SettingsText,
};
use kith_model::network::change::{ChangeStatus, Finding, Review};
use kith_model::settings::differ;
use kith_role::socket::{self, Channel, ChannelError};

use crate::client;
use crate::failure::{Failure, Outcome};
use crate::show;

/// In whose name the command line asks: its draft is one of its own.
const WHO: &str = "command line";

/// How long a role that is being started may take.
const START: Duration = Duration::from_secs(15);

/// How long an answer may take: the longest, a survey of all radios, takes some ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a role that is being started is tried.
const RETRY: Duration = Duration::from_millis(50);

/// A connection to the link role.
#[derive(Debug)]
pub(crate) struct Link {
    channel: Channel,
}

impl Link {
    /// Connects to the link role of `state`. One that its supervisor is just starting is waited for.
    pub(crate) async fn connect(state: &Path) -> Outcome<Self> {
        let deadline = tokio::time::Instant::now() + START;
        loop {
            let failure = match socket::connect(state, SOCKET, MAX_MESSAGE).await {
                Ok(channel) => return Ok(Self { channel }),
                Err(error) => Failure::unreached(state, error, Failure::NoLink),
            };
            let coming = matches!(failure, Failure::NoLink(_))
                && client::supervision(state)
                    .await
                    .is_some_and(|seen| seen.roles.iter().any(|role| role.role == "link"));
            if !coming || tokio::time::Instant::now() >= deadline {
                return Err(failure);
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Asks one question.
    pub(crate) async fn ask(&mut self, ask: NetworkAsk) -> Outcome<NetworkReply> {
        let asking = async {
            let ask = LinkAsk { who: WHO.to_owned(), from: None, ask };
            self.channel.send(&ask, &[]).await.map_err(lost)?;
            let (answer, _) =
                self.channel.receive::<LinkAnswer>().await.map_err(lost)?.ok_or_else(hung_up)?;
            Ok(answer?)
        };
        let silent = || {
            let words = format!("no answer about the network for {} seconds", PATIENCE.as_secs());
            Failure::NotAnswering(words)
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(silent()))
    }

    /// A question that is answered with a settings document.
    pub(crate) async fn settings(&mut self, ask: NetworkAsk) -> Outcome<SettingsText> {
        let NetworkReply::Settings(text) = self.ask(ask).await? else {
            return Err(Failure::off_topic());
        };
        Ok(text)
    }

    /// A question that is answered with what would change.
    pub(crate) async fn review(&mut self, ask: NetworkAsk) -> Outcome<Review> {
        let NetworkReply::Review(review) = self.ask(ask).await? else {
            return Err(Failure::off_topic());
        };
        Ok(review)
    }

    /// A question that is answered with the change under way or the last one.
    pub(crate) async fn change(&mut self, ask: NetworkAsk) -> Outcome<Option<ChangeStatus>> {
        let NetworkReply::Change(change) = self.ask(ask).await? else {
            return Err(Failure::off_topic());
        };
        Ok(change)
    }
}

/// Reads a settings document from a file, or from the standard input for `-`.
pub(crate) fn read_document(path: &Path) -> Outcome<String> {
    let cannot = || format!("cannot read {}", path.display());
    let mut text = String::new();
    // One byte more than is allowed is enough to see that it is too much.
    let most = MAX_SETTINGS as u64 + 1;
    if path == Path::new("-") {
        io::stdin().lock().take(most).read_to_string(&mut text).with_context(cannot)?;
    } else {
        let file = fs::File::open(path).with_context(cannot)?;
        file.take(most).read_to_string(&mut text).with_context(cannot)?;
    }
    if text.len() > MAX_SETTINGS {
        let words = format!("{} is too large to be settings", path.display());
        return Err(Failure::Usage(words));
    }
    Ok(text)
}

/// One line for each finding: `FILE:3:1: wifi.household.sid: There is no "sid" here`.
pub(crate) fn findings(file: &str, findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let place = match (file, finding.line) {
            ("", 0) => String::new(),
            ("", line) => format!("line {line}: "),
            (file, 0) => format!("{file}: "),
            (file, line) => format!("{file}:{line}:{}: ", finding.column),
        };
        let advice = if finding.advice { "advice: " } else { "" };
        let key = if finding.key.is_empty() { String::new() } else { format!("{}: ", finding.key) };
        show::plain(&format!("{place}{advice}{key}{}\n", finding.message))
    };
    findings.iter().map(line).collect()
}

/// Findings of something that was asked for, as its failure.
pub(crate) fn wrong(list: &[Finding]) -> Failure {
    Failure::Usage(findings("", list).trim_end().to_owned())
}

/// Whether somebody agrees; who is not at a terminal has agreed by asking for it.
pub(crate) fn agreed(question: &str) -> Outcome<bool> {
    if !io::stdin().is_terminal() {
        return Ok(true);
    }
    show::print(&format!("{question} [y/N] "))?;
    let mut answer = String::new();
    io::stdin().lock().take(16).read_to_string(&mut answer).ok();
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Where the one-time token of a change is kept until it is confirmed: with what lasts as long as the
/// login, since no change outlives a reboot unconfirmed; else in the state. One file for each state.
fn token_file(state: &Path, runtime: Option<PathBuf>) -> PathBuf {
    match runtime.filter(|path| path.is_absolute()) {
        Some(runtime) => {
            runtime.join(format!("kith-token-{}", differ::revision(&state.to_string_lossy())))
        }
        None => state.join("cli-token"),
    }
}

fn runtime() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
}

/// Keeps the token for `kith confirm`, for this user alone.
pub(crate) fn keep_token(state: &Path, token: &str) -> Outcome {
    let path = token_file(state, runtime());
    fs::remove_file(&path).ok();
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(token.as_bytes()))
        .with_context(|| format!("cannot keep the token in {}", path.display()))?;
    Ok(())
}

/// The token that was kept, if any.
pub(crate) fn kept_token(state: &Path) -> Option<String> {
    let file = fs::File::open(token_file(state, runtime())).ok()?;
    let mut token = String::new();
    file.take(256).read_to_string(&mut token).ok()?;
    (!token.is_empty()).then_some(token)
}

/// Forgets the token: it is of no use any more.
pub(crate) fn forget_token(state: &Path) {
    fs::remove_file(token_file(state, runtime())).ok();
}

fn lost(error: ChannelError) -> Failure {
    anyhow::Error::new(error).context("the connection to the link role is lost").into()
}

fn hung_up() -> Failure {
    Failure::NotAnswering(
        "the link role ended before it answered; kith status says how it is".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn without_a_link_role_people_read_what_to_do() {
        let temp = tempfile::tempdir().unwrap();
        let failure = Link::connect(temp.path()).await.unwrap_err();
        assert_eq!(failure.exit_code(), 4);
        assert!(failure.to_string().contains("start it with kith run"), "{failure}");
    }

    #[tokio::test]
    async fn a_question_is_asked_as_the_command_line_and_a_refusal_is_what_people_read() {
        use kith_model::refusal::{Refusal, RefusalKind};
        let (ours, theirs) = Channel::pair(MAX_MESSAGE).unwrap();
        let (mut link, mut theirs) =
            (Link { channel: ours }, Channel::from_fd(theirs, MAX_MESSAGE).unwrap());
        let role = async {
            let (ask, _) = theirs.receive::<LinkAsk>().await.unwrap().unwrap();
            assert_eq!((ask.who.as_str(), ask.ask), ("command line", NetworkAsk::Revert));
            let refusal = Refusal::new(RefusalKind::NotFound, "no change waits");
            theirs.send(&LinkAnswer::Err(refusal), &[]).await.unwrap();
        };
        let (answer, ()) = tokio::join!(link.ask(NetworkAsk::Revert), role);
        assert_eq!(answer.unwrap_err().to_string(), "no change waits");
    }

    #[test]
    fn the_token_is_for_this_user_and_this_state_alone() {
        let temp = tempfile::tempdir().unwrap();
        let runtime = || Some(temp.path().to_owned());
        let [a, b] = ["/a", "/b"].map(|state| token_file(Path::new(state), runtime()));
        assert_ne!(a, b);
        let fallback = token_file(temp.path(), Some("relative".into()));
        assert_eq!(fallback, temp.path().join("cli-token"));
    }

    #[test]
    fn a_token_is_kept_for_one_user_and_forgotten() {
        let temp = tempfile::tempdir().unwrap();
        let path = token_file(temp.path(), runtime());
        keep_token(temp.path(), "first").unwrap();
        keep_token(temp.path(), "second").unwrap();
        assert_eq!(kept_token(temp.path()).as_deref(), Some("second"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        forget_token(temp.path());
        assert_eq!(kept_token(temp.path()), None);
    }

    #[test]
    fn findings_are_lines_that_editors_understand() {
        let finding = Finding {
            line: 3,
            column: 1,
            key: "wifi.sid".to_owned(),
            message: "No such\u{1b}.".to_owned(),
            advice: true,
        };
        assert_eq!(
            findings("a.toml", &[finding]),
            "a.toml:3:1: advice: wifi.sid: No such\u{fffd}.\n"
        );
    }
}
