//! Options that choose processors: what code comes out on both ISAs. (Programs at levels with `v3` run it.)

use crate::tools::{Invocation, Outcome, root, scratch};
use crate::{Test, group};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::path::Path;

/// All trials.
pub fn trials() -> Vec<Trial> {
    let tests: &[Test] = &[
        ("both_isas", both_isas),
        ("marked_options", marked_options),
        ("attributes_of_functions", attributes_of_functions),
        ("link_time_optimisation", link_time_optimisation),
        ("refused", refused),
        ("macros_stay_undefined", macros_stay_undefined),
    ];
    group("processors", tests)
}

/// Functions that look different on each kind of processor.
const SOURCE: &str = "\
typedef unsigned char bytes __attribute__((vector_size(16)));
typedef unsigned words __attribute__((vector_size(64)));
typedef _Float16 halves __attribute__((vector_size(16)));
int count;
int add(void) { return __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST); }
unsigned dot(bytes *a, bytes *b) {
    return __builtin_reduce_add(__builtin_convertvector(*a, words) * __builtin_convertvector(*b, words));
}
void product(halves *a, halves *b) { *a *= *b; }
void sum(float *restrict a, float *restrict b) { for (int i = 0; i < 1024; i++) a[i] += b[i]; }
int main(void) { return add(); }
";

/// Compiles `source` to an object with `options`.
fn compile(directory: &Path, name: &str, source: &str, options: &[&str]) -> Result<Invocation> {
    std::fs::write(directory.join(name), source)?;
    let compiler = root().join("target/release/twin-cc");
    let invocation = Invocation::new(directory, "/usr/bin/env").arg("TWIN_SAVE_TEMPS=.").arg(compiler);
    Ok(invocation.args(["-O2", "-c", name]).args(options))
}

/// What the code generator for `isa` made of `function` in `module`.
fn assembly(directory: &Path, module: &str, isa: &str, function: &str) -> Result<String> {
    let path = directory.join(format!("{module}.{isa}.s"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (_, body) = text.split_once(&format!("\n{function}:")).with_context(|| format!("no {function}"))?;
    Ok(body.split(".Lfunc_end").next().unwrap_or_default().to_owned())
}

/// Functions, ISAs, and an instruction that is there if it may be.
type Expected = [(&'static str, &'static str, &'static str)];

const MODERN_AARCH64: &Expected =
    &[("add", "aarch64", "\tldaddal\t"), ("dot", "aarch64", "\tudot\t"), ("product", "aarch64", "\tfmul\tv0.8h")];
const MODERN_X86_64: &Expected = &[("sum", "x86_64", "%ymm")];

fn expect(directory: &Path, module: &str, expected: &Expected, is_there: bool) -> Result<()> {
    for (function, isa, instruction) in expected {
        let text = assembly(directory, module, isa, function)?;
        ensure!(text.contains(instruction) == is_there, "{isa}, {function}, {instruction}, {is_there}: {text}");
    }
    Ok(())
}

fn both_isas() -> Result<()> {
    let directory = scratch()?;
    let (directory, home, visitor) = (directory.path(), "-march=x86-64-v3", "-march=armv8.2-a+dotprod+fp16");
    for options in [&[][..], &[home], &[visitor], &[home, visitor]] {
        compile(directory, "a.c", SOURCE, options)?.run()?;
        expect(directory, "a.c", MODERN_X86_64, options.contains(&home))?;
        expect(directory, "a.c", MODERN_AARCH64, options.contains(&visitor))?;
    }
    Ok(())
}

fn marked_options() -> Result<()> {
    let directory = scratch()?;
    let options = ["-Xarch_aarch64", "-mcpu=neoverse-n1", "-Xarch_x86_64", "-mavx2"];
    compile(directory.path(), "a.c", SOURCE, &options)?.run()?;
    expect(directory.path(), "a.c", MODERN_AARCH64, true)?;
    expect(directory.path(), "a.c", MODERN_X86_64, true)
}

fn attributes_of_functions() -> Result<()> {
    let directory = scratch()?;
    let source = SOURCE.replace("void sum", "__attribute__((target(\"avx2\"))) void sum");
    compile(directory.path(), "a.c", &source, &[])?.run()?;
    expect(directory.path(), "a.c", MODERN_X86_64, true)
}

/// Each module keeps what it was compiled for.
fn link_time_optimisation() -> Result<()> {
    let directory = scratch()?;
    let directory = directory.path();
    compile(directory, "a.c", SOURCE, &["-flto", "-march=x86-64-v3", "-march=armv8.2-a+dotprod+fp16"])?.run()?;
    let other = SOURCE.lines().filter(|line| !line.starts_with("int ")).collect::<Vec<_>>().join("\n");
    let other = ["dot", "product", "sum"].iter().fold(other, |text, name| text.replace(name, &format!("old_{name}")));
    compile(directory, "b.c", &other, &["-flto"])?.run()?;
    let compiler = root().join("target/release/twin-cc");
    let link = Invocation::new(directory, "/usr/bin/env").arg("TWIN_SAVE_TEMPS=.").arg(compiler);
    link.args([
        "-O2",
        "-flto",
        "a.o",
        "b.o",
        "-Wl,--undefined=dot,--undefined=sum,--undefined=old_dot,--undefined=old_sum",
    ])
    .args(["-o", "program"])
    .run()?;
    let module = "link-time optimisation";
    for (function, isa, instruction) in [("dot", "aarch64", "\tudot\t"), ("sum", "x86_64", "%ymm")] {
        ensure!(assembly(directory, module, isa, function)?.contains(instruction), "{function}");
        ensure!(!assembly(directory, module, isa, &format!("old_{function}"))?.contains(instruction), "old_{function}");
    }
    Ok(())
}

fn refused() -> Result<()> {
    let directory = scratch()?;
    for (options, message) in [
        (&["-march=armv9.9-a"][..], "aarch64: unsupported argument 'armv9.9-a' to option '-march='"),
        (&["-march=armv8-a+nosimd"], "aarch64: the feature `-neon` is not supported: all code uses vector registers"),
        (&["-Xarch_aarch64", "-O3"], "-Xarch_aarch64 -O3 is not supported: only a processor can be chosen"),
        (&["-Xarch_aarch64"], "-Xarch_aarch64 needs an option"),
    ] {
        let Outcome { stderr, .. } = compile(directory.path(), "a.c", SOURCE, options)?.status(1).run()?;
        ensure!(stderr == format!("twin-cc: error: {message}\n"), "{options:?}: {stderr}");
    }
    Ok(())
}

/// Sources that choose code for one ISA find no more than at the default.
fn macros_stay_undefined() -> Result<()> {
    let directory = scratch()?;
    let macros = |processor: &str| -> Result<String> {
        let tool = Invocation::tool(directory.path(), "twin-cc").arg(format!("-march={processor}"));
        let text = String::from_utf8(tool.args(["-dM", "-E", "-x", "c", "/dev/null"]).run()?.stdout)?;
        let lines = text.lines().filter(|line| !line.contains("__GCC_HAVE_SYNC_COMPARE_AND_SWAP_16"));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    };
    let default = macros("x86-64")?;
    for processor in ["x86-64-v2", "x86-64-v3", "x86-64-v4", "znver5"] {
        let names = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
        let more: Vec<_> = names(&macros(processor)?).difference(&names(&default)).cloned().collect();
        // What is called after the processor itself is no extension.
        let more: Vec<_> = more.iter().filter(|line| !line.contains(processor)).collect();
        ensure!(more.is_empty(), "{processor}: {more:?}");
    }
    Ok(())
}
