//! What the panel needs of a node; `kith-node` implements it, the tests have a fake.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use kith_core::cid::Cid;
use kith_model::caller::Credential;
use kith_model::command::Request;
use kith_model::refusal::Refusal;
use kith_model::reply::Reply;
use kith_model::status::Status;
use tokio::sync::watch;

/// The bytes of a file, in pieces.
pub type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// The most files and folders in the folders of one upload: their names are kept until its end.
pub const MAX_IN_FOLDERS: usize = 50_000;

/// What comes of the folders of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A file begins, and the one before it has ended. Its path in normal form; the first segment is
    /// the name of its folder.
    File(String),
    /// The next bytes of the file.
    Bytes(Bytes),
}

/// The files of folders, one after another; an error in it means that the upload broke off.
pub type Parts = BoxStream<'static, io::Result<Piece>>;

/// Content that was just written to the store; nothing names it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its `UnixFS` root.
    pub root: Cid,
    /// Bytes of content.
    pub size: u64,
}

/// For whom the address of the box is that somebody came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those who live here: all of the panel.
    Household,
    /// Visitors and other boxes: what everybody may read, and no way to sign in.
    Visitors,
    /// Nobody: not a byte.
    Outside,
}

/// A node, as the panel sees it.
#[async_trait::async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Carries out a command and answers when it is durable.
    async fn call(&self, request: Request) -> Result<Reply, Refusal>;

    /// For whom the panel is at this address of the box. Asked once for each connection; the answer may
    /// take a few seconds while the network changes.
    async fn side(&self, local: SocketAddr) -> Side;

    /// The status, which changes while the node runs.
    fn status(&self) -> watch::Receiver<Arc<Status>>;

    /// Bytes `range` of a file of the space with id `space`, whose root the caller learnt from a command;
    /// every block is on this box or the stream ends in an error.
    async fn read(&self, space: String, root: Cid, range: Range<u64>) -> Result<Pieces, Refusal>;

    /// Writes a file's bytes into the store as they come, for a space the caller may write to.
    async fn write(
        &self,
        credential: Credential,
        space: Option<String>,
        bytes: Pieces,
    ) -> Result<Written, Refusal>;

    /// Writes folders into the store as their files come, for a space the caller may write to; answers
    /// the directory that each became, by its name. What breaks off leaves nothing but blocks.
    async fn write_folders(
        &self,
        credential: Credential,
        space: Option<String>,
        parts: Parts,
    ) -> Result<Vec<(String, Written)>, Refusal>;
}
