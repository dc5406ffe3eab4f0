//! How a change goes: `staged -> armed -> applied -> confirmed | reverted`, against a clock that nobody
//! sets.
//!
//! The deadline counts the time since the box started (`CLOCK_BOOTTIME`), so it passes at the same moment
//! whatever the wall clock does, and no deadline outlives a restart of the box.

use std::time::Duration;

use kith_core::time::Instant;
use kith_model::network::change::{
    CONFIRM_SECONDS_MOST, ChangeState, ChangeStatus, EXTEND_SECONDS,
};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::sentence::Sentence;

use super::document::{self, Document};
use crate::store::Armed;

/// The boot that this process runs in, and how its clock relates to the machine's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// `/proc/sys/kernel/random/boot_id`.
    pub id: String,
    /// `CLOCK_BOOTTIME` at `at`, in milliseconds.
    pub since_ms: u64,
    /// The machine's clock at that moment.
    pub at: Instant,
}

impl Boot {
    /// Milliseconds since the box started.
    #[must_use]
    pub fn ms(&self, now: Instant) -> u64 {
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        self.since_ms.saturating_add(passed)
    }

    /// The moment that many milliseconds after the box started; the past is as good as `at`.
    #[must_use]
    pub fn instant(&self, ms: u64) -> Instant {
        self.at + Duration::from_millis(ms.saturating_sub(self.since_ms))
    }
}

/// A change that somebody wants, checked and reviewed.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub(super) who: String,
    pub(super) document: Document,
    pub(super) base: String,
    pub(super) words: Vec<Sentence>,
    pub(super) moves_to: Option<String>,
    /// The sha2-256 of its token; nothing when it needs no confirmation.
    pub(super) token: Option<String>,
    /// For how long it waits for its confirmation.
    pub(super) seconds: u32,
}

/// A change under way.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) armed: Armed,
    pub(super) document: Document,
    /// Whether all of it has been tried.
    pub(super) applied: bool,
    /// Whether all of it worked.
    pub(super) flawless: bool,
}

#[derive(Clone, Debug)]
enum Phase {
    Idle,
    /// Being written; nothing has been done yet.
    Arming(Box<Waiting>),
    /// On flash; being carried out, or waiting for its confirmation.
    Waiting(Box<Waiting>),
    /// Being kept: the deadline no longer counts.
    Keeping(Box<Waiting>),
}

/// What a start finds.
#[derive(Debug)]
pub(super) enum Found {
    /// No change was under way.
    Nothing,
    /// One waits on.
    GoesOn,
    /// One has to be taken back, and why.
    TakeBack(Box<Armed>, &'static str),
}

/// The change under way, and the last one.
#[derive(Debug)]
pub(super) struct Transaction {
    boot: Boot,
    phase: Phase,
    last: Option<ChangeStatus>,
}

impl Transaction {
    pub(super) fn new(boot: Boot, last: Option<ChangeStatus>) -> Self {
        Self { boot, phase: Phase::Idle, last }
    }

    /// Goes on with what was found on flash, if its deadline is ahead in this very boot.
    pub(super) fn resume(&mut self, now: Instant, armed: Option<Armed>, safe: bool) -> Found {
        let Some(armed) = armed else { return Found::Nothing };
        let ms = self.boot.ms(now);
        let ahead = armed.deadline_ms.saturating_sub(ms);
        let why = if armed.boot != self.boot.id {
            "the box was started again before anybody confirmed it"
        } else if ahead == 0 {
            "nobody confirmed it in time"
        } else if ahead > u64::from(CONFIRM_SECONDS_MOST) * 1_000 || armed.since_ms > ms {
            "its deadline made no sense"
        } else if safe {
            "the box failed too often with it"
        } else if let Ok(document) = Document::read(&armed.text)
            && document.revision == armed.revision
        {
            let waiting = Waiting { armed, document, applied: false, flawless: false };
            self.phase = Phase::Waiting(Box::new(waiting));
            return Found::GoesOn;
        } else {
            "it cannot be read any more"
        };
        Found::TakeBack(Box::new(armed), why)
    }

