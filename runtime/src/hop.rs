//! `twin hop`.

use crate::isa::{Isa, Vehicle, request_value};
use crate::sys;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::Path;
use twin_linker::image::Image;

/// Name of the process between a program and its visitor: see runtime/rt/visitor.c.
const KEEPER: &str = "twin-keeper";

/// What was written on the command line.
#[derive(Args)]
pub struct HopArguments {
    /// Process to ask
    pid: i32,
    /// ISA to go to; the other one if not given
    #[arg(long, value_enum)]
    to: Option<Isa>,
    /// How to get there
    #[arg(long, value_enum)]
    vehicle: Option<Vehicle>,
}

/// Asks a process for a hop; it happens at its next poll.
///
/// # Errors
/// If the process is not a twin program that can be asked.
pub fn hop(arguments: &HopArguments) -> Result<()> {
    let pid = arguments.pid;
    if pid <= 0 {
        bail!("{pid} is not a process");
    }
    check(pid).with_context(|| format!("process {pid}"))?;
    sys::send_request(pid, request_value(arguments.to, arguments.vehicle))
        .with_context(|| format!("cannot send a signal to process {pid}"))
}

/// Whether the process runs a twin program: anything else would not know what the signal means.
fn check(pid: i32) -> Result<()> {
    let process = Path::new("/proc").join(pid.to_string());
    if !process.exists() {
        bail!("there is no such process");
    }
    let executable = process.join("exe");
    let path = std::fs::read_link(&executable).context("its executable cannot be seen (whose process is it?)")?;
    if name(&process).as_deref() == Some(KEEPER) {
        bail!("it watches over the aarch64 side of process {}: ask that one", parent(&process).unwrap_or_default());
    }
    let is_qemu = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("qemu-aarch64"));
    if !is_qemu {
        let bytes = std::fs::read(&executable).with_context(|| format!("cannot read {}", path.display()))?;
        Image::parse(&bytes).with_context(|| path.display().to_string())?;
        return Ok(());
    }
    if !runs_image(&process)? {
        bail!("{} runs a program that is not Twin's", path.display());
    }
    let environment = std::fs::read(process.join("environ")).unwrap_or_default();
    if environment.split(|&byte| byte == 0).any(|variable| variable.starts_with(b"__TWIN_VISIT=")) {
        bail!("it is the aarch64 side of process {}: ask that one", parent(&process).unwrap_or_default());
    }
    Ok(())
}

/// Whether qemu was given a memory file that the runtime or `twin run` made.
fn runs_image(process: &Path) -> Result<bool> {
    let command = std::fs::read(process.join("cmdline")).context("its arguments cannot be seen")?;
    Ok(command
        .split(|&byte| byte == 0)
        .filter_map(|argument| std::str::from_utf8(argument).ok()?.strip_prefix("/proc/self/fd/"))
        .any(|number| {
            std::fs::read_link(process.join("fd").join(number))
                .is_ok_and(|file| file.to_string_lossy().starts_with("/memfd:twin:"))
        }))
}

fn parent(process: &Path) -> Option<u32> {
    status(process, "PPid:")?.parse().ok()
}

fn name(process: &Path) -> Option<String> {
    status(process, "Name:")
}

fn status(process: &Path, field: &str) -> Option<String> {
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    Some(status.lines().find_map(|line| line.strip_prefix(field))?.trim().to_owned())
}
