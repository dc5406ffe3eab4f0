//! HELLO: telling a peer which spaces one is in, so that only who is in them too learns it.
//!
//! Each space goes by its handle on this connection, with a sealed admission. Made-up entries fill the
//! list to a multiple of four, so that a stranger cannot even count.

use std::collections::BTreeMap;

use kith_core::record::SpaceId;
use kith_core::seal::{End, Exporter, Handle, Seal};
use kith_core::time::UnixTime;
use kith_core::wire::cbor;
use kith_core::wire::frame::{Admission, Hello, HelloSpace, VERSION, limits};
use serde_bytes::ByteBuf;

use crate::rng::Rng;

/// Entries come in multiples of this.
const PAD: usize = 4;

/// A sealed capability without a join record; what made-up entries look like when there is no true one.
const TYPICAL: usize = 330;

/// Bytes of entries after which join records are left out, so that every space fits the frame.
const ROOMY: usize = 24 * 1024;

/// Who speaks on which connection, and for which time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice<'a> {
    pub(crate) exporter: &'a Exporter,
    pub(crate) end: End,
    /// HELLOs and answers this end sent before on the connection.
    pub(crate) count: u64,
    pub(crate) time: UnixTime,
}

/// A HELLO about these spaces; padded when a generator is given, as an answer is not.
pub(crate) fn compose(
    voice: Voice<'_>,
    admissions: Vec<(SpaceId, Admission)>,
    pad: Option<&mut Rng>,
) -> Hello {
    let mut entries: Vec<HelloSpace> = Vec::new();
    let mut used = 0;
    for (space, mut admission) in admissions.into_iter().take(limits::SPACES) {
        if used > ROOMY {
            admission.join = None;
        }
        let seal = Seal::new(voice.exporter, &space);
        let sealed = seal.seal(voice.end, voice.count, &cbor::encode(&admission));
        used += sealed.len();
        entries.push(HelloSpace { h: seal.handle(), c: ByteBuf::from(sealed) });
    }
    if let Some(rng) = pad {
        while entries.is_empty() || !entries.len().is_multiple_of(PAD) {
            let like = rng.below(entries.len() as u64);
            let like = usize::try_from(like).ok().and_then(|i| entries.get(i));
            let size = like.map_or(TYPICAL, |entry| entry.c.len());
            let c = ByteBuf::from(rng.bytes(size));
            entries.push(HelloSpace { h: rng.bytes16().into(), c });
        }
        // Handles are random to whoever does not know the spaces; so is their order then.
        entries.sort_by_key(|entry| entry.h);
    }
    Hello { v: vec![VERSION], i: voice.count, t: voice.time, s: entries }
}

/// The spaces behind the handles of a connection.
#[derive(Debug, Default)]
pub(crate) struct Handles(BTreeMap<Handle, SpaceId>);

impl Handles {
    pub(crate) fn of<'a>(exporter: &Exporter, spaces: impl Iterator<Item = &'a SpaceId>) -> Self {
        Self(spaces.map(|space| (Seal::new(exporter, space).handle(), *space)).collect())
    }

    pub(crate) fn space(&self, handle: &Handle) -> Option<SpaceId> {
        self.0.get(handle).copied()
    }
}

/// Reads an entry that `end` sealed in its HELLO number `count`.
pub(crate) fn open(
    exporter: &Exporter,
    space: &SpaceId,
    (end, count): (End, u64),
    entry: &HelloSpace,
) -> Option<Admission> {
    let text = Seal::new(exporter, space).open(end, count, &entry.c)?;
    cbor::decode(&text, limits::CONTROL).ok()
}

#[cfg(test)]
mod tests {
    use kith_core::capability::{Ability, Capability, Grant};
    use kith_core::identity::SecretKey;

    use super::*;

    #[test]
    fn a_stranger_sees_neither_which_nor_how_many_spaces() {
        let mut rng = Rng::new([1; 32]);
        for spaces in 0..9_u8 {
            let list = (0..spaces).map(|n| (SpaceId([n; 32]), admission())).collect();
            let voice = voice(&[7; 32]);
            let hello = compose(voice, list, Some(&mut rng));
            assert_eq!(hello.s.len(), usize::from(spaces.max(1)).next_multiple_of(4));
            let lengths: Vec<usize> = hello.s.iter().map(|e| e.c.len()).collect();
            assert!(spaces == 0 || lengths.iter().all(|l| *l == lengths[0]), "{lengths:?}");
            assert!(hello.s.is_sorted_by_key(|e| e.h));
        }
    }

    #[test]
    fn who_is_in_the_space_reads_the_entry_and_nobody_else() {
        let space = SpaceId([5; 32]);
        let hello = compose(voice(&[7; 32]), vec![(space, admission())], None);
        let handles = Handles::of(&[7; 32], [space, SpaceId([6; 32])].iter());
        assert_eq!(handles.space(&hello.s[0].h), Some(space));
        let opened = open(&[7; 32], &space, (End::Dialler, 3), &hello.s[0]);
        assert_eq!(opened, Some(admission()));
        assert_eq!(open(&[7; 32], &SpaceId([6; 32]), (End::Dialler, 3), &hello.s[0]), None);
        assert_eq!(open(&[7; 32], &space, (End::Dialler, 4), &hello.s[0]), None);
    }

    #[test]
    fn the_most_spaces_fit_the_frame() {
        let join = Some(ByteBuf::from(vec![1; 1_200]));
        let full = Admission { join, ..admission() };
        let list = (0..64).map(|n| (SpaceId([n; 32]), full.clone())).collect();
        let hello = compose(voice(&[7; 32]), list, Some(&mut Rng::new([1; 32])));
        let size = cbor::encode(&hello).len();
        assert!(size <= limits::CONTROL, "{size}");
    }

    fn voice(exporter: &Exporter) -> Voice<'_> {
        Voice { exporter, end: End::Dialler, count: 3, time: UnixTime::default() }
    }

    fn admission() -> Admission {
        let grant = Grant {
            space: SpaceId([0; 32]),
            audience: [0; 32],
            ability: Ability::Host,
            not_before: UnixTime::default(),
            expires: UnixTime::from_millis(1_900_000_000_000),
            nonce: [0; 16],
        };
        let host = Capability::issue(&SecretKey::from_seed(&[1; 32]), &grant);
        Admission { host, join: None }
    }
}
