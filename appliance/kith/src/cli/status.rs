//! `kith status`: the box at a glance, in sentences.

use clap::Args;
use kith_model::command::Command;
use kith_model::daemon::DaemonSeen;
use kith_model::network::status::DaemonHealth;
use kith_model::reply::Reply;
use kith_model::role::{RoleStatus, Supervision};
use kith_model::status::{Status as Snapshot, Transfer};

use super::Desk;
use crate::client;
use crate::failure::{Failure, Outcome};
use crate::show;

/// How the box is
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith status\n  kith status --json | jq .peers_connected")]
pub(crate) struct Status {}

impl Status {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let Reply::Status(status) = desk.connect().await?.command(Command::Status).await? else {
            return Err(Failure::off_topic());
        };
        // A node can be looked after by something else than our supervisor.
        let supervision = client::supervision(&desk.state).await;
        if desk.json {
            let mut whole = serde_json::json!(status);
            whole["supervisor"] = serde_json::json!(supervision);
            return show::print_json(&whole);
        }
        show::print(&sentences(show::now(), &status, supervision.as_ref()))
    }
}

fn sentences(now: u64, status: &Snapshot, supervision: Option<&Supervision>) -> String {
    let mut lines = vec![
        format!("{}, {}", status.name, status.words),
        format!("  {}", status.node),
        format!("  Panel: {}", status.panel),
        format!(
            "  Running for {}, kith {}.",
            show::span(now.saturating_sub(status.started)),
            status.version
        ),
    ];
    if !status.claimed {
        lines.push(format!(
            "  Nobody owns it yet: open {}claim and enter the secret that kith run printed.",
            status.panel
        ));
    }
    lines.push(format!("  {}", peers(status)));
    lines.push(format!("  {}", store(status)));
    lines.extend(status.transfers.iter().map(|transfer| format!("  {}", moving(transfer))));
    lines.extend(supervision.and_then(|s| s.safe_mode.as_deref()).map(safe_mode));
    let daemons = supervision.into_iter().flat_map(|s| &s.daemons);
    lines.extend(daemons.filter_map(daemon).map(|line| format!("! {line}")));
    lines.extend(supervision.into_iter().flat_map(|s| &s.notes).map(|note| format!("  {note}")));
    let restarted = supervision.into_iter().flat_map(|s| &s.roles).filter(|role| role.restarts > 0);
    lines.extend(restarted.map(|role| format!("  {}", restarts(role))));
    let troubled = lines.iter().any(|line| line.starts_with('!'));
    if status.alerts.is_empty() && !troubled {
        lines.push("  All is well.".to_owned());
    }
    lines.extend(
        status
            .alerts
            .iter()
            .map(|alert| format!("! {} (since {})", alert.message, show::when(now, alert.since))),
    );
    show::plain(&lines.join("\n")) + "\n"
}

fn peers(status: &Snapshot) -> String {
    let heard = show::count(status.peers_heard, "box", "boxes");
    let connected = match status.peers_connected {
        0 => "Connected to nobody".to_owned(),
        n => format!("Connected to {}", show::count(n, "box", "boxes")),
    };
    format!(
        "{connected}, {heard} heard on this network; peers reach it at UDP port {}.",
        status.peer_port
    )
}

fn store(status: &Snapshot) -> String {
    let store = &status.store;
    let mut text = format!(
        "Keeps {} and {} ({})",
        show::count(store.records, "record", "records"),
        show::count(store.blocks, "block", "blocks"),
        show::size(store.block_bytes),
    );
    if let Some(free) = store.free_bytes {
        text.push_str(&format!("; {} free", show::size(free)));
    }
    if let Some(percent) = store.rebuilding {
        text.push_str(&format!("; its index is being rebuilt, {percent} % done"));
    }
    text + "."
}

fn moving(transfer: &Transfer) -> String {
    let path = transfer.path.replace('\n', " ");
    let (here, size) = (show::size(transfer.here), show::size(transfer.size));
    let how = transfer.stalled.as_ref().map_or_else(
        || format!("from {}", show::count(transfer.peers, "box", "boxes")),
        |why| format!("waiting: {why}"),
    );
    format!("Fetching {path}: {here} of {size}, {how}.")
}

