//! DAG-PB nodes with UnixFS data: the two small protobuf messages of inner blocks.
//!
//! Written by hand because both are fixed for ever (IPLD's DAG-PB specification, `unixfs.proto`) and
//! the bounds matter more than the schema: a decoder generated from it would take any field order and
//! any length. Modes and times of other programs are accepted and dropped; symbolic links are refused.

use bytes::Bytes;

use super::{MAX_LINKS, UnixfsError, hamt};
use crate::body::MAX_SEGMENT;
use crate::cid::{Cid, Codec, MAX_BLOCK};

/// A link from a block to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The child.
    pub cid: Cid,
    /// Its name: empty in files, two hex digits before it in hash tries.
    pub name: String,
    /// Bytes of all its blocks together, as its author says.
    pub tsize: u64,
}

/// What an inner block is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A file.
    File {
        /// Bytes of content below the links; one number for each link.
        block_sizes: Vec<u64>,
        /// Content in the block itself, only in blocks without links.
        inline: Vec<u8>,
    },
    /// A plain directory.
    Directory,
    /// A directory as a hash trie of 256 slots; the slots are known from the names of the links.
    Shard,
}

/// An inner block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its children, in order.
    pub links: Vec<Link>,
    /// What it is.
    pub data: Data,
}

/// The message types of `unixfs.proto`.
mod kind {
    pub(super) const RAW: u64 = 0;
    pub(super) const DIRECTORY: u64 = 1;
    pub(super) const FILE: u64 = 2;
    pub(super) const SHARD: u64 = 5;
}

impl Node {
    /// Reads a block.
    ///
    /// # Errors
    /// [`UnixfsError`] when it is longer than 1 MiB, has more than 8,192 links, is not DAG-PB with
    /// UnixFS data, or contradicts itself.
    pub fn decode(block: &[u8]) -> Result<Self, UnixfsError> {
        if block.len() > MAX_BLOCK {
            return Err(UnixfsError::TooLarge(block.len()));
        }
        let mut links = Vec::new();
        let mut data = None;
        let mut fields = Fields(block);
        while let Some(field) = fields.next()? {
            match field {
                (2, Value::Bytes(link)) if data.is_none() && links.len() < MAX_LINKS => {
                    links.push(decode_link(link)?);
                }
                (1, Value::Bytes(bytes)) if data.is_none() => data = Some(bytes),
                _ => return Err(UnixfsError::Malformed("a node has links, then data")),
            }
        }
        let data = data.ok_or(UnixfsError::Malformed("a node has no UnixFS data"))?;
        let data = RawData::decode(data)?.into_data(&links)?;
        Ok(Self { links, data })
    }

    /// Bytes of content in and below a file's block; `None` for directories.
    #[must_use]
    pub fn file_size(&self) -> Option<u64> {
        match &self.data {
            Data::File { block_sizes, inline } => {
                Some(block_sizes.iter().sum::<u64>() + inline.len() as u64)
            }
            Data::Directory | Data::Shard => None,
        }
    }
}

fn decode_link(bytes: &[u8]) -> Result<Link, UnixfsError> {
    let bad = UnixfsError::Malformed("a link has a cid, then a name, then a size");
    let mut fields = Fields(bytes);
    let Some((1, Value::Bytes(cid))) = fields.next()? else { return Err(bad) };
    let cid = Cid::from_bytes(cid).map_err(|_| UnixfsError::Malformed("a link's cid"))?;
    if cid.codec() == Codec::DagCbor {
        return Err(UnixfsError::Codec);
    }
    let mut link = Link { cid, name: String::new(), tsize: 0 };
    let mut last = 1;
    while let Some(field) = fields.next()? {
        match field {
            (2, Value::Bytes(name)) if last < 2 && name.len() <= MAX_SEGMENT + hamt::PREFIX => {
                let name = core::str::from_utf8(name);
                name.map_err(|_| UnixfsError::Name)?.clone_into(&mut link.name);
                last = 2;
            }
            (3, Value::Varint(tsize)) if last < 3 => (link.tsize, last) = (tsize, 3),
            _ => return Err(bad),
        }
    }
    Ok(link)
}

