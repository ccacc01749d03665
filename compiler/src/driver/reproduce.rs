//! What twin-cc puts into a reproduction bundle: each source, preprocessed.

use super::jobs::Job;
use super::processor::Options;
use super::tools::Tools;
use crate::convention::Mode;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs::File;
use std::io::Seek;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use twin_linker::reproduce::Bundle;

/// Name of the preprocessed source in a bundle.
const SOURCE: &str = "source.i";

/// Saves the compile jobs among `jobs`, which clang makes of the options `given`, if the environment asks for it. Links are saved by twin-ld.
///
/// # Errors
/// If a file cannot be read or written.
pub fn save(tools: &Tools, jobs: &[Job], mode: Mode, given: &Options) -> Result<()> {
    for job in jobs.iter().filter(|job| job.makes_object() && !job.is_assembler()) {
        let Some(bundle) = Bundle::wanted("twin-cc")? else { break };
        let input = job.input().context("clang names no input")?;
        let options = options(&given.home, jobs);
        if input == "-" {
            keep_standard_input().context("cannot keep standard input")?;
        }
        let status = Command::new(&tools.clang)
            .args(tools.canonical_flags())
            .arg("--start-no-unused-arguments")
            .args(&options)
            .arg("--end-no-unused-arguments")
            .args(["-E", "-w", "-o"])
            .arg(bundle.path(SOURCE))
            .arg(input)
            .status()
            .with_context(|| format!("cannot run {}", tools.clang.display()))?;
        ensure!(status.success(), "cannot preprocess {}", input.display());
        if input == "-" {
            std::io::stdin().as_fd().try_clone_to_owned().map(File::from)?.rewind()?;
        }
        let mode = match mode {
            Mode::Uniform => "-mtwin=uniform",
            Mode::Leaf => "-mtwin=leaf",
        };
        // What was for the preprocessor is done; -Werror must not make an error of it.
        let mut replayed = vec![mode.to_owned(), "--start-no-unused-arguments".to_owned()];
        let options = given.written.iter().chain(&options);
        replayed.extend(options.map(|option| option.to_string_lossy().into_owned()));
        replayed.extend(["--end-no-unused-arguments", "-c", SOURCE, "-o", "output.o"].map(str::to_owned));
        bundle.finish("twin-cc", &replayed, &version(tools))?;
    }
    Ok(())
}

/// Puts a file with what standard input holds into its place, so that it can be read twice.
fn keep_standard_input() -> std::io::Result<()> {
    let mut file = tempfile::tempfile()?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file)?;
    file.rewind()?;
    // SAFETY: both descriptors are open, and nobody else in this process reads standard input.
    if unsafe { libc::dup2(file.as_raw_fd(), libc::STDIN_FILENO) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}

/// The arguments less inputs, outputs and the choice of a step.
fn options(arguments: &[OsString], jobs: &[Job]) -> Vec<OsString> {
    let inputs: Vec<_> = jobs.iter().filter_map(Job::input).collect();
    let mut kept = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if ["-o", "-x", "-MF", "-MT", "-MQ", "-MJ"].contains(&&*text) {
            words.next();
            continue;
        }
        let step = ["-c", "-S", "-MD", "-MMD", "-MP"].contains(&&*text) || text.starts_with("-l");
        let file = text.starts_with("-o") || text.starts_with("-x") || inputs.contains(&word.as_os_str());
        let object = !text.starts_with('-') && (text.ends_with(".o") || text.ends_with(".a"));
        if !step && !file && !object {
            kept.push(word.clone());
        }
    }
    kept
}

fn version(tools: &Tools) -> String {
    let clang = Command::new(&tools.clang).arg("--version").output();
    let clang = clang.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    format!("twin-cc {}\n{}", env!("CARGO_PKG_VERSION"), clang.lines().next().unwrap_or_default())
}
