//! Proves, from the finished executable alone, that a twin binary is uniform (DESIGN.md): an independent checker that
//! shares no code with the passes that lay the program out.
//!
//! One module a phase: [`binary`] reads the file, [`layout`] compares what needs no disassembly. [`isa`] decodes
//! instructions into the neutral form of [`insn`] ([`map`] does for the maps of polls), [`graph`] follows control, [`flow`] finds what registers and frame
//! cells hold ([`value`]) and where jump tables lead ([`tables`]), [`functions`] knows who calls whom. On these rest the
//! checks of call sites and frames ([`frames`], [`cfi`]), registers ([`liveness`], [`registers`]) and slots ([`slots`]). Everything ends up in a [`report`], or, with
//! the names of [`variables`], in a [`picture`].

pub mod binary;
pub mod bits;
pub mod cfi;
pub mod flow;
pub mod frames;
pub mod functions;
pub mod graph;
pub mod insn;
pub mod isa;
pub mod layout;
pub mod liveness;
pub mod map;
pub mod picture;
pub mod polls;
pub mod registers;
pub mod report;
pub mod side;
pub mod slots;
pub mod tables;
pub mod value;
pub mod variables;

use anyhow::Result;
use binary::Binary;
use cfi::CallFrames;
use functions::Program;
use report::Report;
use side::Pair;

/// Checks an executable.
///
/// # Errors
/// If it is not a twin binary, or damaged so that nothing can be said about it.
pub fn verify(bytes: &[u8]) -> Result<Report> {
    let binary = Binary::parse(bytes)?;
    let mut report = Report::default();
    report.violations = layout::check(&binary, &mut report.counts, &mut report.private);
    let program = Program::analyse(&binary);
    let call_frames = Pair::new(|side| CallFrames::read(&binary.images[side]));
    for functions in program.uniform_pairs() {
        report.violations.extend(frames::check(&program, functions, &call_frames, &mut report.counts));
        report.violations.extend(slots::check(&program, functions, &mut report.counts));
    }
    report.violations.extend(polls::check(&binary, &program));
    report.violations.extend(functions::check_native(&program));
    report.violations.extend(registers::check(&program));
    report.uniform = report.violations.is_empty();
    Ok(report)
}
