//! Every scenario under `scenarios/`, with its seeds.

use std::path::PathBuf;

use kith_tests::world::{Scenario, check};

fn scenario(name: &str) -> Scenario {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    Scenario::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn play(name: &str) {
    let scenario = scenario(name);
    for seed in scenario.seeds() {
        let (_, agreement) = check::play(&scenario, seed).unwrap_or_else(|why| panic!("{why}"));
        println!("{name} seed {seed}: {agreement:?}");
    }
}

macro_rules! scenarios {
    ($($test:ident => $file:literal,)*) => { $(#[test] fn $test() { play($file); })* };
}

scenarios! {
    two_boxes_agree => "two-boxes.toml",
    a_hundred_boxes_agree_under_churn => "churn-of-a-hundred.toml",
    three_parts_of_a_partition_heal => "three-parts.toml",
    clocks_ten_years_apart_do_not_matter => "clocks.toml",
    links_that_lose_delay_and_die_only_cost_time => "lossy.toml",
    a_late_joiner_gets_everything => "late-joiner.toml",
    a_single_use_invite_used_twice_lets_one_in => "invite-twice.toml",
    a_member_removed_during_a_partition_is_out_everywhere => "removed-apart.toml",
    flipped_bits_end_in_dropped_connections => "hostile-mutate.toml",
    a_peer_that_promises_and_never_sends_holds_nobody_up => "hostile-silent.toml",
    a_flood_is_cut_off => "hostile-flood.toml",
    what_nobody_asked_for_is_not_taken => "hostile-unasked.toml",
    forged_records_are_refused => "hostile-forge.toml",
    corrupt_blocks_are_fetched_elsewhere => "hostile-corrupt.toml",
    frames_sent_again_change_nothing => "hostile-replay.toml",
}
