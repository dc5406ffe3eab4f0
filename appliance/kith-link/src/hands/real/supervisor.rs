//! The channel to the supervisor: wishes and reports go out in order, what it says of the daemons comes
//! in.

use std::collections::BTreeMap;

use kith_model::daemon::{DaemonId, DaemonSeen};
use kith_model::role::{Report, Told};
use kith_role::socket::{Channel, ChannelError, ChannelReceiver, ChannelSender};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::hands::HandsError;

/// Reports that may wait while the supervisor is slow.
const WAITING: usize = 64;

/// What sends reports; the loop of the role uses one too, for its beats.
#[derive(Clone, Debug)]
pub struct Reporter(mpsc::Sender<Report>);

impl Reporter {
    /// Tells the supervisor something; waits while it is slow.
    ///
    /// # Errors
    /// When it is gone; then the role ends.
    pub async fn report(&self, report: Report) -> Result<(), HandsError> {
        let gone = |_| HandsError::Missing("the supervisor is gone".into());
        self.0.send(report).await.map_err(gone)
    }
}

/// The supervisor.
#[derive(Debug)]
pub(crate) struct Supervisor {
    receiver: ChannelReceiver,
    reporter: Reporter,
    daemons: BTreeMap<DaemonId, DaemonSeen>,
    gone: bool,
    _task: JoinSet<()>,
}

impl Supervisor {
    /// Takes the channel over, after the role has heard its first message.
    pub(crate) fn new(channel: Channel) -> Self {
        let (sender, receiver) = channel.into_split();
        let (reports, waiting) = mpsc::channel(WAITING);
        let mut task = JoinSet::new();
        // Sending must not be broken off half-way, and whoever reports may be.
        task.spawn(send(sender, waiting));
        Self {
            receiver,
            reporter: Reporter(reports),
            daemons: BTreeMap::new(),
            gone: false,
            _task: task,
        }
    }

    pub(crate) fn reporter(&self) -> Reporter {
        self.reporter.clone()
    }

    /// The daemons as it said last.
    pub(crate) const fn daemons(&self) -> &BTreeMap<DaemonId, DaemonSeen> {
        &self.daemons
    }

    /// Waits until it says something of the daemons; false when it is gone, then and from then on. May be
    /// dropped while it waits.
    pub(crate) async fn listen(&mut self) -> bool {
        while !self.gone {
            match self.receiver.receive::<Told>().await {
                Ok(Some((Told::Daemons(daemons), _))) => {
                    let by_id = |daemon: DaemonSeen| (daemon.id.clone(), daemon);
                    self.daemons = daemons.into_iter().map(by_id).collect();
                    return true;
                }
                Ok(None) => self.gone = true,
                // A newer supervisor may know messages that we do not.
                Err(error @ ChannelError::Malformed(_)) => {
                    tracing::warn!(%error, "the supervisor says what nobody understands");
                }
                Err(error) => {
                    tracing::error!(%error, "the channel to the supervisor broke");
                    self.gone = true;
                }
            }
        }
        false
    }
}

async fn send(mut sender: ChannelSender, mut waiting: mpsc::Receiver<Report>) {
    while let Some(report) = waiting.recv().await {
        if let Err(error) = sender.send(&report, &[]).await {
            tracing::error!(%error, "the supervisor does not hear");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use kith_model::daemon::{DaemonWish, Program};
    use kith_model::network::status::DaemonHealth;
    use kith_model::role::MAX_MESSAGE;

    use super::*;

    fn dnsmasq() -> DaemonId {
        DaemonId { program: Program::Dnsmasq, instance: "lan".parse().unwrap() }
    }

    #[tokio::test]
    async fn wishes_go_out_and_what_is_seen_comes_in() {
        let (mut theirs, ours) = Channel::pair(MAX_MESSAGE).unwrap();
        let mut supervisor = Supervisor::new(Channel::from_fd(ours, MAX_MESSAGE).unwrap());
        let wish = DaemonWish { id: dnsmasq(), generation: 7 };
        supervisor.reporter().report(Report::Daemons(vec![wish.clone()])).await.unwrap();
        supervisor.reporter().report(Report::Hung(dnsmasq())).await.unwrap();
        let first = theirs.receive::<Report>().await.unwrap().unwrap().0;
        assert_eq!(first, Report::Daemons(vec![wish]));
        assert_eq!(theirs.receive::<Report>().await.unwrap().unwrap().0, Report::Hung(dnsmasq()));

        let seen = DaemonSeen {
            id: dnsmasq(),
            generation: 7,
            pid: Some(99),
            state: DaemonHealth::Running,
            restarts: 0,
            error: None,
        };
        theirs.send(&Told::Daemons(vec![seen.clone()]), &[]).await.unwrap();
        assert!(supervisor.listen().await);
        assert_eq!(supervisor.daemons().get(&dnsmasq()), Some(&seen));
    }

    #[tokio::test]
    async fn what_nobody_understands_is_passed_over_and_the_end_is_noticed() {
        let (mut theirs, ours) = Channel::pair(MAX_MESSAGE).unwrap();
        let mut supervisor = Supervisor::new(Channel::from_fd(ours, MAX_MESSAGE).unwrap());
        theirs.send(&"riddle", &[]).await.unwrap();
        theirs.send(&Told::Daemons(vec![]), &[]).await.unwrap();
        assert!(supervisor.listen().await);
        drop(theirs);
        assert!(!supervisor.listen().await);
        assert!(!supervisor.listen().await, "and it stays so");
    }
}
