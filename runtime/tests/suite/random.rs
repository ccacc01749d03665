//! Random programs: each trial is a seed of `ci/fuzz`, which says what is compared.

use crate::tools::{Invocation, root};
use crate::trial;
use anyhow::Result;
use libtest_mimic::Trial;

/// Seeds from 1 on. A longer run is `ci/fuzz --for 2h`.
const PROGRAMS: u32 = 300;
/// Seeds that have failed once: dead code that one code generator alone sees; a native function that returns what it has
/// not set, on a path that no one takes.
const FOUND: [u32; 5] = [3282, 3463, 3807, 5954, 11173];

/// All trials.
pub fn trials() -> Vec<Trial> {
    (1..=PROGRAMS).chain(FOUND).map(|seed| trial(format!("random::{seed}"), move || check(seed))).collect()
}

fn check(seed: u32) -> Result<()> {
    Invocation::new(root(), root().join("ci/fuzz")).arg("--one").arg(seed.to_string()).run().map(drop)
}
