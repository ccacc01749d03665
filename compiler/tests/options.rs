//! `clang-options.txt` against the options that the installed clang offers.

use std::collections::BTreeSet;
use std::process::Command;
use twin_compiler::driver::options;

#[test]
fn every_option_of_clang_is_classified() {
    let output = Command::new("clang-22").arg("--autocomplete=-").output().expect("clang-22 runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let offered: BTreeSet<&str> =
        text.lines().filter_map(|line| line.split('\t').next()).filter(|word| word.starts_with('-')).collect();
    assert!(offered.len() > 4000, "clang offers {} options only", offered.len());
    let exact: BTreeSet<&str> = options::listed().map(|(word, _)| word).collect();
    // Warnings and remarks are listed by their beginning; for anything else that would hide what is new.
    let unknown: Vec<_> = offered
        .iter()
        .filter(|word| !exact.contains(**word) && !word.starts_with("-W") && !word.starts_with("-R"))
        .collect();
    assert!(unknown.is_empty(), "not in clang-options.txt: {unknown:?}");
}
