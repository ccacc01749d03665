//! The table "What is not" of the README: each row has a reproducer, and what that prints is what the row says.

use crate::tools::{Invocation, root, scratch};
use crate::trial;
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::path::Path;

/// One command that ends with one of a row's messages.
struct Reproducer {
    /// Name of the file and its text.
    file: (&'static str, &'static str),
    /// A line for the shell, with the tools in the PATH.
    command: &'static str,
    /// Whether the command fails.
    fails: bool,
}

const fn fails(file: (&'static str, &'static str), command: &'static str) -> Reproducer {
    Reproducer { file, command, fails: true }
}

const GOOD: (&str, &str) = ("a.c", "int main(void) { return 0; }\n");

/// The rows in their order, by the name of the construct.
const ROWS: &[(&str, &[Reproducer])] = &[
    (
        "inline assembly, `asm goto`",
        &[
            fails(("a.c", "int main(void) {\n__asm__(\"cpuid\");\n}\n"), "twin-cc a.c -o a"),
            fails(
                ("a.c", "int main(void) {\n__asm__ goto(\"jmp %l0\" : : : : out);\nout: return 0;\n}\n"),
                "twin-cc a.c -o a",
            ),
        ],
    ),
    (
        "file-scope assembly, `.s` files",
        &[fails(("a.c", "__asm__(\"nop\");\n"), "twin-cc -c a.c"), fails(("a.s", "nop\n"), "twin-cc -c a.s")],
    ),
    (
        "intrinsics of one ISA",
        &[fails(
            (
                "a.c",
                "typedef double pair __attribute__((vector_size(16)));\nextern pair a, b;\nint main(void) {\n// x86\n\
                 a = __builtin_ia32_minpd(a, b);\n}\n",
            ),
            "twin-cc -c a.c",
        )],
    ),
    (
        "variables in registers",
        &[fails(("a.c", "register long sp __asm__(\"rsp\");\nint main(void) { return (int)sp; }\n"), "twin-cc -c a.c")],
    ),
    (
        "`__builtin_setjmp`, `__builtin_eh_return`",
        &[
            fails(
                ("a.c", "void *buffer[5];\nint main(void) {\nreturn __builtin_setjmp(buffer);\n}\n"),
                "twin-cc -c a.c",
            ),
            fails(("a.c", "void f(void *p) {\n__builtin_eh_return(8, p);\n}\n"), "twin-cc -c a.c"),
        ],
    ),
    (
        "attribute `ms_abi`",
        &[fails(("a.c", "__attribute__((ms_abi)) int f(int a, ...) { return a; }\n"), "twin-cc -c a.c")],
    ),
    (
        "`...` in a prototype or in the definition only",
        &[fails(
            (
                "a.c",
                "#ifdef B\nint f(int a, ...) { return a; }\n#else\nint f(int, int);\nint main(void) { return f(0, 1); }\n\
                 #endif\n",
            ),
            "twin-cc -c a.c && twin-cc -DB -c a.c -o b.o && twin-cc a.o b.o -o a",
        )],
    ),
    (
        "options for other targets and layouts",
        &[
            fails(GOOD, "twin-cc -m32 a.c -o a"),
            fails(GOOD, "twin-cc -mlong-double-80 a.c -o a"),
            fails(GOOD, "twin-cc -mno-sse a.c -o a"),
        ],
    ),
    (
        "sanitizers, profiles, coverage, `-pg`, `-save-temps`",
        &[
            fails(GOOD, "twin-cc -fsanitize=address a.c -o a"),
            fails(GOOD, "twin-cc -fprofile-generate a.c -o a"),
            fails(GOOD, "twin-cc --coverage a.c -o a"),
            fails(GOOD, "twin-cc -pg a.c -o a"),
            fails(GOOD, "twin-cc -save-temps a.c -o a"),
        ],
    ),
    ("`-shared`, dynamic linking", &[fails(GOOD, "twin-cc -shared a.c -o a.so")]),
    ("objects and archives of other compilers", &[fails(GOOD, "clang-22 -c a.c && twin-cc a.o -o a")]),
    (
        "hops of several threads with the exec vehicle",
        &[fails(
            (
                "a.c",
                "#include <pthread.h>\n#include <unistd.h>\n\
                 static void *work(void *p) { for (;;) pause(); return p; }\n\
                 int main(void) { pthread_t t; pthread_create(&t, 0, work, 0); for (;;) pause(); }\n",
            ),
            "twin-cc a.c -o a -pthread && twin run --vehicle exec --stress every=1 ./a",
        )],
    ),
    (
        "`getcontext`, `makecontext`",
        &[fails(("a.c", "#include <ucontext.h>\nint main(void) { makecontext(0, 0, 0); }\n"), "twin-cc a.c -o a")],
    ),
    (
        "C++ exceptions",
        &[fails(("a.cc", "void f();\nint main() { try { f(); } catch (...) { return 1; } }\n"), "twin-cc -c a.cc")],
    ),
    (
        "GNU indirect functions",
        &[Reproducer {
            file: ("a.c", "static void *choose(void) { return 0; }\nint f(void) __attribute__((ifunc(\"choose\")));\n"),
            command: "twin-cc -c a.c",
            fails: false,
        }],
    ),
];

