//! C programs: each is compiled at its levels, verified, and run natively, on aarch64 from the start, and with hops.

use crate::directives::Directives;
use crate::tools::{Invocation, Once, Outcome, root, same, scratch};
use crate::{ignored, trial};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Where the programs are, and what precedes the name of the file in the name of the program.
const FOLDERS: [(&str, &str); 4] =
    [("examples", ""), ("examples/bench", "bench_"), ("examples/nas", "nas_"), ("runtime/tests/programs", "")];

/// End of the names of levels with newer processors, and what they are. Such programs do without some of the ways to run.
const MODERN: &str = "v3";
const MODERN_FLAGS: [&str; 2] = ["-march=x86-64-v3", "-march=armv8.2-a+dotprod+fp16"];

/// Hops of a run with the exec vehicle, which takes milliseconds for each.
const EXEC_HOPS: u64 = 30;

pub struct Program {
    /// In front of the names of its trials.
    pub name: String,
    /// The C file.
    pub source: PathBuf,
    /// What to do with it.
    pub directives: Directives,
    /// Whether it is somebody else's: `TWIN_BLESS` leaves it alone.
    pub foreign: bool,
    /// What clang's program prints.
    reference: Once<Vec<u8>>,
}

/// A program at one level, compiled when the first of its trials runs.
struct Build {
    program: Arc<Program>,
    level: String,
    made: Once<TempDir>,
}

/// One way to run a program.
#[derive(Clone, Copy)]
enum Way {
    Native,
    Aarch64,
    Pair(u64),
    Exec,
}

/// All trials of all programs.
///
/// # Errors
/// Malformed directives, with file and line.
pub fn trials() -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for (folder, prefix) in FOLDERS {
        let folder = root().join(folder);
        let entries = folder.read_dir().with_context(|| folder.display().to_string())?;
        let files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        let mut sources: Vec<_> = files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "c")).collect();
        sources.sort();
        for source in sources {
            let program = Program::read(source, prefix)?;
            trials.extend(program.trials());
        }
    }
    Ok(trials)
}

impl Program {
    fn read(source: PathBuf, prefix: &str) -> Result<Program> {
        let name = format!("{prefix}{}", stem(&source));
        let text = std::fs::read_to_string(&source).with_context(|| source.display().to_string())?;
        let directives = Directives::parse(&text).with_context(|| source.display().to_string())?;
        Ok(Program::new(name, source, directives, false))
    }

    /// A program that is told what to do by `directives`.
    pub fn new(name: String, source: PathBuf, directives: Directives, foreign: bool) -> Program {
        Program { name, source, directives, foreign, reference: Once::default() }
    }

    /// The name of its executable.
    fn executable(&self) -> String {
        stem(&self.source)
    }

    /// A new directory to run it in. Some of somebody else's programs read their own source.
    fn stage(&self) -> Result<TempDir> {
        let directory = scratch()?;
        if self.foreign {
            let name = self.source.file_name().context("a file")?;
            std::fs::copy(&self.source, directory.path().join(name))?;
        }
        Ok(directory)
    }

    /// Where its source is: compilations happen there, for paths among the flags.
    fn folder(&self) -> &Path {
        self.source.parent().unwrap_or(Path::new("."))
    }

    /// All its trials.
    pub fn trials(self) -> Vec<Trial> {
        let program = Arc::new(self);
        if let Some(reason) = program.directives.broken("") {
            return vec![ignored(program.name.clone(), reason)];
        }
        let mut trials = Vec::new();
        if program.directives.error.is_some() {
            for level in &program.directives.levels {
                let (subject, level) = (program.clone(), level.clone());
                let name = format!("{}::{level}::refused", program.name);
                trials.push(program.trial(name, move || subject.is_refused(&level)));
            }
            return trials;
        }
        let reference = program.clone();
        trials.push(match &program.directives.no_clang {
            Some(reason) => ignored(format!("{}::clang", program.name), reason),
            None => program.trial(format!("{}::clang", program.name), move || reference.clang()),
        });
        for level in &program.directives.levels {
            if level.ends_with(MODERN) && !is_modern() {
                trials.push(ignored(format!("{}::{level}", program.name), "this machine has no x86-64-v3 processor"));
                continue;
            }
            let build = Arc::new(Build { program: program.clone(), level: level.clone(), made: Once::default() });
            let verified = build.clone();
            trials.push(program.trial(format!("{}::{level}::verify", program.name), move || verified.verify()));
            let hops = program.directives.hops.iter().map(|&every| Way::Pair(every));
            let ways: Vec<Way> = if level.ends_with(MODERN) {
                hops.take(1).collect()
            } else {
                let exec = program.directives.no_exec.is_none().then_some(Way::Exec);
                [Way::Native, Way::Aarch64].into_iter().chain(exec).chain(hops).collect()
            };
            for way in ways {
                let build = build.clone();
                let name = format!("{}::{level}::{}", program.name, way.name());
                trials.push(program.trial(name, move || build.check(way)));
            }
        }
        trials
    }

    /// A trial, unless it is known to be broken.
    fn trial(&self, name: String, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
        match self.directives.broken(&name) {
            Some(reason) => ignored(name, reason),
            None => trial(name, test),
        }
    }

