//! `twin-ld` with one object.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twin_linker::args::Args;
use twin_linker::input::File;
use twin_linker::link::link;

/// What the seeds refer to (runtime/fuzz/seeds), so that each of them links by itself.
const SYMBOLS: [&str; 7] = ["__twin_poll", "__twin_poll_mapped", "_start", "helper", "more", "other", "twice"];

fuzz_target!(|bytes: &[u8]| {
    for gc_sections in [false, true] {
        // Anything but a panic, a hang or too much memory will do.
        let definitions = SYMBOLS.map(|name| (name.to_owned(), "0x400000".to_owned())).to_vec();
        let args =
            Args { gc_sections, definitions, allow_multiple_definition: true, print_map: true, ..Args::default() };
        let _ = link(&args, &[File::new("fuzz.o", bytes.to_vec())]);
    }
});
