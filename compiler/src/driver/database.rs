//! `-MJ FILE`: clang's driver writes an entry of a compilation database, but not when it is only asked for its jobs.

use super::tools::Tools;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// Makes clang's driver go through its jobs without running them.
const ONLY: &str = "-fdriver-only";

/// Has clang write the file if `arguments` ask for it.
///
/// # Errors
/// If clang cannot be run, or the file cannot be written.
pub fn save(tools: &Tools, arguments: &[OsString]) -> Result<()> {
    let Some(path) = file(arguments) else { return Ok(()) };
    let context = || format!("cannot write {}", path.display());
    // Its warnings are those about the command line, which have been shown.
    Command::new(&tools.clang)
        .args(tools.canonical_flags())
        .args(arguments)
        .arg(ONLY)
        .output()
        .with_context(|| format!("cannot run {}", tools.clang.display()))?;
    let text = std::fs::read_to_string(path).with_context(context)?;
    std::fs::write(path, text.replace(&format!("\"{ONLY}\", "), "")).with_context(context)
}

/// The file that `-MJ` names, joined or apart.
fn file(arguments: &[OsString]) -> Option<&Path> {
    let at = arguments.iter().rposition(|argument| argument.to_string_lossy().starts_with("-MJ"))?;
    let joined = arguments[at].to_str()?.strip_prefix("-MJ")?;
    if joined.is_empty() { arguments.get(at + 1).map(Path::new) } else { Some(Path::new(joined)) }
}
