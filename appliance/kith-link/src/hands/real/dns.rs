//! Whether dnsmasq answers: it has no control socket, so it is asked for the box's own name as any device
//! of the household would.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::names::DOMAIN;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where names are asked for.
const PORT: u16 = 53;

/// Bytes of the header of a message (RFC 1035, 4.1.1).
const HEADER: usize = 12;

/// Whether somebody at `address` answers a question about names; what the answer says does not matter.
pub(crate) async fn answers(address: IpAddr, number: u16) -> bool {
    tokio::time::timeout(PATIENCE, ask(SocketAddr::new(address, PORT), number))
        .await
        .is_ok_and(|asked| asked.is_ok())
}

async fn ask(server: SocketAddr, number: u16) -> io::Result<()> {
    // From the very address that is asked, which no rule of the box drops.
    let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).await?;
    socket.connect(server).await?;
    let question = question(number);
    socket.send(&question).await?;
    let mut answer = [0; 512];
    loop {
        let length = socket.recv(&mut answer).await?;
        if is_answer(answer.get(..length).unwrap_or_default(), &question) {
            return Ok(());
        }
    }
}

/// A query for the IPv4 address of the household's domain (RFC 1035, 4.1).
fn question(number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    // Recursion desired; one question, nothing else.
    let mut message = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in DOMAIN.split('.') {
        message.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        message.extend_from_slice(label.as_bytes());
    }
    // The root; type A, class IN.
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

/// A response (QR) with the question's number.
fn is_answer(answer: &[u8], question: &[u8]) -> bool {
    answer.len() >= HEADER
        && answer.get(..2) == question.get(..2)
        && answer.get(2).is_some_and(|flags| flags & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_for_the_domain_and_only_its_answer_counts() {
        let asked = question(0x1234);
        assert_eq!(&asked[..2], [0x12, 0x34]);
        assert_eq!(&asked[12..], b"\x04kith\x08internal\0\0\x01\0\x01");
        let mut answer = asked.clone();
        assert!(!is_answer(&answer, &asked), "its own question came back");
        answer[2] |= 0x80;
        assert!(is_answer(&answer, &asked));
        answer[1] = 0;
        assert!(!is_answer(&answer, &asked), "another one's answer");
        assert!(!is_answer(&[], &asked));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_silent_does_not_answer() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let asking = ask(silent.local_addr().unwrap(), 7);
        assert!(tokio::time::timeout(PATIENCE, asking).await.is_err());
    }
}
