//! `twin-cc`.
fn main() {}
