//! The bounded memory of the log, without clocks or files: the oldest lines go, and nobody can push out
//! everybody else's by talking.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::log::{LogLevel, LogLine, LogPage, MAX_LINES};

use super::text;

/// How many lines one source may say at once.
const BURST: u32 = 300;

/// How long a source waits for one more line: 30 a second.
const EVERY: Duration = Duration::from_micros(33_333);

/// What a line costs beside its text.
const OVERHEAD: usize = 96;

/// What may be in one answer: it is a message of at most 64 KiB, and a line takes a little more in it.
const PAGE: usize = 40 << 10;

/// The lines.
#[derive(Debug)]
pub(super) struct Ring {
    capacity: usize,
    used: usize,
    lines: VecDeque<LogLine>,
    newest: u64,
    talkers: BTreeMap<String, Talker>,
}

/// How much somebody may still say (a token bucket).
#[derive(Debug)]
struct Talker {
    left: u32,
    since: Instant,
    /// Lines that were left out since the last that was not.
    left_out: u64,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        let (lines, talkers) = (VecDeque::new(), BTreeMap::new());
        Self { capacity, used: 0, lines, newest: 0, talkers }
    }

    pub(super) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.shrink();
    }

    /// Keeps a line, and answers what is worth passing on: nothing when its source talks too much, and
    /// how much was left out when it is heard again. `time` is the wall clock's, in milliseconds.
    pub(super) fn push(
        &mut self,
        (time, now): (u64, Instant),
        source: &str,
        raw: &[u8],
    ) -> Vec<String> {
        let talker = self.talkers.entry(source.to_owned()).or_insert(Talker {
            left: BURST,
            since: now,
            left_out: 0,
        });
        if !talker.may(now) {
            talker.left_out += 1;
            return Vec::new();
        }
        let mut heard = Vec::new();
        let left_out = std::mem::take(&mut talker.left_out);
        if left_out > 0 {
            let text = format!("{left_out} lines of {source} were left out: it says too much");
            self.keep(time, source, (LogLevel::Warn, &text));
            heard.push(text);
        }
        let text = text::plain(raw);
        self.keep(time, source, text::level(&text));
        heard.push(text);
        heard
    }

    fn keep(&mut self, time: u64, source: &str, (level, text): (LogLevel, &str)) {
        self.newest += 1;
        let line = LogLine {
            seq: self.newest,
            time,
            source: source.to_owned(),
            level,
            text: text.to_owned(),
        };
        self.used += cost(&line);
        self.lines.push_back(line);
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.used > self.capacity
            && let Some(line) = self.lines.pop_front()
        {
            self.used -= cost(&line);
        }
    }

    pub(super) fn last_of(&self, source: &str) -> Option<String> {
        self.lines.iter().rev().find(|line| line.source == source).map(|line| line.text.clone())
    }

    /// Lines after `after`, or the newest; at most `limit`, and at most what fits into a message.
    pub(super) fn page(&self, after: Option<u64>, limit: u16) -> LogPage {
        let limit = usize::from(limit.min(MAX_LINES));
        let mut budget = PAGE;
        let mut fits = |line: &&LogLine| {
            let fits = cost(line) <= budget;
            budget = budget.saturating_sub(cost(line));
            fits
        };
        let Some(after) = after else {
            let newest = self.lines.iter().rev().take(limit).take_while(&mut fits);
            let mut lines: Vec<_> = newest.cloned().collect();
            lines.reverse();
            return LogPage { lines, next: self.newest, missed: 0 };
        };
        // A number from before a restart of the supervisor: everything is new then.
        let after = if after > self.newest { 0 } else { after };
        let lines: Vec<_> = self
            .lines
            .iter()
            .skip_while(|line| line.seq <= after)
            .take(limit)
            .take_while(&mut fits)
            .cloned()
            .collect();
        let oldest = self.lines.front().map_or(self.newest + 1, |line| line.seq);
        let next = lines.last().map_or(after, |line| line.seq);
        LogPage { lines, next, missed: oldest.saturating_sub(after + 1) }
    }
}

fn cost(line: &LogLine) -> usize {
    OVERHEAD + line.source.len() + line.text.len()
}

