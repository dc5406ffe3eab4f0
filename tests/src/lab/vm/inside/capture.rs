//! Listening to the air from outside: which data frames a neighbour without the key could read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::SHARED;
use super::running::Running;
use super::wait::{until, when};

/// Data frames of some radios, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Encrypted.
    pub(crate) protected: u32,
    /// Readable by anybody.
    pub(crate) open: u32,
    /// Readable too, but only the handshake that agrees on a key, which is before any encryption.
    pub(crate) handshake: u32,
}

/// tcpdump at the monitor that hears all simulated radios.
#[derive(Debug)]
pub(crate) struct Capture {
    file: PathBuf,
    tcpdump: Running,
}

impl Capture {
    /// Starts to listen.
    ///
    /// # Errors
    /// When tcpdump does not.
    pub(crate) fn start(name: &str) -> Result<Self> {
        let file = Path::new(SHARED).join(format!("{name}.pcap"));
        let mut command = Command::new("tcpdump");
        command.args(["-i", "hwsim0", "-s", "256", "-U", "-Z", "root", "-w"]).arg(&file);
        let tcpdump = Running::start(&format!("tcpdump-{name}"), &mut command)?;
        until(Duration::from_secs(30), "tcpdump listens", || {
            let said = tcpdump.said();
            Ok(when(said.contains("listening on"), (), || said))
        })?;
        Ok(Self { file, tcpdump })
    }

    /// Stops, and counts the data frames that radios with one of the addresses `by` sent.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn end(self, by: &[&str]) -> Result<Heard> {
        self.tcpdump.end()?;
        let macs = by.iter().map(|m| mac(m)).collect::<Result<Vec<_>>>()?;
        let bytes = fs::read(&self.file).context("read the capture")?;
        let mut heard = Heard::default();
        for frame in frames(&bytes)? {
            match kind(frame, &macs) {
                Some(Kind::Protected) => heard.protected += 1,
                Some(Kind::Open) => heard.open += 1,
                Some(Kind::Handshake) => heard.handshake += 1,
                None => {}
            }
        }
        Ok(heard)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Protected,
    Open,
    Handshake,
}

/// The frames of a pcap file, from their radiotap header on.
fn frames(bytes: &[u8]) -> Result<Vec<&[u8]>> {
    let number = |at: usize| {
        let word = bytes.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
        word.map(u32::from_le_bytes).and_then(|n| usize::try_from(n).ok())
    };
    ensure!(number(0) == Some(0xa1b2_c3d4), "not a capture");
    ensure!(number(20) == Some(127), "a capture of {:?}, not of radios", number(20));
    let (mut at, mut frames) = (24, Vec::new());
    while let Some(length) = number(at + 8) {
        let start = at + 16;
        // The last one may be cut off.
        let Some(frame) = bytes.get(start..start + length) else { break };
        frames.push(frame);
        at = start + length;
    }
    Ok(frames)
}

/// What a neighbour learns from a frame (IEEE 802.11-2020, 9.2 and 9.3.2); nothing when it carries no
/// data or somebody else sent it.
fn kind(frame: &[u8], senders: &[[u8; 6]]) -> Option<Kind> {
    let radiotap = usize::from(u16::from_le_bytes([*frame.get(2)?, *frame.get(3)?]));
    let frame = frame.get(radiotap..)?;
    let [control, flags] = *frame.get(..2)? else { return None };
    let is_data = control & 0x0c == 0x08;
    let is_null = control & 0x40 != 0;
    let sender = <[u8; 6]>::try_from(frame.get(10..16)?).ok()?;
    if !is_data || is_null || !senders.contains(&sender) {
        return None;
    }
    if flags & 0x40 != 0 {
        return Some(Kind::Protected);
    }
    let four_addresses = if flags & 0x03 == 0x03 { 6 } else { 0 };
    let quality = if control & 0x80 != 0 { 2 } else { 0 };
    let body = frame.get(24 + four_addresses + quality..).unwrap_or_default();
    let is_eapol = body.starts_with(&[0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0x8e]);
    Some(if is_eapol { Kind::Handshake } else { Kind::Open })
}

fn mac(text: &str) -> Result<[u8; 6]> {
    let bytes: Vec<u8> = text
        .split(':')
        .map(|part| u8::from_str_radix(part, 16))
        .collect::<std::result::Result<_, _>>()
        .with_context(|| format!("address {text:?}"))?;
    match bytes.try_into() {
        Ok(mac) => Ok(mac),
        Err(_) => bail!("address {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: [u8; 6] = [2, 0, 0, 0, 1, 0];

    /// A QoS data frame with a radiotap header of 8 bytes, from a box to a box.
    fn frame(control: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, 8, 0, 0, 0, 0, 0, control, flags, 0, 0];
        frame.extend([0xff; 6]);
        frame.extend(SENDER);
        frame.extend([0; 8]);
        frame.extend(body);
        frame
    }

    #[test]
    fn only_data_of_these_senders_counts() {
        assert_eq!(kind(&frame(0x88, 0x41, b"xx"), &[SENDER]), Some(Kind::Protected));
        assert_eq!(kind(&frame(0x88, 0x01, b"xxlong"), &[SENDER]), Some(Kind::Open));
        assert_eq!(kind(&frame(0x08, 0x00, b""), &[SENDER]), Some(Kind::Open));
        assert_eq!(kind(&frame(0x88, 0x01, b"xx"), &[[9; 6]]), None, "somebody else");
        assert_eq!(kind(&frame(0xc8, 0x01, b"xx"), &[SENDER]), None, "no data in it");
        assert_eq!(kind(&frame(0x80, 0x00, b"xx"), &[SENDER]), None, "a beacon");
        assert_eq!(kind(&[0, 0, 8], &[SENDER]), None);
    }

    #[test]
    fn a_handshake_is_told_from_data() {
        let eapol = b"\0\0\xaa\xaa\x03\0\0\0\x88\x8e";
        assert_eq!(kind(&frame(0x88, 0x02, eapol), &[SENDER]), Some(Kind::Handshake));
        assert_eq!(kind(&frame(0x08, 0x02, &eapol[2..]), &[SENDER]), Some(Kind::Handshake));
        let ip = b"\0\0\xaa\xaa\x03\0\0\0\x08\x00";
        assert_eq!(kind(&frame(0x88, 0x02, ip), &[SENDER]), Some(Kind::Open));
    }

    #[test]
    fn a_capture_cut_off_in_the_middle_is_read_as_far_as_it_goes() {
        let mut file = vec![0; 24];
        file[..4].copy_from_slice(&0xa1b2_c3d4_u32.to_le_bytes());
        file[20] = 127;
        for length in [5_u32, 9] {
            file.extend([0; 8]);
            file.extend(length.to_le_bytes());
            file.extend(length.to_le_bytes());
            file.extend([7; 5]);
        }
        assert_eq!(frames(&file).unwrap(), [&[7; 5][..]]);
        assert!(frames(b"not a capture").is_err());
    }

    #[test]
    fn addresses_are_read() {
        assert_eq!(mac("02:00:00:00:01:00").unwrap(), SENDER);
        assert!(mac("02:00").is_err() && mac("zz:00:00:00:01:00").is_err());
    }
}
