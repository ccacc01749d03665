//! The link job: clang's command line for `ld`, with Twin's start file and libraries.

use super::jobs::Job;
use super::tools::Tools;
use super::{is, verify};
use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

/// What the user said about start files and libraries.
#[derive(Default)]
pub struct Flags {
    no_start_files: bool,
    no_libraries: bool,
    verify: bool,
}

impl Flags {
    /// Reads them off the command line.
    pub fn of(arguments: &[OsString], verify: bool) -> Flags {
        let has = |names: &[&str]| arguments.iter().any(|a| names.iter().any(|n| is(a, n)));
        Flags {
            no_start_files: has(&["-nostdlib", "-nostartfiles", "-r"]),
            no_libraries: has(&["-nostdlib", "-nodefaultlibs", "-nolibc", "-r"]),
            verify,
        }
    }
}

/// Runs twin-ld in the place of `job`, and the checker behind it if that is wanted.
///
/// # Errors
/// If the sysroot or a tool is missing, or the executable is not uniform.
pub fn run(tools: &Tools, job: &Job, flags: &Flags) -> Result<u8> {
    let code = link(tools, &job.arguments, flags)?;
    // An object is not finished yet.
    let relocatable = job.arguments.iter().any(|a| is(a, "-r") || is(a, "--relocatable"));
    if code == 0 && flags.verify && !relocatable {
        let output = job.output().map(Path::new).context("clang names no output")?;
        if output.is_file() {
            verify::check(tools, output, output)?;
        } else {
            // A device such as /dev/null, from which nothing can be read.
            let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
            let copy = directory.path().join("a.out");
            let again = job.arguments.iter().map(|a| if a.as_os_str() == output { copy.as_os_str() } else { a });
            link(tools, &again.map(OsStr::to_owned).collect::<Vec<_>>(), flags)?;
            verify::check(tools, &copy, output)?;
        }
    }
    Ok(code)
}

fn link(tools: &Tools, arguments: &[OsString], flags: &Flags) -> Result<u8> {
    let lib = tools.sysroot.join("lib");
    if !flags.no_libraries && !lib.join("libc.a").is_file() {
        bail!("Twin's C library is not built: {} is missing; run ci/sysroot", lib.join("libc.a").display());
    }
    let mut command = Command::new(&tools.linker);
    if !flags.no_start_files {
        command.arg(lib.join("crt1.o"));
    }
    command.args(arguments.iter().filter(|a| !is(a, "--eh-frame-hdr")));
    if arguments.iter().any(|a| is(a, "-plugin")) {
        command.arg("--lto-compiler").arg(std::env::current_exe().context("cannot find my own executable")?);
    }
    command.arg("-L").arg(&lib);
    if !flags.no_libraries {
        for argument in ["--start-group", "-lc", "-ltwin", "--end-group"] {
            command.arg(argument);
        }
    }
    let status = command
        .status()
        .with_context(|| format!("cannot run {}; build it with `cargo build --release`", tools.linker.display()))?;
    Ok(status.code().map_or(1, |code| code as u8))
}