fn restarts(role: &RoleStatus) -> String {
    let times = show::count(role.restarts, "time", "times");
    let last = role.last_end.as_deref().unwrap_or("it ended");
    format!("The {} was started again {times}; the last time because {last}.", role.role)
}

fn safe_mode(why: &str) -> String {
    format!("! Safe mode: the settings are left aside, because {why}. Then: kith safe-mode end")
}

/// A daemon that is not as it should be.
fn daemon(daemon: &DaemonSeen) -> Option<String> {
    let id = &daemon.id;
    let how = match daemon.state {
        DaemonHealth::Starting | DaemonHealth::Running => return None,
        DaemonHealth::Hung => "does not answer and is being replaced",
        DaemonHealth::Waiting => "ended and is started again",
        DaemonHealth::Missing => "cannot be started",
        DaemonHealth::Failing => "ended too often; it is tried once a minute",
    };
    let why = daemon.error.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
    Some(format!("{id} {how}{why}."))
}

#[cfg(test)]
mod tests {
    use kith_model::daemon::{DaemonId, Program};
    use kith_model::role::RoleState;
    use kith_model::status::{Alert, AlertKind, StoreStatus};

    use super::*;

    #[test]
    fn a_fresh_box_says_how_to_claim_it() {
        let shown = sentences(120_000, &fresh(), None);
        let expected = "\
Maple Harbour, maple harbour one two three four
  did:key:z6Mk
  Panel: http://127.0.0.1:8480/
  Running for 2 minutes, kith 0.1.0.
  Nobody owns it yet: open http://127.0.0.1:8480/claim and enter the secret that kith run printed.
  Connected to nobody, 0 boxes heard on this network; peers reach it at UDP port 8480.
  Keeps 1 record and 0 blocks (0 B); 1.0 GiB free.
  All is well.
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_goes_wrong_is_said_last() {
        let mut status = Snapshot { claimed: true, ..fresh() };
        let message = "The disk is full: remove something.".to_owned();
        status.alerts.push(Alert { kind: AlertKind::DiskFull, message, since: 60_000 });
        let role = RoleStatus {
            role: "node".to_owned(),
            state: RoleState::Ready,
            pid: Some(1),
            since: 0,
            restarts: 2,
            last_end: Some("it was killed by signal 9".to_owned()),
        };
        let supervision = Supervision { roles: vec![role], ..Supervision::default() };
        let shown = sentences(120_000, &status, Some(&supervision));
        let end = "\
  The node was started again 2 times; the last time because it was killed by signal 9.
! The disk is full: remove something. (since 1 minute ago)
";
        assert!(shown.ends_with(end), "{shown}");
        assert!(!shown.contains("All is well") && !shown.contains("claim"), "{shown}");
    }

    #[test]
    fn safe_mode_and_daemons_that_fail_are_said() {
        let seen = |instance: &str, state, error: Option<&str>| DaemonSeen {
            id: DaemonId { program: Program::Hostapd, instance: instance.parse().unwrap() },
            generation: 1,
            pid: None,
            state,
            restarts: 0,
            error: error.map(str::to_owned),
        };
        let supervision = Supervision {
            safe_mode: Some("the link failed 3 times".to_owned()),
            daemons: vec![
                seen("phy0", DaemonHealth::Running, None),
                seen("phy1", DaemonHealth::Missing, Some("hostapd is not on this machine")),
            ],
            ..Supervision::default()
        };
        let shown = sentences(120_000, &fresh(), Some(&supervision));
        for line in [
            "! Safe mode: the settings are left aside, because the link failed 3 times.",
            "! hostapd for phy1 cannot be started (hostapd is not on this machine).",
        ] {
            assert!(shown.contains(line), "{shown}");
        }
        assert!(!shown.contains("phy0") && !shown.contains("All is well"), "{shown}");
    }

    fn fresh() -> Snapshot {
        Snapshot {
            version: "0.1.0".to_owned(),
            name: "Maple Harbour".to_owned(),
            node: "did:key:z6Mk".to_owned(),
            words: "maple harbour one two three four".to_owned(),
            panel: "http://127.0.0.1:8480/".to_owned(),
            peer_port: 8480,
            store: StoreStatus { records: 1, free_bytes: Some(1 << 30), ..StoreStatus::default() },
            ..Snapshot::default()
        }
    }
}
