//! The program as people meet it: started, asked, killed and stopped, over real processes and sockets on
//! the loopback. What the verbs say in detail is tested beside each.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use kith_model::role::{MAX_MESSAGE, RoleState, RoleStatus, SuperviseAsk, Supervision};
use kith_role::socket;
use kith_supervise::policy::STOP_GRACE;
use kith_supervise::status::SOCKET;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Longer than anything here takes on the slowest machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_box_says_where_its_panel_is_answers_and_stops_when_asked() {
    let state = tempfile::tempdir().unwrap();
    let mut running = Running::start(state.path());
    let (panel, claim) =
        running.line.strip_prefix("panel ").unwrap().split_once(" claim ").unwrap();
    assert!(panel.starts_with("http://127.0.0.1:") && panel.ends_with('/'), "{panel}");
    assert!(claim.len() == 14 && claim.split('-').all(|part| part.len() == 4), "{claim}");
    assert!(get(panel).starts_with("HTTP/1.1 "));

    let status = json(&kith(state.path(), &["status", "--json"]));
    assert_eq!(status["panel"], panel);
    assert_eq!(status["claimed"], false);
    assert_eq!(status["supervisor"]["pid"], running.child.id());
    let roles = status["supervisor"]["roles"].as_array().unwrap();
    let names: Vec<_> = roles.iter().map(|role| role["role"].as_str().unwrap()).collect();
    assert_eq!(names, ["link", "node"]);
    assert_eq!(roles[1]["state"], "ready");
    for verb in [&["posts", "--json"][..], &["files", "ls", "--json"], &["peers", "--json"]] {
        assert_eq!(json(&kith(state.path(), verb)), Value::Array(Vec::new()), "{verb:?}");
    }

    let (code, rest) = running.stop(Signal::SIGTERM);
    assert_eq!((code, rest.as_str()), (Some(0), ""), "one line and a clean end");
    assert_eq!(kith(state.path(), &["status"]).status.code(), Some(4));
}

