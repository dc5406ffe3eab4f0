//! Serves the panel over the tests' fake node, to look at pages: `cargo run --example fake -- 8490 lively`.
//! Sign in with any name and the passphrase `correct horse battery`.

use std::net::TcpListener;

use kith_webui::{Config, serve};
use tokio_util::sync::CancellationToken;

#[path = "../tests/panel/fake/mod.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod fake;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(8490);
    let backend = match arguments.next().as_deref() {
        Some("unclaimed") => fake::Fake::unclaimed(),
        Some("empty") => fake::Fake::empty(),
        Some(_) | None => fake::Fake::lively(),
    };
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    serve(listener, backend, Config::new("fakebox0"), CancellationToken::new()).await?;
    Ok(())
}
