//! The hardware watchdog of a box on a shelf: fed as long as the box is worth keeping up, so that one that
//! is not starts anew.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::role::{RoleState, RoleStatus, Supervision};
use kith_role::clock::SystemClock;
use tokio::sync::watch;

/// The device.
const DEVICE: &str = "/dev/watchdog";

/// How often it is fed. The shortest common watchdog bites after 15 s (Raspberry Pi).
const EVERY: Duration = Duration::from_secs(5);

/// How long a role may take to serve: the index of a large store is made anew on a slow card, and a role
/// that fails is first tried in safe mode. What does not serve after that is not helped by waiting.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Decides whether the box is worth keeping up.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Since when a role does not serve.
    down: BTreeMap<String, Instant>,
}

impl Health {
    /// Whether to feed it, now that the roles are like this. A role that hangs is not serving: it has been
    /// killed by its policy within [`kith_model::role::HUNG_SECONDS`]. That this is asked at all says that
    /// the supervisor's own loop turns.
    pub(crate) fn is_good(&mut self, now: Instant, roles: &[RoleStatus]) -> bool {
        for role in roles {
            match role.state {
                RoleState::Ready | RoleState::Stopping => {
                    self.down.remove(&role.role);
                }
                RoleState::Starting | RoleState::Waiting | RoleState::GivenUp => {
                    self.down.entry(role.role.clone()).or_insert(now);
                }
            }
        }
        self.down.values().all(|since| now.since(*since) < PATIENCE)
    }
}

/// The device, fed until it is told that all is over. When this is dropped otherwise, it bites.
#[derive(Debug)]
pub(crate) struct Watchdog {
    device: File,
}

impl Watchdog {
    /// Opens the device, which arms it; nothing where there is none.
    pub(crate) fn open() -> Option<Self> {
        match Self::open_at(Path::new(DEVICE)) {
            Ok(watchdog) => Some(watchdog),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, "the watchdog cannot be used");
                None
            }
        }
    }

    fn open_at(path: &Path) -> io::Result<Self> {
        Ok(Self { device: OpenOptions::new().write(true).open(path)? })
    }

    /// Feeds it for ever, as long as all is well.
    pub(crate) async fn feed(
        &mut self,
        clock: SystemClock,
        board: watch::Receiver<Supervision>,
    ) -> Infallible {
        let mut health = Health::default();
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            ticks.tick().await;
            if !health.is_good(clock.now(), &board.borrow().roles) {
                tracing::error!(
                    "a role has not served for too long: the watchdog is no longer fed"
                );
                std::future::pending::<()>().await;
            }
            if let Err(error) = self.device.write_all(b"\0") {
                tracing::warn!(%error, "the watchdog cannot be fed");
            }
        }
    }

    /// Disarms it: this end is wanted ("magic close").
    pub(crate) fn close(mut self) {
        if let Err(error) = self.device.write_all(b"V") {
            tracing::warn!(%error, "the watchdog cannot be disarmed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_worth_keeping_while_its_roles_serve_or_may_come_to_it() {
        let mut health = Health::default();
        let mut now = Instant::ZERO;
        let start = [role("link", RoleState::Starting), role("node", RoleState::Starting)];
        assert!(health.is_good(now, &start));
        now = now + PATIENCE - EVERY;
        assert!(health.is_good(now, &start), "a long start");
        let fine = [role("link", RoleState::Ready), role("node", RoleState::Ready)];
        assert!(health.is_good(now, &fine));
        // A role that fails again and again without serving in between is down all that time.
        for _ in 0..1_000 {
            now = now + Duration::from_millis(500);
            health
                .is_good(now, &[role("link", RoleState::Waiting), role("node", RoleState::Ready)]);
            now = now + Duration::from_millis(500);
            health
                .is_good(now, &[role("link", RoleState::Starting), role("node", RoleState::Ready)]);
        }
        assert!(!health.is_good(now, &start[..1]));
        assert!(health.is_good(now, &fine), "until it serves after all");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_fed_while_all_is_well_and_not_when_it_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("watchdog");
        std::fs::write(&path, "").unwrap();
        let fed = || std::fs::read(&path).unwrap().len();
        let (board, watching) = watch::channel(Supervision::default());
        let clock = SystemClock::start();
        let mut watchdog = Watchdog::open_at(&path).unwrap();
        let hour = Duration::from_secs(3_600);
        board.send_modify(|board| board.roles = vec![role("node", RoleState::Ready)]);
        tokio::time::timeout(hour, watchdog.feed(clock, watching.clone())).await.unwrap_err();
        assert!((715..=721).contains(&fed()), "{}", fed());
        board.send_modify(|board| board.roles = vec![role("node", RoleState::Waiting)]);
        let before = fed();
        tokio::time::timeout(hour, watchdog.feed(clock, watching)).await.unwrap_err();
        assert!(fed() - before <= 180, "{}", fed() - before);
        assert!(!std::fs::read(&path).unwrap().contains(&b'V'), "it stays armed");
        watchdog.close();
        assert_eq!(std::fs::read(&path).unwrap().last(), Some(&b'V'));
    }

    #[test]
    fn where_there_is_no_device_there_is_no_watchdog() {
        let missing = Watchdog::open_at(Path::new("/nonexistent/watchdog")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    fn role(name: &str, state: RoleState) -> RoleStatus {
        let role = name.to_owned();
        RoleStatus { role, state, pid: None, since: 0, restarts: 0, last_end: None }
    }
}
