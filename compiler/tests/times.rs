//! `-ftime-report`: clang's tables, then Twin's.

use std::process::Command;

const MODULE: &str =
    "int next(int); int twice(int x) { return next(x) + next(x + 1); } int once(int x) { return next(x); }\n";

/// What twin-cc says when it compiles as many modules.
fn said(option: Option<&str>, modules: usize) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let files: Vec<String> = (0..modules).map(|n| format!("{n}.c")).collect();
    for file in &files {
        std::fs::write(directory.path().join(file), MODULE).expect("a file");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_twin-cc"));
    command.current_dir(&directory).args(["-O2", "-c"]).args(option).args(&files);
    let output = command.output().expect("twin-cc runs");
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn a_table_a_module_when_asked_for() {
    assert_eq!(said(None, 2), "");
    for option in ["-ftime-report", "-ftime-report=per-pass-run"] {
        let text = said(Some(option), 2);
        let tables: Vec<&str> = text.split("Twin: CPU time").collect();
        assert_eq!(tables.len(), 3, "{text}");
        assert!(tables[0].contains("Clang time report"), "no table of clang's in front: {text}");
        for table in &tables[1..] {
            for row in [
                "front end and optimiser (clang)",
                "lowering",
                "slots",
                "code generator, x86_64",
                "code generator, aarch64",
                "padding",
                "packing",
                "total",
            ] {
                let line = table.lines().find(|line| line.ends_with(row)).unwrap_or_else(|| panic!("no {row}: {text}"));
                let seconds: f64 = line.split_whitespace().next().and_then(|s| s.parse().ok()).expect("a number");
                assert!(["padding", "packing"].contains(&row) || seconds > 0.0, "{line}");
            }
            // Both functions, at least once, and those of this module only.
            let line = table.lines().find(|line| line.starts_with("padding: ")).expect("rounds");
            let numbers: Vec<u32> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
            let [rounds, functions] = numbers[..] else { panic!("{line}") };
            assert!(rounds >= 1 && (2..=2 * rounds).contains(&functions), "{line}");
        }
    }
}
