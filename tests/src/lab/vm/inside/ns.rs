//! A network of its own: for somebody's device, or for the internet.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::lab::namespace::call;

/// A network namespace that `ip netns` knows.
#[derive(Clone, Debug)]
pub(crate) struct Ns {
    name: String,
}

impl Ns {
    /// Makes it, with nothing in it but loopback.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub(crate) fn new(name: &str) -> Result<Self> {
        call("ip", &["netns", "add", name])?;
        call("ip", &["-n", name, "link", "set", "lo", "up"])?;
        Ok(Self { name: name.to_owned() })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A program to be started in it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).stdin(Stdio::null());
        command
    }

    /// Runs a program in it to its end, whatever that is.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn output(&self, program: &str, words: &[&str]) -> Result<Output> {
        self.command(program).args(words).output().with_context(|| format!("start {program}"))
    }

    /// Runs a program in it, which must succeed; answers what it printed.
    ///
    /// # Errors
    /// When it fails; with what it said.
    pub(crate) fn run(&self, program: &str, words: &[&str]) -> Result<String> {
        let output = self.output(program, words)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("{}: {program} {}: {said}", self.name, words.join(" "));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// `ip WORDS` in it.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub(crate) fn ip(&self, words: &str) -> Result<()> {
        let words: Vec<&str> = words.split_whitespace().collect();
        call("ip", &[&["-n", &self.name][..], &words].concat()).map(drop)
    }

    /// Whether one of `count` pings or more, a fifth of a second apart, is answered within a second. Goes on
    /// at the first answer.
    ///
    /// # Errors
    /// When ping cannot be started.
    pub(crate) fn pings(&self, address: &str, count: u32) -> Result<bool> {
        let (start, least) = (Instant::now(), Duration::from_millis(200) * count);
        // It ends at an answer, at somebody's word that there will be none, and after a second.
        let words = ["-n", "-q", "-i", "0.2", "-w", "1", "-c", "1", address];
        loop {
            let answered = self.output("ping", &words)?.status.success();
            if answered || start.elapsed() >= least {
                return Ok(answered);
            }
        }
    }

    /// The page at `url`; nothing when nobody gives it one.
    ///
    /// # Errors
    /// When the program that asks cannot be started.
    pub(crate) fn page(&self, url: &str) -> Result<Option<String>> {
        let own = std::env::current_exe().context("find this program")?;
        // Who drops what is asked leaves it waiting.
        let words = ["8", own.to_str().context("a path in UTF-8")?, "vm-page", url];
        let output = self.output("timeout", &words)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(output.status.success().then_some(text))
    }

    /// How many of `count` pings are answered.
    ///
    /// # Errors
    /// When ping cannot be started, or its words are not understood.
    pub(crate) fn answered(&self, address: &str, count: u32) -> Result<u32> {
        let count = count.to_string();
        let words = ["-n", "-q", "-i", "0.2", "-W", "2", "-c", &count, address];
        let output = self.output("ping", &words)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        received(&said).with_context(|| format!("ping said {said:?}"))
    }

    /// A wire between this and another network.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub(crate) fn wire(&self, port: &str, other: &Self, other_port: &str) -> Result<()> {
        let (here, there) = (&self.name, &other.name);
        let wire = ["link", "add", port, "netns", here, "type", "veth", "peer", other_port];
        call("ip", &[&wire[..], &["netns", there]].concat())?;
        self.ip(&format!("link set {port} up"))?;
        other.ip(&format!("link set {other_port} up"))
    }
}

/// "3 packets transmitted, 2 received, …": 2.
fn received(said: &str) -> Option<u32> {
    let line = said.lines().find(|l| l.contains(" packets transmitted"))?;
    line.split(", ").find_map(|part| part.strip_suffix(" received"))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_are_counted_as_ping_says() {
        let said = "--- 10.0.0.1 ping statistics ---\n\
                    5 packets transmitted, 4 received, 20% packet loss, time 812ms\n";
        assert_eq!(received(said), Some(4));
        let lost = "5 packets transmitted, 0 received, +5 errors, 100% packet loss, time 9ms\n";
        assert_eq!(received(lost), Some(0));
        assert_eq!(received("ping: unknown host"), None);
    }
}
