//! Nothing is said about the network that the panel could not translate: each text that the golden cases and
//! the advice about radios give is made of a pattern.
#![expect(clippy::unwrap_used, reason = "a test may fail at the first surprise")]

mod cases;

use cases::{cases, rendered};
use kith_link::hands::real::wifi::advice::advice;
use kith_model::network::status::RadioAbilities;
use kith_model::sentence::Sentence;

#[test]
fn every_problem_of_the_golden_cases_has_its_pattern() {
    let mut seen = 0;
    for case in cases() {
        for text in rendered(&case).values() {
            let Some((_, problems)) = text.split_once("# Problems\n") else { continue };
            for line in problems.lines() {
                let (_, message) = line.split_once(": ").unwrap();
                assert!(!Sentence::from(message).code.is_empty(), "{message}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn all_advice_has_its_pattern() {
    for bits in 0..128_u8 {
        let is = |bit: u8| bits & (1 << bit) != 0;
        let can = RadioAbilities {
            access_point: is(0),
            mesh_point: is(1),
            both: is(2),
            access_points: if is(3) { 8 } else { 1 },
            sae: is(4),
            band_2ghz: is(5),
            band_5ghz: is(6),
            ..RadioAbilities::default()
        };
        for sentence in advice(&can) {
            assert!(!Sentence::from(&*sentence).code.is_empty(), "{sentence}");
        }
    }
}
