//! The other side: how a role that was started by [`crate::process`] takes what it is handed.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use kith_model::role::{MAX_MESSAGE, Report, Spawned};
use kith_role::sandbox::paths::{self, Enforced};
use kith_role::sandbox::user::become_user;
use kith_role::sandbox::{self, SandboxError};
use kith_role::socket::{Channel, ChannelError, HandoverError, tcp_listener, udp_socket};
use nix::sys::socket::{Shutdown, shutdown};
use nix::sys::stat::{Mode, umask};
use tokio::signal::unix::{SignalKind, signal};

use crate::roles::Role;

/// Why a role cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// Its standard input is not a supervisor's channel.
    #[error("a role is started by kith run, not by hand")]
    NoSupervisor(#[source] io::Error),
    /// The channel breaks.
    #[error("cannot hear the supervisor")]
    Channel(#[from] ChannelError),
    /// The supervisor ends before it has begun.
    #[error("the supervisor ended before it said what to do")]
    Gone,
    /// The supervisor hands over too much or too little.
    #[error("the supervisor hands over {0} sockets instead of {1}")]
    Count(usize, usize),
    /// The supervisor hands over something else.
    #[error("the supervisor hands over something else")]
    Kind(#[from] HandoverError),
    /// The kernel does not take a privilege back.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

/// What a role is handed.
#[derive(Debug)]
pub struct Entered {
    /// What it is told.
    pub spawned: Spawned,
    /// The channel to the supervisor; it closes when the role shall end. The role reports on it, and the
    /// link role is told on it.
    pub supervisor: OwnedFd,
}

/// What the node is handed.
#[derive(Debug)]
pub struct EnteredNode {
    /// What every role is handed.
    pub entered: Entered,
    /// The panel's listener.
    pub panel: TcpListener,
    /// The peers' socket.
    pub peers: UdpSocket,
}

/// Takes what the supervisor hands to the link role; becomes its user if `drop`. Call it before any thread is
/// started.
///
/// # Errors
/// [`EnterError`] when this process was not started by a supervisor.
pub fn enter_link(state: &Path, drop: bool) -> Result<Entered, EnterError> {
    let (entered, sockets) = enter(Role::Link, state, drop)?;
    if !sockets.is_empty() {
        return Err(EnterError::Count(sockets.len(), 0));
    }
    Ok(entered)
}

/// Takes what the supervisor hands to a node; becomes its user if `drop`. Call it before any thread is
/// started.
///
/// # Errors
/// [`EnterError`] when this process was not started by a supervisor.
pub fn enter_node(state: &Path, drop: bool) -> Result<EnteredNode, EnterError> {
    let (entered, sockets) = enter(Role::Node, state, drop)?;
    let [panel, peers] =
        <[OwnedFd; 2]>::try_from(sockets).map_err(|sockets| EnterError::Count(sockets.len(), 2))?;
    Ok(EnteredNode { entered, panel: tcp_listener(panel)?, peers: udp_socket(peers)? })
}

fn enter(role: Role, state: &Path, drop: bool) -> Result<(Entered, Vec<OwnedFd>), EnterError> {
    sandbox::enter()?;
    // The name that ps shows; the kernel made it "exe", from /proc/self/exe.
    nix::sys::prctl::set_name(role.process_name()).ok();
    let supervisor = descriptor().map_err(EnterError::NoSupervisor)?;
    // What is given up holds for the threads to come only, so nothing runs yet but this one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let (spawned, sockets) = runtime.map_err(EnterError::NoSupervisor)?.block_on(first_message())?;
    if drop {
        confine(role, state, Path::new(&spawned.run))?;
    }
    Ok((Entered { spawned, supervisor }, sockets))
}

/// Becomes the user of the role, with nothing open but what it needs.
fn confine(role: Role, state: &Path, run: &Path) -> Result<(), EnterError> {
    become_user(&role.user())?;
    if role == Role::Link {
        // Daemons read what it makes, by their group.
        umask(Mode::S_IWGRP | Mode::S_IRWXO);
    }
    match paths::restrict(&role.paths(state, run))? {
        Enforced::Wholly => {}
        Enforced::Partly => tracing::info!(%role, "this kernel knows only a part of Landlock"),
        Enforced::Not => tracing::warn!(
            %role,
            "this kernel has no Landlock: a role that is taken over can read what its user can; \
             boot with lsm=landlock,... or a kernel that has it"
        ),
    }
    Ok(())
}

async fn first_message() -> Result<(Spawned, Vec<OwnedFd>), EnterError> {
    let mut channel = own_channel().map_err(EnterError::NoSupervisor)?;
    channel.receive::<Spawned>().await?.ok_or(EnterError::Gone)
}

fn descriptor() -> io::Result<OwnedFd> {
    io::stdin().as_fd().try_clone_to_owned()
}

fn own_channel() -> io::Result<Channel> {
    Channel::from_fd(descriptor()?, MAX_MESSAGE)
}

/// Tells the supervisor why this role is about to end.
pub async fn complain(message: String) {
    let Ok(mut channel) = own_channel() else { return };
    if let Err(error) = channel.send(&Report::Failed { message }, &[]).await {
        tracing::debug!(%error, "the supervisor is not told");
    }
}

/// Waits for SIGTERM, then closes the channel to the supervisor: a role has one reason to end, that
/// this channel is closed, whoever wants it to.
///
/// # Errors
/// What the kernel says.
pub async fn end_on_sigterm() -> io::Result<()> {
    signal(SignalKind::terminate())?.recv().await;
    shutdown(io::stdin().as_raw_fd(), Shutdown::Both)?;
    Ok(())
}