/// UnixFS data before it is compared with the links.
#[derive(Default)]
struct RawData<'a> {
    kind: Option<u64>,
    data: Option<&'a [u8]>,
    size: Option<u64>,
    block_sizes: Vec<u64>,
    hash: Option<u64>,
    fanout: Option<u64>,
}

impl<'a> RawData<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, UnixfsError> {
        let mut raw = Self::default();
        let mut last = 0;
        let mut fields = Fields(bytes);
        while let Some((number, value)) = fields.next()? {
            let again = number == 4 && last == 4 && raw.block_sizes.len() < MAX_LINKS;
            if number <= last && !again {
                return Err(UnixfsError::Malformed("UnixFS fields are out of order"));
            }
            last = number;
            match (number, value) {
                (1, Value::Varint(kind)) => raw.kind = Some(kind),
                (2, Value::Bytes(data)) => raw.data = Some(data),
                (3, Value::Varint(size)) => raw.size = Some(size),
                (4, Value::Varint(size)) => raw.block_sizes.push(size),
                (5, Value::Varint(hash)) => raw.hash = Some(hash),
                (6, Value::Varint(fanout)) => raw.fanout = Some(fanout),
                (7, Value::Varint(_)) | (8, Value::Bytes(_)) => {}
                _ => return Err(UnixfsError::Malformed("an unknown UnixFS field")),
            }
        }
        Ok(raw)
    }

    fn into_data(self, links: &[Link]) -> Result<Data, UnixfsError> {
        match self.kind {
            Some(kind::RAW | kind::FILE) => self.into_file(links),
            Some(kind::DIRECTORY) if self.data.is_none() && self.block_sizes.is_empty() => {
                if links.windows(2).all(|pair| pair[0].name < pair[1].name) {
                    Ok(Data::Directory)
                } else {
                    Err(UnixfsError::Malformed("names in a directory are unsorted or repeated"))
                }
            }
            Some(kind::SHARD) => {
                let known = self.hash == Some(hamt::MURMUR3) && self.fanout == Some(hamt::FANOUT);
                if !known {
                    return Err(UnixfsError::Malformed("a trie of another hash or fanout"));
                }
                hamt::check_slots(self.data.unwrap_or_default(), links)?;
                Ok(Data::Shard)
            }
            _ => Err(UnixfsError::Malformed("neither file nor directory")),
        }
    }

    fn into_file(self, links: &[Link]) -> Result<Data, UnixfsError> {
        let inline = self.data.unwrap_or_default();
        if links.len() != self.block_sizes.len() || !(links.is_empty() || inline.is_empty()) {
            return Err(UnixfsError::Malformed("a file's links and sizes are not of one number"));
        }
        let sum = |sum: u64, size: &u64| sum.checked_add(*size);
        let size = self.block_sizes.iter().try_fold(inline.len() as u64, sum);
        let size = size.ok_or(UnixfsError::Malformed("a file of more than 2^64 bytes"))?;
        if self.size.unwrap_or(0) != size {
            return Err(UnixfsError::Malformed("a file's size is not the sum of its parts"));
        }
        Ok(Data::File { block_sizes: self.block_sizes, inline: inline.to_vec() })
    }
}

/// Writes one inner block: links in order, then what it is.
#[derive(Debug, Default)]
pub(super) struct NodeWriter {
    block: Vec<u8>,
    tsize: u64,
}

impl NodeWriter {
    /// The length of a link in a block, in bytes.
    pub(super) const fn link_len(name: &str, tsize: u64) -> usize {
        let link = 2 + 36 + 1 + varint_len(name.len() as u64) + name.len() + 1 + varint_len(tsize);
        1 + varint_len(link as u64) + link
    }

