//! Whether dhcpcd answers: its control socket is asked what it looks after (`--getinterfaces`).
//!
//! Of its processes one speaks on the socket and another DHCP. This is the question that the first passes on
//! to the second and that anybody may ask; what the answer says does not matter.

use std::io;
use std::path::Path;
use std::time::Duration;

use kith_model::settings::values::InterfaceName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Where dhcpcd makes its sockets, by its own choice.
const FOLDER: &str = "/run/dhcpcd";

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The question, as one word of a line.
const QUESTION: &[u8] = b"--getinterfaces\n\0";

/// Whether the one that looks after `device` answers; nothing when it cannot be asked, as while it begins.
pub(crate) async fn answers(device: &InterfaceName) -> Option<bool> {
    answers_in(Path::new(FOLDER), device).await
}

async fn answers_in(folder: &Path, device: &InterfaceName) -> Option<bool> {
    // By the protocols it speaks: both, or only one.
    for protocols in ["", "-4", "-6"] {
        let path = folder.join(format!("{device}{protocols}.unpriv.sock"));
        match tokio::time::timeout(PATIENCE, ask(&path)).await {
            Ok(Ok(())) => return Some(true),
            // What one that was killed left behind, and what is not there.
            Ok(Err(_)) => {}
            Err(_) => return Some(false),
        }
    }
    None
}

async fn ask(path: &Path) -> io::Result<()> {
    let mut socket = UnixStream::connect(path).await?;
    socket.write_all(QUESTION).await?;
    // How many answers follow, as a number of the machine's own size.
    let mut count = [0; size_of::<usize>()];
    socket.read_exact(&mut count).await.map(drop)
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    fn device() -> InterfaceName {
        "eth0".parse().unwrap()
    }

    #[tokio::test]
    async fn one_that_answers_is_told_from_one_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(answers_in(folder.path(), &device()).await, None);
        let path = folder.path().join("eth0-4.unpriv.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut heard = [0; QUESTION.len()];
            socket.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, QUESTION);
            socket.write_all(&2_usize.to_ne_bytes()).await.unwrap();
        };
        let device = device();
        let (answer, ()) = tokio::join!(answers_in(folder.path(), &device), serve);
        assert_eq!(answer, Some(true));
        drop(listener);
        assert_eq!(answers_in(folder.path(), &device).await, None, "only its socket is left");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_does_not_answer() {
        let folder = tempfile::tempdir().unwrap();
        let _hung = UnixListener::bind(folder.path().join("eth0.unpriv.sock")).unwrap();
        assert_eq!(answers_in(folder.path(), &device()).await, Some(false));
    }
}
