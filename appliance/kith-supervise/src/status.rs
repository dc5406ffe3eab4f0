//! `STATE/supervise.sock`: tells whoever may open it how the roles are, also when the node is down.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use kith_model::role::{MAX_MESSAGE, SuperviseAsk, Supervision};
use kith_role::socket::{self, Channel, ChannelError, Guests};
use kith_role::users;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::logs::Logs;
use crate::run::chain;
use crate::safe::SafeMode;

/// The name of the socket in the state.
pub const SOCKET: &str = "supervise.sock";

/// How many may ask at once; the rest wait. Enough for a few terminals and a monitor.
const MAX_CLIENTS: usize = 8;

/// How long a client may take for its question, so that idle ones do not keep others out.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can be told.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) board: watch::Receiver<Supervision>,
    pub(crate) logs: Logs,
    pub(crate) safe_mode: SafeMode,
}

/// Answers for ever, the node as well if it has become a user of its own. Where the socket cannot be made the
/// roles go on without it.
pub(crate) async fn serve(state: &Path, drop: bool, desk: Desk) -> Infallible {
    let guests = Guests { group: users::SHARED, users: &[users::NODE] };
    let guests = drop.then_some(guests);
    let listener = match socket::bind_for(state, SOCKET, MAX_MESSAGE, guests) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(error = chain(&error), "the supervisor cannot be asked how it is");
            return std::future::pending().await;
        }
    };
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if clients.len() < MAX_CLIENTS => match accepted {
                Ok(channel) => {
                    clients.spawn(tokio::time::timeout(PATIENCE, answer(channel, desk.clone())));
                }
                Err(error) => {
                    tracing::warn!(%error, "somebody cannot ask the supervisor");
                    tokio::time::sleep(PATIENCE).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// One client; it is gone when it takes too long or says what nobody understands.
async fn answer(mut channel: Channel, desk: Desk) -> Result<(), ChannelError> {
    while let Some((ask, _)) = channel.receive::<SuperviseAsk>().await? {
        match ask {
            SuperviseAsk::Status => channel.send(&desk.supervision(), &[]).await?,
            SuperviseAsk::Logs { after, limit } => {
                channel.send(&desk.logs.page(after, limit), &[]).await?;
            }
            SuperviseAsk::EndSafeMode => {
                desk.safe_mode.end();
                channel.send(&desk.supervision(), &[]).await?;
            }
        }
    }
    Ok(())
}

impl Desk {
    fn supervision(&self) -> Supervision {
        Supervision { safe_mode: self.safe_mode.reason(), ..self.board.borrow().clone() }
    }
}
