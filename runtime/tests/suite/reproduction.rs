//! `TWIN_REPRODUCE`: what a bundle replays elsewhere is what was done.

use crate::tools::{Invocation, root, scratch};
use crate::{Test, group};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};

/// All trials.
pub fn trials() -> Vec<Trial> {
    let tests: &[Test] = &[
        ("object", object),
        ("standard_input", standard_input),
        ("refused_source", refused_source),
        ("executable", executable),
    ];
    group("reproduction", tests)
}

/// Needs all that a preprocessor can be told: a header of its own, a macro and a directory; and warns about nothing only
/// because the options say so.
const SOURCE: &str = "#include <answer.h>\nint answer(int x) { return x + ANSWER + EXTRA + forced; }\n";

/// twin-cc with bundles going to `bundles`.
fn saving(directory: &Path) -> Invocation {
    Invocation::new(directory, "/usr/bin/env").arg("TWIN_REPRODUCE=bundles").arg(root().join("target/release/twin-cc"))
}

/// A directory whose file `a.c` is [`SOURCE`].
fn bench() -> Result<tempfile::TempDir> {
    let directory = scratch()?;
    let path = directory.path();
    std::fs::create_dir(path.join("include"))?;
    std::fs::write(path.join("include/answer.h"), "#define ANSWER 41\n")?;
    std::fs::write(path.join("config.h"), "static const int forced = 3;\n")?;
    std::fs::write(path.join("a.c"), SOURCE)?;
    Ok(directory)
}

/// The options that go with [`SOURCE`].
const OPTIONS: [&str; 10] =
    ["-O2", "-Wall", "-Werror", "-isystem", "include", "-DEXTRA=7", "-include", "config.h", "-UNDEBUG", "-MMD"];

/// The bundles of `tool` in `directory`, moved to a directory of their own.
fn bundles(directory: &Path, tool: &str) -> Result<Vec<PathBuf>> {
    let moved = directory.join("elsewhere");
    if !moved.exists() {
        std::fs::rename(directory.join("bundles"), &moved)?;
    }
    let mut found = Vec::new();
    for entry in moved.read_dir()? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(tool)) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Replays the only bundle of `tool`; returns the bundle and what the tool printed.
fn replay(directory: &Path, tool: &str, status: i32) -> Result<(PathBuf, String)> {
    let mut all = bundles(directory, tool)?;
    let bundle = all.pop().context("no bundle")?;
    ensure!(all.is_empty(), "more than one bundle of {tool}");
    let replay = Invocation::new("/", bundle.join("replay")).arg(root().join("target/release").join(tool));
    let outcome = replay.status(status).run()?;
    Ok((bundle, outcome.stderr))
}

/// The code of an object, both halves.
fn code(object: &Path) -> Result<[Vec<u8>; 2]> {
    use object::{Object, ObjectSection};
    let bytes = std::fs::read(object).with_context(|| object.display().to_string())?;
    let home = object::File::parse(&*bytes)?;
    let inner = home.section_by_name(".twin.aarch64").context("no aarch64 half")?.data()?;
    let visitor = object::File::parse(inner)?;
    let text = |file: &object::File| -> Result<Vec<u8>> {
        Ok(file.section_by_name(".text.answer").context("no .text.answer")?.data()?.to_vec())
    };
    Ok([text(&home)?, text(&visitor)?])
}

/// The bundle of `directory` makes the code of `a.o` again, and says nothing.
fn replays_the_object(directory: &Path) -> Result<()> {
    let (bundle, said) = replay(directory, "twin-cc", 0)?;
    ensure!(said.is_empty(), "{said}");
    ensure!(code(&directory.join("a.o"))? == code(&bundle.join("output.o"))?, "another object");
    Ok(())
}

/// None of the sources is needed again, and nothing is said.
fn object() -> Result<()> {
    let directory = bench()?;
    let path = directory.path();
    saving(path).args(OPTIONS).args(["-c", "a.c", "-o", "a.o"]).run()?;
    for file in ["a.c", "config.h", "include/answer.h"] {
        std::fs::remove_file(path.join(file))?;
    }
    replays_the_object(path)
}

/// It can be read once only: the compiler and the bundle both need it.
fn standard_input() -> Result<()> {
    let directory = bench()?;
    let path = directory.path();
    saving(path).args(OPTIONS).args(["-xc", "-c", "-", "-o", "a.o"]).stdin(SOURCE.as_bytes()).run()?;
    replays_the_object(path)
}

fn refused_source() -> Result<()> {
    let directory = scratch()?;
    let path = directory.path();
    std::fs::write(path.join("a.c"), "int f(void) {\n    __asm__(\"cpuid\");\n    return 0;\n}\n")?;
    let said = saving(path).args(["-c", "a.c"]).status(1).run()?.stderr;
    let (_, again) = replay(path, "twin-cc", 1)?;
    ensure!(said.contains("a.c:2: error: inline assembly is not supported") && again == said, "{said}{again}");
    Ok(())
}

fn executable() -> Result<()> {
    let directory = bench()?;
    let path = directory.path();
    std::fs::write(path.join("main.c"), "int answer(int);\nint main(void) { return answer(-8) != 43; }\n")?;
    let compiler = || Invocation::tool(path, "twin-cc");
    compiler().args(OPTIONS).args(["-c", "a.c"]).run()?;
    Invocation::new(path, "ar").args(["rc", "liba.a", "a.o"]).run()?;
    let said = saving(path).args(["-O1", "main.c", "-L.", "-la", "-o", "program"]).run()?.stderr;
    ensure!(said.is_empty(), "{said}");
    let expected = std::fs::read(path.join("program"))?;
    for file in ["main.c", "liba.a", "a.o"] {
        std::fs::remove_file(path.join(file))?;
    }
    let (bundle, said) = replay(path, "twin-ld", 0)?;
    ensure!(said.is_empty(), "{said}");
    ensure!(std::fs::read(bundle.join("output"))? == expected, "another executable");
    Invocation::new("/", path.join("program")).run()?;
    Ok(())
}