    /// Begins a change; the answer is to be made durable, then [`Self::armed`] follows.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        wall: u64,
        proposal: Proposal,
    ) -> Result<Armed, Refusal> {
        if let Some(waiting) = self.waiting() {
            return Err(under_way(&waiting.armed));
        }
        let seconds = proposal.seconds.clamp(1, CONFIRM_SECONDS_MOST);
        let ms = self.boot.ms(now);
        let armed = Armed {
            id: self.last.as_ref().map_or(0, |last| last.id) + 1,
            boot: self.boot.id.clone(),
            since_ms: ms,
            deadline_ms: ms + u64::from(seconds) * 1_000,
            token: proposal.token,
            base: proposal.base,
            revision: proposal.document.revision.clone(),
            text: proposal.document.text.clone(),
            who: proposal.who,
            words: proposal.words,
            at: wall,
            moves_to: proposal.moves_to,
        };
        self.phase = Phase::Arming(Box::new(Waiting {
            armed: armed.clone(),
            document: proposal.document,
            applied: false,
            flawless: false,
        }));
        Ok(armed)
    }

    /// The change is durable, and may begin; or it is not, and never was.
    pub(super) fn armed(&mut self, durable: bool) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Arming(waiting) if durable => Phase::Waiting(waiting),
            Phase::Arming(_) => Phase::Idle,
            other @ (Phase::Idle | Phase::Waiting(_) | Phase::Keeping(_)) => other,
        };
    }

    /// All of it has been tried; `flawless` says whether it worked.
    pub(super) fn applied(&mut self, flawless: bool) {
        if let Phase::Waiting(waiting) = &mut self.phase {
            waiting.applied = true;
            waiting.flawless = flawless;
        }
    }

    /// Whether a change waits that needs nobody's confirmation and has worked.
    pub(super) fn keeps_itself(&self) -> bool {
        matches!(&self.phase, Phase::Waiting(w) if w.armed.token.is_none() && w.flawless)
    }

    /// Checks a token.
    pub(super) fn check(&self, token: &str) -> Result<(), Refusal> {
        let waiting = match &self.phase {
            Phase::Waiting(waiting) => waiting,
            Phase::Idle | Phase::Arming(_) => return Err(nothing_waits(self.last.as_ref())),
            Phase::Keeping(_) => {
                return Err(Refusal::new(
                    RefusalKind::Conflict,
                    "the change is being kept already",
                ));
            }
        };
        let given = hash(token);
        match &waiting.armed.token {
            Some(wanted) if same(wanted.as_bytes(), given.as_bytes()) => {}
            Some(_) | None => {
                return Err(Refusal::new(
                    RefusalKind::WrongSecret,
                    "this is not the token of the change that waits; look at the changes again",
                ));
            }
        }
        if !waiting.applied {
            return Err(Refusal {
                retry_after: Some(2),
                ..Refusal::new(
                    RefusalKind::Conflict,
                    "the change is still being carried out; confirm it in a few seconds",
                )
            });
        }
        Ok(())
    }

    /// The change is to be kept: from here on only the disk decides.
    pub(super) fn keep(&mut self) -> Option<Waiting> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Waiting(waiting) => {
                let kept = (*waiting).clone();
                self.phase = Phase::Keeping(waiting);
                Some(kept)
            }
            other @ (Phase::Idle | Phase::Arming(_) | Phase::Keeping(_)) => {
                self.phase = other;
                None
            }
        }
    }

    /// The disk has kept it, or not: then it goes on waiting.
    pub(super) fn kept(&mut self, durable: bool, last: ChangeStatus) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Keeping(waiting) if !durable => Phase::Waiting(waiting),
            Phase::Keeping(_) => {
                self.last = Some(last);
                Phase::Idle
            }
            other @ (Phase::Idle | Phase::Arming(_) | Phase::Waiting(_)) => other,
        };
    }

    /// Takes the change back, from this moment on.
    pub(super) fn revert(&mut self, wall: u64, reason: Sentence) -> Result<ChangeStatus, Refusal> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Waiting(waiting) => Ok(self.reverted(&waiting.armed, wall, reason)),
            Phase::Keeping(waiting) => {
                self.phase = Phase::Keeping(waiting);
                Err(Refusal::new(RefusalKind::Conflict, "the change is being kept already"))
            }
            other @ (Phase::Idle | Phase::Arming(_)) => {
                self.phase = other;
                Err(nothing_waits(self.last.as_ref()))
            }
        }
    }

    /// Remembers that a change was taken back.
    pub(super) fn reverted(&mut self, armed: &Armed, wall: u64, reason: Sentence) -> ChangeStatus {
        let ended = ended(armed, ChangeState::Reverted, wall, Some(reason));
        self.last = Some(ended.clone());
        ended
    }

    /// The change with a later deadline; to be made durable, then [`Self::extended`] follows.
    pub(super) fn extend(&self, now: Instant) -> Result<Armed, Refusal> {
        let Phase::Waiting(waiting) = &self.phase else {
            return Err(nothing_waits(self.last.as_ref()));
        };
        let most = waiting.armed.since_ms + u64::from(CONFIRM_SECONDS_MOST) * 1_000;
        let later = waiting.armed.deadline_ms + u64::from(EXTEND_SECONDS) * 1_000;
        if waiting.armed.deadline_ms >= most || self.boot.ms(now) >= waiting.armed.deadline_ms {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                "a change waits for an hour at most; keep it, or take it back and try again",
            ));
        }
        Ok(Armed { deadline_ms: later.min(most), ..waiting.armed.clone() })
    }

    /// The later deadline is durable.
    pub(super) fn extended(&mut self, armed: Armed) {
        if let Phase::Waiting(waiting) = &mut self.phase {
            waiting.armed = armed;
        }
    }

    /// The change that waits, once it may be carried out.
    pub(super) fn target(&self) -> Option<&Document> {
        match &self.phase {
            Phase::Waiting(waiting) | Phase::Keeping(waiting) => Some(&waiting.document),
            Phase::Idle | Phase::Arming(_) => None,
        }
    }

    pub(super) fn waiting(&self) -> Option<&Waiting> {
        match &self.phase {
            Phase::Arming(waiting) | Phase::Waiting(waiting) | Phase::Keeping(waiting) => {
                Some(waiting)
            }
            Phase::Idle => None,
        }
    }

    /// When the change is taken back, while it waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting(waiting) => Some(self.boot.instant(waiting.armed.deadline_ms)),
            Phase::Idle | Phase::Arming(_) | Phase::Keeping(_) => None,
        }
    }

    /// The change under way, or the last one, as people see it.
    pub(super) fn status(&self, now: Instant) -> Option<ChangeStatus> {
        let waiting = match &self.phase {
            Phase::Waiting(waiting) | Phase::Keeping(waiting) | Phase::Arming(waiting) => waiting,
            Phase::Idle => return self.last.clone(),
        };
        let left = waiting.armed.deadline_ms.saturating_sub(self.boot.ms(now)).div_ceil(1_000);
        let state = if waiting.applied { ChangeState::Applied } else { ChangeState::Armed };
        Some(ChangeStatus {
            seconds_left: Some(u32::try_from(left).unwrap_or(u32::MAX)),
            ended_at: None,
            ..ended(&waiting.armed, state, 0, None)
        })
    }
}

