//! What must hold for the files that the tools make, and for the tools themselves wherever they are called from.

use crate::tools::{Invocation, root, scratch};
use crate::{Test, group};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};

/// All trials.
pub fn trials() -> Vec<Trial> {
    let tests: &[Test] = &[
        ("from_anywhere", from_anywhere),
        ("through_a_link", through_a_link),
        ("readelf_and_objdump", readelf_and_objdump),
        ("gdb", gdb),
        ("gdb_aarch64", gdb_aarch64),
        ("addr2line", addr2line),
        ("same_input_same_bytes", same_input_same_bytes),
        ("same_bytes_in_company", same_bytes_in_company),
        ("same_objects_same_executable", same_objects_same_executable),
        ("inspect", inspect),
        ("aarch64_addresses", aarch64_addresses),
    ];
    group("binaries", tests)
}

fn example(name: &str) -> PathBuf {
    root().join("examples").join(name).with_extension("c")
}

/// Compiles an example in `directory` and returns the executable.
fn build(directory: &Path, name: &str, flags: &[&str]) -> Result<PathBuf> {
    let executable = directory.join(name);
    Invocation::tool(directory, "twin-cc").args(flags).arg(example(name)).arg("-o").arg(&executable).run()?;
    Ok(executable)
}

/// Every other test has an empty environment but for PATH; this one has none at all and sits in `/`.
fn from_anywhere() -> Result<()> {
    let directory = scratch()?;
    let executable = directory.path().join("a");
    let tool =
        |name: &str| Invocation::new("/", "/usr/bin/env").arg("-i").arg(root().join("target/release").join(name));
    tool("twin-cc").args(["--verify", "-O1"]).arg(example("nqueens")).arg("-o").arg(&executable).run()?;
    for options in [&["--isa", "aarch64"], &["--stress", "every=100"]] {
        let outcome = tool("twin").arg("run").args(options).arg(&executable).run()?;
        ensure!(outcome.stdout.starts_with(b"8 queens: 92 solutions"), "{options:?}");
    }
    tool("twin").arg("inspect").arg(&executable).run()?;
    let version = tool("twin-ld").arg("--version").run()?;
    ensure!(!version.stdout.is_empty(), "twin-ld says no version");
    Ok(())
}

fn through_a_link() -> Result<()> {
    let directory = scratch()?;
    std::os::unix::fs::symlink(root().join("target/release/twin-cc"), directory.path().join("cc"))?;
    let compiler = Invocation::new(directory.path(), "./cc");
    compiler.arg("--verify").arg(example("nqueens")).args(["-o", "a"]).run()?;
    Invocation::new(directory.path(), "./a").run()?;
    Ok(())
}

/// The two images of an executable: itself, and the one inside it.
fn images(directory: &Path, executable: &Path) -> Result<[PathBuf; 2]> {
    let inner = directory.join("image.aarch64");
    let mut dump = std::ffi::OsString::from("--dump-section=.twin.image.aarch64=");
    dump.push(&inner);
    Invocation::new(directory, "llvm-objcopy-22").arg(dump).arg(executable).arg("/dev/null").run()?;
    Ok([executable.to_owned(), inner])
}

fn readelf_and_objdump() -> Result<()> {
    let directory = scratch()?;
    for flags in [&["-O2"], &["-g"]] {
        let executable = build(directory.path(), "fft", flags)?;
        for image in images(directory.path(), &executable)? {
            for command in ["readelf -aW", "readelf --debug-dump=info,frames", "llvm-readelf-22 -aW"] {
                let mut words = command.split(' ');
                let tool = Invocation::new(directory.path(), words.next().unwrap_or_default());
                let outcome = tool.args(words).arg(&image).run()?;
                ensure!(outcome.stderr.is_empty(), "{command} {}: {}", image.display(), outcome.stderr);
            }
            let outcome = Invocation::new(directory.path(), "llvm-objdump-22").arg("-d").arg(&image).run()?;
            let text = String::from_utf8_lossy(&outcome.stdout);
            ensure!(outcome.stderr.is_empty() && text.contains("<main>:"), "objdump -d {}", image.display());
        }
    }
    Ok(())
}

