//! The driver: real clang parses its own command line (`clang -###`) and says what it would do; Twin does the code
//! generation and the linking in its place.

mod assembly;
mod compile;
mod database;
mod jobs;
mod link;
mod native;
pub mod options;
mod processor;
mod refused;
mod reproduce;
mod tools;
mod verify;

use crate::convention::Mode;
use anyhow::{Context, Result, bail};
use compile::Target;
use jobs::Job;
use std::ffi::{OsStr, OsString};
use std::process::Command;
use tools::Tools;

/// What `--help` adds to clang's text.
const HELP: &str = "
TWIN OPTIONS:
  --verify                Check the executable with `twin verify`; fail and remove it if it is not uniform.
                          TWIN_VERIFY=1 in the environment does the same.
  -march=<arch>, -mcpu=, -mtune=, -m<feature>
                          The x86-64 processor
  -march=armv<arch>, -Xarch_aarch64 -march=<arch>, -Xarch_aarch64 -mcpu=<cpu>, -Xarch_aarch64 -mtune=<cpu>
                          The aarch64 processor
  -mtwin=<mode>           uniform (default); leaf: no migration points, for functions that a hop never
                          interrupts; native: C and assembly, compiled once for each ISA; pack: put an x86-64
                          and an aarch64 object into one
";

/// Options of twin-cc's own.
enum Action {
    /// Compile and link as usual.
    Clang(Mode),
    /// Compile once for each ISA, without the uniform pipeline.
    Native,
    /// Pack two objects into one.
    Pack,
    /// Compile the modules of a link-time optimisation job of twin-ld's.
    LinkTime,
}

/// Runs `twin-cc arguments...` and returns the exit status.
///
/// # Errors
/// Whatever is to be reported on one line.
pub fn run(arguments: &[OsString]) -> Result<u8> {
    let mut action = Action::Clang(Mode::Uniform);
    let mut rest = Vec::new();
    let mut verify = verify::is_wanted_by_environment()?;
    for argument in &options::expanded(arguments) {
        if is(argument, verify::OPTION) {
            verify = true;
            continue;
        }
        match argument.to_str().and_then(|a| a.strip_prefix("-mtwin=")) {
            Some("uniform") => action = Action::Clang(Mode::Uniform),
            Some("leaf") => action = Action::Clang(Mode::Leaf),
            Some("native") => action = Action::Native,
            Some("pack") => action = Action::Pack,
            Some("lto") => action = Action::LinkTime,
            Some(other) => bail!("unknown mode `-mtwin={other}`; modes are uniform, leaf, native, pack, lto"),
            None => rest.push(argument.clone()),
        }
    }
    let tools = Tools::find()?;
    match action {
        Action::Clang(mode) => clang(&tools, mode, &rest, verify),
        Action::Native => native::compile(&tools, &rest),
        Action::Pack => native::pack_files(&rest),
        Action::LinkTime => compile::run_merged(&rest),
    }
}

fn clang(tools: &Tools, mode: Mode, arguments: &[OsString], verify: bool) -> Result<u8> {
    options::check(&tools.clang, arguments)?;
    let options = processor::divide(arguments)?;
    let arguments = &options.home;
    let canonical = tools.canonical_flags();
    let plan = Command::new(&tools.clang)
        .args(&canonical)
        .args(options::with_linker_options_used(&tools.clang, arguments)?)
        .arg("-###")
        .output()
        .with_context(|| format!("cannot run {}", tools.clang.display()))?;
    let jobs = jobs::parse(&String::from_utf8_lossy(&plan.stderr));
    // clang itself answers questions and reports mistakes on the command line.
    let wants_bitcode = arguments.iter().any(|a| is(a, "-emit-llvm"));
    let ours = !wants_bitcode && jobs.iter().any(|job| job.makes_object() || !job.is_clang());
    if !plan.status.success() || !ours {
        let status = Command::new(&tools.clang)
            .args(&canonical)
            .args(arguments)
            .status()
            .with_context(|| format!("cannot run {}", tools.clang.display()))?;
        if arguments.iter().any(|a| is(a, "--help")) {
            print!("{HELP}");
        }
        return Ok(status.code().map_or(1, |code| code as u8));
    }
    forward_warnings(&plan.stderr);
    database::save(tools, arguments)?;
    reproduce::save(tools, &jobs, mode, &options)?;
    let processor = options.processor(tools)?;
    let flags = link::Flags::of(arguments, verify);
    let mut temporary = Vec::new();
    let linking = jobs.iter().any(|job| !job.is_clang());
    let result = run_jobs(tools, &Target { mode, processor }, &jobs, &flags, &mut temporary, linking);
    for file in temporary {
        let _ = std::fs::remove_file(file);
    }
    result
}

fn run_jobs(
    tools: &Tools,
    target: &Target,
    jobs: &[Job],
    flags: &link::Flags,
    temporary: &mut Vec<OsString>,
    linking: bool,
) -> Result<u8> {
    for job in jobs {
        refused::check(job)?;
        if !job.is_clang() {
            return link::run(tools, job, flags);
        }
        if linking && let Some(output) = job.output() {
            temporary.push(output.to_owned());
        }
        let code = if job.makes_object() { compile::run(tools, target, job)? } else { job.run()? };
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
