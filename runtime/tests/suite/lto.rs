//! Link-time optimisation over several modules.

use crate::tools::{Invocation, scratch};
use crate::{Test, group};
use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// All trials.
pub fn trials() -> Vec<Trial> {
    let tests: &[Test] = &[
        ("inlines_across_modules", inlines_across_modules),
        ("large_functions_stay", large_functions_stay),
        ("without_at_the_end", without_at_the_end),
        ("machine_code_refers_to_modules", machine_code_refers_to_modules),
        ("strong_symbol_of_machine_code_wins", strong_symbol_of_machine_code_wins),
        ("commons", commons),
        ("wrap", wrap),
        ("named_sections", named_sections),
        ("constructors_in_order", constructors_in_order),
        ("thread_local_across_modules", thread_local_across_modules),
        ("own_library_functions", own_library_functions),
        ("spellings", spellings),
        ("same_bytes", same_bytes),
    ];
    group("lto", tests)
}

/// Modules in a directory of their own.
pub struct Modules(TempDir);

impl Modules {
    pub fn new(files: &[(&str, &str)]) -> Result<Modules> {
        let directory = scratch()?;
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text)?;
        }
        Ok(Modules(directory))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn cc(&self, words: &str) -> Result<()> {
        Invocation::tool(self.0.path(), "twin-cc").args(words.split_whitespace()).run().map(drop)
    }

    /// Names in the symbol table of `program`.
    fn symbols(&self, program: &str) -> Result<Vec<String>> {
        let output = Invocation::new(self.0.path(), "nm").arg("--format=just-symbols").arg(program).run()?;
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }

    /// Verifies `program`, and runs it on both ISAs and hopping; each time it has to print `expected`.
    pub fn prints(&self, program: &str, expected: &str) -> Result<()> {
        Invocation::tool(self.0.path(), "twin").args(["verify", program]).run()?;
        for options in [&["--isa", "x86_64"], &["--isa", "aarch64"], &["--stress", "every=1"]] {
            let outcome = Invocation::twin_run(self.0.path(), options).arg(self.path(program)).run()?;
            let output = String::from_utf8_lossy(&outcome.stdout);
            ensure!(output == expected, "{options:?}: {output} instead of {expected}");
        }
        Ok(())
    }
}

const CALLER: (&str, &str) = (
    "main.c",
    "#include <stdio.h>\nint twice(int);\nint main(int argc, char **argv) { printf(\"%d\\n\", twice(argc + 20)); }\n",
);
const CALLEE: (&str, &str) = ("twice.c", "int twice(int x) { return 2 * x; }\nint unused(void) { return 1; }\n");

fn inlines_across_modules() -> Result<()> {
    let modules = Modules::new(&[CALLER, CALLEE])?;
    modules.cc("-O2 -flto -c main.c")?;
    modules.cc("-O2 -flto -g -c twice.c")?;
    Invocation::new(modules.0.path(), "ar").args(["rc", "libtwice.a", "twice.o"]).run()?;
    modules.cc("-O2 -flto main.o -L. -ltwice -o a")?;
    modules.prints("a", "42\n")?;
    let symbols = modules.symbols("a")?;
    ensure!(symbols.iter().any(|s| s == "main") && !symbols.iter().any(|s| s == "twice" || s == "unused"));
    Ok(())
}

/// Even where there is one call only.
fn large_functions_stay() -> Result<()> {
    let large = "volatile int zero;\n#define FOUR(a) a a a a\n\
        int twice(int x) { FOUR(FOUR(FOUR(FOUR(x += zero; zero = 0;)))) return 2 * x; }\n";
    let modules = Modules::new(&[CALLER, ("twice.c", large)])?;
    modules.cc("-O2 -flto main.c twice.c -o a")?;
    modules.prints("a", "42\n")?;
    ensure!(modules.symbols("a")?.iter().any(|s| s == "twice"));
    Ok(())
}

/// Objects for link-time optimisation are complete without it.
fn without_at_the_end() -> Result<()> {
    let modules = Modules::new(&[CALLER, CALLEE])?;
    modules.cc("-O2 -flto -c main.c twice.c")?;
    modules.cc("main.o twice.o -o a")?;
    modules.prints("a", "42\n")?;
    ensure!(modules.symbols("a")?.iter().any(|s| s == "twice"));
    Ok(())
}

