//! Running the tools, and programs, as a user does: any directory, next to no environment.

use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Whatever runs longer hangs. No test depends on how long anything takes.
const HANGS: &str = "300";

/// The top of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace")
}

/// A new directory that goes away with the value.
pub fn scratch() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("suite-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).context("cannot make a directory")
}

/// What several trials share; made by the first that needs it.
pub struct Once<T>(OnceLock<Result<T, String>>);

impl<T> Default for Once<T> {
    fn default() -> Once<T> {
        Once(OnceLock::new())
    }
}

impl<T> Once<T> {
    /// The value.
    ///
    /// # Errors
    /// If it could not be made, for each that asks.
    pub fn get(&self, make: impl FnOnce() -> Result<T>) -> Result<&T> {
        let made = self.0.get_or_init(|| make().map_err(|error| format!("{error:#}")));
        made.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
    }
}

/// One command line, to be run in a directory.
#[derive(Clone)]
pub struct Invocation {
    directory: PathBuf,
    words: Vec<OsString>,
    stdin: Vec<u8>,
    /// What it has to return.
    status: Option<i32>,
}

/// What became of it.
pub struct Outcome {
    /// Exit status as a shell sees it: 128 and more for signals.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Invocation {
    /// Runs `program` in `directory`.
    pub fn new(directory: impl Into<PathBuf>, program: impl Into<OsString>) -> Invocation {
        Invocation { directory: directory.into(), words: vec![program.into()], stdin: Vec::new(), status: Some(0) }
    }

    /// Runs one of Twin's tools in `directory`. Whatever twin-cc links has to pass `twin verify`.
    pub fn tool(directory: impl Into<PathBuf>, name: &str) -> Invocation {
        let tool = Invocation::new(directory, root().join("target/release").join(name));
        if name == "twin-cc" { tool.arg("--verify") } else { tool }
    }

    /// `twin run options... --`, with the program still to come.
    pub fn twin_run(directory: impl Into<PathBuf>, options: &[&str]) -> Invocation {
        Invocation::tool(directory, "twin").arg("run").args(options)
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Invocation {
        self.words.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item: Into<OsString>>>(mut self, arguments: I) -> Invocation {
        self.words.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets the standard input, which is empty otherwise.
    pub fn stdin(mut self, bytes: &[u8]) -> Invocation {
        self.stdin = bytes.to_vec();
        self
    }

    /// Sets the exit status that it has to have; 0 otherwise.
    pub fn status(mut self, status: i32) -> Invocation {
        self.status = Some(status);
        self
    }

    /// Allows any exit status.
    pub fn any_status(mut self) -> Invocation {
        self.status = None;
        self
    }

    /// Its words.
    pub fn words(&self) -> &[OsString] {
        &self.words
    }

    /// The words as one would type them.
    pub fn text(&self) -> String {
        self.words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// The command; it is killed if it hangs.
    pub fn command(&self) -> Command {
        let mut command = Command::new("/usr/bin/timeout");
        command
            .args(["--kill-after=10", HANGS])
            .args(&self.words)
            .current_dir(&self.directory)
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        command
    }

    /// Runs it.
    ///
    /// # Errors
    /// If it cannot be started or returns another status than asked for.
    pub fn run(&self) -> Result<Outcome> {
        let mut stdin = tempfile::tempfile().context("cannot make a temporary file")?;
        stdin.write_all(&self.stdin)?;
        stdin.rewind()?;
        self.run_with(stdin.into())
    }

    /// Runs it with a file as its standard input.
    ///
    /// # Errors
    /// As for [`Invocation::run`].
    pub fn run_on(&self, stdin: &Path) -> Result<Outcome> {
        self.run_with(File::open(stdin).with_context(|| stdin.display().to_string())?.into())
    }

    fn run_with(&self, stdin: Stdio) -> Result<Outcome> {
        let output = self.command().stdin(stdin).output().context("cannot run timeout")?;
        let status = output.status.code().or(output.status.signal().map(|s| 128 + s)).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if let Some(expected) = self.status {
            let stdout = String::from_utf8_lossy(&output.stdout[..output.stdout.len().min(2000)]);
            ensure!(status == expected, "{}\nstatus {status} instead of {expected}\n{stdout}\n{stderr}", self.text());
        }
        Ok(Outcome { status, stdout: output.stdout, stderr })
    }
}

impl Outcome {
    /// Number of hops, from the last line of `twin run --timeline`.
    pub fn hops(&self) -> Result<u64> {
        let line = self.stderr.lines().last().unwrap_or_default();
        if line == "no hops" {
            return Ok(0);
        }
        let count = line.split(" hop").next().and_then(|n| n.parse().ok());
        count.with_context(|| format!("no number of hops in: {line}"))
    }
}

/// Compiles `source`, written to a file called `name`.c, to the executable `name`; returns its path.
pub fn compile(directory: &Path, name: &str, source: &str, flags: &[&str]) -> Result<PathBuf> {
    let file = directory.join(format!("{name}.c"));
    std::fs::write(&file, source).with_context(|| file.display().to_string())?;
    let executable = directory.join(name);
    Invocation::tool(directory, "twin-cc").args(flags).arg(&file).arg("-o").arg(&executable).run()?;
    Ok(executable)
}

/// Compares two outputs; the error shows the first line that differs.
pub fn same(expected: &[u8], actual: &[u8]) -> Result<()> {
    if expected == actual {
        return Ok(());
    }
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
    let (expected, actual) = (lines(expected), lines(actual));
    let at = expected.iter().zip(&actual).take_while(|(e, a)| e == a).count();
    let show = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(end of output)".to_owned());
    anyhow::bail!("output differs at line {}\nexpected: {}\n  actual: {}", at + 1, show(&expected), show(&actual))
}
