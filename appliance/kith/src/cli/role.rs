//! `kith role`: what the supervisor starts. Not for people.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use kith_model::role::{BEAT_SECONDS, MAX_MESSAGE, Report, Told};
use kith_node::{Options, Switches};
use kith_role::socket::Channel;
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
    Link,
    /// Identity, peers, store, panel
    Node,
}

impl Role {
    pub(crate) fn carry_out(self, state: PathBuf) -> Outcome {
        match self.which {
            Which::Link => carry_out_link(&state),
            Which::Node => carry_out_node(state),
        }
    }
}

fn carry_out_link(_state: &Path) -> Outcome {
    let entered = role::enter_link().context("the link role cannot begin")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    Ok(runtime.block_on(ended(link(entered)))?)
}

/// Says that it serves and turns until the supervisor's channel closes.
async fn link(entered: Entered) -> anyhow::Result<()> {
    let (mut sender, mut told) = Channel::from_fd(entered.supervisor, MAX_MESSAGE)?.into_split();
    sender.send(&Report::Ready { claim: None, panel: String::new() }, &[]).await?;
    let mut beats = tokio::time::interval(Duration::from_secs(BEAT_SECONDS));
    loop {
        tokio::select! {
            _ = beats.tick() => sender.send(&Report::Beat, &[]).await?,
            told = told.receive::<Told>() => if !matches!(told, Ok(Some(_))) { return Ok(()) },
        }
    }
}

fn carry_out_node(state: PathBuf) -> Outcome {
    let entered = role::enter_node().context("the node cannot begin")?;
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
