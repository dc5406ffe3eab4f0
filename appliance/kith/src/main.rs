//! The binary: wires, nothing else.
fn main() {}
