//! Frames: `len u32 | crc32c u32 | payload`, little-endian, one behind the other.
//!
//! The checksum (CRC-32C, RFC 3720 appendix B.4) also covers the store's salt and the frame's own place,
//! so neither what a stranger hid in a block's bytes nor what an old file left on the disk can pass for
//! a frame. The top bit of `len` marks the first frame of a commit: all commits before it were flushed.

/// What precedes each payload, in bytes.
pub(crate) const HEAD: usize = 8;

/// The largest payload, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 4 << 20;

/// The bit of `len` that marks the first frame of a commit.
const BEGINS: u32 = 1 << 31;

/// Where a frame stands; part of its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) salt: u64,
    pub(crate) segment: u32,
    pub(crate) offset: u64,
}

/// The first eight bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) begins: bool,
    pub(crate) len: usize,
    pub(crate) crc: u32,
}

impl Head {
    /// `None` when the length is one no frame has.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let (len, crc) = (word(0)?, word(4)?);
        let head = Self { begins: len & BEGINS != 0, len: (len & !BEGINS) as usize, crc };
        (1..=MAX_PAYLOAD).contains(&head.len).then_some(head)
    }

    /// Whether `payload` is what stood behind this head at `place`.
    pub(crate) fn fits(&self, place: Place, payload: &[u8]) -> bool {
        payload.len() == self.len && checksum(place, self.word(), &[payload]) == self.crc
    }

    const fn word(&self) -> u32 {
        self.len as u32 | if self.begins { BEGINS } else { 0 }
    }
}

/// Appends a frame whose payload is the sum of `parts`, and says its checksum.
pub(crate) fn push(out: &mut Vec<u8>, place: Place, begins: bool, parts: &[&[u8]]) -> u32 {
    let len = parts.iter().map(|part| part.len()).sum();
    let mut head = Head { begins, len, crc: 0 };
    head.crc = checksum(place, head.word(), parts);
    out.extend_from_slice(&head.word().to_le_bytes());
    out.extend_from_slice(&head.crc.to_le_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    head.crc
}

fn checksum(place: Place, len: u32, parts: &[&[u8]]) -> u32 {
    let mut seed = [0; 24];
    seed[..8].copy_from_slice(&place.salt.to_le_bytes());
    seed[8..12].copy_from_slice(&place.segment.to_le_bytes());
    seed[12..20].copy_from_slice(&place.offset.to_le_bytes());
    seed[20..].copy_from_slice(&len.to_le_bytes());
    parts.iter().fold(crc32c::crc32c(&seed), |crc, part| crc32c::crc32c_append(crc, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { salt: 7, segment: 1, offset: 32 };

    #[test]
    fn a_frame_fits_its_own_place_only() {
        let mut out = Vec::new();
        let crc = push(&mut out, PLACE, true, &[b"he", b"llo"]);
        let head = Head::parse(&out).unwrap();
        assert_eq!(head, Head { begins: true, len: 5, crc });
        assert!(head.fits(PLACE, &out[HEAD..]));
        assert!(!head.fits(Place { salt: 8, ..PLACE }, &out[HEAD..]));
        assert!(!head.fits(Place { segment: 2, ..PLACE }, &out[HEAD..]));
        assert!(!head.fits(Place { offset: 33, ..PLACE }, &out[HEAD..]));
        assert!(!head.fits(PLACE, b"hellO"));
    }

    #[test]
    fn zeros_and_absurd_lengths_are_no_heads() {
        assert_eq!(Head::parse(&[0; 8]), None);
        assert_eq!(Head::parse(&[0xff; 8]), None);
        assert_eq!(Head::parse(&[1, 0, 0, 0]), None);
    }
}
