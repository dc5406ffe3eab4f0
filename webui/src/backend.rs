//! What the panel needs of a node; `kith-node` implements it, the tests have a fake.

use std::io;
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

/// Content that was just written to the store; nothing names it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its `UnixFS` root.
    pub root: Cid,
    /// Bytes of content.
    pub size: u64,
}

/// A node, as the panel sees it.
#[async_trait::async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Carries out a command and answers when it is durable.
    async fn call(&self, request: Request) -> Result<Reply, Refusal>;

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
}