/// Sets a breakpoint by source line and prints a local.
fn gdb() -> Result<()> {
    let directory = scratch()?;
    let executable = build(directory.path(), "nqueens", &["-O0", "-g"])?;
    for image in images(directory.path(), &executable)? {
        let gdb = Invocation::new(directory.path(), "gdb-multiarch").args(["-nx", "-batch"]);
        let outcome = gdb.args(["-ex", "info line place", "-ex", "info scope place"]).arg(&image).run()?;
        let text = String::from_utf8_lossy(&outcome.stdout);
        ensure!(text.contains("nqueens.c\" starts at address"), "{}: {text}{}", image.display(), outcome.stderr);
        ensure!(text.contains("Symbol row is "), "{}: {text}", image.display());
    }
    let gdb = Invocation::new(directory.path(), "gdb-multiarch").args(["-nx", "-batch"]);
    let outcome = gdb.args(["-ex", "break 20", "-ex", "run", "-ex", "print row", "-ex", "bt"]).arg(executable).run()?;
    let text = String::from_utf8_lossy(&outcome.stdout);
    ensure!(text.contains("$1 = 1") && text.contains(" main ("), "{text}{}", outcome.stderr);
    Ok(())
}

/// The same in the other image, which qemu runs under gdb's control.
fn gdb_aarch64() -> Result<()> {
    let directory = scratch()?;
    let executable = build(directory.path(), "nqueens", &["-O0", "-g"])?;
    let [_, image] = images(directory.path(), &executable)?;
    Invocation::new(directory.path(), "chmod").arg("+x").arg(&image).run()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    let emulator = Invocation::new(directory.path(), "qemu-aarch64").args(["-g", &port]).arg(&image);
    let mut process = emulator.command().spawn().context("cannot run qemu-aarch64")?;
    let target = format!("target remote 127.0.0.1:{port}");
    let gdb = Invocation::new(directory.path(), "gdb-multiarch").args(["-nx", "-batch"]);
    let commands = [
        "set tcp connect-timeout 120",
        &target,
        "break nqueens.c:20",
        "continue",
        "print row",
        "info locals",
        "bt",
        "kill",
    ];
    let outcome = gdb.args(commands.iter().flat_map(|command| ["-ex", command])).arg(image).run();
    let _ = process.kill();
    process.wait()?;
    let outcome = outcome?;
    let text = String::from_utf8_lossy(&outcome.stdout);
    ensure!(
        text.contains("$1 = 1") && text.contains("above = 0") && text.contains(" main ("),
        "{text}{}",
        outcome.stderr
    );
    Ok(())
}

/// A function has one address, and the same source line in both images.
fn addr2line() -> Result<()> {
    use object::{Object, ObjectSymbol};
    let directory = scratch()?;
    let executable = build(directory.path(), "nqueens", &["-O1", "-g"])?;
    let bytes = std::fs::read(&executable)?;
    let file = object::File::parse(&*bytes)?;
    let main = file.symbols().find(|symbol| symbol.name() == Ok("main")).context("no main")?.address();
    let source = std::fs::read_to_string(example("nqueens"))?;
    let line = 1 + source.lines().position(|line| line.contains("int main(")).context("no main in the source")?;
    for image in images(directory.path(), &executable)? {
        for tool in ["addr2line", "llvm-addr2line-22"] {
            let tool = Invocation::new(directory.path(), tool).args(["-f", "-e"]).arg(&image).arg(format!("{main:#x}"));
            let outcome = tool.run()?;
            let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
            let expected = text.starts_with("main\n") && text.contains(&format!("nqueens.c:{line}\n"));
            ensure!(expected && outcome.stderr.is_empty(), "{}: {text}{}", tool.text(), outcome.stderr);
        }
    }
    Ok(())
}

