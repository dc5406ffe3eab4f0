//! The way to whoever drives the network and to the supervisor: one question, one answer, one connection.
//!
//! The node decides who may ask; what is asked is carried out over there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kith_model::log::{LogPage, MAX_LINES};
use kith_model::network::ask::{LinkAnswer, LinkAsk, MAX_MESSAGE, NetworkReply, SOCKET};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::role::{self, SuperviseAsk, Supervision};
use kith_role::socket;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

/// The supervisor's socket in the state.
const SUPERVISOR: &str = "supervise.sock";

/// Questions at one time; the rest wait.
const AT_ONCE: usize = 8;

/// How long an answer may take. The longest, listening on all channels of all radios, takes ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way there. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    state: Arc<PathBuf>,
    room: Arc<Semaphore>,
}

impl Router {
    /// The way to the roles beside the node of this state.
    #[must_use]
    pub(crate) fn new(state: PathBuf) -> Self {
        Self { state: Arc::new(state), room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks whoever drives the network.
    ///
    /// # Errors
    /// Their refusal, or that they do not run.
    pub(crate) async fn ask(&self, ask: &LinkAsk) -> Result<NetworkReply, Refusal> {
        let answer: LinkAnswer = self.exchange(SOCKET, MAX_MESSAGE, ask).await?;
        answer
    }

    /// Asks the supervisor how the roles are.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn supervision(&self) -> Result<Supervision, Refusal> {
        self.exchange(SUPERVISOR, role::MAX_MESSAGE, &SuperviseAsk::Status).await
    }

    /// Asks the supervisor what was said lately.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn logs(&self, after: Option<u64>, limit: u16) -> Result<LogPage, Refusal> {
        let ask = SuperviseAsk::Logs { after, limit: limit.min(MAX_LINES) };
        self.exchange(SUPERVISOR, role::MAX_MESSAGE, &ask).await
    }

    /// Asks the supervisor something else.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn exchange<Q: Serialize + Sync, A: Serialize + DeserializeOwned>(
        &self,
        name: &'static str,
        limit: usize,
        question: &Q,
    ) -> Result<A, Refusal> {
        let _permit = self.room.acquire().await.map_err(|_| silent(name))?;
        let asking = exchange(&self.state, name, limit, question);
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(silent(name)))
    }
}

async fn exchange<Q: Serialize + Sync, A: Serialize + DeserializeOwned>(
    state: &Path,
    name: &'static str,
    limit: usize,
    question: &Q,
) -> Result<A, Refusal> {
    let absent = |error: &dyn std::error::Error| {
        tracing::debug!(socket = name, %error, "does not answer");
        silent(name)
    };
    let mut channel = socket::connect(state, name, limit).await.map_err(|e| absent(&e))?;
    channel.send(question, &[]).await.map_err(|e| absent(&e))?;
    let answer = channel.receive::<A>().await.map_err(|e| absent(&e))?;
    answer.map(|(answer, _)| answer).ok_or_else(|| silent(name))
}

fn silent(name: &str) -> Refusal {
    let message = if name == SOCKET {
        "the part of the box that drives its network does not answer; either this box does not manage the \
         network of its machine, or that part is being started again: try again in a few seconds"
    } else {
        "the supervisor does not answer; try again in a few seconds"
    };
    Refusal { retry_after: Some(5), ..Refusal::new(RefusalKind::Unavailable, message) }
}

#[cfg(test)]
mod tests {
    use kith_model::network::ask::NetworkAsk;

    use super::*;

    fn ask() -> LinkAsk {
        LinkAsk { who: "Ada".into(), from: None, ask: NetworkAsk::DraftDiscard }
    }

    #[tokio::test]
    async fn a_question_reaches_whoever_listens() {
        let temp = tempfile::tempdir().unwrap();
        let listener = socket::bind(temp.path(), SOCKET, MAX_MESSAGE).unwrap();
        let serving = async {
            let mut channel = listener.accept().await.unwrap();
            let (asked, _) = channel.receive::<LinkAsk>().await.unwrap().unwrap();
            let answer: LinkAnswer = Ok(NetworkReply::Done);
            channel.send(&answer, &[]).await.unwrap();
            asked
        };
        let (router, question) = (Router::new(temp.path().into()), ask());
        let (asked, reply) = tokio::join!(serving, router.ask(&question));
        assert_eq!(reply.unwrap(), NetworkReply::Done);
        assert_eq!(asked, question);
    }

    #[tokio::test]
    async fn nobody_there_is_said_in_words() {
        let temp = tempfile::tempdir().unwrap();
        let refusal = Router::new(temp.path().into()).ask(&ask()).await.unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Unavailable);
        assert!(refusal.message.contains("does not manage"), "{refusal}");
    }

    #[tokio::test]
    async fn whoever_hangs_up_without_an_answer_is_said_in_words() {
        let temp = tempfile::tempdir().unwrap();
        let listener = socket::bind(temp.path(), SOCKET, MAX_MESSAGE).unwrap();
        let serving = async { drop(listener.accept().await) };
        let (router, question) = (Router::new(temp.path().into()), ask());
        let ((), answer) = tokio::join!(serving, router.ask(&question));
        let refusal = answer.unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Unavailable);
    }
}
