//! Debian's bzip2, its objects compiled one by one, on 12 MB.

use crate::tools::{Invocation, Once, root, scratch};
use crate::trial;
use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// Sources of the program, as in its Makefile.
const SOURCES: [&str; 8] =
    ["blocksort", "huffman", "crctable", "randtable", "compress", "decompress", "bzlib", "bzip2"];
/// Size of the input.
const SIZE: usize = 12 << 20;
/// Hops in each direction of work that a run has to have.
const HOPS: u64 = 20;

/// What all trials share.
#[derive(Default)]
struct Bench(Once<Files>);

struct Files {
    directory: TempDir,
}

/// All trials.
pub fn trials() -> Vec<Trial> {
    let bench = Arc::new(Bench::default());
    let ways: [(&str, &[&str], u64); 5] = [
        ("native", &[], 0),
        ("pair", &["--timeline", "--vehicle", "pair", "--stress", "every=20000"], HOPS),
        ("exec", &["--timeline", "--vehicle", "exec", "--stress", "every=20000"], HOPS),
        ("hop_every_1000", &["--timeline", "--stress", "every=1000"], HOPS),
        // How many there are is a matter of time.
        ("on_request", &["--timeline", "--hop-every", "20ms"], 1),
    ];
    let mut trials = Vec::new();
    for (name, options, hops) in ways {
        for decompress in [false, true] {
            let bench = bench.clone();
            let work = if decompress { "decompress" } else { "compress" };
            trials.push(trial(format!("bzip2::{name}::{work}"), move || bench.check(options, hops, decompress)));
        }
    }
    trials
}

impl Bench {
    /// Compresses or decompresses and compares with the reference, byte by byte.
    fn check(&self, options: &[&str], least: u64, decompress: bool) -> Result<()> {
        let files = self.0.get(Files::make)?;
        let program = files.path("bzip2");
        let invocation = if options.is_empty() {
            Invocation::new(files.directory.path(), program)
        } else {
            Invocation::twin_run(files.directory.path(), options).arg(program)
        };
        let (input, expected) = if decompress { ("reference.bz2", "input") } else { ("input", "reference.bz2") };
        let outcome = invocation.args(decompress.then_some("-d")).arg("-c").run_on(&files.path(input))?;
        ensure!(outcome.stdout == std::fs::read(files.path(expected))?, "the result is not {expected}");
        if !options.is_empty() {
            let hops = outcome.hops()?;
            ensure!(hops >= least, "only {hops} hops");
        }
        Ok(())
    }
}

impl Files {
    /// Builds bzip2 with Twin and with clang; makes the input and, with clang's program, the reference.
    fn make() -> Result<Files> {
        let files = Files { directory: scratch()? };
        std::fs::write(files.path("input"), input(SIZE))?;
        files.build(|| Invocation::tool(files.directory.path(), "twin-cc"), "bzip2")?;
        let reference = files.build(|| Invocation::new(files.directory.path(), "clang-22"), "reference")?;
        let bytes = Invocation::new(files.directory.path(), reference).arg("-c").run_on(&files.path("input"))?.stdout;
        std::fs::write(files.path("reference.bz2"), bytes)?;
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn build(&self, compiler: impl Fn() -> Invocation, name: &str) -> Result<PathBuf> {
        let executable = self.path(name);
        let mut objects = Vec::new();
        for source in SOURCES {
            let object = self.path(&format!("{name}-{source}.o"));
            let flags = ["-O2", "-w", "-D_FILE_OFFSET_BITS=64", "-c"];
            compiler().args(flags).arg(source_file(source)?).arg("-o").arg(&object).run()?;
            objects.push(object);
        }
        compiler().args(&objects).arg("-o").arg(&executable).run()?;
        Ok(executable)
    }
}

fn source_file(name: &str) -> Result<PathBuf> {
    let file = root().join("target/sources/bzip2").join(name).with_extension("c");
    ensure!(file.exists(), "{} is missing; run ci/setup", file.display());
    Ok(file)
}

/// Text made of words of uneven frequency, in some places noise, and long runs: every part of bzip2 has work.
fn input(size: usize) -> Vec<u8> {
    const WORDS: &str = "the of and to in is that it was for on are as with his they at be this from have or by one had \
                         not but what all were when we there can an your which their said if do will each about how";
    let words: Vec<&str> = WORDS.split(' ').collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    // Marsaglia's xorshift64.
    let mut random = move |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits") % limit
    };
    let mut bytes = Vec::with_capacity(size + 4096);
    while bytes.len() < size {
        match random(40) {
            0 => bytes.extend((0..4096).map(|_| u8::try_from(random(256)).expect("a byte"))),
            1 => bytes.extend(std::iter::repeat_n(b'=', random(3000))),
            _ => {
                for _ in 0..400 {
                    let rank = random(words.len()) * random(words.len()) / words.len();
                    bytes.extend(words[rank].as_bytes());
                    bytes.push(if random(12) == 0 { b'\n' } else { b' ' });
                }
            }
        }
    }
    bytes.truncate(size);
    bytes
}