/// All trials.
pub fn trials() -> Vec<Trial> {
    let mut trials = vec![trial("unsupported::every_row_has_a_reproducer", every_row_has_a_reproducer)];
    for (construct, reproducers) in ROWS {
        trials.push(trial(format!("unsupported::{construct}"), move || row(construct, reproducers)));
    }
    trials
}

/// The rows of the table: construct and messages.
fn table() -> Result<Vec<(String, Vec<String>)>> {
    let text = std::fs::read_to_string(root().join("README.md"))?;
    let (_, section) = text.split_once("\n## What is not\n").context("no section")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [construct, _, messages] = cells[..] else { anyhow::bail!("not three cells: {line}") };
        let messages = messages.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Ok((construct.to_owned(), messages))
    })
    .collect()
}

fn every_row_has_a_reproducer() -> Result<()> {
    let rows: Vec<String> = table()?.into_iter().map(|(construct, _)| construct).collect();
    let known: Vec<&str> = ROWS.iter().map(|(construct, _)| *construct).collect();
    ensure!(rows == known, "README:\n{rows:#?}\ntests:\n{known:#?}");
    Ok(())
}

fn row(construct: &str, reproducers: &[Reproducer]) -> Result<()> {
    let rows = table()?;
    let (_, messages) = rows.iter().find(|(name, _)| name == construct).context("README has no such row")?;
    ensure!(messages.len() == reproducers.len(), "{} messages, {} reproducers", messages.len(), reproducers.len());
    for (message, reproducer) in messages.iter().zip(reproducers) {
        let directory = scratch()?;
        let said = reproduce(reproducer, directory.path())?;
        ensure!(contains(&said, message), "{}: expected `{message}`:\n{said}", reproducer.command);
    }
    Ok(())
}

/// What the command says on its standard error.
fn reproduce(reproducer: &Reproducer, directory: &Path) -> Result<String> {
    let (name, text) = reproducer.file;
    std::fs::write(directory.join(name), text)?;
    let script = format!("PATH={}:$PATH; {}", root().join("target/release").display(), reproducer.command);
    let outcome = Invocation::new(directory, "/bin/sh").args(["-c", &script]).any_status().run()?;
    ensure!((outcome.status != 0) == reproducer.fails, "status {}\n{}", outcome.status, outcome.stderr);
    ensure!(outcome.status < 128 && !outcome.stderr.contains("internal error"), "{}", outcome.stderr);
    Ok(outcome.stderr)
}

/// Whether a line of `text` has the parts of `message` around its `...`, in this order.
fn contains(text: &str, message: &str) -> bool {
    text.lines().any(|line| {
        let mut rest = line;
        message.split("...").all(|part| match rest.split_once(part) {
            Some((_, behind)) => {
                rest = behind;
                true
            }
            None => false,
        })
    })
}
