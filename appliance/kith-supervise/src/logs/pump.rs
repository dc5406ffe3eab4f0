//! From a pipe to the log, line by line, for as long as somebody writes.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::Logs;

/// What is read at once, in bytes.
const CHUNK: usize = 4 << 10;

/// More of a line than this is not even remembered; what is kept of it is less.
const LONGEST: usize = 4 << 10;

/// How long somebody who talks too much waits for the next chunk: 80 kB/s cost us nothing, a loop that
/// writes as fast as it can would.
const SLOW: Duration = Duration::from_millis(50);

/// Whose lines they are.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The name in the log.
    pub(crate) name: String,
    /// Whether its lines say nothing of where they come from.
    pub(crate) named: bool,
}

/// Reads lines until the end of `pipe`.
pub(crate) async fn pump(mut pipe: impl AsyncRead + Unpin, source: Source, logs: Logs) {
    let mut lines = Lines::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match pipe.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        let mut fine = true;
        lines.take(&chunk[..read], |line| fine &= logs.hear(&source.name, line, source.named));
        if !fine {
            tokio::time::sleep(SLOW).await;
        }
    }
    lines.end(|line| {
        logs.hear(&source.name, line, source.named);
    });
}

/// Cuts bytes into lines, the longer ones short.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST - self.begun.len();
            self.begun.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end(&mut line);
            }
        }
    }

    fn end(&mut self, mut line: impl FnMut(&[u8])) {
        let whole = self.begun.strip_suffix(b"\n").unwrap_or(&self.begun);
        if !whole.is_empty() {
            line(whole);
        }
        self.begun.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let text = b"one\n\ntwo\nthree and more\nlast";
        for size in 1..text.len() {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            for piece in text.chunks(size) {
                lines.take(piece, |line| seen.push(line.to_vec()));
            }
            lines.end(|line| seen.push(line.to_vec()));
            assert_eq!(seen, [&b"one"[..], b"two", b"three and more", b"last"], "{size}");
        }
    }

    #[test]
    fn an_endless_line_takes_no_memory_and_the_next_is_whole() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for _ in 0..1_000 {
            lines.take(&[b'x'; 9_999], |line| seen.push(line.to_vec()));
            assert!(lines.begun.capacity() <= 2 * LONGEST);
        }
        lines.take(b"\nnext\n", |line| seen.push(line.to_vec()));
        assert_eq!(seen.len(), 2);
        assert_eq!((seen[0].len(), &seen[1][..]), (LONGEST, &b"next"[..]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_ends_up_in_the_log_with_its_source() {
        let logs = Logs::new();
        let source = Source { name: "dnsmasq-lan".into(), named: true };
        pump(&b"started\nusing \x1b[31mnothing\n"[..], source, logs.clone()).await;
        let page = logs.page(None, 9);
        let seen: Vec<_> = page.lines.iter().map(|l| (&*l.source, &*l.text)).collect();
        assert_eq!(
            seen,
            [("dnsmasq-lan", "started"), ("dnsmasq-lan", "using \u{fffd}[31mnothing")]
        );
    }
}
