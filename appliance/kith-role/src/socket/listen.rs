//! Sockets in the file system, for this user alone.
//!
//! A socket's path holds 108 bytes and a state directory may be longer, so the directory is opened and
//! the socket is reached through `/proc/self/fd`.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind as bind_fd, connect as connect_fd,
    listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::geteuid;
use tokio::net::{UnixListener, UnixStream};
use tracing::warn;

use super::Channel;

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 64;

/// Why a socket could not be made or reached.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The directory.
    #[error("cannot open the directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Somebody listens already.
    #[error("another process already listens on {0}")]
    InUse(PathBuf),
    /// Something that is no socket lies where it should be.
    #[error("{0} is in the way: it is not a socket")]
    NotASocket(PathBuf),
    /// Nobody listens.
    #[error("nobody listens on {0}")]
    NobodyListens(PathBuf),
    /// Anything else.
    #[error("cannot use the socket {path}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Takes connections of this user and of root, and of guests if there are any.
#[derive(Debug)]
pub struct Listener {
    inner: UnixListener,
    limit: usize,
    uid: u32,
    guests: Vec<u32>,
}

/// Other users who may connect, and the group they share.
#[derive(Clone, Copy, Debug)]
pub struct Guests<'a> {
    /// The group that may open the socket.
    pub group: u32,
    /// The users of it who are let in.
    pub users: &'a [u32],
}

/// Listens on the socket `name` in `directory`, readable and writable by this user alone, for messages
/// of at most `limit` bytes. A socket that nobody listens on any more is replaced. Has to be called
/// within a tokio runtime.
///
/// # Errors
/// [`SocketError`].
pub fn bind(directory: &Path, name: &str, limit: usize) -> Result<Listener, SocketError> {
    bind_for(directory, name, limit, None)
}

/// As [`bind`], for `guests` as well.
///
/// # Errors
/// [`SocketError`], also when this process may not give the socket to the guests' group.
pub fn bind_for(
    directory: &Path,
    name: &str,
    limit: usize,
    guests: Option<Guests<'_>>,
) -> Result<Listener, SocketError> {
    let path = directory.join(name);
    let directory = open(directory)?;
    let failed = |source: io::Error| SocketError::Io { path: path.clone(), source };
    let target = through(&directory, name);
    match std::fs::symlink_metadata(&target) {
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket(path)),
        Ok(_) if is_live(&target).map_err(failed)? => return Err(SocketError::InUse(path)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // Renaming over the stale socket leaves no moment without one, nor one with another's mode.
    let fresh = through(&directory, &format!(".{name}.{}", std::process::id()));
    let inner = listen_at(&fresh).map_err(failed)?;
    if let Some(Guests { group, .. }) = guests {
        open_to(&fresh, group).map_err(failed)?;
    }
    std::fs::rename(&fresh, &target).map_err(failed)?;
    let inner = UnixListener::from_std(inner.into()).map_err(failed)?;
    let guests = guests.map(|guests| guests.users.to_vec()).unwrap_or_default();
    Ok(Listener { inner, limit, uid: geteuid().as_raw(), guests })
}

/// Connects to the socket `name` in `directory`, for messages of at most `limit` bytes.
///
/// # Errors
/// [`SocketError::NobodyListens`] when there is no socket or nobody behind it.
pub async fn connect(directory: &Path, name: &str, limit: usize) -> Result<Channel, SocketError> {
    let path = directory.join(name);
    let directory = open(directory)?;
    match UnixStream::connect(through(&directory, name)).await {
        Ok(stream) => Ok(Channel::new(stream, limit)),
        Err(source)
            if matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Err(SocketError::NobodyListens(path))
        }
        Err(source) => Err(SocketError::Io { path, source }),
    }
}

impl Listener {
    /// The next connection of this user or of root; others are turned away. May be cancelled.
    ///
    /// # Errors
    /// When the kernel refuses, for example because too many descriptors are open.
    pub async fn accept(&self) -> io::Result<Channel> {
        loop {
            let (stream, _) = self.inner.accept().await?;
            let uid = stream.peer_cred()?.uid();
            if is_welcome(uid, self.uid) || self.guests.contains(&uid) {
                return Ok(Channel::new(stream, self.limit));
            }
            warn!(uid, "another user was turned away from the socket");
        }
    }
}

