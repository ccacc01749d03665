//! `--verify`: `twin verify`, which knows nothing of the compiler, has the last word on what was linked.

use super::tools::Tools;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// The option.
pub const OPTION: &str = "--verify";
/// The environment variable that does the same for a whole build: `1`.
const VARIABLE: &str = "TWIN_VERIFY";

/// Whether the environment asks for it.
///
/// # Errors
/// If it does so in words that are not known.
pub fn is_wanted_by_environment() -> Result<bool> {
    match std::env::var_os(VARIABLE) {
        None => Ok(false),
        Some(value) if value.is_empty() || value == OsStr::new("0") => Ok(false),
        Some(value) if value == OsStr::new("1") => Ok(true),
        Some(value) => bail!("{VARIABLE} is `{}`; write 1 or 0", value.display()),
    }
}

/// Checks `executable`, which users know as `name`; removes what is not uniform, for nobody should run it.
///
/// # Errors
/// If it is not uniform, or nothing can be said about it; the report goes to standard error.
pub fn check(tools: &Tools, executable: &Path, name: &Path) -> Result<()> {
    let checker = &tools.checker;
    let outcome = Command::new(checker)
        .arg("verify")
        .arg(executable)
        .output()
        .with_context(|| format!("cannot run {}; build it with `cargo build --release`", checker.display()));
    if outcome.as_ref().is_ok_and(|outcome| outcome.status.success()) {
        return Ok(());
    }
    std::fs::remove_file(executable).with_context(|| format!("cannot remove {}", executable.display()))?;
    let outcome = outcome?;
    let mut stderr = std::io::stderr();
    // If nobody reads it, the exit status still tells.
    drop(stderr.write_all(&outcome.stdout).and_then(|()| stderr.write_all(&outcome.stderr)));
    bail!("{}: refused by `twin verify`; no output is left", name.display())
}