impl Talker {
    fn may(&mut self, now: Instant) -> bool {
        let earned = now.since(self.since).as_micros() / EVERY.as_micros();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(BURST);
            self.since = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_ring_never_holds_more_than_it_may_and_keeps_the_newest() {
        let mut ring = Ring::new(10_000);
        let mut now = Instant::ZERO;
        for i in 0..10_000 {
            now = now + SECOND;
            ring.push((i, now), "node", "x".repeat(usize::try_from(i % 3_000).unwrap()).as_bytes());
            assert!(ring.used <= 10_000);
            assert_eq!(ring.used, ring.lines.iter().map(cost).sum::<usize>());
        }
        assert_eq!(ring.lines.back().unwrap().seq, 10_000);
        ring.set_capacity(0);
        assert_eq!((ring.used, ring.lines.len()), (0, 0));
        assert_eq!(ring.page(Some(7), 9).missed, 9_993);
    }

    #[test]
    fn one_that_talks_too_much_is_cut_short_and_the_others_are_heard() {
        let mut ring = Ring::new(1 << 20);
        let said = |ring: &mut Ring, source, times| {
            (0..times)
                .filter(|_| !ring.push((0, Instant::ZERO), source, b"hello").is_empty())
                .count()
        };
        assert_eq!(said(&mut ring, "hostapd-phy0", 10_000), 300);
        assert_eq!(said(&mut ring, "node", 10), 10);
        let heard = ring.push((0, Instant::ZERO + SECOND), "hostapd-phy0", b"again");
        assert_eq!(heard, ["9700 lines of hostapd-phy0 were left out: it says too much", "again"]);
    }

    #[test]
    fn what_is_earned_is_thirty_lines_a_second_and_no_more_than_the_burst() {
        let mut ring = Ring::new(1 << 20);
        let mut now = Instant::ZERO;
        let mut heard = 0;
        for _ in 0..60_000 {
            now = now + Duration::from_millis(1);
            heard += usize::from(!ring.push((0, now), "node", b"x").is_empty());
        }
        // Each minute: the burst and 30 a second, less what rounding costs.
        assert!((1_900..=2_110).contains(&heard), "{heard}");
    }

    #[test]
    fn a_reader_gets_every_line_once_and_in_order() {
        let mut ring = Ring::new(1 << 20);
        let mut now = Instant::ZERO;
        for i in 0_u64..1_000 {
            now = now + SECOND;
            ring.push((i, now), "node", format!("{i} {}", "x".repeat(500)).as_bytes());
        }
        let (mut after, mut seen) = (Some(0), Vec::new());
        loop {
            let page = ring.page(after, MAX_LINES);
            assert_eq!(page.missed, 0);
            if page.lines.is_empty() {
                break;
            }
            after = Some(page.next);
            seen.extend(page.lines.iter().map(|line| line.seq));
        }
        assert_eq!(seen, (1..=1_000).collect::<Vec<_>>());
        let newest = ring.page(None, 3);
        assert_eq!(newest.lines.iter().map(|l| l.seq).collect::<Vec<_>>(), [998, 999, 1_000]);
        assert_eq!(newest.next, 1_000);
        assert_eq!(ring.page(Some(5_000), 1).lines[0].seq, 1, "the supervisor was started again");
    }

    #[test]
    fn the_largest_page_fits_into_a_message() {
        let mut ring = Ring::new(1 << 20);
        let mut now = Instant::ZERO;
        for i in 0..2_000 {
            now = now + SECOND;
            // Short lines have the largest part that is not text.
            let line = if i < 1_000 { "x".repeat(2_000) } else { "x".to_owned() };
            ring.push((u64::MAX - i, now), "wpa_supplicant-kith-mesh0", line.as_bytes());
        }
        for after in [None, Some(0), Some(500), Some(990), Some(1_200)] {
            let page = ring.page(after, u16::MAX);
            let bytes = kith_core::wire::cbor::encode(&page).len();
            assert!(bytes < kith_model::role::MAX_MESSAGE, "{after:?}: {bytes}");
        }
    }
}
