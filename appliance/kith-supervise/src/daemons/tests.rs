//! Real processes in the place of daemons: started, killed, left behind and found again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kith_model::daemon::{DaemonId, DaemonSeen, DaemonWish, Program};
use kith_model::network::status::DaemonHealth;
use kith_model::role::Supervision;
use kith_role::clock::SystemClock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::exec::{Task, become_daemon};
use super::keeper::{Ask, Keeper, Parts, Starter};
use super::record::{self, Record};
use super::table::Launch;
use crate::logs::Logs;

/// Longer than anything here takes; only a failing test waits so long.
const FOREVER: Duration = Duration::from_secs(60);

/// What a stand-in is told with, among arguments that the test harness does not mind.
const ACT: &str = "act:";
const RUN: &str = "run:";

#[tokio::test]
async fn a_daemon_runs_in_its_own_session_and_ends_when_it_is_no_longer_wished_for() {
    let mut world = World::start("sleeps");
    world.wish(1).await;
    let seen = world.until(is_running).await;
    let pid = seen.pid.unwrap();
    // The record is there before the program is; the name changes with it.
    wait(|| command_of(pid) == "sleep").await;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let own = pid.to_string();
    assert_eq!((fields[2], fields[3]), (&*own, &*own), "process group and session");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    world.unwish().await;
    wait(|| !lives(pid)).await;
    wait(|| record::all(world.run.path()).is_empty()).await;
    world.stop().await;
}

#[tokio::test]
async fn another_generation_is_another_process() {
    let mut world = World::start("sleeps");
    world.wish(1).await;
    let first = world.until(is_running).await;
    world.wish(2).await;
    let second = world.until(|seen| is_running(seen) && seen.generation == 2).await;
    assert_ne!(first.pid, second.pid);
    wait(|| !lives(first.pid.unwrap())).await;
    wait(|| Record::read(world.run.path(), &id()).is_some_and(|r| r.generation == 2)).await;
    world.stop().await;
    wait(|| !lives(second.pid.unwrap())).await;
}

#[tokio::test]
async fn a_daemon_that_dies_says_why_and_is_started_again() {
    let mut world = World::start("dies");
    world.wish(1).await;
    let seen = world.until(|seen| seen.restarts >= 2 && seen.error.is_some()).await;
    let error = seen.error.unwrap();
    assert!(error.contains("its last words: ") && error.contains("no radio"), "{error}");
    let page = world.logs.page(None, 99);
    assert!(page.lines.iter().any(|line| line.source == "hostapd-phy0"), "{page:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_hung_daemon_is_killed_with_what_it_started_and_started_again() {
    let mut world = World::start("ignores");
    world.wish(1).await;
    let first = world.until(is_running).await.pid.unwrap();
    wait(|| command_of(first) == "sh").await;
    world.asks.send(Ask::Hung(id())).await.unwrap();
    let again = world.until(|seen| is_running(seen) && seen.restarts == 1).await;
    assert_ne!(again.pid, Some(first));
    assert_eq!(again.error.as_deref(), Some("it did not answer and was killed"));
    assert!(!lives(first));
    world.stop_hard().await;
}

#[tokio::test]
async fn a_daemon_survives_the_supervisor_and_is_found_again() {
    let run = tempfile::tempdir().unwrap();
    prepare(run.path());
    let mut first = stand_in("keeps", run.path()).spawn().unwrap();
    wait(|| Record::read(run.path(), &id()).is_some()).await;
    let pid = Record::read(run.path(), &id()).unwrap().pid;
    wait(|| command_of(pid) == "sleep").await;
    signal(first.id().unwrap(), Signal::SIGKILL);
    first.wait().await.unwrap();
    assert!(lives(pid), "it does not end with who started it");

    let mut world = World::of("sleeps", run);
    let seen = world.until(is_running).await;
    assert_eq!((seen.pid, seen.restarts, seen.generation), (Some(pid), 0, 7));
    world.wish(7).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.seen.borrow()[0].pid, Some(pid), "it is what is wished for");
    // Its end is noticed although it is not our child, and it is started again.
    signal(pid, Signal::SIGKILL);
    let again = world.until(|seen| is_running(seen) && seen.pid != Some(pid)).await;
    assert_eq!(again.restarts, 1);
    world.stop().await;
    wait(|| !lives(again.pid.unwrap())).await;
}