fn same_input_same_bytes() -> Result<()> {
    let directory = scratch()?;
    for flags in [&["-O0"], &["-O2"], &["-g"]] {
        for name in ["fft", "report", "tree"] {
            let first = std::fs::read(build(directory.path(), name, flags)?)?;
            let second = std::fs::read(build(directory.path(), name, flags)?)?;
            ensure!(first == second, "{name} {flags:?} differs");
        }
    }
    Ok(())
}

/// Whatever the directory, the name of the output, the number of processors and the load: the two code generators and
/// the linker's threads take turns differently each time.
fn same_bytes_in_company() -> Result<()> {
    for (name, flags) in [("report", ["-O2", "-g0"]), ("cg", ["-O3", "-g0"]), ("tree", ["-O0", "-g0"])] {
        let alone = scratch()?;
        let expected = std::fs::read(build(alone.path(), name, &flags)?)?;
        let one = |index: usize| -> Result<()> {
            let directory = scratch()?;
            let executable = directory.path().join(format!("out{index}"));
            let compiler = root().join("target/release/twin-cc");
            let invocation = if index.is_multiple_of(2) {
                Invocation::new(directory.path(), "/usr/bin/taskset").args(["-c", "0"]).arg(compiler)
            } else {
                Invocation::new("/", compiler)
            };
            invocation.args(flags).arg(example(name)).arg("-o").arg(&executable).run()?;
            ensure!(std::fs::read(executable)? == expected, "{name}, compilation {index} differs");
            Ok(())
        };
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..6).map(|index| scope.spawn(move || one(index))).collect();
            all.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("panic"))?)
        })?;
    }
    Ok(())
}

fn same_objects_same_executable() -> Result<()> {
    let directory = scratch()?;
    let compiler = || Invocation::tool(directory.path(), "twin-cc");
    let read = |name: &str| std::fs::read(directory.path().join(name));
    for name in ["a.o", "b.o"] {
        compiler().args(["-O2", "-g", "-c"]).arg(example("words")).args(["-o", name]).run()?;
    }
    ensure!(read("a.o")? == read("b.o")?, "objects differ");
    let names = ["1", "2", "3", "4", "5", "6"];
    for name in names {
        compiler().args(["a.o", "-o", name]).run()?;
        ensure!(read(name)? == read(names[0])?, "executable {name} differs");
    }
    Ok(())
}

fn inspect() -> Result<()> {
    let directory = scratch()?;
    let executable = build(directory.path(), "tree", &["-O2"])?;
    let text = Invocation::tool(directory.path(), "twin").arg("inspect").arg(&executable).run()?;
    ensure!(!text.stdout.is_empty() && text.stderr.is_empty(), "no text");
    let json = Invocation::tool(directory.path(), "twin").args(["inspect", "--json"]).arg(&executable).run()?;
    let report: serde_json::Value = serde_json::from_slice(&json.stdout)?;
    ensure!(report["file_size"].as_u64() == Some(executable.metadata()?.len()), "{report}");
    Ok(())
}

/// The image can be mapped by kernels with 39-bit addresses, and its segments do not share 4 KiB pages.
fn aarch64_addresses() -> Result<()> {
    use object::{Object, ObjectSegment};
    let directory = scratch()?;
    let executable = build(directory.path(), "cg", &["-O2"])?;
    let [home, visitor] = images(directory.path(), &executable)?;
    let ranges = |path: &Path| -> Result<Vec<(u64, u64)>> {
        let bytes = std::fs::read(path)?;
        let file = object::File::parse(&*bytes)?;
        ensure!(file.kind() == object::ObjectKind::Executable, "{} is no executable", path.display());
        Ok(file.segments().map(|segment| (segment.address(), segment.address() + segment.size())).collect())
    };
    let (home, visitor) = (ranges(&home)?, ranges(&visitor)?);
    ensure!(home == visitor, "{home:x?} is not {visitor:x?}");
    ensure!(visitor.iter().all(|&(_, end)| end < 1 << 38), "{visitor:x?}");
    ensure!(visitor.windows(2).all(|w| w[0].1.next_multiple_of(4096) <= w[1].0), "{visitor:x?}");
    Ok(())
}
