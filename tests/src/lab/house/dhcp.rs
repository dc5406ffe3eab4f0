//! DHCP as devices speak it (RFC 2131), made byte by byte: many devices, and devices without manners.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::frame::{BROADCAST, Cable, Mac, datagram, udp};

const SERVER: u16 = 67;
const CLIENT: u16 = 68;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// This address may be asked for, of this server.
    Offer(Ipv4Addr, Ipv4Addr),
    /// It is the device's.
    Ack(Ipv4Addr),
    /// Anything else.
    Other,
}

/// A device on the cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// Its address of Ethernet.
    pub(super) mac: Mac,
    /// By what its conversation is known.
    pub(super) transaction: u32,
    /// Whether it wants answers to be sent to everybody.
    pub(super) broadcast: bool,
    /// What it calls itself (option 12), whatever that is.
    pub(super) name: Vec<u8>,
}

impl Device {
    /// The frame with which it looks for servers.
    pub(super) fn discover(&self) -> Vec<u8> {
        self.frame(&self.message(DISCOVER, &[]))
    }

    /// The frame with which it asks for what was offered.
    pub(super) fn request(&self, address: Ipv4Addr, server: Ipv4Addr) -> Vec<u8> {
        let options = [&[50, 4][..], &address.octets(), &[54, 4], &server.octets()].concat();
        self.frame(&self.message(REQUEST, &options))
    }

    /// A message in a frame.
    pub(super) fn frame(&self, message: &[u8]) -> Vec<u8> {
        let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT);
        let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER);
        udp((self.mac, BROADCAST), (from, to), message)
    }

    /// A message of a type with options behind it.
    pub(super) fn message(&self, kind: u8, options: &[u8]) -> Vec<u8> {
        let mut message = vec![1, 1, 6, 0];
        message.extend(self.transaction.to_be_bytes());
        message.extend([0, 0, if self.broadcast { 0x80 } else { 0 }, 0]);
        message.extend([0; 16]);
        message.extend(self.mac);
        message.extend([0; 10 + 64 + 128]);
        message.extend(MAGIC);
        message.extend([53, 1, kind]);
        message.extend(options);
        let name = self.name.get(..self.name.len().min(255)).unwrap_or_default();
        if !name.is_empty() {
            message.extend([12, u8::try_from(name.len()).unwrap_or(255)]);
            message.extend(name);
        }
        message.extend([55, 3, 1, 3, 6, 255]);
        message
    }

    /// Gets a lease, as a patient device does.
    ///
    /// # Errors
    /// When nobody gives it one within `limit`.
    pub(super) fn lease(&self, cable: &Cable, limit: Duration) -> Result<Ipv4Addr> {
        let end = Instant::now() + limit;
        let mut next = (self.discover(), Instant::now());
        let mut room = [0; 2_048];
        while Instant::now() < end {
            if next.1 <= Instant::now() {
                cable.send(&next.0)?;
                next.1 = Instant::now() + Duration::from_secs(2);
            }
            while let Some(frame) = cable.arrived(&mut room)? {
                let said = heard(frame).filter(|(whom, _)| *whom == self.transaction);
                match said.map(|(_, said)| said) {
                    Some(Said::Offer(address, server)) => {
                        next = (self.request(address, server), Instant::now());
                    }
                    Some(Said::Ack(address)) => return Ok(address),
                    Some(Said::Other) | None => {}
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("no lease within {limit:?}")
    }
}

/// What a frame says to which conversation, if a server says it.
pub(super) fn heard(frame: &[u8]) -> Option<(u32, Said)> {
    let message = datagram(frame, CLIENT)?;
    let transaction = u32::from_be_bytes(*message.get(4..)?.first_chunk()?);
    let address = Ipv4Addr::from(*message.get(16..)?.first_chunk::<4>()?);
    if message.first()? != &2 || message.get(236..240)? != MAGIC {
        return None;
    }
    let (mut kind, mut server) = (0, None);
    let mut options = message.get(240..)?;
    while let Some(([code, length], rest)) = options.split_first_chunk::<2>() {
        if *code == 255 {
            break;
        }
        if *code == 0 {
            options = options.get(1..)?;
            continue;
        }
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        match code {
            53 => kind = *value.first()?,
            54 => server = value.first_chunk::<4>().copied().map(Ipv4Addr::from),
            _ => {}
        }
        options = rest;
    }
    let said = match (kind, server) {
        (OFFER, Some(server)) => Said::Offer(address, server),
        (ACK, _) => Said::Ack(address),
        _ => Said::Other,
    };
    Some((transaction, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_heard() {
        let device =
            Device { mac: [2; 6], transaction: 7, broadcast: true, name: b"phone".to_vec() };
        assert_eq!(heard(&device.discover()), None, "that is a device");
        let mut message = device.message(OFFER, &[54, 4, 10, 0, 0, 1]);
        message[0] = 2;
        message.splice(16..20, [10, 0, 0, 9]);
        let at = |port| SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        let frame = udp(([4; 6], BROADCAST), (at(SERVER), at(CLIENT)), &message);
        let offer = Said::Offer([10, 0, 0, 9].into(), [10, 0, 0, 1].into());
        assert_eq!(heard(&frame), Some((7, offer)));
    }
}
