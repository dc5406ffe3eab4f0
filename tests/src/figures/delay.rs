//! A long cable made of threads: datagrams arrive later by a fixed time, in their order.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Starts a cable to `to` that delays each way by `one_way`; answers the address of its near end.
///
/// It lasts as long as the process: a measurement needs no tidying up.
pub(super) fn cable(to: SocketAddr, one_way: Duration) -> Result<SocketAddr> {
    let near = Arc::new(UdpSocket::bind("127.0.0.1:0").context("the near end")?);
    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").context("the far end")?);
    let address = near.local_addr().context("the near end's address")?;
    let caller: Arc<Mutex<Option<SocketAddr>>> = Arc::default();

    let seen = Arc::clone(&caller);
    let there = relay(Arc::clone(&near), one_way, move |from| {
        if let Ok(mut caller) = seen.lock() {
            *caller = Some(from);
        }
    });
    let back = relay(Arc::clone(&far), one_way, |_| {});
    std::thread::spawn(move || deliver(&there, &far, || Some(to)));
    std::thread::spawn(move || deliver(&back, &near, || *caller.lock().ok()?));
    Ok(address)
}

type Delayed = (Instant, Vec<u8>);

fn relay(
    socket: Arc<UdpSocket>,
    delay: Duration,
    note: impl Fn(SocketAddr) + Send + 'static,
) -> Receiver<Delayed> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok((n, from)) = socket.recv_from(&mut buffer) {
            note(from);
            if send.send((Instant::now() + delay, buffer[..n].to_vec())).is_err() {
                break;
            }
        }
    });
    receive
}

fn deliver(from: &Receiver<Delayed>, through: &UdpSocket, to: impl Fn() -> Option<SocketAddr>) {
    while let Ok((due, datagram)) = from.recv() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if let Some(to) = to() {
            let _lost = through.send_to(&datagram, to);
        }
    }
}
