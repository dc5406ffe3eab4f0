//! Attributes of netlink messages (`struct nlattr`): reading them without trust in their lengths, and
//! writing them.
//!
//! Numbers are in the byte order of the machine, except where a family says otherwise.

/// `NLA_F_NESTED`: the value is made of attributes.
const NESTED: u16 = 1 << 15;

/// The bits of the type that are the type.
const TYPE: u16 = 0x3fff;

/// Bytes of an attribute's head, and what values are padded to.
const HEAD: usize = 4;

/// Attributes, one after another. Ends at the first that does not fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a>(&'a [u8]);

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    /// Its type, without flags.
    pub(crate) kind: u16,
    /// What it holds.
    pub(crate) value: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The first attribute of a type.
    pub(crate) fn get(mut self, kind: u16) -> Option<Attribute<'a>> {
        self.find(|attribute| attribute.kind == kind)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let length = usize::from(u16::from_ne_bytes(*self.0.first_chunk()?));
        let kind = u16::from_ne_bytes(*self.0.get(2..)?.first_chunk()?) & TYPE;
        let value = self.0.get(HEAD..length)?;
        self.0 = self.0.get(length.next_multiple_of(HEAD)..).unwrap_or_default();
        Some(Attribute { kind, value })
    }
}

impl<'a> Attribute<'a> {
    pub(crate) fn u8(&self) -> Option<u8> {
        self.value.first().copied()
    }

    pub(crate) fn i8(&self) -> Option<i8> {
        self.u8().map(|byte| i8::from_ne_bytes([byte]))
    }

    pub(crate) fn u16(&self) -> Option<u16> {
        self.value.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
    }

    pub(crate) fn u32(&self) -> Option<u32> {
        self.value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
    }

    pub(crate) fn i32(&self) -> Option<i32> {
        self.value.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
    }

    /// A number in network order, as netfilter has them.
    pub(crate) fn u32_be(&self) -> Option<u32> {
        self.value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    pub(crate) fn u64(&self) -> Option<u64> {
        self.value.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
    }

    /// An EUI-48.
    pub(crate) fn mac(&self) -> Option<[u8; 6]> {
        self.value.try_into().ok()
    }

    /// Text up to its NUL; nothing when it is no UTF-8.
    pub(crate) fn text(&self) -> Option<&'a str> {
        let text = self.value.split(|byte| *byte == 0).next()?;
        std::str::from_utf8(text).ok()
    }

    pub(crate) const fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }
}

/// Attributes being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// A message that begins with a fixed head before its attributes.
    pub(crate) fn after(head: &[u8]) -> Self {
        Self(head.to_vec())
    }

    pub(crate) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        // Values of ours are names and numbers; none comes near the 64 KiB an attribute holds.
        let length = u16::try_from(HEAD + value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(HEAD), 0);
        self
    }

    /// An attribute whose presence says it all.
    pub(crate) fn flag(self, kind: u16) -> Self {
        self.bytes(kind, &[])
    }

    pub(crate) fn u8(self, kind: u16, value: u8) -> Self {
        self.bytes(kind, &[value])
    }

    pub(crate) fn u32(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Text with its NUL.
    pub(crate) fn text(self, kind: u16, text: &str) -> Self {
        self.bytes(kind, &[text.as_bytes(), b"\0"].concat())
    }

    pub(crate) fn nested(self, kind: u16, inner: Self) -> Self {
        self.bytes(kind | NESTED, &inner.0)
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Writer::default().u8(7, 3).text(8, "kith0");
        let bytes = Writer::default().flag(1).u32(2, 0xdead_beef).nested(3, inner).done();
        assert_eq!(bytes.len() % HEAD, 0);
        let read = Attributes::new(&bytes);
        assert_eq!(read.map(|a| a.kind).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(read.get(2).and_then(|a| a.u32()), Some(0xdead_beef));
        let nested = read.get(3).unwrap().nested();
        assert_eq!(nested.get(7).and_then(|a| a.u8()), Some(3));
        assert_eq!(nested.get(8).and_then(|a| a.text()), Some("kith0"));
        assert_eq!(nested.get(9), None);
    }

    #[test]
    fn lengths_that_lie_end_the_reading() {
        for bytes in [&[0, 0, 1, 0][..], &[3, 0, 1, 0], &[9, 0, 1, 0, 5], &[4, 0, 1]] {
            assert_eq!(Attributes::new(bytes).count(), 0, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let read = Attributes::new(&bytes);
            prop_assert!(read.count() <= bytes.len() / HEAD + 1);
            for attribute in read {
                let _ = (attribute.u8(), attribute.u16(), attribute.u32(), attribute.u64());
                let _ = (attribute.text(), attribute.mac(), attribute.nested().count());
            }
        }
    }
}
