//! A written record of a lab, as Markdown that a person can follow.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

/// Says what happens as it happens, and keeps it.
#[derive(Debug)]
pub struct Transcript {
    text: String,
    start: Instant,
}

impl Transcript {
    /// Begins with a title and a paragraph.
    #[must_use]
    pub fn new(title: &str, about: &str) -> Self {
        let mut this = Self { text: String::new(), start: Instant::now() };
        this.line(&format!("# {title}\n\n{about}\n"));
        this
    }

    /// A heading.
    pub fn chapter(&mut self, title: &str) {
        self.line(&format!("## {title}\n"));
    }

    /// A sentence with the seconds since the start.
    pub fn say(&mut self, sentence: &str) {
        let at = self.start.elapsed().as_secs_f32();
        self.line(&format!("{at:.2} s: {sentence}.\n"));
    }

    /// A command on a box, and what it answered.
    pub fn command(&mut self, at: &str, words: &[&str], answer: &str) {
        let words: Vec<String> = words.iter().map(|w| quoted(w)).collect();
        let mut block = format!("```\n{at}$ kith {}\n", words.join(" "));
        for line in answer.lines() {
            let _ = writeln!(block, "{}", shorten(line.trim_end()));
        }
        block.push_str("```\n");
        self.line(&block);
    }

    /// Writes it down where `$KITH_TRANSCRIPTS` says, if it says so.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, name: &str) -> Result<()> {
        let Some(folder) = std::env::var_os("KITH_TRANSCRIPTS") else { return Ok(()) };
        let path = Path::new(&folder).join(format!("{name}.md"));
        std::fs::write(&path, &self.text).with_context(|| format!("write {}", path.display()))
    }

    fn line(&mut self, line: &str) {
        println!("{line}");
        self.text.push_str(line);
        self.text.push('\n');
    }
}

fn quoted(word: &str) -> String {
    if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() }
}

/// Codes and keys need not be read in full.
fn shorten(line: &str) -> String {
    if line.chars().count() <= 160 {
        return line.to_owned();
    }
    let start: String = line.chars().take(110).collect();
    format!("{start} … ({} characters)", line.chars().count())
}