fn machine_code_refers_to_modules() -> Result<()> {
    let modules = Modules::new(&[
        ("main.c", "int calls(void);\nint shown = 3;\nint main(void) { return calls(); }\n"),
        ("called.c", "#include <stdio.h>\nextern int shown;\nvoid called(int x) { printf(\"%d\\n\", x + shown); }\n"),
        ("calls.c", "void called(int);\nextern int shown;\nint calls(void) { shown++; called(1); return 0; }\n"),
    ])?;
    modules.cc("-O2 -flto -c main.c called.c")?;
    modules.cc("-O2 -c calls.c")?;
    modules.cc("-O2 -flto main.o calls.o called.o -o a")?;
    modules.prints("a", "5\n")
}

fn strong_symbol_of_machine_code_wins() -> Result<()> {
    let modules = Modules::new(&[
        (
            "main.c",
            "#include <stdio.h>\nint f(void);\nextern int v;\nint main(void) { printf(\"%d %d\\n\", f(), v); }\n",
        ),
        (
            "weak.c",
            "__attribute__((weak)) int f(void) { return 1; }\n__attribute__((weak)) int v = 1;\nint g(void) { return f() + v; }\n",
        ),
        ("strong.c", "int g(void);\nint v = 30;\nint f(void) { static int deep; return deep++ ? 2 : g(); }\n"),
    ])?;
    modules.cc("-O2 -flto -c main.c weak.c")?;
    modules.cc("-O2 -c strong.c")?;
    modules.cc("-O2 -flto main.o weak.o strong.o -o a")?;
    modules.prints("a", "32 30\n")
}

fn commons() -> Result<()> {
    let modules = Modules::new(&[
        (
            "main.c",
            "#include <stdio.h>\nint a; char b[4]; void set(void);\nint main(void) { set(); printf(\"%d %d\\n\", a, b[3]); }\n",
        ),
        ("set.c", "int a; char b[400]; void set(void) { a = 7; b[3] = 8; b[399] = 9; }\n"),
    ])?;
    for (main, set) in [("-flto", "-flto"), ("-flto", ""), ("", "-flto")] {
        modules.cc(&format!("-fcommon -O2 {main} -c main.c"))?;
        modules.cc(&format!("-fcommon -O2 {set} -c set.c"))?;
        modules.cc("-O2 -flto main.o set.o -o a")?;
        modules.prints("a", "7 8\n")?;
    }
    Ok(())
}

/// What `--wrap` means for a reference does not depend on whether its definition is merged with it.
fn wrap() -> Result<()> {
    let modules = Modules::new(&[
        CALLER,
        CALLEE,
        ("wrap.c", "int __real_twice(int);\nint __wrap_twice(int x) { return __real_twice(x) + 1000; }\n"),
    ])?;
    for flags in ["-flto", ""] {
        modules.cc(&format!("-O2 {flags} -c main.c twice.c wrap.c"))?;
        modules.cc("-O2 -flto -Wl,--wrap=twice main.o twice.o wrap.o -o a")?;
        modules.prints("a", "1042\n")?;
    }
    Ok(())
}

fn named_sections() -> Result<()> {
    const ENTRY: &str = "__attribute__((section(\"table\"), used)) static int";
    let (one, two) = (format!("{ENTRY} one = 1;\n"), format!("{ENTRY} two = 20;\n"));
    let modules = Modules::new(&[
        (
            "main.c",
            "#include <stdio.h>\nextern int __start_table[], __stop_table[];\n\
             int main(void) { int s = 0; for (int *p = __start_table; p < __stop_table; p++) s += *p; printf(\"%d\\n\", s); }\n",
        ),
        ("one.c", &one),
        ("two.c", &two),
    ])?;
    modules.cc("-O2 -flto main.c one.c two.c -o a")?;
    modules.prints("a", "21\n")
}

