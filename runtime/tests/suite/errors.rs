//! Bad input: one clear line that names the file, the symbol or the source line, a status that is not 0, and no file.

use crate::tools::{self, Invocation, scratch};
use crate::{Test, group};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};
use std::process::Child;
use tempfile::TempDir;

/// A program without mistakes.
const GOOD: &str = "int main(void) { return 0; }\n";

/// All trials.
pub fn trials() -> Vec<Trial> {
    let tests: &[Test] = &[
        ("shared", shared),
        ("assembly_file", assembly_file),
        ("missing_symbol", missing_symbol),
        ("duplicate_symbol", duplicate_symbol),
        ("missing_library", missing_library),
        ("corrupt_object", corrupt_object),
        ("foreign_object", foreign_object),
        ("foreign_archive", foreign_archive),
        ("corrupt_archive", corrupt_archive),
        ("text_as_object", text_as_object),
        ("missing_source", missing_source),
        ("unwritable_object", unwritable_object),
        ("unwritable_executable", unwritable_executable),
        ("old_executable_stays", old_executable_stays),
        ("unknown_mode", unknown_mode),
        ("run_foreign_program", run_foreign_program),
        ("run_missing_program", run_missing_program),
        ("run_not_executable", run_not_executable),
        ("run_bad_options", run_bad_options),
        ("inspect_foreign_program", inspect_foreign_program),
        ("hop_foreign_process", hop_foreign_process),
        ("hop_missing_process", hop_missing_process),
    ];
    group("errors", tests)
}

/// Asserts that `invocation` fails with a line that contains `text`, and leaves neither `output` nor another new file.
pub fn refuses(invocation: &Invocation, text: &str, output: &Path) -> Result<()> {
    let before = files(output)?;
    let outcome = invocation.clone().any_status().run()?;
    let message = format!("{}\nstatus {}\n{}", invocation.text(), outcome.status, outcome.stderr);
    ensure!(outcome.status != 0, "no failure: {message}");
    ensure!(outcome.status < 128, "ended by a signal, or hangs: {message}");
    ensure!(!message.contains("panicked"), "panic: {message}");
    // As in lld, a line can go on with where the symbol is used.
    let mut lines = outcome.stderr.lines().filter(|line| !line.starts_with(">>>"));
    ensure!(lines.next().is_some_and(|line| line.contains(text)), "expected `{text}`: {message}");
    ensure!(lines.next().is_none(), "more than one line: {message}");
    let after = files(output)?;
    ensure!(before == after, "files are left: {after:?}");
    Ok(())
}