    /// `compiler flags... source -o executable`.
    fn compile(&self, compiler: Invocation, level: &str, executable: &Path) -> Invocation {
        let suffixed = [("g", &["-g"][..]), ("lto", &["-flto"]), (MODERN, &MODERN_FLAGS)]
            .into_iter()
            .find_map(|(suffix, flags)| Some((level.strip_suffix(suffix)?, flags)));
        let (level, flags) = suffixed.unwrap_or((level, &[]));
        compiler
            .arg(format!("-{level}"))
            .args(flags)
            .arg(&self.source)
            .args(&self.directives.flags)
            .arg("-o")
            .arg(executable)
    }

    /// Compares clang's program with what is expected; or takes what is expected from there.
    fn clang(&self) -> Result<()> {
        let actual = self.reference()?;
        if let Some(reason) = &self.directives.expect_clang {
            ensure!(*actual != self.directives.output(&self.source)?, "ExpectClang without need: {reason}");
        }
        self.compare(actual, true)
    }

    /// What clang's program prints.
    fn reference(&self) -> Result<&Vec<u8>> {
        self.reference.get(|| {
            let directory = self.stage()?;
            let executable = directory.path().join(self.executable());
            let flags = ["-std=gnu17", "-w", "-ffp-contract=off"];
            let compiler = Invocation::new(self.folder(), "clang-22").args(flags);
            self.compile(compiler, "O2", &executable).arg("-lm").run()?;
            Ok(self.run(Invocation::new(directory.path(), &executable))?.stdout)
        })
    }

    /// Adds what the directives say to the command line that runs the program, and runs it.
    fn run(&self, program: Invocation) -> Result<Outcome> {
        let directives = &self.directives;
        program.args(&directives.args).stdin(directives.stdin.as_bytes()).status(directives.status).run()
    }

    fn compare(&self, actual: &[u8], is_reference: bool) -> Result<()> {
        if is_reference && std::env::var_os("TWIN_BLESS").is_some_and(|bless| bless == "1") && !self.foreign {
            return self.directives.bless(&self.source, actual);
        }
        match self.directives.expect_clang {
            Some(_) => same(self.reference()?, actual),
            None => same(&self.directives.output(&self.source)?, actual),
        }
    }

    fn is_refused(&self, level: &str) -> Result<()> {
        let directory = scratch()?;
        let executable = directory.path().join(self.executable());
        let compilation = self.compile(Invocation::tool(self.folder(), "twin-cc"), level, &executable);
        crate::errors::refuses(&compilation, self.directives.error.as_deref().unwrap_or_default(), &executable)
    }
}

impl Build {
    /// The directory with the executable.
    fn directory(&self) -> Result<&Path> {
        self.made.get(|| self.make()).map(TempDir::path)
    }

    fn make(&self) -> Result<TempDir> {
        let directory = scratch()?;
        let executable = directory.path().join(self.program.executable());
        // Verification is a trial of its own.
        let compiler = Invocation::new(self.program.folder(), root().join("target/release/twin-cc"));
        self.program.compile(compiler, &self.level, &executable).run()?;
        Ok(directory)
    }

    /// `twin verify` finds both images to be uniform.
    fn verify(&self) -> Result<()> {
        let directory = self.directory()?;
        Invocation::tool(directory, "twin").arg("verify").arg(self.program.executable()).run().map(drop)
    }

    fn check(&self, way: Way) -> Result<()> {
        let program = &self.program;
        let executable = self.directory()?.join(program.executable());
        let directory = program.stage()?;
        let start = |options: &[&str]| Invocation::twin_run(directory.path(), options).arg(&executable);
        let invocation = match way {
            Way::Native => Invocation::new(directory.path(), &executable),
            Way::Aarch64 => start(&["--isa", "aarch64"]),
            Way::Pair(every) => start(&["--timeline", "--stress", &format!("every={every}")]),
            Way::Exec => {
                // The polls of the program say how far apart the hops are to be.
                let every = program.directives.hops.iter().copied().max().unwrap_or(1);
                let counted = program.run(start(&["--timeline", "--stress", &format!("every={every}")]))?;
                let every = (counted.hops()? * every / EXEC_HOPS).max(1);
                start(&["--timeline", "--vehicle", "exec", "--stress", &format!("every={every}")])
            }
        };
        let text = format!("{} (level {})", invocation.text(), self.level);
        let outcome = program.run(invocation)?;
        let is_reference = matches!(way, Way::Native) && self.level == "O2" && program.directives.no_clang.is_some();
        program.compare(&outcome.stdout, is_reference).context(text)?;
        if matches!(way, Way::Pair(_) | Way::Exec) && program.directives.no_hops.is_none() {
            ensure!(outcome.hops()? > 0, "no hop");
        }
        Ok(())
    }
}

impl Way {
    fn name(self) -> String {
        match self {
            Way::Native => "native".to_owned(),
            Way::Aarch64 => "aarch64".to_owned(),
            Way::Pair(every) => format!("hop_every_{every}"),
            Way::Exec => "hop_exec".to_owned(),
        }
    }
}

/// Whether this machine runs what is made with `MODERN_FLAGS`.
fn is_modern() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("fma")
        && std::arch::is_x86_feature_detected!("f16c")
}

/// The name of a file without folder and extension.
pub fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
