//! The link job: clang's command line for `ld`, with Twin's start file and libraries.

use super::is;
use super::jobs::Job;
use super::tools::Tools;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::process::Command;

/// What the user said about start files and libraries.
#[derive(Default)]
pub struct Flags {
    no_start_files: bool,
    no_libraries: bool,
}

impl Flags {
    /// Reads them off the command line.
    pub fn of(arguments: &[OsString]) -> Flags {
        let has = |names: &[&str]| arguments.iter().any(|a| names.iter().any(|n| is(a, n)));
        Flags {
            no_start_files: has(&["-nostdlib", "-nostartfiles", "-r"]),
            no_libraries: has(&["-nostdlib", "-nodefaultlibs", "-nolibc", "-r"]),
        }
    }
}

/// Runs twin-ld in the place of `job`.
///
/// # Errors
/// If the sysroot or the linker is missing.
pub fn run(tools: &Tools, job: &Job, flags: &Flags) -> Result<u8> {
    let lib = tools.sysroot.join("lib");
    if !flags.no_libraries && !lib.join("libc.a").is_file() {
        bail!("Twin's C library is not built: {} is missing; run ci/sysroot", lib.join("libc.a").display());
    }
    let mut command = Command::new(&tools.linker);
    if !flags.no_start_files {
        command.arg(lib.join("crt1.o"));
    }
    command.args(job.arguments.iter().filter(|a| !is(a, "--eh-frame-hdr")));
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
