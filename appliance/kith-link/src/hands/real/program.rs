//! The one program that the hands start: `nft`, with fixed arguments, text through a pipe, and bounds on
//! time and output.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::hands::HandsError;

/// The longest it may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The largest output that is taken, in bytes.
const LARGEST: u64 = 4 << 20;

/// Where it is. Not looked for in `PATH`: whoever can set that must not choose what runs.
const PLACES: [&str; 3] = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"];

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Whether it did what was asked.
    pub(crate) success: bool,
    /// What it said on standard output.
    pub(crate) output: String,
    /// What it complained about.
    pub(crate) complaint: String,
}

/// Runs `nft` with `arguments` and `input`.
///
/// # Errors
/// When it is not there, cannot be started, or takes too long; then it is killed.
pub(crate) async fn nft(arguments: &[&str], input: &str) -> Result<Outcome, HandsError> {
    let place = PLACES.iter().find(|place| Path::new(place).is_file());
    let place = place.ok_or_else(|| {
        HandsError::Missing("nft is not on this machine: install the package nftables".into())
    })?;
    match tokio::time::timeout(PATIENCE, run(place, arguments, input)).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(error)) => Err(HandsError::Refused(format!("{place} cannot be run: {error}"))),
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            Err(HandsError::Refused(format!("{place} did not finish within {seconds} seconds")))
        }
    }
}

async fn run(place: &str, arguments: &[&str], input: &str) -> std::io::Result<Outcome> {
    let mut child = Command::new(place)
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // One that ends before it has read all says why on the other pipe.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let ((), output, complaint) = tokio::join!(feed, drain(stdout), drain(stderr));
    let status = child.wait().await?;
    Ok(Outcome { success: status.success(), output: output?, complaint: complaint? })
}

/// All of a pipe; what is more than can be needed is read and thrown away, so that nobody waits.
async fn drain(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(LARGEST).read_to_end(&mut bytes).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
