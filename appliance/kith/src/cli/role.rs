//! `kith role`: what the supervisor starts. Not for people.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use kith_model::daemon::{DaemonId, Program};
use kith_model::settings::values::InterfaceName;
use kith_node::{Options, Switches};
use kith_supervise::daemons::exec::{Task, exec_daemon};
use kith_supervise::role::{self, Entered, EnteredNode};

use crate::failure::Outcome;

/// One thread for the network and the store's callers, one so that a long computation (a passphrase, a
/// large folder) does not stop them. More would only cost memory on the boards this runs on.
const NODE_WORKERS: usize = 2;

/// How long files that are still being read or written may hold up the end.
const LAST_FILES: Duration = Duration::from_secs(1);

/// What the supervisor starts
#[derive(Debug, Args)]
pub(crate) struct Role {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// Radios, ports, firewall
    Link(Drop),
    /// Identity, peers, store, panel
    Node(Drop),
    /// Becomes a daemon
    ExecDaemon(ExecDaemon),
}

/// Whether to become a user of its own.
#[derive(Debug, Args)]
struct Drop {
    /// Become the role's own user
    #[arg(long)]
    drop: bool,
}

/// Which daemon to become, and how.
#[derive(Debug, Args)]
struct ExecDaemon {
    /// The program's name
    #[arg(value_parser = program)]
    program: Program,
    /// The interface or radio
    instance: InterfaceName,
    /// The digest of its configuration
    #[arg(long)]
    generation: u64,
    /// The run directory
    #[arg(long)]
    run: PathBuf,
    /// The control group to join
    #[arg(long)]
    group: Option<PathBuf>,
    /// Become the daemon's own user
    #[arg(long)]
    drop: bool,
}

fn program(name: &str) -> Result<Program, String> {
    let found = Program::ALL.into_iter().find(|program| program.name() == name);
    found.ok_or_else(|| format!("{name} is no daemon of a box"))
}

impl Role {
    pub(crate) fn carry_out(self, state: PathBuf) -> Outcome {
        match self.which {
            Which::Link(Drop { drop }) => carry_out_link(&state, drop),
            Which::Node(Drop { drop }) => carry_out_node(state, drop),
            Which::ExecDaemon(daemon) => Err(daemon.carry_out().into()),
        }
    }
}

impl ExecDaemon {
    /// Returns only when it fails.
    fn carry_out(self) -> anyhow::Error {
        let Self { program, instance, generation, run, group, drop } = self;
        let id = DaemonId { program, instance };
        anyhow::Error::new(exec_daemon(&Task { id, generation, run, group, drop }))
    }
}

fn carry_out_link(state: &Path, drop: bool) -> Outcome {
    let Entered { spawned, supervisor } =
        role::enter_link(state, drop).context("the link role cannot begin")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let link = async { Ok(kith_link::role::run(state, spawned, supervisor).await?) };
    Ok(runtime.block_on(ended(link))?)
}

fn carry_out_node(state: PathBuf, drop: bool) -> Outcome {
    let entered = role::enter_node(&state, drop).context("the node cannot begin")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(NODE_WORKERS)
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let result = runtime.block_on(ended(node(state, entered)));
    runtime.shutdown_timeout(LAST_FILES);
    Ok(result?)
}

async fn node(state: PathBuf, entered: EnteredNode) -> anyhow::Result<()> {
    let EnteredNode { entered: Entered { spawned, supervisor }, panel, peers } = entered;
    let switches = Switches { no_fsync: spawned.no_fsync, no_dirsync: spawned.no_dirsync };
    let options = Options {
        state,
        panel,
        hosts: spawned.hosts,
        mode: spawned.mode,
        peers,
        supervisor: Some(supervisor),
        switches,
    };
    Ok(kith_node::run(options).await?)
}

/// Runs a role to its end, also when it is asked by a signal, and tells the supervisor why if it fails.
async fn ended(role: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut role = std::pin::pin!(role);
    let result = tokio::select! {
        result = &mut role => result,
        caught = role::end_on_sigterm() => {
            caught.context("cannot catch signals")?;
            role.await
        }
    };
    if let Err(error) = &result {
        role::complain(format!("{error:#}")).await;
    }
    result
}