#[test]
fn a_second_run_on_one_state_says_who_has_it() {
    let state = tempfile::tempdir().unwrap();
    let running = Running::start(state.path());
    let second = kith(state.path(), &["run", "--panel", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    let words = text(&second.stderr);
    assert!(
        words.contains(&format!("is in use already by process {}", running.child.id())),
        "{words}"
    );
    assert!(second.stdout.is_empty());
    assert!(kith(state.path(), &["status"]).status.success(), "the first does not mind");
}

#[test]
fn a_node_that_is_killed_is_started_again_and_the_panel_is_back() {
    let state = tempfile::tempdir().unwrap();
    let mut running = Running::start(state.path());
    let panel = running.panel();
    let before = node(state.path());
    signal(before.pid.unwrap(), Signal::SIGKILL);
    let again = |node: &RoleStatus| node.restarts == 1 && node.state == RoleState::Ready;
    let after = std::iter::repeat_with(|| node(state.path())).find(again).unwrap();
    assert_ne!(after.pid, before.pid);
    assert_eq!(after.last_end.as_deref(), Some("it was killed by signal 9"));
    assert!(get(&panel).starts_with("HTTP/1.1 "), "at the same address");

    let (code, rest) = running.stop(Signal::SIGINT);
    assert_eq!(code, Some(0));
    let fresh: Vec<_> = rest.lines().collect();
    assert_eq!(fresh.len(), 1, "the old secret went with the old node: {rest}");
    assert!(fresh[0].starts_with(&format!("panel {panel} claim ")), "{rest}");
    assert_ne!(fresh[0], running.line);
}

#[test]
fn a_link_that_is_killed_is_started_again_and_the_node_does_not_notice() {
    let state = tempfile::tempdir().unwrap();
    let mut running = Running::start(state.path());
    let before = node(state.path());
    let ready = |link: &RoleStatus| link.state == RoleState::Ready;
    let link = std::iter::repeat_with(|| role(state.path(), "link")).find(ready).unwrap();
    signal(link.pid.unwrap(), Signal::SIGKILL);
    let again = |link: &RoleStatus| link.restarts == 1 && link.state == RoleState::Ready;
    let after = std::iter::repeat_with(|| role(state.path(), "link")).find(again).unwrap();
    assert_ne!(after.pid, link.pid);
    assert_eq!(node(state.path()), before);
    let (code, rest) = running.stop(Signal::SIGTERM);
    assert_eq!((code, rest.as_str()), (Some(0), ""));
}

#[test]
fn a_host_has_no_link_role_and_its_run_directory_is_where_it_was_put() {
    let state = tempfile::tempdir().unwrap();
    let run = state.path().join("elsewhere");
    let profile = ["--profile", "host", "--run", run.to_str().unwrap()];
    let mut running = Running::start_with(state.path(), &profile);
    assert!(run.is_dir() && !state.path().join("run").exists());
    let status = json(&kith(state.path(), &["status", "--json"]));
    assert_eq!(status["supervisor"]["roles"].as_array().unwrap().len(), 1);
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
}

#[test]
fn what_everybody_said_can_be_read_also_while_the_node_is_down() {
    let state = tempfile::tempdir().unwrap();
    let mut running = Running::start(state.path());
    let lines = |source: &str| {
        let output = kith(state.path(), &["logs", "--json", "--source", source]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let lines =
            text(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let lines: Vec<Value> = lines;
        assert!(lines.iter().all(|line| line["source"] == source), "{lines:?}");
        lines
    };
    let said = lines("supervisor");
    assert!(said.iter().any(|line| line["text"].as_str().unwrap().contains("serves role=node")));
    assert!(lines("nobody").is_empty());
    signal(node(state.path()).pid.unwrap(), Signal::SIGSTOP);
    assert!(lines("supervisor").len() >= said.len());
    let safe = kith(state.path(), &["safe-mode", "status", "--json"]);
    assert_eq!(json(&safe)["safe_mode"], Value::Null);
    signal(node(state.path()).pid.unwrap(), Signal::SIGCONT);
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
    assert_eq!(kith(state.path(), &["logs"]).status.code(), Some(4));
}

#[test]
fn a_supervisor_that_is_killed_leaves_nothing_behind() {
    let state = tempfile::tempdir().unwrap();
    let mut running = Running::start(state.path());
    running.stop(Signal::SIGKILL);
    // Comes up only when the first node has let go of the store and the sockets.
    let mut again = Running::start(state.path());
    assert_eq!(again.stop(Signal::SIGTERM).0, Some(0));
}

#[test]
fn a_node_that_hangs_is_killed_at_the_second_request() {
    let state = tempfile::tempdir().unwrap();
    let mut running = Running::start(state.path());
    signal(node(state.path()).pid.unwrap(), Signal::SIGSTOP);
    signal(running.child.id(), Signal::SIGTERM);
    let asked = tokio::time::Instant::now();
    // Signals of one kind are merged, so the second waits until the first was heard.
    assert!((0..10_000).any(|_| node(state.path()).state == RoleState::Stopping));
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
    assert!(asked.elapsed() < STOP_GRACE, "it was not waited for");
}

#[test]
fn a_node_that_cannot_begin_is_given_up_in_words() {
    let state = tempfile::tempdir().unwrap();
    fs::create_dir_all(state.path().join("node.sock/taken")).unwrap();
    let run = kith(state.path(), &["run", "--panel", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    assert_eq!(run.status.code(), Some(1));
    let words = text(&run.stderr);
    assert!(words.contains("the node failed 5 times within a minute and stays down"), "{words}");
    assert!(run.stdout.is_empty());
}

#[test]
fn a_panel_address_that_is_taken_is_an_error_in_words() {
    let state = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = kith(state.path(), &["run", "--panel", &address]);
    assert_eq!(run.status.code(), Some(1));
    let words = text(&run.stderr);
    assert!(words.contains(&format!("the panel cannot listen on {address}")), "{words}");
}

#[test]
fn without_a_node_verbs_say_how_to_start_one() {
    let state = tempfile::tempdir().unwrap();
    let verbs: [&[&str]; 8] = [
        &["status"],
        &["peers"],
        &["invite"],
        &["posts"],
        &["post", "hello"],
        &["files", "ls"],
        &["space", "list"],
        &["token", "list"],
    ];
    for verb in verbs {
        let output = kith(state.path(), verb);
        assert_eq!(output.status.code(), Some(4), "{verb:?}");
        let words = text(&output.stderr);
        assert!(words.ends_with("start it with kith run\n"), "{verb:?}: {words}");
        assert!(output.stdout.is_empty(), "{verb:?}");
    }
    let output = kith(state.path(), &["status", "--json"]);
    let failure: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(failure["error"], "no-node");
}

#[test]
fn wrong_usage_exits_2_before_anything_happens() {
    let state = tempfile::tempdir().unwrap();
    let lines: [&[&str]; 5] = [
        &["nonsense"],
        &["run", "--panel", "nowhere"],
        &["invite", "--days", "31"],
        &["files", "ls", "a/../b"],
        &["join", "KITH1-NONSENSE"],
    ];
    for (line, code) in lines.into_iter().zip([2, 2, 2, 2, 1]) {
        assert_eq!(kith(state.path(), line).status.code(), Some(code), "{line:?}");
    }
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn a_role_is_not_started_by_hand() {
    let state = tempfile::tempdir().unwrap();
    let output = kith(state.path(), &["role", "node"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn a_store_is_checked_and_rebuilt_only_while_nobody_uses_it() {
    let state = tempfile::tempdir().unwrap();
    let mut running = Running::start(state.path());
    assert!(kith(state.path(), &["post", "Soup at six"]).status.success());
    let early = kith(state.path(), &["store", "verify"]);
    assert_eq!(early.status.code(), Some(1));
    assert!(text(&early.stderr).contains("is in use already"), "{}", text(&early.stderr));
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));

    let verified = json(&kith(state.path(), &["store", "verify", "--json"]));
    assert_eq!(verified["problems"], Value::Array(Vec::new()));
    let rebuilt = json(&kith(state.path(), &["store", "rebuild", "--json"]));
    assert_eq!(rebuilt["records"], verified["records"]);
    let running = Running::start(state.path());
    let posts = json(&kith(state.path(), &["posts", "--json"]));
    assert_eq!(posts[0]["text"], "Soup at six");
    drop(running);
    let nowhere = kith(&state.path().join("none"), &["store", "verify"]);
    assert_eq!(nowhere.status.code(), Some(1));
}

#[test]
fn a_demonstration_shows_three_boxes_and_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let mut command = command(temp.path(), &["demo", "--json"]);
    let child = command.env("TMPDIR", temp.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut demo = Running::of(child);
    let mut shown = demo.line.clone();
    while !shown.ends_with("\n]\n") {
        assert_ne!(demo.out.read_line(&mut shown).unwrap(), 0, "it ended early: {shown}");
    }
    let boxes: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(boxes.as_array().unwrap().len(), 3);
    for shown in boxes.as_array().unwrap() {
        assert!(get(shown["panel"].as_str().unwrap()).starts_with("HTTP/1.1 "));
        let posts = json(&kith(Path::new(shown["state"].as_str().unwrap()), &["posts", "--json"]));
        assert!(!posts.as_array().unwrap().is_empty(), "{}", shown["name"]);
    }
    assert_eq!(demo.stop(Signal::SIGINT).0, Some(0));
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn help_of_the_whole_program_fits_a_screen() {
    let state = tempfile::tempdir().unwrap();
    let output = kith(state.path(), &["--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    assert!(help.starts_with("A neighbourhood in a box"), "{help}");
    // The verbs of content, of the network and of care, on a screen of 50 lines.
    assert!(help.lines().count() <= 50, "{} lines", help.lines().count());
}

/// A running `kith run` on a state of its own; killed when dropped.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    line: String,
}

impl Running {
    fn start(state: &Path) -> Self {
        Self::start_with(state, &[])
    }

    fn start_with(state: &Path, more: &[&str]) -> Self {
        let arguments = ["run", "--panel", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
        let arguments = [&arguments[..], more].concat();
        let child = command(state, &arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut running = Self::of(child);
        running.line.truncate(running.line.trim_end().len());
        running
    }

    /// Waits for the first line of a process.
    fn of(mut child: Child) -> Self {
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        Self { child, out, line }
    }

    fn panel(&self) -> String {
        self.line.split(' ').nth(1).unwrap().to_owned()
    }

    /// Sends a signal and answers the exit code and what else was on the standard output.
    fn stop(&mut self, how: Signal) -> (Option<i32>, String) {
        signal(self.child.id(), how);
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// How the node is, asked of its supervisor.
fn node(state: &Path) -> RoleStatus {
    role(state, "node")
}

/// How a role is, asked of its supervisor.
fn role(state: &Path, name: &str) -> RoleStatus {
    let asking = async {
        let mut channel = socket::connect(state, SOCKET, MAX_MESSAGE).await.unwrap();
        channel.send(&SuperviseAsk::Status, &[]).await.unwrap();
        channel.receive::<Supervision>().await.unwrap().unwrap().0
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(asking).roles.into_iter().find(|role| role.role == name).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "this test is about the processes")]
fn command(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
    command.arg("--state").arg(state).args(arguments).stdin(Stdio::null());
    command
}

fn kith(state: &Path, arguments: &[&str]) -> Output {
    command(state, arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

/// What the panel answers to a plain GET of its first page.
fn get(panel: &str) -> String {
    let host = panel.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
