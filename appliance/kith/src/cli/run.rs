//! `kith run`: the supervisor, until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use kith_model::role::{Mode, Spawned};
use kith_supervise::logs::Logs;
use kith_supervise::signals::Signals;
use kith_supervise::{Options, Supervisor};
use tokio::sync::mpsc;

use crate::failure::Outcome;
use crate::show;

/// Start the box and keep it running
///
/// Prints one line with the address of its panel and, until somebody claims it, the secret to do so. The
/// log goes to the standard error; KITH_LOG=debug says more. Ctrl-C stops it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith run\n  kith run --state ~/second-box\n  \
                        kith run --panel 192.168.77.1:8480 --listen 0.0.0.0:8480")]
pub(crate) struct Run {
    /// Where browsers reach the panel [default: the first free port of 127.0.0.1:8480 to 8499]
    #[arg(long, value_name = "ADDR")]
    panel: Option<SocketAddr>,
    /// Where other boxes reach it, over UDP [default: all addresses, at the port it had before]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// A name besides its own by which browsers may address the panel; may be given more than once
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// How far the box manages this machine: not at all (tryout, host) or its whole network (appliance)
    #[arg(long, value_enum, default_value_t = Profile::Tryout)]
    profile: Profile,
    /// Where it keeps what lasts until the next boot [default: run in the state, or /run/kith]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Daemons run on when the box is stopped, and are found again by the next start
    #[arg(long)]
    keep_daemons: bool,
    /// For labs in a user namespace only, and refused elsewhere: on an appliance, roles and daemons stay root
    #[arg(long, hide = true)]
    no_privilege_drop: bool,
    /// For crash tests only: do not synchronise files
    #[arg(long, hide = true)]
    no_fsync: bool,
    /// For crash tests only: do not synchronise directories
    #[arg(long, hide = true)]
    no_dirsync: bool,
}

/// How far a box manages the machine it runs on. Never guessed from who runs it: nobody's machine shall be
/// reconfigured by accident.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    /// For looking around: radios and ports are simulated
    Tryout,
    /// Node and panel; the system manages the network
    Host,
    /// The box is the router: radios, ports, firewall
    Appliance,
}

impl From<Profile> for Mode {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Tryout => Self::Tryout,
            Profile::Host => Self::Host,
            Profile::Appliance => Self::Appliance,
        }
    }
}

impl Run {
    pub(crate) async fn carry_out(self, state: PathBuf, logs: Option<Logs>) -> Outcome {
        let mut signals = Signals::listen().context("cannot catch signals")?;
        let spawned = Spawned {
            hosts: self.hosts,
            no_fsync: self.no_fsync,
            no_dirsync: self.no_dirsync,
            mode: self.profile.into(),
            ..Spawned::default()
        };
        let run = self.run.map(std::path::absolute).transpose().context("cannot use --run")?;
        let options = Options {
            state,
            run,
            panel: self.panel,
            listen: self.listen,
            spawned,
            keep_privileges: self.no_privilege_drop,
            keep_daemons: self.keep_daemons,
            logs,
        };
        let supervisor = Supervisor::prepare(options).map_err(anyhow::Error::new)?;
        let (stop, stops) = mpsc::channel(1);
        let announce = |announcement: &_| {
            // Nobody may be reading any more; the box runs on all the same.
            show::print(&format!("{announcement}\n")).ok();
        };
        let forward = async {
            loop {
                signals.next().await;
                // A request that is waiting already says the same.
                stop.try_send(()).ok();
            }
        };
        tokio::select! {
            result = supervisor.run(stops, announce) => Ok(result.map_err(anyhow::Error::new)?),
            never = forward => never,
        }
    }
}