/// Root can do anything to us anyway.
const fn is_welcome(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

fn open(directory: &Path) -> Result<OwnedFd, SocketError> {
    let flags = (OFlag::O_PATH | OFlag::O_DIRECTORY).bits();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(directory);
    opened
        .map(OwnedFd::from)
        .map_err(|source| SocketError::Directory { path: directory.to_owned(), source })
}

fn through(directory: &OwnedFd, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
}

fn unix_socket() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

fn listen_at(path: &Path) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let socket = unix_socket()?;
    // Linux makes the file with the mode of the socket, so it is never open to others.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind_fd(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(socket)
}

/// The file of a socket takes neither owner nor, after the umask, mode from the socket.
fn open_to(path: &Path, group: u32) -> io::Result<()> {
    std::os::unix::fs::chown(path, None, Some(group))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
}

/// Whether somebody listens; a full queue is somebody's too.
fn is_live(path: &Path) -> io::Result<bool> {
    let probe = unix_socket()?;
    match connect_fd(probe.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) | Err(Errno::EAGAIN) => Ok(true),
        Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_for_its_user_alone() {
        let state = tempfile::tempdir().unwrap();
        let _listener = bind(state.path(), "node.sock", 9).unwrap();
        let mode = std::fs::metadata(state.path().join("node.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[tokio::test]
    async fn a_socket_for_guests_is_open_to_their_group_and_lets_in_only_whom_it_names() {
        let state = tempfile::tempdir().unwrap();
        let group = nix::unistd::getegid().as_raw();
        let guests = Guests { group, users: &[4_242] };
        let listener = bind_for(state.path(), "node.sock", 9, Some(guests)).unwrap();
        let mode = std::fs::metadata(state.path().join("node.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert_eq!(listener.guests, [4_242]);
        assert!(bind(state.path(), "other.sock", 9).unwrap().guests.is_empty());
    }

    #[tokio::test]
    async fn a_directory_of_200_characters_works() {
        let state = tempfile::tempdir().unwrap();
        let long = state.path().join("x".repeat(200));
        std::fs::create_dir(&long).unwrap();
        let listener = bind(&long, "node.sock", 99).unwrap();
        let (client, server) = tokio::join!(connect(&long, "node.sock", 99), listener.accept());
        client.unwrap().send(&1_u8, &[]).await.unwrap();
        assert_eq!(server.unwrap().receive::<u8>().await.unwrap().unwrap().0, 1);
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let state = tempfile::tempdir().unwrap();
        let first = bind(state.path(), "node.sock", 9).unwrap();
        let second = bind(state.path(), "node.sock", 9);
        assert!(matches!(second, Err(SocketError::InUse(_))), "{second:?}");
        connect(state.path(), "node.sock", 9).await.unwrap();
        drop(first);
        let gone = connect(state.path(), "node.sock", 9).await;
        assert!(matches!(gone, Err(SocketError::NobodyListens(_))), "{gone:?}");
        let _third = bind(state.path(), "node.sock", 9).unwrap();
        connect(state.path(), "node.sock", 9).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_or_link_in_the_way_is_left_alone() {
        let state = tempfile::tempdir().unwrap();
        let precious = state.path().join("precious");
        std::fs::write(&precious, "data").unwrap();
        std::os::unix::fs::symlink(&precious, state.path().join("link")).unwrap();
        for name in ["precious", "link"] {
            let bound = bind(state.path(), name, 9);
            assert!(matches!(bound, Err(SocketError::NotASocket(_))), "{bound:?}");
        }
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "data");
    }

    #[tokio::test]
    async fn where_there_is_nothing_nobody_listens() {
        let state = tempfile::tempdir().unwrap();
        let nothing = connect(state.path(), "node.sock", 9).await;
        assert!(matches!(nothing, Err(SocketError::NobodyListens(_))), "{nothing:?}");
        let nowhere = connect(&state.path().join("gone"), "node.sock", 9).await;
        assert!(matches!(nowhere, Err(SocketError::Directory { .. })), "{nowhere:?}");
    }

    #[test]
    fn only_the_same_user_and_root_are_welcome() {
        assert!(is_welcome(1000, 1000) && is_welcome(0, 1000));
        assert!(!is_welcome(1001, 1000) && !is_welcome(1000, 0));
    }

    #[tokio::test]
    async fn another_user_is_turned_away_and_the_next_one_served() {
        let state = tempfile::tempdir().unwrap();
        let mut listener = bind(state.path(), "node.sock", 9).unwrap();
        // This process is then another user than the listener's, unless it is root.
        listener.uid = listener.uid.wrapping_add(1);
        let mut client = connect(state.path(), "node.sock", 9).await.unwrap();
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => Some(accepted),
            ended = client.receive::<u8>() => { assert!(ended.unwrap().is_none()); None }
        };
        assert_eq!(accepted.is_some(), geteuid().is_root());
    }
}
