//! `twin inspect`, and what `twin run` reads of an executable.
#![no_main]
#![allow(dead_code)] // The modules are those of `twin`, which is no library.

#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/inspect.rs"]
mod inspect;
#[path = "../../src/isa.rs"]
mod isa;
#[path = "../../src/program.rs"]
mod program;
#[path = "../../src/sys.rs"]
mod sys;
#[path = "../../src/timeline.rs"]
mod timeline;

use libfuzzer_sys::fuzz_target;
use program::Program;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let Ok(program) = Program::new(Path::new("fuzz"), bytes.to_vec()) else { return };
    for json in [false, true] {
        inspect::describe(&program, json).expect("a note can be shown");
    }
    timeline::Timeline::new(Vec::new(), &program);
});
