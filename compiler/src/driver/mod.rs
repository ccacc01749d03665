//! The driver: real clang parses its own command line (`clang -###`) and says what it would do; Twin does the code
//! generation and the linking in its place.

mod compile;
mod jobs;
mod link;
mod native;
mod tools;

use crate::convention::Mode;
use anyhow::{Context, Result, bail};
use jobs::Job;
use std::ffi::{OsStr, OsString};
use std::process::Command;
use tools::Tools;

/// Options of twin-cc's own.
enum Action {
    /// Compile and link as usual.
    Clang(Mode),
    /// Compile once for each ISA, without the uniform pipeline.
    Native,
    /// Pack two objects into one.
    Pack,
}

/// Runs `twin-cc arguments...` and returns the exit status.
///
/// # Errors
/// Whatever is to be reported on one line.
pub fn run(arguments: &[OsString]) -> Result<u8> {
    let mut action = Action::Clang(Mode::Uniform);
    let mut rest = Vec::new();
    for argument in arguments {
        match argument.to_str().and_then(|a| a.strip_prefix("-mtwin=")) {
            Some("uniform") => action = Action::Clang(Mode::Uniform),
            Some("leaf") => action = Action::Clang(Mode::Leaf),
            Some("native") => action = Action::Native,
            Some("pack") => action = Action::Pack,
            Some(other) => bail!("unknown mode `-mtwin={other}`; modes are uniform, leaf, native, pack"),
            None => rest.push(argument.clone()),
        }
    }
    let tools = Tools::find()?;
    match action {
        Action::Clang(mode) => clang(&tools, mode, &rest),
        Action::Native => native::compile(&tools, &rest),
        Action::Pack => native::pack_files(&rest),
    }
}

fn clang(tools: &Tools, mode: Mode, arguments: &[OsString]) -> Result<u8> {
    let canonical = tools.canonical_flags();
    let plan = Command::new(&tools.clang)
        .args(&canonical)
        .args(arguments)
        .arg("-###")
        .output()
        .with_context(|| format!("cannot run {}", tools.clang.display()))?;
    let jobs = jobs::parse(&String::from_utf8_lossy(&plan.stderr));
    // clang itself answers questions and reports mistakes on the command line.
    let ours = jobs.iter().any(|job| job.makes_object() || !job.is_clang());
    if !plan.status.success() || !ours {
        let status = Command::new(&tools.clang)
            .args(&canonical)
            .args(arguments)
            .status()
            .with_context(|| format!("cannot run {}", tools.clang.display()))?;
        return Ok(status.code().map_or(1, |code| code as u8));
    }
    forward_warnings(&plan.stderr);
    let flags = link::Flags::of(arguments);
    let mut temporary = Vec::new();
    let linking = jobs.iter().any(|job| !job.is_clang());
    let result = run_jobs(tools, mode, &jobs, &flags, &mut temporary, linking);
    for file in temporary {
        let _ = std::fs::remove_file(file);
    }
    result
}

fn run_jobs(
    tools: &Tools,
    mode: Mode,
    jobs: &[Job],
    flags: &link::Flags,
    temporary: &mut Vec<OsString>,
    linking: bool,
) -> Result<u8> {
    for job in jobs {
        if !job.is_clang() {
            return link::run(tools, job, flags);
        }
        if linking && let Some(output) = job.output() {
            temporary.push(output.to_owned());
        }
        let code = if job.makes_object() { compile::run(tools, mode, job)? } else { job.run()? };
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}

/// What clang had to say about the command line itself; its banner and the jobs are not for the user.
fn forward_warnings(stderr: &[u8]) {
    for line in String::from_utf8_lossy(stderr).lines() {
        if line.starts_with("clang") && line.contains(": warning: ") {
            eprintln!("{line}");
        }
    }
}

/// Whether `argument` is exactly `text`.
fn is(argument: &OsStr, text: &str) -> bool {
    argument == OsStr::new(text)
}
