//! So many questions a second, in time whatever becomes of the answers; and which of them are missing.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send, setsockopt, sockopt};
use nix::sys::time::TimeVal;

/// How long an answer may take.
const LATE: Duration = Duration::from_secs(1);
/// What an asker who is this late makes up for.
const BEHIND: Duration = Duration::from_millis(20);
/// Numbers before they begin anew: answers are told apart by them.
const NUMBERS: usize = 1 << 16;
const ROOM: usize = 4 << 20;

/// How to ask and how to know an answer.
#[derive(Clone, Copy)]
pub(super) struct Speech {
    /// The question of this number.
    pub(super) ask: fn(u16) -> Vec<u8>,
    /// The number of the question that this answers.
    pub(super) answered: fn(&[u8]) -> Option<u16>,
}

/// What became of all questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// How many were asked.
    pub(super) asked: usize,
    /// How many were not answered.
    pub(super) missing: usize,
    /// The longest time in which no question that was asked then got an answer.
    pub(super) gap: Duration,
    /// How long was left out in all, since whoever asks was not let run: nobody makes up for that at once.
    pub(super) late: Duration,
}

/// Asks `per_second` questions on a connected socket while `work` is done, and a little before and after it.
///
/// # Errors
/// When the socket fails or `work` does.
pub(super) fn beat(
    socket: &OwnedFd,
    per_second: u32,
    speech: Speech,
    work: impl FnOnce() -> Result<()>,
) -> Result<Tally> {
    setsockopt(socket, sockopt::ReceiveTimeout, &TimeVal::new(0, 20_000))
        .context("not for ever")?;
    setsockopt(socket, sockopt::RcvBuf, &ROOM).context("room for answers")?;
    let (over, deaf) = (AtomicBool::new(false), AtomicBool::new(false));
    let (asked, answered, worked) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(socket, per_second, speech, &over));
        let hearing = scope.spawn(|| hear(socket, speech, &deaf));
        std::thread::sleep(LATE / 2);
        let worked = work();
        std::thread::sleep(LATE / 2);
        over.store(true, Ordering::Relaxed);
        let asked = asking.join();
        std::thread::sleep(LATE);
        deaf.store(true, Ordering::Relaxed);
        (asked, hearing.join(), worked)
    });
    let broken = |_| anyhow!("a thread came to an end by itself");
    let (asked, late) = asked.map_err(broken)?;
    let answered = answered.map_err(broken)?;
    worked?;
    ensure!(asked.len() < NUMBERS, "{} questions cannot be told apart", asked.len());
    Ok(Tally { late, ..tally(&asked, &answered) })
}

fn ask(
    socket: &OwnedFd,
    per_second: u32,
    speech: Speech,
    over: &AtomicBool,
) -> (Vec<Instant>, Duration) {
    let mut begin = Instant::now();
    let (mut times, mut late) = (Vec::new(), Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        let number = times.len();
        let due = begin + Duration::from_secs(1) * u32::try_from(number).unwrap_or(0) / per_second;
        let now = Instant::now();
        if let Some(early) = due.checked_duration_since(now) {
            std::thread::sleep(early);
            continue;
        }
        if now - due > BEHIND {
            late += now - due;
            begin += now - due;
        }
        let question = (speech.ask)(u16::try_from(number % NUMBERS).unwrap_or(0));
        // What cannot be sent is missed like what is lost; it is the box that refuses.
        let _ = send(socket.as_raw_fd(), &question, MsgFlags::empty());
        times.push(now);
    }
    (times, late)
}

fn hear(socket: &OwnedFd, speech: Speech, deaf: &AtomicBool) -> Vec<bool> {
    let mut answered = vec![false; NUMBERS];
    let mut room = [0; 2_048];
    while !deaf.load(Ordering::Relaxed) {
        match recv(socket.as_raw_fd(), &mut room, MsgFlags::empty()) {
            Ok(length) => {
                let number = room.get(..length).and_then(speech.answered);
                if let Some(seen) = number.and_then(|number| answered.get_mut(usize::from(number)))
                {
                    *seen = true;
                }
            }
            // Nothing yet, or an error of the network that tells of something missing.
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    answered
}

fn tally(asked: &[Instant], answered: &[bool]) -> Tally {
    let mut gap = Duration::ZERO;
    let mut missing = 0;
    let mut last = asked.first().copied();
    for (at, answered) in asked.iter().zip(answered) {
        if *answered {
            gap = gap.max(last.map_or(Duration::ZERO, |last| *at - last));
            last = Some(*at);
        } else {
            missing += 1;
        }
    }
    let end = asked.last().zip(last).map_or(Duration::ZERO, |(end, last)| *end - last);
    Tally { asked: asked.len(), missing, gap: gap.max(end), late: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted_and_the_gap_is_the_longest() {
        let begin = Instant::now();
        let asked: Vec<_> = (0..10).map(|n| begin + Duration::from_millis(n)).collect();
        let seen = |missing: &[usize]| {
            let answered: Vec<_> = (0..10).map(|n| !missing.contains(&n)).collect();
            let tally = tally(&asked, &answered);
            (tally.missing, tally.gap.as_millis())
        };
        assert_eq!(seen(&[]), (0, 1));
        assert_eq!(seen(&[4, 5]), (2, 3));
        assert_eq!(seen(&[0, 7, 8, 9]), (4, 3));
        assert_eq!(seen(&(0..10).collect::<Vec<_>>()), (10, 9));
    }
}
