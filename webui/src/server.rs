//! The accept loop: hyper over a listener, with bounds on everything a stranger could hold open.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use crate::backend::{Backend, Side};
use crate::{Config, Connection, router, source};

/// How long the headers of a request may take, and how long a connection may idle between requests.
const HEADER_TIME: Duration = Duration::from_secs(20);

/// The most bytes of headers, and of any one read.
const MAX_HEADERS_BYTES: usize = 16 << 10;

/// The most headers of a request.
const MAX_HEADERS: usize = 64;

/// How long requests under way may take to end once the panel stops.
const GRACE: Duration = Duration::from_secs(3);

/// How long to wait before accepting again when the system has no descriptors left.
const BREATH: Duration = Duration::from_millis(50);

/// Why the panel cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener cannot be used.
    #[error("the panel cannot use the listener it was given: {0}")]
    Listener(#[source] io::Error),
}

/// Serves the panel on a nonblocking listener until `stop`.
///
/// # Errors
/// [`ServeError::Listener`] when the listener cannot be used.
pub async fn serve(
    listener: std::net::TcpListener,
    backend: Arc<dyn Backend>,
    config: Config,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let listener = TcpListener::from_std(listener).map_err(ServeError::Listener)?;
    let doors = Doors::new(&config);
    let patience = config.write_timeout;
    let router = router(Arc::clone(&backend), config);
    let mut connections = JoinSet::new();
    loop {
        let slots = Arc::clone(&doors.all);
        let slot = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            Ok(slot) = slots.acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, remote)) => {
                let Some(guest) = doors.enter(source::key(remote.ip()), slot) else { continue };
                let Ok(local) = stream.local_addr() else { continue };
                if let Err(error) = bound(&stream, patience) {
                    tracing::warn!(%error, "the panel could not bound a connection");
                    continue;
                }
                let (backend, router, stop) = (Arc::clone(&backend), router.clone(), stop.clone());
                connections.spawn(async move {
                    let side = admit(&*backend, (remote, local), &stop).await;
                    let Some(side) = side else { return };
                    let ends = Connection { remote, local, side };
                    converse(stream, ends, router, stop, guest).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the panel could not accept a connection");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    let drain = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, drain).await.is_err() {
        tracing::info!("the panel stops with requests under way");
    }
    Ok(())
}

/// Lets the kernel end a connection whose other end takes nothing for `patience` (RFC 5482; on Linux also
/// when it answers but keeps its window shut).
fn bound(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    let millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX).max(1);
    Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, millis)?)
}

/// On which side somebody stands who came to this address of ours; nothing for whom the panel is not.
async fn admit(
    backend: &dyn Backend,
    (remote, local): (SocketAddr, SocketAddr),
    stop: &CancellationToken,
) -> Option<Side> {
    let side = tokio::select! {
        () = stop.cancelled() => return None,
        side = backend.side(local) => side,
    };
    match side {
        Side::Household | Side::Visitors => Some(side),
        Side::Outside => {
            tracing::info!(%remote, %local, "somebody asks for the panel where it is for nobody");
            None
        }
    }
}

async fn converse(
    stream: TcpStream,
    ends: Connection,
    router: Router,
    stop: CancellationToken,
    guest: Guest,
) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ends);
        let answer = router.clone().call(request);
        async move {
            Ok::<Response<Body>, Infallible>(answer.await.unwrap_or_else(|never| match never {}))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADERS_BYTES)
        .max_buf_size(4 * MAX_HEADERS_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, remote = %ends.remote, "a connection of the panel ended");
    }
    drop(guest);
}

/// Who is inside: in all, and from each source.
struct Doors {
    all: Arc<Semaphore>,
    sources: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    per_source: usize,
}

/// Somebody inside; leaves when dropped.
struct Guest {
    source: IpAddr,
    sources: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    _slot: OwnedSemaphorePermit,
}

impl Doors {
    fn new(config: &Config) -> Self {
        Self {
            all: Arc::new(Semaphore::new(config.max_connections)),
            sources: Arc::default(),
            per_source: config.max_connections_per_source,
        }
    }

    /// Lets one more in, unless that source has its share.
    fn enter(&self, source: IpAddr, slot: OwnedSemaphorePermit) -> Option<Guest> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let inside = sources.entry(source).or_default();
        if *inside >= self.per_source {
            return None;
        }
        *inside += 1;
        Some(Guest { source, sources: Arc::clone(&self.sources), _slot: slot })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inside) = sources.get_mut(&self.source) {
            *inside -= 1;
            if *inside == 0 {
                sources.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pipelined_requests_wait_while_nobody_takes_their_answers() {
        let (mut far, near) = tokio::io::duplex(1 << 10);
        let answered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&answered);
        let service = service_fn(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        });
        let serving = http1::Builder::new().serve_connection(TokioIo::new(near), service);
        let requests = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20_000);
        let both = async { tokio::join!(serving, far.write_all(&requests)) };
        assert!(tokio::time::timeout(Duration::from_secs(1), both).await.is_err());
        let answered = answered.load(Ordering::Relaxed);
        assert!((1..100).contains(&answered), "{answered}");
    }

    #[test]
    fn one_address_cannot_fill_the_house() {
        let mut config = Config::new("a");
        (config.max_connections, config.max_connections_per_source) = (3, 2);
        let doors = Doors::new(&config);
        let knock = |last: u8| {
            let slot = Arc::clone(&doors.all).try_acquire_owned().ok()?;
            doors.enter(IpAddr::from([192, 0, 2, last]), slot)
        };
        let first = knock(1);
        let second = knock(1);
        assert!(first.is_some() && second.is_some());
        assert!(knock(1).is_none());
        let other = knock(2);
        assert!(other.is_some());
        assert!(knock(3).is_none());
        drop(first);
        assert!(knock(1).is_some());
        drop((second, other));
        assert!(doors.sources.lock().unwrap().is_empty());
    }

    #[test]
    fn one_network_of_ipv6_is_one_address() {
        let mut config = Config::new("a");
        (config.max_connections, config.max_connections_per_source) = (10, 2);
        let doors = Doors::new(&config);
        let knock = |ip: &str| {
            let slot = Arc::clone(&doors.all).try_acquire_owned().ok()?;
            doors.enter(source::key(ip.parse().unwrap()), slot)
        };
        let inside = (knock("2001:db8:1:2::1"), knock("2001:db8:1:2:8000::2"));
        assert!(inside.0.is_some() && inside.1.is_some());
        assert!(knock("2001:db8:1:2:ffff::3").is_none());
        assert!(knock("2001:db8:1:3::1").is_some());
    }
}
