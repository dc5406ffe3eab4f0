//! The control sockets of daemons. Those of hostapd and wpa_supplicant: a line there, an answer back; dhcpcd
//! has a way of its own ([`dhcpcd::control`]).
//!
//! Each daemon has its sockets in `RUN/link/ctrl/DAEMON/`, one for each interface. Ours has no name in the
//! file system: the kernel gives it one (abstract), so nothing is left behind and nobody needs a right
//! on it to answer.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::Duration;

use kith_model::daemon::{DaemonId, Program};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket};
use rustix::fs::{Dir, FileType, Mode, OFlags};
use tokio::net::UnixDatagram;

use super::dhcpcd;
use super::files::Files;
use crate::hands::HandsError;
use crate::names::CONTROL;
use crate::render::hostapd;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The largest answer that is read, in bytes. Theirs are cut at 4,096.
const LARGEST: usize = 16 << 10;

/// The largest file of a daemon, in bytes.
const LARGEST_FILE: u64 = 256 << 10;

/// More sockets than a daemon has interfaces.
const MOST: usize = 32;

/// Whether a program has a control socket.
pub(crate) const fn has_socket(program: Program) -> bool {
    match program {
        Program::Hostapd | Program::WpaSupplicant | Program::Dhcpcd => true,
        Program::Dnsmasq => false,
    }
}

/// Whether a daemon answers.
pub(crate) async fn answers(files: &Files, daemon: &DaemonId) -> bool {
    if daemon.program == Program::Dhcpcd {
        // It is not there before dhcpcd has begun; who cannot be asked is not found silent.
        return dhcpcd::control::answers(&daemon.instance).await.unwrap_or(true);
    }
    ask(files, daemon, None, "PING").await.is_ok_and(|answer| answer.trim() == "PONG")
}

/// Lets a daemon take what changed in its file. hostapd 2.10 reads its file only at its start, so it is told
/// what is in it, each network on its own socket, and takes all of it at the end.
pub(crate) async fn reload(files: &Files, daemon: &DaemonId) -> Result<(), HandsError> {
    match daemon.program {
        Program::WpaSupplicant => told(files, daemon, None, "RECONFIGURE").await,
        Program::Hostapd => {
            let path = daemon.file();
            let missing =
                || HandsError::Missing(format!("{path} is not there: {daemon} has no file"));
            let file = files.read(&path, LARGEST_FILE).ok_or_else(missing)?;
            for (interface, commands) in hostapd::told(&String::from_utf8_lossy(&file)) {
                for command in commands {
                    told(files, daemon, Some(&interface), &command).await?;
                }
            }
            told(files, daemon, None, "RELOAD").await
        }
        Program::Dnsmasq | Program::Dhcpcd => Err(no_socket(daemon)),
    }
}

/// Lets a supplicant leave its mesh and join it again.
pub(crate) async fn rejoin(files: &Files, daemon: &DaemonId) -> Result<(), HandsError> {
    told(files, daemon, None, "DISCONNECT").await?;
    told(files, daemon, None, "RECONNECT").await
}

/// For how many more seconds an access point waits for radar (DFS), if it does.
pub(crate) async fn radar_wait(files: &Files, daemon: &DaemonId) -> Option<u32> {
    let status = ask(files, daemon, None, "STATUS").await.ok()?;
    radar_wait_in(&status)
}

fn radar_wait_in(status: &str) -> Option<u32> {
    let fields = fields(status);
    if fields.get("state") != Some(&"DFS") {
        return None;
    }
    fields.get("cac_time_left_seconds")?.parse().ok()
}

/// A command that is answered `OK`. What it sets may be a secret, and is not told on.
async fn told(
    files: &Files,
    daemon: &DaemonId,
    socket: Option<&str>,
    command: &str,
) -> Result<(), HandsError> {
    let answer = ask(files, daemon, socket, command).await?;
    if answer.trim() == "OK" {
        return Ok(());
    }
    let answer: String = answer.trim().chars().filter(|c| !c.is_control()).take(100).collect();
    Err(HandsError::Refused(format!("{daemon} answered {answer:?} to {}", shown(command))))
}

