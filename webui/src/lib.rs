//! The panel: pages, forms and API over axum and askama.
//!
//! Every page is whole without JavaScript. [`routes`] is the one list of what can be asked, [`guard`]
//! and [`dispatch`] check each request before a handler sees it, and handlers do nothing but turn
//! requests into commands of `kith-model` and replies into text. What a command means, and who may give
//! it, is the node's to say; the panel refuses early what it knows will be refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub mod backend;

mod answer;
mod api;
mod app;
mod archive;
mod ask;
mod assets;
mod body;
mod cookies;
mod dispatch;
mod download;
mod figures;
mod flash;
mod folders;
mod guard;
mod icon;
mod lang;
mod live;
mod multipart;
mod pages;
mod qr;
mod range;
mod routes;
mod sentences;
mod server;
mod source;
mod spark;
mod upload;
mod urls;
mod view;
mod waiting;
mod words;

use crate::app::App;
use crate::backend::{Backend, Side};
pub use crate::guard::host_label;
pub use crate::routes::{Kind, RouteInfo, route_table};
pub use crate::server::{ServeError, serve};

/// What the panel is told when it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Eight characters of the node's id: cookies ignore ports, so their names carry it.
    pub cookie_suffix: String,
    /// Names besides the box's own by which browsers may address the panel.
    pub extra_hosts: Vec<String>,
    /// The most connections at a time; more wait in the listener's queue.
    pub max_connections: usize,
    /// The most connections at a time from one IPv4 address or one IPv6 network (/64).
    pub max_connections_per_source: usize,
    /// The most event streams at a time.
    pub max_streams: usize,
    /// How long the other end of a connection may take in nothing of what is sent to it.
    pub write_timeout: Duration,
}

impl Config {
    /// Limits that suit the smallest board, for a box with this id.
    #[must_use]
    pub fn new(cookie_suffix: impl Into<String>) -> Self {
        Self {
            cookie_suffix: cookie_suffix.into(),
            extra_hosts: Vec::new(),
            max_connections: 256,
            max_connections_per_source: 48,
            max_streams: 64,
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// The two ends of the connection that a request came on.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The browser's end.
    pub remote: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
    /// For whom our end is.
    pub side: Side,
}

/// The panel as a service; [`serve`] runs it on a listener and adds a [`Connection`] to each request.
pub fn router(backend: Arc<dyn Backend>, config: Config) -> axum::Router {
    routes::router(&Arc::new(App::new(backend, config)))
}
