//! What all requests share: the node, the settings, and a few bounded memories.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kith_model::status::Status;
use tokio::sync::Semaphore;

use crate::Config;
use crate::backend::Backend;
use crate::body::Rooms;
use crate::flash::Flashes;
use crate::spark::Drawn;
use crate::waiting::Waiting;

/// Shared by all requests.
pub(crate) struct App {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) config: Config,
    pub(crate) flashes: Flashes,
    pub(crate) waiting: Waiting,
    /// The curves of the overview.
    pub(crate) drawn: Drawn,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) rooms: Rooms,
}

impl App {
    pub(crate) fn new(backend: Arc<dyn Backend>, config: Config) -> Self {
        let streams = Arc::new(Semaphore::new(config.max_streams));
        Self {
            backend,
            config,
            flashes: Flashes::default(),
            waiting: Waiting::default(),
            drawn: Drawn::default(),
            streams,
            rooms: Rooms::default(),
        }
    }

    pub(crate) fn status(&self) -> Arc<Status> {
        self.backend.status().borrow().clone()
    }

    /// The present in milliseconds since 1970, never before what the box believes.
    pub(crate) fn now(&self) -> u64 {
        #[expect(
            clippy::disallowed_methods,
            reason = "“3 min ago” needs a clock, and the panel is a hand"
        )]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(self.status().time)
    }
}

/// A secret of 128 random bits as text.
pub(crate) fn random_token() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(data_encoding::BASE64URL_NOPAD.encode(&bytes))
}
