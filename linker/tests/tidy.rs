//! Rules of the architecture that a compiler cannot check.

use std::path::Path;

fn sources() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries = std::fs::read_dir(directory).expect("sources").map(|e| e.expect("entry").path());
    let files = entries.filter(|path| path.extension().is_some_and(|e| e == "rs"));
    files
        .map(|path| {
            let name = path.file_name().expect("name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).expect("source"))
        })
        .collect()
}

/// Only `isa/`, the two file formats, the text of `--help` and the tests of the command line name an ISA; the rest is
/// generic.
#[test]
fn generic_code_names_no_isa() {
    for (file, text) in
        sources().iter().filter(|(file, _)| !["fat.rs", "image.rs", "args.rs", "options.rs"].contains(&&**file))
    {
        for (number, line) in text.lines().enumerate() {
            // The formats' own names for the visitor's part.
            let line = line.replace("fat.aarch64", "").replace("AARCH64_SECTION", "");
            let names = ["aarch64", "x86", "arm64", "amd64"].iter().any(|isa| line.to_lowercase().contains(isa));
            assert!(!names, "{file}:{}: {line}", number + 1);
        }
    }
}

#[test]
fn files_stay_readable() {
    for (file, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 500, "{file} has {lines} lines");
    }
}
