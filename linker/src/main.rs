//! `twin-ld`.
fn main() {}
