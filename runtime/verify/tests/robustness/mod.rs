//! Damaged files give an error or violations, never a panic, and never take long.

use crate::common::{self, program};
use std::time::{Duration, Instant};

/// Far more than any of these files needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// A few at each run; `TWIN_VERIFY_MUTANTS` asks for more.
const MUTANTS: u64 = 25;

fn mutants() -> u64 {
    std::env::var("TWIN_VERIFY_MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(MUTANTS)
}

/// A small generator with a fixed seed (Steele and Vigna's splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

fn verify(bytes: &[u8]) {
    let start = Instant::now();
    // Either outcome is fine; drawing takes other ways through the debug information.
    let _ = twin_verify::verify(bytes);
    let _ = twin_verify::picture::draw(bytes, Some("work"));
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
}

#[test]
fn other_files_are_refused() {
    for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", &program()[..64]] {
        let error = twin_verify::verify(bytes).expect_err("not a twin program").to_string();
        assert_eq!(error, "not a Twin program");
    }
}

#[test]
fn stripped_programs_are_refused() {
    let mut bytes = program().to_vec();
    let (_, table, size) = common::section(&bytes, twin_verify::side::Side::Visitor, ".symtab");
    bytes[table..table + size].fill(0);
    let error = twin_verify::verify(&bytes).expect_err("no symbols");
    assert_eq!(
        format!("{error:#}"),
        "damaged aarch64 image: it has no symbol table (stripped?): there is nothing to compare"
    );
}

#[test]
fn truncated_files() {
    let bytes = program();
    for length in (0..bytes.len()).step_by(bytes.len() / 50) {
        verify(&bytes[..length]);
    }
}

#[test]
fn files_with_some_wrong_bytes() {
    let mut random = Random(1);
    for _ in 0..mutants() {
        let mut bytes = program().to_vec();
        for _ in 0..=random.below(16) {
            let place = random.below(bytes.len());
            bytes[place] = random.below(256) as u8;
        }
        verify(&bytes);
    }
}

/// Headers, notes and symbol tables are small, so that few of the bytes above hit them.
#[test]
fn files_with_wrong_headers() {
    let mut random = Random(2);
    for _ in 0..mutants() {
        let mut bytes = program().to_vec();
        let visitor = common::image_offset(&bytes, twin_verify::side::Side::Visitor);
        let base = [0, visitor][random.below(2)];
        for _ in 0..=random.below(4) {
            let place = base + random.below(0x240);
            bytes[place] = random.below(256) as u8;
        }
        let (_, note, size) = common::section(program(), twin_verify::side::Side::Home, ".twin.note");
        if random.below(4) == 0 {
            // Digits and punctuation keep the note readable more often than other bytes do.
            bytes[note + random.below(size)] = b"0123456789,}"[random.below(12)];
        }
        verify(&bytes);
    }
}
