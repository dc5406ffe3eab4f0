//! A warm reconnect behind 100 ms of delay: the hands of a node dial a box they have talked to before.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kith_core::identity::SecretKey;
use kith_core::wire::frame::StreamKind;
use kith_net::quic::{Config, Endpoint};

use super::table::{Goal, Table, median};
use super::{Scale, delay};

const ONE_WAY: Duration = Duration::from_millis(50);

pub(super) fn measure(scale: Scale, table: &mut Table) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("a runtime")?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds.max(3) {
        let (first, second) = runtime.block_on(round())?;
        cold.push(first * 1e3);
        warm.push(second * 1e3);
    }
    let detail = format!("first connection {:.0} ms", median(cold));
    let goal = (Goal::AtMost, 150.0);
    table.judge("warm reconnect behind 100 ms", (median(warm), "ms"), goal, detail);
    Ok(())
}

async fn round() -> Result<(f64, f64)> {
    let anna = endpoint(1)?;
    let bert = endpoint(2)?;
    let to = anna.local_address().context("anna's address")?;
    let near = delay::cable(to, ONE_WAY)?;
    let accepting = tokio::task::LocalSet::new();
    let hold = anna.clone();
    accepting.spawn_local(async move {
        let mut open = Vec::new();
        while let Some(connection) = hold.accept().await {
            // An answered stream tells the dialler that its key was accepted.
            if let Ok((_, mut sender, receiver)) = connection.accept().await {
                sender.finish();
                open.push((connection, sender, receiver));
            }
        }
    });
    accepting
        .run_until(async {
            let first = dial(&bert, near, anna.node_id()).await?;
            let second = dial(&bert, near, anna.node_id()).await?;
            Ok((first, second))
        })
        .await
}

/// Seconds until connected; then talks once, so that the ticket for the next time arrives.
async fn dial(
    from: &Endpoint,
    to: std::net::SocketAddr,
    whom: kith_core::identity::NodeId,
) -> Result<f64> {
    let start = Instant::now();
    let connection = from.dial(to, Some(whom)).await.context("dial")?;
    let took = start.elapsed().as_secs_f64();
    let (mut sender, mut receiver) = connection.open(StreamKind::Hello).await.context("open")?;
    sender.finish();
    while receiver.next().await.context("the answer")?.is_some() {}
    connection.close(0, "again");
    Ok(took)
}

fn endpoint(seed: u8) -> Result<Endpoint> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("a socket")?;
    let key = SecretKey::from_seed(&[seed; 32]);
    Endpoint::bind(socket, &key, Config::default()).context("an endpoint")
}
