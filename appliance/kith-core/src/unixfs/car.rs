//! CAR version 1: blocks in one file, for carrying them on a stick or handing them to an IPFS client.
//!
//! Writing is a header and, for each block, a head followed by the block as it is. Reading takes the
//! file in pieces of any size, holds at most one block, and verifies each.

use bytes::{Buf as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::dag_pb::{put_varint, take_varint};
use crate::cid::{Cid, MAX_BLOCK};
use crate::wire::cbor;

/// The longest header that is read, in bytes.
const MAX_HEADER: usize = 4 * 1024;

/// The length of a cid of ours in its binary form, in bytes.
const CID_LEN: usize = 36;

/// The header, in DAG-CBOR.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    roots: Vec<Cid>,
    version: u64,
}

/// Why bytes are not a CAR file of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CarError {
    /// The header is too long or no header.
    #[error("this is not a CAR file of version 1 with blocks that Kith uses")]
    Header,
    /// A section is too long or too short, or its cid is not one of ours.
    #[error("a section of the CAR file is not a block that Kith uses")]
    Section,
    /// A block is not what its cid names.
    #[error("the CAR file is damaged: a block is not {0}")]
    Block(Cid),
    /// The file ends within a section.
    #[error("the CAR file is cut off")]
    CutOff,
}

/// The start of a CAR file with one root.
#[must_use]
pub fn header(root: &Cid) -> Vec<u8> {
    let header = cbor::encode(&Header { roots: vec![*root], version: 1 });
    let mut bytes = Vec::with_capacity(2 + header.len());
    put_varint(&mut bytes, header.len() as u64);
    bytes.extend(header);
    bytes
}

/// What comes before the `len` bytes of the block `cid`.
#[must_use]
pub fn frame_head(cid: &Cid, len: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(CID_LEN + 4);
    put_varint(&mut head, (CID_LEN + len) as u64);
    head.extend(cid.to_bytes());
    head
}

/// Reads a CAR file.
#[derive(Debug, Default)]
pub struct CarReader {
    buffer: BytesMut,
    roots: Option<Vec<Cid>>,
}

impl CarReader {
    /// A reader at the start of a file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the file. Take all blocks out with [`CarReader::next_block`] before
    /// the next call, or they pile up here.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The roots the header names; empty before it has been read.
    #[must_use]
    pub fn roots(&self) -> &[Cid] {
        self.roots.as_deref().unwrap_or_default()
    }

    /// The next block, verified; `None` until more bytes are pushed.
    ///
    /// # Errors
    /// [`CarError`] when the file is no good from here on.
    pub fn next_block(&mut self) -> Result<Option<(Cid, Bytes)>, CarError> {
        if self.roots.is_none() {
            let Some(header) = self.section(1, MAX_HEADER, CarError::Header)? else {
                return Ok(None);
            };
            let header = cbor::decode::<Header>(&header, MAX_HEADER);
            let header = header.ok().filter(|header| header.version == 1);
            self.roots = Some(header.ok_or(CarError::Header)?.roots);
        }
        let Some(mut section) = self.section(CID_LEN, CID_LEN + MAX_BLOCK, CarError::Section)?
        else {
            return Ok(None);
        };
        let cid = Cid::from_bytes(&section.split_to(CID_LEN)).map_err(|_| CarError::Section)?;
        if cid.verifies(&section) { Ok(Some((cid, section))) } else { Err(CarError::Block(cid)) }
    }

    /// The file has ended.
    ///
    /// # Errors
    /// [`CarError::CutOff`] when it ends within its header or a section.
    pub fn finish(self) -> Result<(), CarError> {
        if self.roots.is_some() && self.buffer.is_empty() { Ok(()) } else { Err(CarError::CutOff) }
    }

    fn section(
        &mut self,
        min: usize,
        max: usize,
        bad: CarError,
    ) -> Result<Option<Bytes>, CarError> {
        let mut rest = &self.buffer[..];
        let Ok(len) = take_varint(&mut rest) else { return Err(bad) };
        let Some(len) = len else { return Ok(None) };
        let Some(len) = usize::try_from(len).ok().filter(|len| (min..=max).contains(len)) else {
            return Err(bad);
        };
        let head = self.buffer.len() - rest.len();
        if rest.len() < len {
            self.buffer.reserve(len - rest.len());
            return Ok(None);
        }
        self.buffer.advance(head);
        Ok(Some(self.buffer.split_to(len).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cid::Codec;

    #[test]
    fn the_header_is_the_one_of_the_specification() {
        let root = Cid::from_digest(Codec::Raw, [9; 32]);
        let mut expected = b"\x3a\xa2\x65roots\x81\xd8\x2a\x58\x25\x00".to_vec();
        expected.extend(root.to_bytes());
        expected.extend(b"\x67version\x01");
        assert_eq!(header(&root), expected);
    }

    proptest! {
        #[test]
        fn a_file_in_pieces_of_any_size_gives_its_blocks_back(
            blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8),
            piece in 1..400_usize,
        ) {
            let (roots, read) = read(&car(&blocks), piece).unwrap();
            prop_assert_eq!(roots, vec![Cid::of(Codec::Raw, &blocks[0])]);
            prop_assert_eq!(read, blocks);
        }

        #[test]
        fn a_changed_or_missing_byte_is_noticed(at in 60..170_usize, bit in 0..8) {
            let mut bytes = car(&[vec![1; 20], vec![2; 20]]);
            prop_assert_eq!(bytes.len(), 59 + 2 * (1 + 36 + 20));
            prop_assert!(read(&bytes[..at], 1000).is_err() || at == 59 + 57);
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(read(&bytes, 1000).is_err());
        }

        #[test]
        fn any_bytes_are_refused_or_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, 1000);
        }
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_kept() {
        let huge = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        let after_header = [&header(&Cid::of(Codec::Raw, b""))[..], huge].concat();
        assert_eq!(read(huge, 1000), Err(CarError::Header));
        assert_eq!(read(&after_header, 1000), Err(CarError::Section));
        let mut reader = CarReader::new();
        reader.push(&after_header);
        let _ = reader.next_block();
        assert!(reader.buffer.capacity() < 4096);
    }

    #[test]
    fn headers_of_other_versions_and_blocks_of_other_cids_are_refused() {
        let header = |version| cbor::encode(&Header { roots: vec![], version });
        let file = |version| [&[header(version).len() as u8][..], &header(version)].concat();
        assert_eq!(read(&file(1), 9), Ok((vec![], vec![])));
        assert_eq!(read(&file(2), 9), Err(CarError::Header));
        let v0 = [&file(1)[..], &[34, 0x12, 32], &[0; 32]].concat();
        assert_eq!(read(&v0, 9), Err(CarError::Section));
        assert_eq!(read(b"", 9), Err(CarError::CutOff));
    }

    fn car(blocks: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = header(&Cid::of(Codec::Raw, &blocks[0]));
        for block in blocks {
            bytes.extend(frame_head(&Cid::of(Codec::Raw, block), block.len()));
            bytes.extend(block);
        }
        bytes
    }

    fn read(bytes: &[u8], piece: usize) -> Result<(Vec<Cid>, Vec<Vec<u8>>), CarError> {
        let mut reader = CarReader::new();
        let mut blocks = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            while let Some((_, block)) = reader.next_block()? {
                blocks.push(block.to_vec());
            }
        }
        let roots = reader.roots().to_vec();
        reader.finish()?;
        Ok((roots, blocks))
    }
}
