//! What builds software around the compiler: caches, distributed compiling, CMake, pkg-config, compilation databases,
//! response files.

use crate::tools::{Invocation, root, scratch};
use crate::{Test, group};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::ffi::OsString;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// All trials.
pub fn trials() -> Vec<Trial> {
    let tests: &[Test] = &[
        ("ccache", ccache),
        ("distcc", distcc),
        ("cmake_toolchain", cmake_toolchain),
        ("compilation_database", compilation_database),
        ("response_files", response_files),
        ("probes_of_autoconf", probes_of_autoconf),
        ("assembly_without_content", assembly_without_content),
    ];
    group("builds", tests)
}

fn tool(name: &str) -> PathBuf {
    root().join("target/release").join(name)
}

/// Writes files, and the directories that they are in.
fn write(directory: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (name, text) in files {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().context("a directory")?)?;
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Two modules and a program of both.
const FILES: [(&str, &str); 3] = [
    ("twice.h", "int twice(int);\n"),
    ("twice.c", "#include \"twice.h\"\nint twice(int x) { return 2 * x; }\n"),
    (
        "main.c",
        "#include <stdio.h>\n#include \"twice.h\"\nint main(void) { printf(\"%d\\n\", twice(21)); return 0; }\n",
    ),
];

/// Runs `program` on each ISA.
fn prints(program: &Path, expected: &str) -> Result<()> {
    for options in [&["--isa", "aarch64"][..], &["--stress", "every=1"], &[]] {
        let outcome = Invocation::twin_run("/", options).arg("--").arg(program).run()?;
        let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
        ensure!(said == expected, "{options:?}: {said}");
    }
    Ok(())
}

/// The second compilation is a copy of the first.
fn ccache() -> Result<()> {
    let directory = scratch()?;
    let path = directory.path();
    write(path, &FILES)?;
    let cache = || {
        let environment = Invocation::new(path, "/usr/bin/env").arg("CCACHE_CONFIGPATH=none");
        environment.arg(format!("CCACHE_DIR={}", path.join("cache").display())).arg("ccache")
    };
    let count = |counter: &str| -> Result<u32> {
        let outcome = cache().arg("--print-stats").run()?;
        let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
        let mut words = text.split_whitespace().skip_while(|word| *word != counter);
        words.nth(1).and_then(|n| n.parse().ok()).with_context(|| format!("no {counter} in {text}"))
    };
    let ways: [&[&str]; 4] = [&["-O2"], &["-O1", "-g", "-MMD"], &["-O2", "-flto"], &["-O0", "-Wall", "-DNDEBUG"]];
    for (index, flags) in ways.iter().enumerate() {
        let compile = || -> Result<Vec<u8>> {
            cache().arg(tool("twin-cc")).args(*flags).args(["-c", "twice.c", "-o", "twice.o"]).run()?;
            let object = std::fs::read(path.join("twice.o"))?;
            std::fs::remove_file(path.join("twice.o"))?;
            Ok(object)
        };
        let (first, second) = (compile()?, compile()?);
        ensure!(first == second, "{flags:?}: another object");
        let hits = count("direct_cache_hit")?;
        ensure!(hits as usize == index + 1, "{flags:?}: {hits} hits");
        Invocation::tool(path, "twin-cc").args(*flags).args(["-c", "twice.c", "-o", "uncached.o"]).run()?;
        ensure!(std::fs::read(path.join("uncached.o"))? == first, "{flags:?}: another object without ccache");
    }
    std::fs::write(path.join("twice.h"), "int twice(int); // said anew\n")?;
    cache().arg(tool("twin-cc")).args(["-O2", "-c", "twice.c", "-o", "twice.o"]).run()?;
    ensure!(count("preprocessed_cache_hit")? == 1, "a comment in a header compiled the module again");
    Invocation::tool(path, "twin-cc").args(["main.c", "twice.o", "-o", "program"]).run()?;
    prints(&path.join("program"), "42\n")
}

/// A daemon on this machine; ended when dropped.
struct Daemon {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl Daemon {
    /// Starts one that may run twin-cc only.
    fn start(directory: &Path, name: &str) -> Result<Daemon> {
        let log = directory.join(name);
        let allowed = directory.join("allowed");
        std::fs::write(&allowed, format!("{}\n", tool("twin-cc").display()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        // Started by root, it becomes a user who may not write here: hence a log that is opened for it.
        let process = Command::new("distccd")
            .args(["--daemon", "--no-detach", "--listen", "127.0.0.1", "--allow", "127.0.0.1", "--jobs", "2"])
            .args(["--port", &port.to_string(), "--log-level", "info", "--log-stderr"])
            .env("DISTCC_CMDLIST", &allowed)
            .stdin(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot run distccd")?;
        let daemon = Daemon { process, port, log };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(daemon);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        anyhow::bail!("distccd does not listen: {}", daemon.said());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Compilations that succeeded.
    fn compiled(&self) -> usize {
        self.said().lines().filter(|line| line.contains("COMPILE_OK")).count()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // SAFETY: our own child, not waited for yet. It ends its children itself.
        unsafe { libc::kill(self.process.id() as i32, libc::SIGTERM) };
        let _ = self.process.wait();
    }
}

/// make runs the compilations on two hosts, none of them here.
fn distcc() -> Result<()> {
    let directory = scratch()?;
    let path = directory.path();
    let daemons = [Daemon::start(path, "log1")?, Daemon::start(path, "log2")?];
    let mut objects = String::new();
    let mut sum = String::new();
    for index in 0..8 {
        write(path, &[(&format!("part{index}.c"), &format!("int part{index}(int x) {{ return x + {index}; }}\n"))])?;
        objects += &format!(" part{index}.o");
        sum += &format!(" + part{index}(1)");
    }
    let main = format!("#include <stdio.h>\nint part0();\nint main(void) {{ printf(\"%d\\n\", 0{sum}); }}\n");
    write(path, &[("main.c", &main), ("Makefile", &format!("program:{objects} main.o\n\t$(LD) -o $@ $^\n"))])?;
    let hosts: Vec<String> = daemons.iter().map(|daemon| format!("127.0.0.1:{}/2,lzo", daemon.port)).collect();
    let compiler = tool("twin-cc");
    Invocation::new(path, "/usr/bin/env")
        .arg(format!("DISTCC_HOSTS={}", hosts.join(" ")))
        .arg(format!("DISTCC_DIR={}", path.display()))
        .arg("DISTCC_FALLBACK=0")
        .args(["make", "-j4", "CFLAGS=-O2 -std=gnu89 -w"])
        .arg(format!("CC=distcc {}", compiler.display()))
        .arg(format!("LD={} --verify", compiler.display()))
        .run()?;
    let counts = [daemons[0].compiled(), daemons[1].compiled()];
    ensure!(counts.iter().sum::<usize>() == 9 && !counts.contains(&0), "{counts:?}\n{}", daemons[0].said());
    prints(&path.join("program"), "36\n")
}

/// A library for others: with a pkg-config file, needing another static library.
const LIBRARY: [(&str, &str); 4] = [
    ("library/twice.h", FILES[0].1),
    (
        "library/twice.c",
        "#include <math.h>\n#include \"twice.h\"\nint twice(int x) { return (int)fmin(2 * x, 1e9); }\n",
    ),
    (
        "library/twice.pc.in",
        "prefix=@CMAKE_INSTALL_PREFIX@\nName: twice\nDescription: doubles\nVersion: 1.5\n\
         Cflags: -I${prefix}/include\nLibs: -L${prefix}/lib -ltwice\nLibs.private: -lm\n",
    ),
    (
        "library/CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.21)\nproject(twice C)\nadd_library(twice twice.c)\n\
         configure_file(twice.pc.in twice.pc @ONLY)\ninstall(TARGETS twice DESTINATION lib)\n\
         install(FILES twice.h DESTINATION include)\n\
         install(FILES ${CMAKE_CURRENT_BINARY_DIR}/twice.pc DESTINATION lib/pkgconfig)\n",
    ),
];

/// Its user, who finds it by pkg-config and by name, and does not find the host's libraries.
const USER: [(&str, &str); 2] = [
    ("user/main.c", FILES[2].1),
    (
        "user/CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.21)\nproject(user C)\nfind_package(PkgConfig REQUIRED)\n\
         pkg_check_modules(TWICE REQUIRED IMPORTED_TARGET twice>=1.2)\nfind_library(BY_NAME twice REQUIRED)\n\
         find_library(OF_THE_HOST NAMES z zstd)\nif(OF_THE_HOST)\n  message(FATAL_ERROR ${OF_THE_HOST})\nendif()\n\
         include(CheckCCompilerFlag)\ncheck_c_compiler_flag(-Wall HAS_WALL)\ncheck_c_compiler_flag(-fopenmp HAS_OPENMP)\n\
         if(NOT HAS_WALL OR HAS_OPENMP)\n  message(FATAL_ERROR \"flags: ${HAS_WALL} ${HAS_OPENMP}\")\nendif()\n\
         add_executable(program main.c)\ntarget_link_libraries(program PkgConfig::TWICE)\n\
         enable_testing()\nadd_test(NAME program COMMAND program)\n",
    ),
];

fn cmake(directory: &Path) -> Invocation {
    Invocation::new(directory, "cmake")
}

/// The words that configure `source` in `directory` for a prefix in there.
fn configure(directory: &Path, source: &str, generator: &str) -> Invocation {
    let prefix = directory.join("prefix");
    cmake(directory)
        .args(["-G", generator, "-S", source, "-B", &format!("{source}/build"), "-DCMAKE_BUILD_TYPE=Release"])
        .arg("-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
        .arg(format!("-DTWIN_PREFIX={0}", prefix.display()))
        .arg(format!("-DCMAKE_INSTALL_PREFIX={}", prefix.display()))
        .arg("--toolchain")
        .arg(root().join("compiler/toolchain.cmake"))
}

fn cmake_toolchain() -> Result<()> {
    for generator in ["Unix Makefiles", "Ninja"] {
        let directory = scratch()?;
        let path = directory.path();
        write(path, &LIBRARY)?;
        write(path, &USER)?;
        configure(path, "library", generator).run()?;
        cmake(path).args(["--build", "library/build", "--target", "install"]).run()?;
        let said = configure(path, "user", generator).run()?.stdout;
        let said = String::from_utf8_lossy(&said);
        ensure!(said.contains("The C compiler identification is Clang 22."), "{said}");
        cmake(path).args(["--build", "user/build"]).run()?;
        cmake(path).args(["--build", "user/build", "--target", "test"]).run()?;
        prints(&path.join("user/build/program"), "42\n")?;
        // Without CMake, too.
        let flags = Invocation::new(path, "/usr/bin/env")
            .arg(format!("PKG_CONFIG_LIBDIR={}", path.join("prefix/lib/pkgconfig").display()))
            .args(["pkg-config", "--static", "--cflags", "--libs", "twice"])
            .run()?;
        let flags = String::from_utf8_lossy(&flags.stdout).into_owned();
        let words = flags.split_whitespace().map(OsString::from);
        Invocation::tool(path, "twin-cc").arg("user/main.c").args(words).args(["-o", "by-hand"]).run()?;
        prints(&path.join("by-hand"), "42\n")?;
    }
    Ok(())
}

/// Whoever runs the commands of `compile_commands.json` gets the objects that the build gets; so does clang's own
/// database of a single compilation.
fn compilation_database() -> Result<()> {
    let directory = scratch()?;
    let path = directory.path();
    write(path, &LIBRARY)?;
    configure(path, "library", "Ninja").run()?;
    let entries = |text: &str| -> Result<Vec<serde_json::Value>> {
        serde_json::from_str(text).with_context(|| format!("no database: {text}"))
    };
    let built = entries(&std::fs::read_to_string(path.join("library/build/compile_commands.json"))?)?;
    ensure!(built.len() == 1, "{built:?}");
    let string = |entry: &serde_json::Value, key: &str| -> Result<String> {
        Ok(entry[key].as_str().with_context(|| format!("no {key} in {entry}"))?.to_owned())
    };
    let place = PathBuf::from(string(&built[0], "directory")?);
    let object = place.join("CMakeFiles/twice.dir/twice.c.o");
    std::fs::create_dir_all(object.parent().context("a directory")?)?;
    Invocation::new(&place, "sh").args(["-c", &string(&built[0], "command")?]).run()?;
    let first = std::fs::read(&object)?;
    cmake(path).args(["--build", "library/build"]).run()?;
    ensure!(std::fs::read(&object)? == first, "the build makes another object");

    Invocation::tool(path, "twin-cc").args(["-O2", "-MJ", "one.json", "-c", "library/twice.c", "-o", "one.o"]).run()?;
    let text = std::fs::read_to_string(path.join("one.json"))?;
    let written = entries(&format!("[{}]", text.trim().trim_end_matches(',')))?;
    ensure!(written.len() == 1 && written[0]["file"] == "library/twice.c", "{written:?}");
    let words = written[0]["arguments"].as_array().context("no arguments")?;
    // They are clang's: another tool reads the source with them.
    let words = words.iter().skip(1).filter_map(|word| word.as_str());
    Invocation::new(path, "clang-22").args(words).arg("-fsyntax-only").run()?;
    Ok(())
}

/// Quoted, escaped, over several lines and one inside the other; for compiling and for linking.
fn response_files() -> Result<()> {
    let directory = scratch()?;
    let path = directory.path();
    let text = "#include <stdio.h>\nint main(void) { puts(A B C); return 0; }\n";
    write(path, &[("with space.c", text), ("back\\slash.c", "int unused;\n")])?;
    let compile = "-O2 '-DA=\"one \"'\n\"-DB=\\\"two \\\"\"\n@inner\n-c 'with space.c' -o 'the object.o'\n";
    write(path, &[("compile", compile), ("inner", "-DC=\\\"three\\\"\n")])?;
    Invocation::tool(path, "twin-cc").arg("@compile").run()?;
    Invocation::tool(path, "twin-cc").args(["-c", "back\\slash.c"]).run()?;
    write(path, &[("link", "the\\ object.o back\\\\slash.o \"-Wl,-Map,link map\" -o program\n")])?;
    Invocation::tool(path, "twin-cc").arg("@link").run()?;
    ensure!(path.join("link map").is_file(), "no map");
    prints(&path.join("program"), "one two three\n")
}

/// Functions are looked for with a prototype that fits none of them, and the program is linked, not run.
fn probes_of_autoconf() -> Result<()> {
    let directory = scratch()?;
    let path = directory.path();
    for function in ["snprintf", "fcntl", "ioctl", "memcpy", "strlen", "fork", "sqrt", "nothing_like_this"] {
        let source = format!("char {function}(void);\nint main(void) {{ return {function}(); }}\n");
        write(path, &[("conftest.c", &source)])?;
        let status = i32::from(function == "nothing_like_this");
        // Not verified: a call without the arguments that the function takes passes registers that nobody has set.
        let compiler = Invocation::new(path, tool("twin-cc"));
        compiler.args(["-w", "-fno-builtin", "conftest.c", "-o", "conftest"]).status(status).run()?;
    }
    Ok(())
}

/// A file of a library for one ISA, of which the preprocessor leaves nothing; and one of which it leaves something.
fn assembly_without_content() -> Result<()> {
    let directory = scratch()?;
    let path = directory.path();
    let fast = "#ifdef __x86_64__\n.globl fast\nfast: ret\n#endif\n.section .note.GNU-stack,\"\",%progbits\n";
    write(path, &FILES)?;
    write(path, &[("fast.S", fast), ("datum.S", ".data\n.long 1\n"), ("name.s", ".globl name\n")])?;
    Invocation::tool(path, "twin-cc").args(["-c", "fast.S"]).run()?;
    Invocation::tool(path, "twin-cc").args(["fast.o", "main.c", "twice.c", "-o", "program"]).run()?;
    prints(&path.join("program"), "42\n")?;
    for file in ["datum.S", "name.s"] {
        let said = Invocation::tool(path, "twin-cc").args(["-c", file]).status(1).run()?.stderr;
        ensure!(said.trim_end().ends_with(&format!("assembly is not supported: {file}")), "{said}");
    }
    Ok(())
}
