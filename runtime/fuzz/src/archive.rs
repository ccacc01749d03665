//! `twin-ld` with one archive, of which it takes what it needs, or everything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twin_linker::args::Args;
use twin_linker::input::File;
use twin_linker::link::link;

fuzz_target!(|bytes: &[u8]| {
    for whole_archive in [false, true] {
        let mut file = File::new("fuzz.a", [b"!<arch>\n", bytes].concat());
        file.whole_archive = whole_archive;
        let _ = link(&Args::default(), &[file]);
    }
});
