//! One compile job: clang's front end and optimiser to bitcode, then Twin's pipeline.

use super::jobs::Job;
use super::tools::Tools;
use super::{assembly, is};
use crate::convention::Mode;
use crate::error::Unsupported;
use crate::pipeline::{self, Input};
use crate::processor::Processor;
use crate::times::{self, Phase};
use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What code is made for.
pub struct Target {
    /// How functions are called.
    pub mode: Mode,
    /// The aarch64 processor, if one is asked for.
    pub processor: Option<Processor>,
}

/// Runs `job`, which would have made an object.
///
/// # Errors
/// Unsupported constructs with their source line, internal errors, and files that cannot be written.
pub fn run(tools: &Tools, target: &Target, job: &Job) -> Result<u8> {
    let front_end = if job.is_assembler() { assembly::nothing(tools, job)? } else { front_end(job, &[])? };
    let bitcode = match front_end {
        Ok(bitcode) => bitcode,
        Err(code) => return Ok(code),
    };
    let input = if job.is_for_link_time() { Input::ForLinkTime(job.level()) } else { Input::Optimised };
    let object = match pipeline::compile(&bitcode, target.mode, input, target.processor.as_ref()) {
        Ok(object) => object,
        Err(error) => return Err(locate(job, target, error)),
    };
    let output = job.output().context("clang names no output")?;
    write_atomically(output.as_ref(), &object)?;
    if job.wants_times() {
        eprint!("{}", times::report());
    }
    Ok(0)
}

/// `twin-cc -mtwin=lto JOB -o OBJECT`: what twin-ld asks for.
///
/// # Errors
/// As [`run`], and if the job cannot be read.
pub fn run_merged(arguments: &[OsString]) -> Result<u8> {
    let (rest, output) = split_output(arguments)?;
    let [path] = rest.as_slice() else { bail!("-mtwin=lto takes one job file and -o FILE") };
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let job = serde_json::from_slice(&text).with_context(|| format!("{}", path.display()))?;
    write_atomically(&output, &pipeline::compile_merged(&job)?)?;
    Ok(0)
}

/// Separates the output file, which must be given, from the other arguments.
///
/// # Errors
/// If there is none.
pub fn split_output(arguments: &[OsString]) -> Result<(Vec<OsString>, PathBuf)> {
    let at = arguments.iter().position(|a| is(a, "-o")).context("this mode needs -o FILE")?;
    let output = arguments.get(at + 1).context("-o needs a file name")?;
    let rest = arguments[..at].iter().chain(&arguments[at + 2..]).cloned().collect();
    Ok((rest, output.into()))
}

/// Runs clang's compiler up to optimised bitcode, or returns its exit status.
fn front_end(job: &Job, extra: &[&str]) -> Result<Result<Vec<u8>, u8>> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let bitcode = directory.path().join("module.bc");
    let mut arguments: Vec<OsString> = Vec::new();
    let mut words = job.arguments.iter();
    arguments.extend(words.next().cloned());
    arguments.extend(extra.iter().map(OsString::from));
    while let Some(word) = words.next() {
        if is(word, "-flto=thin") {
            arguments.push("-flto=full".into());
        } else if is(word, "-emit-obj") {
            arguments.push("-emit-llvm-bc".into());
        } else if is(word, "-ffat-lto-objects") {
            // Twin's objects are always complete, and it adds the bitcode itself.
        } else if is(word, "-o") {
            words.next();
            arguments.push("-o".into());
            arguments.push(bitcode.clone().into());
        } else {
            arguments.push(word.clone());
        }
    }
    let time = times::start(Phase::FrontEnd);
    let status = Command::new(&job.program)
        .args(&arguments)
        .status()
        .with_context(|| format!("cannot run {}", job.program.display()))?;
    drop(time);
    if !status.success() {
        return Ok(Err(status.code().map_or(1, |code| code as u8)));
    }
    Ok(Ok(std::fs::read(&bitcode).context("clang wrote no bitcode")?))
}

/// Finds the source line of an unsupported construct by compiling once more with line tables.
fn locate(job: &Job, target: &Target, error: anyhow::Error) -> anyhow::Error {
    let input = job.input().unwrap_or_default().display().to_string();
    let Some(unsupported) = error.downcast_ref::<Unsupported>() else {
        return error.context(input);
    };
    if unsupported.line.is_some() {
        return error;
    }
    if unsupported.function.is_some()
        && let Ok(Ok(bitcode)) = front_end(job, &["-debug-info-kind=line-tables-only", "-dwarf-version=5", "-w"])
        && let Err(located) = pipeline::compile(&bitcode, target.mode, Input::Optimised, target.processor.as_ref())
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
