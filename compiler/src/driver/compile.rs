//! One compile job: clang's front end and optimiser to bitcode, then Twin's pipeline.

use super::is;
use super::jobs::Job;
use super::tools::Tools;
use crate::convention::Mode;
use crate::error::Unsupported;
use anyhow::{Context, Result};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Runs `job`, which would have made an object.
///
/// # Errors
/// Unsupported constructs with their source line, internal errors, and files that cannot be written.
pub fn run(_tools: &Tools, mode: Mode, job: &Job) -> Result<u8> {
    let input = job.input().unwrap_or_default();
    if job.is_assembler() {
        let what = format!("assembly is not supported: {}", input.display());
        return Err(Unsupported::module(what).into());
    }
    let bitcode = match front_end(job, &[])? {
        Ok(bitcode) => bitcode,
        Err(code) => return Ok(code),
    };
    let object = match crate::pipeline::compile(&bitcode, mode) {
        Ok(object) => object,
        Err(error) => return Err(locate(job, mode, error)),
    };
    let output = job.output().context("clang names no output")?;
    write_atomically(output.as_ref(), &object)?;
    Ok(0)
}

/// Runs clang's compiler up to optimised bitcode, or returns its exit status.
fn front_end(job: &Job, extra: &[&str]) -> Result<Result<Vec<u8>, u8>> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let bitcode = directory.path().join("module.bc");
    let mut arguments: Vec<OsString> = Vec::new();
    let mut words = job.arguments.iter();
    while let Some(word) = words.next() {
        if is(word, "-emit-obj") {
            arguments.push("-emit-llvm-bc".into());
            arguments.extend(extra.iter().map(OsString::from));
        } else if is(word, "-o") {
            words.next();
            arguments.push("-o".into());
            arguments.push(bitcode.clone().into());
        } else {
            arguments.push(word.clone());
        }
    }
    let status = Command::new(&job.program)
        .args(&arguments)
        .status()
        .with_context(|| format!("cannot run {}", job.program.display()))?;
    if !status.success() {
        return Ok(Err(status.code().map_or(1, |code| code as u8)));
    }
    Ok(Ok(std::fs::read(&bitcode).context("clang wrote no bitcode")?))
}

/// Finds the source line of an unsupported construct by compiling once more with line tables.
fn locate(job: &Job, mode: Mode, error: anyhow::Error) -> anyhow::Error {
    let input = job.input().unwrap_or_default().display().to_string();
    let Some(unsupported) = error.downcast_ref::<Unsupported>() else {
        return error.context(input);
    };
    if unsupported.line.is_some() {
        return error;
    }
    if unsupported.function.is_some()
        && let Ok(Ok(bitcode)) = front_end(job, &["-debug-info-kind=line-tables-only", "-dwarf-version=5", "-w"])
        && let Err(located) = crate::pipeline::compile(&bitcode, mode)
    {
        return located;
    }
    anyhow::anyhow!("{input}: {}", unsupported.what)
}

/// Writes a file so that it is never seen half written. Devices are written to directly.
///
/// # Errors
/// If the file cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.display();
    if path.exists() && !path.is_file() {
        return std::fs::write(path, bytes).with_context(|| format!("cannot write {name}"));
    }
    let directory = path.parent().filter(|d| *d != OsStr::new("")).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .tempfile_in(directory)
        .with_context(|| format!("cannot write {name}"))?;
    file.write_all(bytes).with_context(|| format!("cannot write {name}"))?;
    file.persist(path).with_context(|| format!("cannot write {name}"))?;
    Ok(())
}
