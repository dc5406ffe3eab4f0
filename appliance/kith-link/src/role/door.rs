//! `STATE/link.sock`: questions of the node and of the command line, a bounded number at a time.

use std::sync::Arc;
use std::time::Duration;

use kith_model::network::ask::{LinkAnswer, LinkAsk};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_role::socket::{Channel, Listener};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::drive::Fact;

/// Connections at one time.
const CONNECTIONS: usize = 32;

/// How long a connection may be silent, and how long it may take over an answer.
const SILENCE: Duration = Duration::from_secs(60);

/// How long the machine may take over an answer; listening on all channels takes ten seconds.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long to wait after a connection that could not be accepted.
const BREATH: Duration = Duration::from_millis(50);

/// Serves the socket for ever.
pub(super) async fn serve(listener: Listener, facts: mpsc::Sender<Fact>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = tasks.join_next() => {}
            channel = listener.accept() => match (channel, Arc::clone(&room).try_acquire_owned()) {
                (Ok(channel), Ok(permit)) => {
                    let facts = facts.clone();
                    tasks.spawn(async move {
                        let _permit = permit;
                        converse(channel, facts).await;
                    });
                }
                (Ok(_), Err(_)) => tracing::warn!("too many connections on the link's socket"),
                (Err(error), _) => {
                    tracing::warn!(%error, "a connection to the link's socket failed");
                    // It may be that no descriptors are left; trying again at once frees none.
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

async fn converse(mut channel: Channel, facts: mpsc::Sender<Fact>) {
    loop {
        let ask = match timeout(SILENCE, channel.receive::<LinkAsk>()).await {
            Ok(Ok(Some((ask, _)))) => ask,
            Ok(Ok(None)) | Err(_) => return,
            Ok(Err(error)) => {
                return tracing::warn!(%error, "a conversation on the link's socket broke off");
            }
        };
        let answer = answer(ask, &facts).await;
        if !matches!(timeout(SILENCE, channel.send(&answer, &[])).await, Ok(Ok(()))) {
            return;
        }
    }
}

async fn answer(ask: LinkAsk, facts: &mpsc::Sender<Fact>) -> LinkAnswer {
    let (reply, answered) = oneshot::channel();
    let late = || {
        let message = "the network's part of the box is busy; try again in a few seconds";
        Refusal { retry_after: Some(5), ..Refusal::new(RefusalKind::StillWaiting, message) }
    };
    let asking = async {
        facts.send(Fact::Asked(Box::new(ask), reply)).await.ok()?;
        answered.await.ok()
    };
    match timeout(PATIENCE, asking).await {
        Ok(Some(answer)) => answer,
        Ok(None) | Err(_) => Err(late()),
    }
}