/// What is in the directory of `output`.
fn files(output: &Path) -> Result<Vec<PathBuf>> {
    let directory = output.parent().context("a file in a directory")?;
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = directory.read_dir()?.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// A directory with files in it.
struct Bench(TempDir);

impl Bench {
    fn new(files: &[(&str, &str)]) -> Result<Bench> {
        let bench = Bench(scratch()?);
        for (name, text) in files {
            std::fs::write(bench.path(name), text)?;
        }
        Ok(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn tool(&self, name: &str, arguments: &[&str]) -> Invocation {
        Invocation::tool(self.0.path(), name).args(arguments)
    }

    /// Runs twin-cc, which has to succeed.
    fn compiles(&self, arguments: &[&str]) -> Result<()> {
        self.tool("twin-cc", arguments).run().map(drop)
    }

    /// Runs a tool of the host, which has to succeed.
    fn host(&self, words: &[&str]) -> Result<()> {
        Invocation::new(self.0.path(), words[0]).args(&words[1..]).run().map(drop)
    }

    /// twin-cc fails with `text` and does not make `out`.
    fn refuses(&self, arguments: &[&str], text: &str) -> Result<()> {
        refuses(&self.tool("twin-cc", arguments), text, &self.path("out"))?;
        ensure!(!self.path("out").exists(), "there is an output file");
        Ok(())
    }

    /// `twin arguments...` fails with `text` and `status`.
    fn twin_refuses(&self, arguments: &[&str], text: &str, status: i32) -> Result<()> {
        let invocation = self.tool("twin", arguments);
        refuses(&invocation, text, &self.path("out"))?;
        invocation.status(status).run().map(drop)
    }
}

fn shared() -> Result<()> {
    let bench = Bench::new(&[("a.c", GOOD)])?;
    bench.refuses(&["-shared", "a.c", "-o", "out"], "-shared")
}

fn assembly_file() -> Result<()> {
    let bench = Bench::new(&[("a.s", "nop\n")])?;
    bench.refuses(&["-c", "a.s", "-o", "out"], "assembly is not supported: a.s")
}

fn missing_symbol() -> Result<()> {
    let bench = Bench::new(&[("a.c", "int nowhere(void);\nint main(void) { return nowhere(); }\n")])?;
    bench.refuses(&["a.c", "-o", "out"], "undefined symbol: nowhere")
}

fn duplicate_symbol() -> Result<()> {
    let bench = Bench::new(&[("a.c", GOOD), ("b.c", GOOD)])?;
    bench.refuses(&["a.c", "b.c", "-o", "out"], "duplicate symbol: main")
}

fn missing_library() -> Result<()> {
    let bench = Bench::new(&[("a.c", GOOD)])?;
    bench.refuses(&["a.c", "-lnowhere", "-o", "out"], "-lnowhere")
}

fn corrupt_object() -> Result<()> {
    let bench = Bench::new(&[("a.c", GOOD)])?;
    bench.compiles(&["-c", "a.c", "-o", "a.o"])?;
    let mut bytes = std::fs::read(bench.path("a.o"))?;
    // The offset of the section headers.
    bytes[0x28..0x30].fill(0xee);
    std::fs::write(bench.path("a.o"), bytes)?;
    bench.refuses(&["a.o", "-o", "out"], "a.o")
}

fn foreign_object() -> Result<()> {
    let bench = Bench::new(&[("a.c", GOOD)])?;
    bench.host(&["clang-22", "-c", "a.c", "-o", "clang.o"])?;
    bench.refuses(&["clang.o", "-o", "out"], "clang.o: not a Twin object")
}

fn foreign_archive() -> Result<()> {
    let bench = Bench::new(&[("a.c", GOOD)])?;
    bench.host(&["clang-22", "-c", "a.c", "-o", "clang.o"])?;
    bench.host(&["ar", "rcs", "libclang.a", "clang.o"])?;
    bench.refuses(&["libclang.a", "-o", "out"], "libclang.a(clang.o): not a Twin object")
}

fn corrupt_archive() -> Result<()> {
    let bench = Bench::new(&[("a.c", GOOD), ("libbad.a", "!<arch>\nthis is no member\n")])?;
    bench.refuses(&["a.c", "libbad.a", "-o", "out"], "libbad.a")
}

fn text_as_object() -> Result<()> {
    let bench = Bench::new(&[("a.o", "hello\n")])?;
    bench.refuses(&["a.o", "-o", "out"], "a.o: not an object or archive")
}

fn missing_source() -> Result<()> {
    let bench = Bench::new(&[])?;
    let outcome = bench.tool("twin-cc", &["none.c", "-o", "out"]).any_status().run()?;
    ensure!(
        outcome.status != 0 && outcome.stderr.contains("no such file or directory: 'none.c'"),
        "{}",
        outcome.stderr
    );
    ensure!(!bench.path("out").exists(), "there is an output file");
    Ok(())
}

fn unwritable_object() -> Result<()> {
    let bench = Bench::new(&[("a.c", GOOD)])?;
    bench.refuses(&["-c", "a.c", "-o", "nowhere/a.o"], "nowhere/a.o")
}

fn unwritable_executable() -> Result<()> {
    let bench = Bench::new(&[("a.c", GOOD)])?;
    bench.refuses(&["a.c", "-o", "nowhere/a"], "nowhere/a")
}

fn old_executable_stays() -> Result<()> {
    let bench = Bench::new(&[("a.c", "int nowhere(void);\nint main(void) { return nowhere(); }\n"), ("old", "old")])?;
    refuses(&bench.tool("twin-cc", &["a.c", "-o", "old"]), "undefined symbol: nowhere", &bench.path("old"))?;
    // A linker removes what it cannot make anew, or leaves it alone; it never leaves half of something.
    let old = std::fs::read(bench.path("old"))?;
    ensure!(old == b"old", "the old file was changed");
    Ok(())
}

fn unknown_mode() -> Result<()> {
    let bench = Bench::new(&[("a.c", GOOD)])?;
    bench.refuses(&["-mtwin=fast", "a.c", "-o", "out"], "unknown mode `-mtwin=fast`")
}

fn run_foreign_program() -> Result<()> {
    let bench = Bench::new(&[("a.c", GOOD), ("script", "#!/bin/sh\n")])?;
    bench.twin_refuses(&["run", "/bin/true"], "/bin/true: ", 126)?;
    bench.twin_refuses(&["run", "./a.c"], "./a.c: ", 126)?;
    bench.twin_refuses(&["run", "./script"], "./script: ", 126)
}

fn run_missing_program() -> Result<()> {
    let bench = Bench::new(&[])?;
    bench.twin_refuses(&["run", "./missing"], "./missing: ", 127)?;
    bench.twin_refuses(&["run", "missing-program"], "missing-program: ", 127)
}

fn run_not_executable() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new(&[])?;
    let executable = tools::compile(bench.0.path(), "good", GOOD, &[])?;
    std::fs::set_permissions(executable, std::fs::Permissions::from_mode(0o644))?;
    bench.twin_refuses(&["run", "./good"], "./good: permission denied", 126)
}

fn run_bad_options() -> Result<()> {
    let bench = Bench::new(&[])?;
    let bad: [&[&str]; 4] =
        [&["--stress", "every=0"], &["--isa", "riscv64"], &["--vehicle", "bus"], &["--hop-every", "1h"]];
    for options in bad {
        let outcome = bench.tool("twin", &["run"]).args(options).arg("./x").status(2).run()?;
        ensure!(outcome.stderr.contains(options[1]), "{options:?}: {}", outcome.stderr);
    }
    Ok(())
}

fn inspect_foreign_program() -> Result<()> {
    let bench = Bench::new(&[])?;
    bench.twin_refuses(&["inspect", "/bin/true"], "/bin/true: ", 1)?;
    bench.twin_refuses(&["inspect", "missing"], "missing: ", 1)
}

fn hop_foreign_process() -> Result<()> {
    let bench = Bench::new(&[])?;
    let sleeper = Ended(std::process::Command::new("/bin/sleep").arg("1000").spawn()?);
    let pid = sleeper.0.id().to_string();
    bench.twin_refuses(&["hop", &pid], &format!("process {pid}: "), 1)
}

fn hop_missing_process() -> Result<()> {
    let bench = Bench::new(&[])?;
    bench.twin_refuses(&["hop", "4194304"], "process 4194304: there is no such process", 1)?;
    bench.twin_refuses(&["hop", "0"], "0 is not a process", 1)
}

/// A process that ends with the value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It can only have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
