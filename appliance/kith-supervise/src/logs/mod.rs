//! What everybody said lately: roles and daemons write lines, which are made harmless, rate-limited, kept in
//! a bounded ring and passed on to our own standard error.

mod forward;
pub(crate) mod pump;
mod ring;
mod text;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kith_model::log::LogPage;
use kith_role::clock::SystemClock;

use forward::Forwarder;
use ring::Ring;

/// The name of the supervisor's own lines.
const OWN: &str = "supervisor";

/// What is kept while somebody tries things out, in bytes.
pub const TRYOUT_BYTES: usize = 256 << 10;

/// What a box on a shelf keeps: enough for the hours before somebody looks.
pub const APPLIANCE_BYTES: usize = 2 << 20;

/// The log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Logs {
    ring: Arc<Mutex<Ring>>,
    forwarder: Forwarder,
    clock: SystemClock,
}

impl Default for Logs {
    fn default() -> Self {
        Self::new()
    }
}

impl Logs {
    /// An empty log that passes on to the standard error.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ring: Arc::new(Mutex::new(Ring::new(TRYOUT_BYTES))),
            forwarder: Forwarder::start(),
            clock: SystemClock::start(),
        }
    }

    /// Takes a line of the supervisor itself.
    pub fn say(&self, line: &[u8]) {
        self.hear(OWN, line, false);
    }

    /// A piece of what is kept.
    #[must_use]
    pub fn page(&self, after: Option<u64>, limit: u16) -> LogPage {
        self.ring().page(after, limit)
    }

    /// What somebody said last.
    pub(crate) fn last_of(&self, source: &str) -> Option<String> {
        self.ring().last_of(source)
    }

    /// Waits until what was said so far has been written, but not for long: nobody may be reading.
    pub fn flush(&self) {
        self.forwarder.flush(Duration::from_millis(500));
    }

    /// Keeps at most so many bytes from here on.
    pub(crate) fn set_capacity(&self, bytes: usize) {
        self.ring().set_capacity(bytes);
    }

    /// Takes a line of somebody; whether it was not too much. `named` lines are passed on with their
    /// source, as they say nothing of it themselves.
    pub(crate) fn hear(&self, source: &str, line: &[u8], named: bool) -> bool {
        if text::is_noise(source, line) {
            return true;
        }
        let (time, now) = (self.clock.wall().as_millis(), self.clock.now());
        let heard = self.ring().push((time, now), source, line);
        for text in &heard {
            self.forwarder.forward(if named {
                format!("{source}: {text}\n")
            } else {
                format!("{text}\n")
            });
        }
        !heard.is_empty()
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        // A ring is whole after every line, also when somebody broke in between.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
