//! `twin-cc --verify` and `TWIN_VERIFY=1`, for both outcomes; and output that nobody reads.

use crate::tools::{Invocation, root, scratch};
use crate::{Test, group};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

/// All trials.
pub fn trials() -> Vec<Trial> {
    let tests: &[Test] = &[
        ("accepts", accepts),
        ("refuses", refuses),
        ("environment", environment),
        ("device", device),
        ("help", help),
        ("nobody_reads_stdout", nobody_reads_stdout),
        ("nobody_reads_the_timeline", nobody_reads_the_timeline),
    ];
    group("verification", tests)
}

/// A value lives across a call in `callee`.
const SOURCE: &str = "
__attribute__((noinline)) long callee(long n) { __builtin_printf(\"%ld\\n\", n); return n + 1; }
int main(void) { return callee(3) != 4; }
";
/// How the report begins when x86-64 loads it from another place.
const REPORT: &str = "callee at 0x";

/// twin-cc as it is: [`Invocation::tool`] would add `--verify`.
fn compiler(directory: &Path) -> Invocation {
    Invocation::new(directory, root().join("target/release/twin-cc"))
}

/// Compiles [`SOURCE`] to `good.o`; makes `bad.o` from it as if the x86-64 code generator had confused two slots, which
/// the linker cannot notice.
fn objects(directory: &Path) -> Result<()> {
    const LOAD: [u8; 4] = [0x48, 0x8b, 0x45, 0xe8]; // mov -24(%rbp), %rax
    std::fs::write(directory.join("good.c"), SOURCE)?;
    compiler(directory).args(["-O2", "-fno-omit-frame-pointer", "-c", "good.c"]).run()?;
    let mut bytes = std::fs::read(directory.join("good.o"))?;
    // The last one is behind the call.
    let at = bytes.windows(LOAD.len()).rposition(|window| window == LOAD).context("a load of a slot")?;
    bytes[at + 3] = 0xf0;
    std::fs::write(directory.join("bad.o"), bytes)?;
    Ok(())
}

fn accepts() -> Result<()> {
    let directory = scratch()?;
    objects(directory.path())?;
    let outcome = compiler(directory.path()).args(["--verify", "good.o", "-o", "program"]).run()?;
    ensure!(outcome.stdout.is_empty() && outcome.stderr.is_empty(), "it says something: {}", outcome.stderr);
    Invocation::new(directory.path(), "./program").run()?;
    Ok(())
}

/// Asserts that a compilation fails with a report about `callee`.
fn is_refused(compilation: Invocation) -> Result<()> {
    let outcome = compilation.status(1).run()?;
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    ensure!(outcome.stdout.is_empty(), "the report is not on standard error");
    ensure!(lines.first().is_some_and(|line| line.starts_with(REPORT)), "no report: {}", outcome.stderr);
    let last = lines.last().copied().unwrap_or_default();
    ensure!(last.starts_with("twin-cc: error: ") && last.contains("refused by `twin verify`"), "{}", outcome.stderr);
    Ok(())
}

fn refuses() -> Result<()> {
    let directory = scratch()?;
    objects(directory.path())?;
    compiler(directory.path()).args(["bad.o", "-o", "program"]).run()?;
    ensure!(directory.path().join("program").exists(), "it links otherwise");
    is_refused(compiler(directory.path()).args(["--verify", "bad.o", "-o", "program"]))?;
    ensure!(!directory.path().join("program").exists(), "an executable is left");
    // Without a symbol table nothing can be proven.
    let stripped = compiler(directory.path()).args(["--verify", "-s", "good.o", "-o", "program"]).status(1).run()?;
    ensure!(stripped.stderr.contains("no symbol table"), "{}", stripped.stderr);
    ensure!(!directory.path().join("program").exists(), "a stripped executable is left");
    Ok(())
}

fn environment() -> Result<()> {
    let directory = scratch()?;
    objects(directory.path())?;
    let with = |value: &str| {
        let environment = Invocation::new(directory.path(), "/usr/bin/env").arg(format!("TWIN_VERIFY={value}"));
        environment.arg(root().join("target/release/twin-cc")).args(["bad.o", "-o", "program"])
    };
    is_refused(with("1"))?;
    for off in ["", "0"] {
        with(off).run()?;
    }
    let outcome = with("maybe").status(1).run()?;
    ensure!(outcome.stderr == "twin-cc: error: TWIN_VERIFY is `maybe`; write 1 or 0\n", "{}", outcome.stderr);
    Ok(())
}

/// Configure scripts compile to /dev/null, which nobody wants to be removed.
fn device() -> Result<()> {
    let directory = scratch()?;
    objects(directory.path())?;
    compiler(directory.path()).args(["--verify", "good.o", "-o", "/dev/null"]).run()?;
    is_refused(compiler(directory.path()).args(["--verify", "bad.o", "-o", "/dev/null"]))?;
    ensure!(!Path::new("/dev/null").metadata()?.is_file(), "/dev/null is a file now");
    Ok(())
}

fn help() -> Result<()> {
    let directory = scratch()?;
    let outcome = compiler(directory.path()).arg("--help").run()?;
    ensure!(String::from_utf8_lossy(&outcome.stdout).contains("TWIN_VERIFY=1"), "--help does not tell");
    Ok(())
}

/// A pipe without a reader.
fn closed() -> Result<Stdio> {
    let (_, writer) = std::io::pipe()?;
    Ok(writer.into())
}

/// As with other tools, SIGPIPE ends them quietly.
fn nobody_reads_stdout() -> Result<()> {
    const SIGPIPE: i32 = 13;
    let directory = scratch()?;
    objects(directory.path())?;
    compiler(directory.path()).args(["good.o", "-o", "program"]).run()?;
    std::fs::write(directory.path().join("leaf.c"), "int leaf(void) { return 1; }\n")?;
    compiler(directory.path()).args(["-c", "leaf.c"]).run()?;
    let tools: [(&str, &[&str]); 8] = [
        ("twin", &["verify", "program"]),
        ("twin", &["verify", "--json", "program"]),
        ("twin", &["inspect", "program"]),
        ("twin", &["inspect", "--json", "program"]),
        ("twin", &["frames", "program"]),
        ("twin-ld", &["--version"]),
        ("twin-ld", &["--help"]),
        ("twin-ld", &["-M", "leaf.o", "-e", "leaf"]),
    ];
    for (tool, arguments) in tools {
        let invocation = Invocation::tool(directory.path(), tool).args(arguments);
        let outcome = invocation.command().stdout(closed()?).stderr(Stdio::piped()).output()?;
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        ensure!(stderr.is_empty(), "{}: {stderr}", invocation.text());
        // `timeout`, which is in between, ends by the same signal.
        ensure!(outcome.status.signal() == Some(SIGPIPE), "{}: {}", invocation.text(), outcome.status);
    }
    // Nor do errors that nobody reads.
    for (tool, arguments) in
        [("twin", ["verify", "missing"]), ("twin-ld", ["-o", "x"]), ("twin-cc", ["-mtwin=x", "good.c"])]
    {
        let invocation = Invocation::tool(directory.path(), tool).args(arguments);
        let status = invocation.command().stdout(Stdio::null()).stderr(closed()?).status()?;
        ensure!(status.signal() == Some(SIGPIPE), "{}: {status}", invocation.text());
    }
    Ok(())
}

/// `twin run` is different: the program's status counts.
fn nobody_reads_the_timeline() -> Result<()> {
    const STATUS: i32 = 7;
    let directory = scratch()?;
    let source = "int main(void) { __builtin_printf(\"x\\n\"); return 7; }\n";
    let program = crate::tools::compile(directory.path(), "program", source, &["-O1"])?;
    for options in [&["--timeline"][..], &["--timeline", "--json"]] {
        let options = [options, &["--stress", "every=1"]].concat();
        let invocation = Invocation::twin_run(directory.path(), &options).arg(&program);
        let status = invocation.command().stdout(Stdio::null()).stderr(closed()?).status()?;
        ensure!(status.code() == Some(STATUS), "{}: {status}", invocation.text());
    }
    Ok(())
}
