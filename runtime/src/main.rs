//! `twin`.
fn main() {}