fn constructors_in_order() -> Result<()> {
    let modules = Modules::new(&[
        (
            "main.c",
            "#include <stdio.h>\n__attribute__((constructor)) static void c(void) { puts(\"main\"); }\nint main(void) { puts(\"body\"); }\n",
        ),
        ("one.c", "#include <stdio.h>\n__attribute__((constructor)) static void c(void) { puts(\"one\"); }\n"),
        (
            "two.c",
            "#include <stdio.h>\n__attribute__((constructor(200))) static void c(void) { puts(\"two\"); }\n\
                   __attribute__((destructor)) static void d(void) { puts(\"end\"); }\n",
        ),
    ])?;
    modules.cc("-O2 -flto -c main.c two.c")?;
    modules.cc("-O2 -c one.c")?;
    modules.cc("-O2 -flto main.o one.o two.o -o a")?;
    modules.prints("a", "two\nmain\none\nbody\nend\n")
}

fn thread_local_across_modules() -> Result<()> {
    let modules = Modules::new(&[
        (
            "main.c",
            "#include <stdio.h>\nextern _Thread_local int t;\nvoid set(void);\n\
             int main(void) { t += 2; set(); printf(\"%d\\n\", t); }\n",
        ),
        ("set.c", "extern _Thread_local int t;\nvoid set(void) { t *= 10; }\n"),
        ("t.c", "_Thread_local int t = 1;\n"),
    ])?;
    for (flags, other) in [("-flto", "-flto"), ("-flto", ""), ("", "-flto")] {
        modules.cc(&format!("-O2 {flags} -c main.c t.c"))?;
        modules.cc(&format!("-O2 {other} -c set.c"))?;
        modules.cc("-O2 -flto main.o set.o t.o -o a")?;
        modules.prints("a", "30\n")?;
    }
    Ok(())
}

/// A module that defines what the code generators call keeps it.
fn own_library_functions() -> Result<()> {
    let modules = Modules::new(&[
        (
            "main.c",
            "#include <stdio.h>\n#include <string.h>\nstruct s { char c[300]; } a, b; extern int calls;\n\
             int main(int argc, char **argv) { b.c[5] = argc; a = b; printf(\"%d %d\\n\", a.c[5], calls > 0); }\n",
        ),
        (
            "memcpy.c",
            "typedef unsigned long size_t;\nint calls;\n\
             void *memcpy(void *restrict d, const void *restrict s, size_t n) {\n\
             volatile char *to = d; const char *from = s; calls++; while (n--) *to++ = *from++; return d; }\n",
        ),
    ])?;
    modules.cc("-O2 -flto main.c memcpy.c -o a")?;
    modules.prints("a", "1 1\n")
}

fn spellings() -> Result<()> {
    let modules = Modules::new(&[CALLER, CALLEE])?;
    for flags in
        ["-flto=full", "-flto=thin", "-flto=auto", "-flto -ffat-lto-objects", "-flto -Os", "-flto -O0", "-flto -O3 -g"]
    {
        modules.cc(&format!("{flags} main.c twice.c -o a"))?;
        modules.prints("a", "42\n")?;
    }
    modules.cc("-flto -fno-lto -O2 -c twice.c")?;
    ensure!(!has_bitcode(&modules.path("twice.o"))?);
    modules.cc("-flto -O2 -c twice.c")?;
    ensure!(has_bitcode(&modules.path("twice.o"))?);
    Ok(())
}

fn has_bitcode(object: &Path) -> Result<bool> {
    let directory = object.parent().unwrap_or(Path::new("."));
    let output = Invocation::new(directory, "readelf").args(["-W", "-S"]).arg(object).run()?;
    Ok(String::from_utf8_lossy(&output.stdout).contains(".twin.lto"))
}

fn same_bytes() -> Result<()> {
    let modules = Modules::new(&[CALLER, CALLEE])?;
    modules.cc("-O2 -flto -c main.c twice.c")?;
    modules.cc("-O2 -flto main.o twice.o -o a")?;
    modules.cc("-O2 -flto main.o twice.o -o b")?;
    ensure!(std::fs::read(modules.path("a"))? == std::fs::read(modules.path("b"))?);
    Ok(())
}
