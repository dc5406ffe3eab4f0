//! Two sets brought together, by our own code on both ends and with the `negentropy` crate on one.

use negentropy::{Id, Negentropy, NegentropyStorageVector};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::ranges::{self, Found};
use super::set::{Item, RecordSet};

const LIMIT: usize = 250_000;

/// What one comparison cost.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    /// Messages each way, the opening frame and its answer included.
    round_trips: usize,
    bytes: usize,
}

#[test]
fn a_million_records_with_the_hundred_newest_missing_take_two_rounds_and_few_bytes() {
    let all: Vec<Item> = (0..1_000_000).map(|n| item(n * 1_000, n)).collect();
    let (full, behind) = (RecordSet::of(all.clone()), RecordSet::of(all[..999_900].to_vec()));
    let (found, cost) = reconcile(&full, &behind, LIMIT);
    assert_eq!((found.have.len(), found.need.len()), (100, 0));
    println!("{cost:?}");
    assert!(cost.round_trips <= 3 && cost.bytes <= 6_000, "{cost:?}");
    let (found, cost) = reconcile(&behind, &full, LIMIT);
    assert_eq!((found.have.len(), found.need.len()), (0, 100));
    println!("{cost:?}");
    assert!(cost.round_trips <= 3 && cost.bytes <= 6_000, "{cost:?}");
}

#[test]
fn messages_keep_their_limit_and_everything_is_found_all_the_same() {
    let ours: Vec<Item> = (0..30_000).map(|n| item(n, n)).collect();
    let theirs: Vec<Item> = (0..30_000).map(|n| item(n, 20_000 + n)).collect();
    let (found, cost) = reconcile(&RecordSet::of(ours), &RecordSet::of(theirs), 50_000);
    assert_eq!((found.have.len(), found.need.len()), (30_000, 30_000));
    assert!(cost.round_trips < 200, "{cost:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_two_sets_lack_is_found(
        ours in items(), theirs in items(), shared in items(), limit in 4_096_usize..60_000
    ) {
        let (a, b) = (union(&ours, &shared), union(&theirs, &shared));
        let (found, _) = reconcile(&a, &b, limit);
        prop_assert_eq!(sorted(found.have), missing(&a, &b));
        prop_assert_eq!(sorted(found.need), missing(&b, &a));
    }

    #[test]
    fn the_negentropy_crate_understands_us_and_we_it(
        ours in items(), theirs in items(), shared in items()
    ) {
        let (a, b) = (union(&ours, &shared), union(&theirs, &shared));
        let storage = storage(&b);
        let mut crates = Negentropy::borrowed(&storage, LIMIT as u64).unwrap();
        let mut found = Found::default();
        let mut message = ranges::begin(&a);
        for _ in 0..100 {
            let answer = crates.reconcile(&message).unwrap();
            match ranges::learn(&a, &answer, LIMIT, &mut found).unwrap() {
                Some(next) => message = next,
                None => break,
            }
        }
        prop_assert_eq!(sorted(found.have), missing(&a, &b));
        prop_assert_eq!(sorted(found.need), missing(&b, &a));

        let mut crates = Negentropy::borrowed(&storage, LIMIT as u64).unwrap();
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let mut message = crates.initiate().unwrap();
        for _ in 0..100 {
            let answer = ranges::answer(&a, &message, LIMIT).unwrap();
            match crates.reconcile_with_ids(&answer, &mut have, &mut need).unwrap() {
                Some(next) => message = next,
                None => break,
            }
        }
        let ids = |ids: Vec<Id>| sorted(ids.into_iter().map(Id::to_bytes).collect());
        prop_assert_eq!(ids(have), missing(&b, &a));
        prop_assert_eq!(ids(need), missing(&a, &b));
    }

    #[test]
    fn hostile_messages_end_in_an_error_or_a_bounded_answer(
        ours in items(), mut message in prop::collection::vec(any::<u8>(), 0..3_000)
    ) {
        if let Some(first) = message.first_mut() {
            *first = 0x61;
        }
        let set = union(&ours, &[]);
        if let Ok(answer) = ranges::answer(&set, &message, LIMIT) {
            prop_assert!(answer.len() <= LIMIT + 4_096);
        }
        let _ = ranges::learn(&set, &message, LIMIT, &mut Found::default());
    }

    #[test]
    fn cut_and_flipped_messages_are_survived(
        ours in items(), theirs in items(), at in any::<u16>(), bit in 0..8_u8
    ) {
        let (a, b) = (union(&ours, &[]), union(&theirs, &[]));
        let mut message = ranges::begin(&a);
        let at = usize::from(at) % message.len();
        message[at] ^= 1 << bit;
        let _ = ranges::answer(&b, &message, LIMIT);
        message.truncate(at);
        let _ = ranges::answer(&b, &message, LIMIT);
    }
}

/// As on a stream: `answering` got an opening frame that differs, and speaks first.
fn reconcile(answering: &RecordSet, opener: &RecordSet, limit: usize) -> (Found, Cost) {
    let mut found = Found::default();
    let mut message = ranges::begin(answering);
    let mut cost = Cost { round_trips: 1, bytes: 80 + message.len() };
    loop {
        let answer = ranges::answer(opener, &message, limit).unwrap();
        assert!(message.len().max(answer.len()) <= limit + 4_096);
        cost.round_trips += 1;
        cost.bytes += answer.len() + 20;
        match ranges::learn(answering, &answer, limit, &mut found).unwrap() {
            Some(next) => message = next,
            None => return (found, cost),
        }
        cost.bytes += message.len();
    }
}

/// As with records, the time is part of what is hashed: no id is at two times.
fn item(time: u64, seed: u64) -> Item {
    Item { time, id: Sha256::digest([time.to_le_bytes(), seed.to_le_bytes()].concat()).into() }
}

/// Times collide often, so that bounds need parts of ids.
fn items() -> impl Strategy<Value = Vec<Item>> {
    let item = (0..60_u64, any::<u64>()).prop_map(|(time, seed)| item(time, seed));
    prop::collection::vec(item, 0..300)
}

fn union(a: &[Item], b: &[Item]) -> RecordSet {
    RecordSet::of([a, b].concat())
}

fn missing(from: &RecordSet, there: &RecordSet) -> Vec<[u8; 32]> {
    let items = from.items(0..from.len()).into_iter();
    sorted(items.filter(|item| !there.contains(item)).map(|item| item.id).collect())
}

fn sorted(mut ids: Vec<[u8; 32]>) -> Vec<[u8; 32]> {
    ids.sort_unstable();
    ids
}

fn storage(set: &RecordSet) -> NegentropyStorageVector {
    let mut storage = NegentropyStorageVector::new();
    for item in set.items(0..set.len()) {
        storage.insert(item.time, Id::from_byte_array(item.id)).unwrap();
    }
    storage.seal().unwrap();
    storage
}