#[tokio::test]
async fn whoever_has_the_number_of_a_daemon_now_is_never_touched() {
    let run = tempfile::tempdir().unwrap();
    prepare(run.path());
    let mut stranger = Command::new("/bin/sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
    let pid = stranger.id().unwrap();
    let own = Record::of_self(7, "/bin/sleep".into()).unwrap();
    // Everything fits but when it was started.
    Record { pid, ..own }.write(run.path(), &id()).unwrap();
    let world = World::of("sleeps", run);
    world.asks.send(Ask::Wished(Vec::new())).await.unwrap();
    world.stop().await;
    assert!(stranger.try_wait().unwrap().is_none(), "it still runs");
    stranger.kill().await.unwrap();
}

#[tokio::test]
async fn left_alone_daemons_run_on() {
    let mut world = World::start("sleeps");
    world.wish(1).await;
    let pid = world.until(is_running).await.pid.unwrap();
    wait(|| command_of(pid) == "sleep").await;
    world.asks.send(Ask::Leave).await.unwrap();
    timeout(FOREVER, world.keeping.join_next()).await.unwrap();
    assert!(lives(pid));
    signal(pid, Signal::SIGKILL);
}

#[tokio::test]
async fn a_program_that_is_missing_is_said() {
    let mut world = World::start("missing");
    world.wish(1).await;
    let seen = world.until(|seen| seen.state == DaemonHealth::Missing).await;
    assert_eq!(seen.error.as_deref(), Some("hostapd is not here"));
    world.stop().await;
}

/// Becomes what a test above starts this program as; on its own it does nothing.
#[test]
fn stand_in_daemon() {
    let given =
        |prefix: &str| std::env::args().find_map(|a| a.strip_prefix(prefix).map(str::to_owned));
    let (Some(act), Some(run)) = (given(ACT), given(RUN)) else { return };
    let run = PathBuf::from(run);
    let sh = |script: &str| ("/bin/sh", vec!["-c".to_owned(), script.to_owned()]);
    let (program, arguments) = match act.as_str() {
        "sleeps" => ("/bin/sleep", vec!["1000".to_owned()]),
        "dies" => sh("echo no radio; exit 3"),
        "ignores" => sh("trap '' TERM; sleep 1000 & while :; do wait; done"),
        "keeps" => return keep(run),
        other => panic!("{other}"),
    };
    let launch = Launch {
        program: program.into(),
        arguments: arguments.into_iter().map(Into::into).collect(),
        configuration: None,
    };
    let generation = given("generation:").unwrap().parse().unwrap();
    let task = Task { id: id(), generation, run, group: None, drop: false };
    let Err(error) = become_daemon(&task, &launch, None);
    panic!("{error}");
}

/// A supervisor of one daemon, to be killed.
fn keep(run: PathBuf) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (asks, _seen, _logs, keeper) = parts("sleeps", &run);
        asks.send(Ask::Wished(vec![DaemonWish { id: id(), generation: 7 }])).await.unwrap();
        keeper.run().await;
    });
}

struct StandIn {
    act: &'static str,
    run: PathBuf,
}

impl Starter for StandIn {
    fn command(&self, id: &DaemonId, generation: u64, _: Option<&Path>) -> Result<Command, String> {
        if self.act == "missing" {
            return Err(format!("{} is not here", id.program.name()));
        }
        let mut command = stand_in(self.act, &self.run);
        command.args(["--skip", &format!("generation:{generation}")]);
        Ok(command)
    }
}

fn stand_in(act: &str, run: &Path) -> Command {
    // The harness is to run this one test; what it shall skip matches none.
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", "daemons::tests::stand_in_daemon", "--nocapture"]);
    command.args(["--skip", &format!("{ACT}{act}"), "--skip", &format!("{RUN}{}", run.display())]);
    command
}

type Made = (mpsc::Sender<Ask>, watch::Receiver<Arc<[DaemonSeen]>>, Logs, Keeper<StandIn>);

fn parts(act: &'static str, run: &Path) -> Made {
    let (asks, asked) = mpsc::channel(8);
    let (publish, seen) = watch::channel(Arc::from([]));
    let logs = Logs::new();
    let keeper = Keeper::new(Parts {
        starter: StandIn { act, run: run.to_owned() },
        run: run.to_owned(),
        cgroups: None,
        logs: logs.clone(),
        clock: SystemClock::start(),
        asks: asked,
        seen: publish,
        board: watch::channel(Supervision::default()).0,
    });
    (asks, seen, logs, keeper)
}

struct World {
    run: tempfile::TempDir,
    asks: mpsc::Sender<Ask>,
    seen: watch::Receiver<Arc<[DaemonSeen]>>,
    logs: Logs,
    keeping: JoinSet<()>,
}

impl World {
    fn start(act: &'static str) -> Self {
        let run = tempfile::tempdir().unwrap();
        prepare(run.path());
        Self::of(act, run)
    }

    fn of(act: &'static str, run: tempfile::TempDir) -> Self {
        let (asks, seen, logs, keeper) = parts(act, run.path());
        let mut keeping = JoinSet::new();
        keeping.spawn(keeper.run());
        Self { run, asks, seen, logs, keeping }
    }

    async fn wish(&self, generation: u64) {
        let wish = DaemonWish { id: id(), generation };
        self.asks.send(Ask::Wished(vec![wish])).await.unwrap();
    }

    async fn unwish(&self) {
        self.asks.send(Ask::Wished(Vec::new())).await.unwrap();
    }

    async fn until(&mut self, is_so: impl Fn(&DaemonSeen) -> bool) -> DaemonSeen {
        let so = self.seen.wait_for(|seen| seen.first().is_some_and(&is_so));
        timeout(FOREVER, so).await.unwrap().unwrap()[0].clone()
    }

    async fn stop(mut self) {
        self.asks.send(Ask::Stop).await.unwrap();
        timeout(FOREVER, self.keeping.join_next()).await.unwrap();
    }

    /// For one that does not end when asked: its whole group, as the keeper would after its grace.
    async fn stop_hard(self) {
        let pid = self.seen.borrow()[0].pid.unwrap();
        wait(|| command_of(pid) == "sh").await;
        let group = Pid::from_raw(pid.try_into().unwrap());
        let killing = async {
            while nix::sys::signal::killpg(group, Signal::SIGKILL).is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::join!(self.stop(), killing);
    }
}

fn prepare(run: &Path) {
    for folder in ["daemons", "log", "link"] {
        fs::create_dir(run.join(folder)).unwrap();
    }
}

fn id() -> DaemonId {
    DaemonId { program: Program::Hostapd, instance: "phy0".parse().unwrap() }
}

fn is_running(seen: &DaemonSeen) -> bool {
    seen.pid.is_some()
}

async fn wait(is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(FOREVER, so).await.unwrap();
}

fn command_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Whether it is there and has not ended; one that nobody has collected yet has.
fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}
