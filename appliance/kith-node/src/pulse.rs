//! What the supervisor hears from a node: that it serves, and that it is alive.

use std::os::fd::OwnedFd;
use std::time::Duration;

use kith_model::role::{self, Report};
use kith_role::socket::Channel;
use tokio::sync::{mpsc, oneshot};

use crate::desk::Message;

/// Who wants to know whether a loop still turns.
pub(crate) type Turn = oneshot::Sender<()>;

/// The parts of a node whose turning is its life: everything else waits for these. A timer of its own
/// would tick on while the desk hangs.
#[derive(Debug)]
pub(crate) struct Pulse {
    desk: mpsc::Sender<Message>,
    hub: mpsc::Sender<Turn>,
}

impl Pulse {
    /// The pulse, and what the hub hears of it.
    pub(crate) fn new(desk: mpsc::Sender<Message>) -> (Self, mpsc::Receiver<Turn>) {
        let (hub, turns) = mpsc::channel(1);
        (Self { desk, hub }, turns)
    }

    /// Waits until each of them has turned; nothing when one is gone.
    async fn beat(&self) -> Option<()> {
        let (turn, turned) = oneshot::channel();
        self.hub.send(turn).await.ok()?;
        turned.await.ok()?;
        let (turn, turned) = oneshot::channel();
        self.desk.send(Message::Turn(turn)).await.ok()?;
        turned.await.ok()
    }
}

/// Reports to the supervisor and returns when it is gone.
pub(crate) async fn heed_supervisor(channel: Option<OwnedFd>, ready: Report, pulse: Pulse) {
    let Some(channel) = channel else { return std::future::pending().await };
    let (mut sender, mut receiver) = match Channel::from_fd(channel, role::MAX_MESSAGE) {
        Ok(channel) => channel.into_split(),
        Err(error) => return tracing::error!(%error, "the supervisor cannot be reached"),
    };
    if let Err(error) = sender.send(&ready, &[]).await {
        return tracing::error!(%error, "the supervisor does not listen");
    }
    let beating = async {
        while pulse.beat().await.is_some() && sender.send(&Report::Beat, &[]).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(role::BEAT_SECONDS)).await;
        }
        // A part that is gone takes the node with it; that is not for here to say.
        std::future::pending().await
    };
    tokio::select! {
        // The supervisor says nothing more: whatever comes is its end.
        _ = receiver.receive::<()>() => {}
        () = beating => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn a_node_that_turns_beats_and_ends_with_its_supervisor() {
        let mut node = Node::start().await;
        for _ in 0..3 {
            node.hub.recv().await.unwrap().send(()).unwrap();
            node.turn_desk().await;
            assert_eq!(node.report().await, Some(Report::Beat));
        }
        drop(node.supervisor);
        tokio::time::timeout(HOUR, node.heeding.join_next()).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_desk_that_hangs_is_silent_however_the_hub_turns() {
        let mut node = Node::start().await;
        node.hub.recv().await.unwrap().send(()).unwrap();
        assert_eq!(node.report().await, None);
        node.turn_desk().await;
        assert_eq!(node.report().await, Some(Report::Beat), "and goes on when it is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_hangs_is_silent() {
        let mut node = Node::start().await;
        assert_eq!(node.report().await, None);
    }

    struct Node {
        supervisor: Channel,
        desk: mpsc::Receiver<Message>,
        hub: mpsc::Receiver<Turn>,
        heeding: tokio::task::JoinSet<()>,
    }

    impl Node {
        /// A node that has said that it is ready.
        async fn start() -> Self {
            let (supervisor, theirs) = Channel::pair(role::MAX_MESSAGE).unwrap();
            let (queue, desk) = mpsc::channel(1);
            let (pulse, hub) = Pulse::new(queue);
            let mut heeding = tokio::task::JoinSet::new();
            let ready = Report::Ready { claim: None, panel: String::new() };
            heeding.spawn(heed_supervisor(Some(theirs), ready.clone(), pulse));
            let mut node = Self { supervisor, desk, hub, heeding };
            assert_eq!(node.report().await, Some(ready));
            node
        }

        async fn turn_desk(&mut self) {
            let Some(Message::Turn(turn)) = self.desk.recv().await else { panic!("no turn") };
            turn.send(()).unwrap();
        }

        /// The next report; nothing when there is none for an hour.
        async fn report(&mut self) -> Option<Report> {
            let received = tokio::time::timeout(HOUR, self.supervisor.receive::<Report>()).await;
            received.ok().map(|received| received.unwrap().unwrap().0)
        }
    }
}
