//! See `operator.rs`.

#![no_main]

#[path = "../operator.rs"]
mod operator;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    operator::settings(data);
});
