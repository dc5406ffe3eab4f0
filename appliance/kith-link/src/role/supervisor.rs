//! The channel to the supervisor: what is said on it, what is heard, and that it closes.

use std::io;
use std::os::fd::OwnedFd;

use kith_model::daemon::DaemonSeen;
use kith_model::role::{MAX_MESSAGE, Report, Told};
use kith_role::socket::Channel;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::drive::Fact;

/// Reports that may wait. The supervisor hears them within moments; one that does not is gone.
const REPORTS: usize = 16;

/// The supervisor as the hands know it: it runs the daemons.
#[derive(Clone, Debug)]
pub struct Supervised {
    /// How the daemons are, as it tells whenever that changes.
    pub told: watch::Receiver<Vec<DaemonSeen>>,
    /// What it is to be told: which daemons shall run, and which hangs.
    pub reports: mpsc::Sender<Report>,
}

/// Speaks and listens until the channel closes, which ends the role.
pub(super) fn attend(
    supervisor: OwnedFd,
    facts: mpsc::Sender<Fact>,
    tasks: &mut JoinSet<()>,
) -> io::Result<Supervised> {
    let (mut sender, mut receiver) = Channel::from_fd(supervisor, MAX_MESSAGE)?.into_split();
    let (tell, told) = watch::channel(Vec::new());
    let (reports, mut to_say) = mpsc::channel(REPORTS);
    tasks.spawn(async move {
        while let Some(report) = to_say.recv().await {
            if let Err(error) = sender.send(&report, &[]).await {
                tracing::debug!(%error, "the supervisor does not listen");
                // That it is gone is heard on the other direction.
                break;
            }
        }
        std::future::pending::<()>().await;
    });
    tasks.spawn(async move {
        while let Ok(Some((Told::Daemons(daemons), _))) = receiver.receive::<Told>().await {
            tell.send_replace(daemons);
        }
        // The role ends then anyway when nobody is there to hear it.
        drop(facts.send(Fact::SupervisorGone).await);
        std::future::pending::<()>().await;
    });
    Ok(Supervised { told, reports })
}
