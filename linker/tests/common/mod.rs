//! Makes fat objects without twin-cc, links them, and takes the result apart.
#![allow(dead_code)] // Each test program uses its own part.

pub mod uniform;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use twin_linker::fat::{self, Kind, Record};

/// A directory for one test, with the tools.
pub struct Bench {
    directory: TempDir,
}

/// A record of `kind` without symbols.
pub fn record(kind: Kind, uniform: &[&str]) -> Record {
    Record {
        version: Record::VERSION,
        kind,
        uniform: uniform.iter().map(|&name| name.to_owned()).collect(),
        native_symbols: Vec::new(),
        uniform_symbols: Vec::new(),
        native_refs: Vec::new(),
        uniform_refs: Vec::new(),
        variadic_symbols: Vec::new(),
        variadic_refs: Vec::new(),
        unprototyped_refs: Vec::new(),
    }
}

impl Bench {
    pub fn new() -> Bench {
        Bench { directory: tempfile::tempdir().expect("temporary directory") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).expect("test file");
        self.path(name)
    }

    /// Compiles `source` for both ISAs and packs the objects as a native fat object.
    pub fn native(&self, name: &str, source: &str) -> PathBuf {
        self.native_with(name, source, &[], &[])
    }

    /// The same with more options for the compiler, and sections that are uniform.
    pub fn native_with(&self, name: &str, source: &str, options: &[&str], uniform: &[&str]) -> PathBuf {
        let file = self.write(&format!("{name}.c"), source.as_bytes());
        let halves = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"].map(|target| {
            let object = self.path(&format!("{name}.{target}.o"));
            let mut command = Command::new("clang-22");
            command.arg(format!("--target={target}")).args(["-ffreestanding", "-fno-pic", "-fno-addrsig", "-O1", "-c"]);
            command.args(["-ffunction-sections", "-fdata-sections"]).args(options).arg(&file).arg("-o").arg(&object);
            assert!(command.status().expect("clang-22 runs").success());
            std::fs::read(object).expect("object")
        });
        let fat = fat::pack(&halves[0], &halves[1], &record(Kind::Native, uniform), None).expect("pack");
        self.write(name, &fat)
    }

    /// Runs twin-ld.
    pub fn ld(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twin-ld"));
        command.current_dir(self.directory.path()).args(arguments).output().expect("twin-ld runs")
    }

    /// Runs twin-ld, which must succeed; returns the bytes of `a.out`.
    pub fn link(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.ld(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(self.path("a.out")).expect("a.out")
    }

    /// Runs twin-ld, which must fail; returns its messages.
    pub fn fail(&self, arguments: &[&str]) -> String {
        let output = self.ld(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(!self.path("a.out").exists(), "left a file behind");
        text
    }

    /// Makes an archive.
    pub fn archive(&self, name: &str, members: &[&str], flags: &str) -> PathBuf {
        let mut command = Command::new("ar");
        command.current_dir(self.directory.path()).arg(flags).arg(name).args(members);
        assert!(command.status().expect("ar runs").success());
        self.path(name)
    }

    /// Runs a program and returns what it printed.
    pub fn run(&self, program: &str, arguments: &[&Path]) -> (String, Option<i32>) {
        let output = Command::new(program).args(arguments).output().expect("program runs");
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
    }

    /// Runs `a.out` on this machine and its aarch64 image under qemu; both must behave the same.
    pub fn run_both(&self) -> (String, Option<i32>) {
        let program = self.path("a.out");
        let bytes = std::fs::read(&program).expect("a.out");
        let image = twin_linker::image::Image::parse(&bytes).expect("twin binary");
        let visitor = self.write("a.out.aarch64", image.aarch64);
        std::fs::set_permissions(&visitor, program.metadata().expect("a.out").permissions()).expect("chmod");
        let home = self.run(program.to_str().expect("UTF-8"), &[]);
        assert_eq!(home, self.run("qemu-aarch64", &[&visitor]));
        home
    }
}

/// Start code for programs without a C library: calls `int run(void)`; offers `put(text, length)`.
pub const START: &str = r#"
typedef unsigned long size_t;
static long call(long nr, long a, long b, long c) {
#ifdef __x86_64__
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
#else
    register long x8 __asm__("x8") = nr == 1 ? 64 : 94;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#endif
}
int run(void);
void put(const char *text, size_t length) { call(1, 1, (long)text, length); }
#ifdef __x86_64__
__attribute__((force_align_arg_pointer))
#endif
void _start(void) { call(231, run(), 0, 0); }
"#;
