//! See `medium.rs`.

#![no_main]

#[path = "../medium.rs"]
mod medium;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    medium::leases(data);
});
