//! The server on a real socket: bounds on what strangers hold open, and a clean end.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use futures_util::FutureExt as _;
use kith_webui::backend::Side;
use kith_webui::{Config, ServeError, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::client::{SUFFIX, Who};
use crate::fake::Fake;

struct Server {
    address: SocketAddr,
    fake: std::sync::Arc<Fake>,
    stop: CancellationToken,
    task: tokio::task::JoinSet<Result<(), ServeError>>,
}

fn start(change: impl FnOnce(&mut Config)) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, fake, stop) =
        (listener.local_addr().unwrap(), Fake::lively(), CancellationToken::new());
    let mut config = Config::new(SUFFIX);
    change(&mut config);
    let mut task = tokio::task::JoinSet::new();
    task.spawn(serve(listener, fake.clone(), config, stop.clone()));
    Server { address, fake, stop, task }
}

impl Server {
    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn ask(&self, text: &str) -> String {
        let mut answer = Vec::new();
        // A connection that is cut ends like one that is closed.
        let _ = self.send(text).await.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n")
}

#[tokio::test]
async fn a_page_comes_over_a_real_socket() {
    let server = start(|_| {});
    let answer = server.ask(&get("/help", "")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("The first hour"), "{answer}");
}

#[tokio::test]
async fn where_the_panel_is_for_nobody_nobody_gets_a_byte() {
    let server = start(|_| {});
    for (side, begins) in
        [(Side::Outside, ""), (Side::Visitors, "HTTP/1.1 403"), (Side::Household, "HTTP/1.1 200")]
    {
        *server.fake.side.lock().unwrap() = side;
        let answer = server.ask(&get("/login", "")).await;
        let first: String = answer.chars().take(12).collect();
        assert_eq!(first, begins, "{side:?}");
    }
}

#[tokio::test]
async fn headers_have_bounds() {
    let server = start(|_| {});
    let long = format!("X-Long: {}\r\n", "x".repeat(40_000));
    assert!(server.ask(&get("/help", &long)).await.starts_with("HTTP/1.1 431"));
    let many = "X-Many: x\r\n".repeat(100);
    assert!(server.ask(&get("/help", &many)).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn ambiguous_requests_are_refused() {
    let server = start(|_| {});
    let both = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n";
    let twice = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\nConnection: close\r\n\r\n12345";
    let other = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let old = "GET / HTTP/1.0\r\n\r\n";
    for request in [both, twice, other, old] {
        let answer = server.ask(request).await;
        assert!(
            answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"),
            "{request}: {answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_is_cut() {
    let server = start(|_| {});
    let begun = tokio::time::Instant::now();
    let answer = server.ask("GET /help HTTP/1.1\r\nHost: localho").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_form_that_never_ends_is_refused() {
    let server = start(|_| {});
    let cookie = Who::Visitor.cookie();
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\nConnection: close\r\n\r\nname="
    );
    let answer = server.ask(&request).await;
    assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("took too long"), "{answer}");
}

#[tokio::test]
async fn one_address_gets_its_share_of_connections() {
    let server = start(|config| config.max_connections_per_source = 2);
    let first = server.send("GET").await;
    let _second = server.send("GET").await;
    // Both are inside once a third is turned away.
    assert_eq!(server.ask(&get("/help", "")).await, "");
    drop(first);
    let mut tries = 0;
    while !server.ask(&get("/help", "")).await.starts_with("HTTP/1.1 200") {
        tries += 1;
        assert!(tries < 1_000);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn events_come_as_they_happen_and_streams_are_counted() {
    let server = start(|config| config.max_streams = 1);
    let request = get("/events", &format!("Cookie: {}\r\n", Who::Owner.cookie()));
    let mut stream = server.send(&request).await;
    let mut heard = String::new();
    read_until(&mut stream, &mut heard, "\"connected\":2").await;
    assert!(heard.contains("content-type: text/event-stream"), "{heard}");
    let second = server.ask(&request).await;
    assert!(second.starts_with("HTTP/1.1 429") && second.contains("retry-after: 30"), "{second}");
    server.fake.publish(|status| status.peers_connected = 3);
    read_until(&mut stream, &mut heard, "\"connected\":3").await;
    assert!(!heard.contains("bakery"), "events say that something changed, not what");
    drop(stream);
    let mut tries = 0;
    while server.ask_start(&request).await.starts_with("HTTP/1.1 429") {
        tries += 1;
        assert!(tries < 1_000);
    }
}

impl Server {
    async fn ask_start(&self, text: &str) -> String {
        let mut start = [0; 64];
        let mut stream = self.send(text).await;
        let read = stream.read(&mut start).await.unwrap();
        String::from_utf8_lossy(&start[..read]).into_owned()
    }
}

/// A file that fits into no socket's buffers.
fn huge(fake: &Fake) {
    let content = bytes::Bytes::from(vec![b'x'; 48 << 20]);
    let mut world = fake.world.lock().unwrap();
    world.keep("huge.bin", 1, "Ada", true);
    let entry = world.files.get_mut("huge.bin").unwrap();
    (entry.size, entry.here) = (48 << 20, 48 << 20);
    let root = entry.root.clone().unwrap().parse().unwrap();
    world.contents.insert(root, content);
}

#[tokio::test]
async fn who_stops_reading_is_let_go() {
    let request = get("/raw/shared/huge.bin", &format!("Cookie: {}\r\n", Who::Owner.cookie()));
    let request = request.replace("huge.bin ", "huge.bin?save=1 ");
    let short = start(|config| config.write_timeout = Duration::from_millis(300));
    let long = start(|config| config.write_timeout = Duration::from_secs(3_600));
    huge(&short.fake);
    huge(&long.fake);
    let mut held = Vec::new();
    for server in [&long, &short] {
        let mut stream = server.send(&request).await;
        read_until(&mut stream, &mut String::new(), "200 OK").await;
        held.push(stream);
    }
    let ended = tokio::time::timeout(Duration::from_secs(20), short.fake.let_go.notified()).await;
    assert!(ended.is_ok(), "still held");
    assert!(long.fake.let_go.notified().now_or_never().is_none(), "something else ended it");
    // Whoever goes on reading gets everything, however short the patience is.
    let answer = short.ask(&request).await;
    assert!(answer.len() > 48 << 20, "{} bytes", answer.len());
}

#[tokio::test]
async fn the_panel_stops_when_it_is_told_to() {
    let mut server = start(|_| {});
    let request = get("/events", &format!("Cookie: {}\r\n", Who::Owner.cookie()));
    let mut stream = server.send(&request).await;
    read_until(&mut stream, &mut String::new(), "connected").await;
    tokio::time::pause();
    server.stop.cancel();
    server.task.join_next().await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

async fn read_until(stream: &mut TcpStream, heard: &mut String, wanted: &str) {
    let mut piece = [0; 4096];
    while !heard.contains(wanted) {
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "ended before {wanted}: {heard}");
        heard.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
}