    pub(super) fn link(&mut self, cid: &Cid, name: [&str; 2], tsize: u64) {
        let name_len = name[0].len() + name[1].len();
        let len = 2 + 36 + 1 + varint_len(name_len as u64) + name_len + 1 + varint_len(tsize);
        self.block.push(0x12);
        put_varint(&mut self.block, len as u64);
        self.block.extend([0x0a, 36]);
        self.block.extend(cid.to_bytes());
        self.block.push(0x12);
        put_varint(&mut self.block, name_len as u64);
        self.block.extend(name[0].bytes());
        self.block.extend(name[1].bytes());
        self.block.push(0x18);
        put_varint(&mut self.block, tsize);
        self.tsize = self.tsize.saturating_add(tsize);
    }

    /// The block of a file's inner node, with the bytes of content below each link.
    pub(super) fn file(self, block_sizes: &[u64]) -> (Cid, Bytes, u64) {
        let mut data = vec![0x08, kind::FILE as u8, 0x18];
        put_varint(&mut data, block_sizes.iter().sum());
        for size in block_sizes {
            data.push(0x20);
            put_varint(&mut data, *size);
        }
        self.finish(&data)
    }

    pub(super) fn directory(self) -> (Cid, Bytes, u64) {
        self.finish(&DIRECTORY)
    }

    /// `bits` has one bit for each slot in use, the first slot last.
    pub(super) fn shard(self, bits: &[u8]) -> (Cid, Bytes, u64) {
        let mut data = vec![0x08, kind::SHARD as u8, 0x12];
        put_varint(&mut data, bits.len() as u64);
        data.extend(bits);
        data.push(0x28);
        put_varint(&mut data, hamt::MURMUR3);
        data.push(0x30);
        put_varint(&mut data, hamt::FANOUT);
        self.finish(&data)
    }

    fn finish(mut self, data: &[u8]) -> (Cid, Bytes, u64) {
        self.block.push(0x0a);
        put_varint(&mut self.block, data.len() as u64);
        self.block.extend(data);
        let block = Bytes::from(self.block);
        let tsize = self.tsize.saturating_add(block.len() as u64);
        (Cid::of(Codec::DagPb, &block), block, tsize)
    }
}

/// UnixFS data of a plain directory: its type and nothing else.
const DIRECTORY: [u8; 2] = [0x08, kind::DIRECTORY as u8];

/// The length of a plain directory's block without its links, in bytes.
pub(super) const EMPTY_DIRECTORY: usize = 2 + DIRECTORY.len();

const fn varint_len(value: u64) -> usize {
    match value {
        0 => 1,
        value => (70 - value.leading_zeros() as usize) / 7,
    }
}

/// Appends `value` as LEB128.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a minimal LEB128 number from the front of `bytes`; `Ok(None)` when it is cut off.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Result<Option<u64>, UnixfsError> {
    const TOO_LONG: UnixfsError = UnixfsError::Malformed("a number is too long");
    let mut value = 0_u64;
    for (i, byte) in bytes.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        if i == 9 && bits > 1 {
            return Err(TOO_LONG);
        }
        value |= bits << (7 * i);
        if byte & 0x80 == 0 {
            if *byte == 0 && i > 0 {
                return Err(TOO_LONG);
            }
            *bytes = &bytes[i + 1..];
            return Ok(Some(value));
        }
        if i == 9 {
            return Err(TOO_LONG);
        }
    }
    Ok(None)
}

enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message that are not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, UnixfsError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = self.varint()?;
        match tag & 7 {
            0 => Ok(Some((tag >> 3, Value::Varint(value)))),
            2 => {
                let cut = usize::try_from(value).ok().and_then(|len| self.0.split_at_checked(len));
                let (bytes, rest) = cut.ok_or(UnixfsError::Malformed("a field is cut off"))?;
                self.0 = rest;
                Ok(Some((tag >> 3, Value::Bytes(bytes))))
            }
            _ => Err(UnixfsError::Malformed("an unknown wire type")),
        }
    }

    fn varint(&mut self) -> Result<u64, UnixfsError> {
        take_varint(&mut self.0)?.ok_or(UnixfsError::Malformed("a number is cut off"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHILD: Cid = Cid::from_digest(Codec::Raw, [5; 32]);

    #[test]
    fn what_is_written_reads_the_same() {
        let mut writer = NodeWriter::default();
        writer.link(&CHILD, ["", ""], 200);
        writer.link(&CHILD, ["", ""], 1 << 40);
        let (_, block, tsize) = writer.file(&[130, u64::from(u32::MAX)]);
        let node = Node::decode(&block).unwrap();
        let link = |tsize| Link { cid: CHILD, name: String::new(), tsize };
        assert_eq!(node.links, [link(200), link(1 << 40)]);
        assert_eq!(node.file_size(), Some(130 + u64::from(u32::MAX)));
        assert_eq!(tsize, 200 + (1 << 40) + block.len() as u64);
    }

    #[test]
    fn the_length_of_a_directory_is_known_before_it_is_written() {
        let names = ["a", "ä".repeat(60).as_str(), "x".repeat(255).as_str()].map(str::to_owned);
        let mut writer = NodeWriter::default();
        let mut len = EMPTY_DIRECTORY;
        for (name, tsize) in names.iter().zip([0, 127, 1 << 35]) {
            writer.link(&CHILD, [name, ""], tsize);
            len += NodeWriter::link_len(name, tsize);
        }
        assert_eq!(writer.directory().1.len(), len);
    }

    /// What other programs write and we do not: modes and times, `UnixFS` leaves, links without a
    /// name or size.
    #[test]
    fn modes_times_and_wrapped_leaves_of_other_programs_are_read() {
        let leaf = node(&[], b"\x08\x02\x12\x03abc\x18\x03\x38\xa4\x03\x42\x02\x08\x05");
        let inline = Data::File { block_sizes: vec![], inline: b"abc".to_vec() };
        assert_eq!(Node::decode(&leaf).unwrap().data, inline);
        let bare =
            node(&[[&[0x0a, 36][..], &CHILD.to_bytes()].concat()], b"\x08\x02\x18\x01\x20\x01");
        assert_eq!(Node::decode(&bare).unwrap().links[0].tsize, 0);
    }

    #[test]
    fn nodes_that_are_not_unixfs_or_contradict_themselves_are_refused() {
        let good = link(b"a", 1);
        let cases: [(&str, Vec<u8>); 17] = [
            ("empty", vec![]),
            ("no data", node(&[], b"")[2..].to_vec()),
            ("data twice", [node(&[], b"\x08\x01"), node(&[], b"\x08\x01")].concat()),
            (
                "data before links",
                [node(&[], b"\x08\x01"), node(core::slice::from_ref(&good), b"")].concat(),
            ),
            ("an unknown field", [vec![0x1a, 0], node(&[], b"\x08\x01")].concat()),
            ("a fixed32", [vec![0x0d, 0, 0, 0, 0], node(&[], b"\x08\x01")].concat()),
            ("a length beyond the end", vec![0x0a, 0x7f, 0x08, 0x01]),
            ("a padded number", vec![0x0a, 0x82, 0x00, 0x08, 0x01]),
            (
                "a number of 11 bytes",
                node(&[], b"\x08\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
            ),
            ("a number above 2^64", node(&[], b"\x08\x81\x80\x80\x80\x80\x80\x80\x80\x80\x02")),
            ("a symbolic link", node(&[], b"\x08\x04\x12\x01a")),
            ("two of one name", node(&[good.clone(), good.clone()], b"\x08\x01")),
            ("names out of order", node(&[link(b"b", 1), good.clone()], b"\x08\x01")),
            ("a link without its size", node(core::slice::from_ref(&good), b"\x08\x02\x18\x00")),
            ("a size without its link", node(&[], b"\x08\x02\x18\x01\x20\x01")),
            (
                "links and content",
                node(core::slice::from_ref(&good), b"\x08\x02\x12\x01a\x18\x02\x20\x01"),
            ),
            ("a wrong sum", node(core::slice::from_ref(&good), b"\x08\x02\x18\x02\x20\x01")),
        ];
        for (what, block) in cases {
            assert!(Node::decode(&block).is_err(), "{what}");
        }
        assert!(Node::decode(&node(&[good], b"\x08\x02\x18\x01\x20\x01")).is_ok());
    }

    #[test]
    fn sizes_whose_sum_overflows_are_refused() {
        let mut data = b"\x08\x02\x18\x00".to_vec();
        for _ in 0..2 {
            data.push(0x20);
            put_varint(&mut data, 1 << 63);
        }
        assert!(Node::decode(&node(&[link(b"", 1), link(b"", 1)], &data)).is_err());
    }

    #[test]
    fn links_out_of_shape_are_refused() {
        let cid = [&[0x0a, 36][..], &CHILD.to_bytes()].concat();
        let record = Cid::from_digest(Codec::DagCbor, [1; 32]).to_bytes();
        let cases: [(&str, Vec<u8>); 7] = [
            ("no cid", b"\x12\x01a".to_vec()),
            ("a record's cid", [&[0x0a, 36][..], &record].concat()),
            ("a name of 258 bytes", link(&[b'a'; 258], 1)),
            ("a name that is not UTF-8", link(b"\xff", 1)),
            ("a name twice", [&cid[..], b"\x12\x01a\x12\x01b"].concat()),
            ("a size before the name", [&cid[..], b"\x18\x01\x12\x01b"].concat()),
            ("a cid of version 0", [&[0x0a, 34, 0x12, 32][..], &[1; 32]].concat()),
        ];
        for (what, link) in cases {
            assert!(Node::decode(&node(&[link], b"\x08\x01")).is_err(), "{what}");
        }
    }

    #[test]
    fn blocks_and_numbers_of_links_are_bounded() {
        let large = [node(&[], b"\x08\x01"), vec![0; MAX_BLOCK]].concat();
        assert_eq!(Node::decode(&large), Err(UnixfsError::TooLarge(large.len())));
        let nameless = [&[0x0a, 36][..], &CHILD.to_bytes()].concat();
        let mut data = b"\x08\x02\x18\x00".to_vec();
        data.extend([0x20, 0].repeat(MAX_LINKS));
        let links = vec![nameless.clone(); MAX_LINKS];
        assert!(Node::decode(&node(&links, &data)).is_ok());
        data.extend([0x20, 0]);
        assert!(Node::decode(&node(&vec![nameless; MAX_LINKS + 1], &data)).is_err());
    }

    proptest! {
        #[test]
        fn numbers_survive_and_know_their_length(value: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(bytes.len(), varint_len(value));
            for cut in 0..bytes.len() {
                prop_assert_eq!(take_varint(&mut &bytes[..cut]), Ok(None));
            }
            bytes.push(9);
            let mut rest = &bytes[..];
            prop_assert_eq!(take_varint(&mut rest), Ok(Some(value)));
            prop_assert_eq!(rest, &[9][..]);
        }

        #[test]
        fn any_bytes_are_refused_or_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Node::decode(&bytes);
        }
    }

    fn node(links: &[Vec<u8>], data: &[u8]) -> Vec<u8> {
        let mut block = Vec::new();
        for link in links {
            block.push(0x12);
            put_varint(&mut block, link.len() as u64);
            block.extend(link);
        }
        block.push(0x0a);
        put_varint(&mut block, data.len() as u64);
        block.extend(data);
        block
    }

    fn link(name: &[u8], tsize: u64) -> Vec<u8> {
        let mut link = [&[0x0a, 36][..], &CHILD.to_bytes(), &[0x12]].concat();
        put_varint(&mut link, name.len() as u64);
        link.extend(name);
        link.push(0x18);
        put_varint(&mut link, tsize);
        link
    }
}
