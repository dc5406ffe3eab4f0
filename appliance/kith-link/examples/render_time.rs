//! How long it takes to find out what shall be, to render it and to plan, for the largest golden case:
//! `cargo run --release -p kith-link --example render_time`. The bound is 5 ms; it fails at three times
//! that.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made has nothing to say")]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

#[path = "../tests/cases/mod.rs"]
mod cases;

use std::hint::black_box;
use std::time::{Duration, Instant};

use kith_link::plan::plan;

/// The bound on one round.
const BOUND: Duration = Duration::from_millis(5);

const ROUNDS: usize = 200;

fn main() {
    let largest = cases::cases()
        .into_iter()
        .max_by_key(|case| cases::rendered(case).values().map(String::len).sum::<usize>())
        .unwrap();
    let bare = cases::bare(&largest.facts);
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let desired = black_box(&largest).desired();
            black_box(plan(&desired, &bare));
            start.elapsed()
        })
        .collect();
    times.sort();
    let (median, worst) = (times[ROUNDS / 2], times[ROUNDS - 1]);
    let bytes: usize = cases::rendered(&largest).values().map(String::len).sum();
    println!(
        "{}: {bytes} bytes rendered and planned in {median:.2?} (median of {ROUNDS}), {worst:.2?} at worst; \
         at most {BOUND:?} wanted",
        largest.name
    );
    assert!(median <= BOUND * 3, "three times too slow");
}