/// The words of a command without the value it sets.
fn shown(command: &str) -> String {
    command.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Asks one of a daemon's sockets, or the first that is alive.
async fn ask(
    files: &Files,
    daemon: &DaemonId,
    socket: Option<&str>,
    command: &str,
) -> Result<String, HandsError> {
    match daemon.program {
        Program::Hostapd | Program::WpaSupplicant => {}
        Program::Dnsmasq | Program::Dhcpcd => return Err(no_socket(daemon)),
    }
    let missing =
        |_| HandsError::Missing(format!("{daemon} has no control socket: is it running?"));
    let (folder, mut names) = sockets(files, &daemon.file()).map_err(missing)?;
    names.retain(|name| socket.is_none_or(|socket| socket == name));
    let asking = async {
        for name in &names {
            match ask_one(&folder, name, command).await {
                Ok(answer) => return Ok(answer),
                // What a daemon that was killed left behind.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::NotFound.into())
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Err(missing(error)),
        Ok(Err(error)) => {
            let shown = shown(command);
            Err(HandsError::Refused(format!("{daemon} cannot be told {shown}: {error}")))
        }
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            Err(HandsError::Refused(format!("{daemon} did not answer within {seconds} seconds")))
        }
    }
}

fn no_socket(daemon: &DaemonId) -> HandsError {
    HandsError::Refused(format!("{daemon} has no control socket; it is started anew instead"))
}

/// The folder of a daemon's sockets, and their names in order.
fn sockets(files: &Files, daemon: &str) -> io::Result<(OwnedFd, Vec<String>)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let all = rustix::fs::openat(files.folder(), CONTROL, flags, Mode::empty())?;
    let folder = rustix::fs::openat(&all, daemon, flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name().to_str();
        if let (FileType::Socket, Ok(name), true) = (entry.file_type(), name, names.len() < MOST) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok((folder, names))
}

async fn ask_one(folder: &OwnedFd, name: &str, command: &str) -> io::Result<String> {
    // Non-blocking, since a hung daemon's queue is full at some time.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    bind(fd.as_raw_fd(), &UnixAddr::new_unnamed())?;
    let path = format!("/proc/self/fd/{}/{name}", folder.as_fd().as_raw_fd());
    connect(fd.as_raw_fd(), &UnixAddr::new(&*path)?)?;
    let socket = UnixDatagram::from_std(fd.into())?;
    socket.send(command.as_bytes()).await?;
    let mut answer = vec![0; LARGEST];
    loop {
        let size = socket.recv(&mut answer).await?;
        let answer = answer.get(..size).unwrap_or_default();
        // Events begin with their priority; nobody asked for them.
        if !answer.starts_with(b"<") {
            return Ok(String::from_utf8_lossy(answer).into_owned());
        }
    }
}

/// `key=value` lines; of a key that comes twice the first.
fn fields(text: &str) -> BTreeMap<&str, &str> {
    let mut fields = BTreeMap::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        fields.entry(key).or_insert(value);
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn supplicant() -> DaemonId {
        DaemonId { program: Program::WpaSupplicant, instance: "kith-mesh0".parse().unwrap() }
    }

    fn bound(run: &Path) -> UnixDatagram {
        let folder = run.join(CONTROL).join(supplicant().file());
        std::fs::create_dir_all(&folder).unwrap();
        UnixDatagram::bind(folder.join("kith-mesh0")).unwrap()
    }

    /// Answers each command as wpa_supplicant does.
    async fn serve(socket: &UnixDatagram, answers: &[(&str, &[&str])]) {
        for (expected, lines) in answers {
            let mut buffer = [0; 100];
            let (size, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..size], expected.as_bytes());
            // Tokio cannot name an abstract address; the kernel's own socket can.
            let from = std::os::unix::net::SocketAddr::from(from);
            let socket: &std::os::fd::BorrowedFd<'_> = &socket.as_fd();
            let socket =
                std::os::unix::net::UnixDatagram::from(socket.try_clone_to_owned().unwrap());
            for line in *lines {
                socket.send_to_addr(line.as_bytes(), &from).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_daemon_is_asked_and_answers() {
        let run = tempfile::tempdir().unwrap();
        let socket = bound(run.path());
        let files = Files::open(run.path(), BTreeMap::new()).unwrap();
        let daemon = supplicant();
        let events: &[&str] = &["<3>CTRL-EVENT-SCAN-STARTED ", "PONG\n"];
        let script = [("PING", events)];
        let (alive, ()) = tokio::join!(answers(&files, &daemon), serve(&socket, &script));
        assert!(alive);
        let script: [(&str, &[&str]); 2] = [("DISCONNECT", &["OK\n"]), ("RECONNECT", &["OK\n"])];
        let (done, ()) = tokio::join!(rejoin(&files, &daemon), serve(&socket, &script));
        done.unwrap();
        let script: [(&str, &[&str]); 1] = [("RECONFIGURE", &["FAIL\n"])];
        let (refused, ()) = tokio::join!(reload(&files, &daemon), serve(&socket, &script));
        assert!(refused.unwrap_err().to_string().contains("FAIL"));
    }

    #[tokio::test]
    async fn hostapd_is_told_each_name_and_passphrase_and_no_error_shows_one() {
        let run = tempfile::tempdir().unwrap();
        let daemon = DaemonId { program: Program::Hostapd, instance: "phy0".parse().unwrap() };
        let folder = run.path().join(CONTROL).join(daemon.file());
        std::fs::create_dir_all(&folder).unwrap();
        let socket = UnixDatagram::bind(folder.join("kith-ap0")).unwrap();
        let file = "interface=kith-ap0\nchannel=1\nssid2=\"Hill\"\nwpa_passphrase=secret words\n";
        std::fs::write(run.path().join(daemon.file()), file).unwrap();
        let files = Files::open(run.path(), BTreeMap::new()).unwrap();
        let ok: &[&str] = &["OK\n"];
        let script =
            [("SET ssid2 \"Hill\"", ok), ("SET wpa_passphrase secret words", ok), ("RELOAD", ok)];
        let (done, ()) = tokio::join!(reload(&files, &daemon), serve(&socket, &script));
        done.unwrap();
        let fail: &[&str] = &["FAIL\n"];
        let script = [script[0], ("SET wpa_passphrase secret words", fail)];
        let (refused, ()) = tokio::join!(reload(&files, &daemon), serve(&socket, &script));
        let words = refused.unwrap_err().to_string();
        assert!(words.contains("SET wpa_passphrase") && !words.contains("secret"), "{words}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_or_is_gone_does_not_answer() {
        let run = tempfile::tempdir().unwrap();
        let files = Files::open(run.path(), BTreeMap::new()).unwrap();
        assert!(!answers(&files, &supplicant()).await, "no folder");
        let socket = bound(run.path());
        assert!(!answers(&files, &supplicant()).await, "it hangs");
        drop(socket);
        assert!(!answers(&files, &supplicant()).await, "only its socket is left");
        let dnsmasq = DaemonId { program: Program::Dnsmasq, instance: "lan".parse().unwrap() };
        assert!(reload(&files, &dnsmasq).await.is_err());
    }

    #[test]
    fn a_wait_for_radar_is_read_from_the_status() {
        let status =
            "state=DFS\nphy=phy0\nfreq=5260\ncac_time_seconds=60\ncac_time_left_seconds=41\n";
        assert_eq!(radar_wait_in(status), Some(41));
        assert_eq!(radar_wait_in("state=ENABLED\ncac_time_left_seconds=N/A\n"), None);
        assert_eq!(radar_wait_in("state=DFS\ncac_time_left_seconds=N/A\n"), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_harm(text in ".{0,400}") {
            let _ = radar_wait_in(&text);
            prop_assert!(fields(&text).keys().all(|key| !key.contains('=')));
        }
    }
}
