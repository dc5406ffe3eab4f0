//! `kith role`: what the supervisor starts. Not for people.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use kith_node::{Options, Switches};
use kith_supervise::role::{self, Entered};

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
    /// Identity, peers, store, panel
    Node,
}

impl Role {
    pub(crate) fn carry_out(self, state: PathBuf) -> Outcome {
        let Which::Node = self.which;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(NODE_WORKERS)
            .enable_all()
            .build()
            .context("cannot start the event loop")?;
        let result = runtime.block_on(node(state));
        runtime.shutdown_timeout(LAST_FILES);
        Ok(result?)
    }
}

async fn node(state: PathBuf) -> anyhow::Result<()> {
    let Entered { spawned, panel, peers, supervisor } = role::enter().await?;
    let switches = Switches { no_fsync: spawned.no_fsync, no_dirsync: spawned.no_dirsync };
    let options = Options {
        state,
        panel,
        hosts: spawned.hosts,
        peers,
        supervisor: Some(supervisor),
        switches,
    };
    let mut node = std::pin::pin!(kith_node::run(options));
    let result = tokio::select! {
        result = &mut node => result,
        caught = role::end_on_sigterm() => {
            caught.context("cannot catch signals")?;
            node.await
        }
    };
    if let Err(error) = result {
        let error = anyhow::Error::new(error);
        role::complain(format!("{error:#}")).await;
        return Err(error);
    }
    Ok(())
}