/// A change that has ended like this.
pub(super) fn ended(
    armed: &Armed,
    state: ChangeState,
    at: u64,
    reason: Option<Sentence>,
) -> ChangeStatus {
    ChangeStatus {
        id: armed.id,
        state,
        who: armed.who.clone(),
        applied_at: Some(armed.at),
        seconds_left: None,
        ended_at: Some(at),
        words: armed.words.clone(),
        reason,
        moves_to: armed.moves_to.clone(),
    }
}

/// What is kept of a token.
pub(super) fn hash(token: &str) -> String {
    document::digest(&[token.as_bytes()])
}

/// Compares without stopping at the first difference.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

fn under_way(armed: &Armed) -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        format!(
            "a change by {} is under way; keep it, take it back, or wait until it is decided",
            armed.who
        ),
    )
}

fn nothing_waits(last: Option<&ChangeStatus>) -> Refusal {
    let message = match last {
        Some(last) if last.state == ChangeState::Reverted => format!(
            "no change waits: the last one was taken back, because {}",
            last.reason.as_deref().unwrap_or("somebody wanted it so")
        ),
        Some(last) if last.state == ChangeState::Confirmed => {
            "no change waits: the last one is kept".to_owned()
        }
        Some(_) | None => "no change waits".to_owned(),
    };
    Refusal::new(RefusalKind::Conflict, message)
}
