//! `twin run`.

use crate::error::RunFailed;
use crate::isa::{Isa, Vehicle};
use crate::program::{self, Program};
use crate::supervise::{self, Supervision};
use crate::sys;
use anyhow::{Context, Result};
use clap::Args;
use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// What was written on the command line.
#[derive(Args)]
pub struct RunArguments {
    /// ISA to start on
    #[arg(long, value_enum, default_value = "x86_64")]
    isa: Isa,
    /// Hop at every N-th poll
    #[arg(long, value_name = "every=N", value_parser = parse_stress)]
    stress: Option<u64>,
    /// How to get to the other ISA
    #[arg(long, value_enum)]
    vehicle: Option<Vehicle>,
    /// Ask for a hop again and again, e.g. every 50ms
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    hop_every: Option<Duration>,
    /// Hash the program's memory before and after each hop
    #[arg(long)]
    check: bool,
    /// Show all hops when the program has ended
    #[arg(long)]
    timeline: bool,
    /// Show them as JSON, one line a hop
    #[arg(long, requires = "timeline")]
    json: bool,
    /// What the program sees as its own name
    #[arg(long, value_name = "NAME")]
    argv0: Option<OsString>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROG")]
    program: Vec<OsString>,
}

/// "every=N" or "N".
fn parse_stress(text: &str) -> Result<u64, String> {
    match text.strip_prefix("every=").unwrap_or(text).parse() {
        Ok(every) if every > 0 => Ok(every),
        _ => Err("write every=N, with N from 1".to_owned()),
    }
}

/// "50ms", "1.5s", "200us".
fn parse_duration(text: &str) -> Result<Duration, String> {
    const SHORTEST: Duration = Duration::from_micros(10);
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" | "" => 1.0,
        _ => return Err("the unit of time is us, ms or s".to_owned()),
    };
    digits
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * unit).ok())
        .filter(|&duration| duration >= SHORTEST)
        .ok_or_else(|| "write a time like 50ms, at least 10us".to_owned())
}

/// Runs the program; returns only if it is supervised.
pub fn run(arguments: &RunArguments) -> Result<ExitCode> {
    let program = Program::find(&arguments.program[0])?;
    let (mut command, inherited) = command(arguments, &program)?;
    if arguments.hop_every.is_none() && !arguments.timeline {
        let error = command.exec();
        return Err(error).context(format!("{}", command.get_program().display())).context(RunFailed);
    }
    let supervision = Supervision {
        hop_every: arguments.hop_every,
        vehicle: arguments.vehicle,
        timeline: arguments.timeline,
        json: arguments.json,
    };
    supervise::supervise(command, inherited, &program, &supervision).context(RunFailed)
}

/// The command that starts the program, and descriptors that must stay open until it has.
fn command(arguments: &RunArguments, program: &Program) -> Result<(Command, Vec<OwnedFd>)> {
    let mut inherited = Vec::new();
    let name = arguments.argv0.as_ref().unwrap_or(&arguments.program[0]);
    let mut command = match arguments.isa {
        Isa::X86_64 => {
            let mut command = Command::new(&program.path);
            command.arg0(name);
            command
        }
        Isa::Aarch64 => {
            let qemu = program::qemu()?;
            let image = sys::high_duplicate(&program.aarch64_file()?)?;
            let executable = sys::high_duplicate(&std::fs::File::open(&program.path)?)?;
            let mut command = Command::new(qemu);
            command.arg("-0").arg(name).arg(format!("/proc/self/fd/{}", image.as_raw_fd()));
            command.env("__TWIN_START", format!("{},{}", image.as_raw_fd(), executable.as_raw_fd()));
            inherited.extend([image, executable]);
            command
        }
    };
    command.args(&arguments.program[1..]);
    if let Some(every) = arguments.stress {
        command.env("__TWIN_STRESS", every.to_string());
    }
    if let Some(vehicle) = arguments.vehicle {
        command.env("__TWIN_VEHICLE", vehicle.name());
    }
    if arguments.check {
        command.env("__TWIN_HASH", "1");
    }
    Ok((command, inherited))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2"), Ok(Duration::from_secs(2)));
        for bad in ["", "ms", "5 minutes", "-1s", "0ms", "1h", "nans", "infs"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn stress() {
        assert_eq!(parse_stress("every=1000"), Ok(1000));
        assert_eq!(parse_stress("7"), Ok(7));
        for bad in ["", "every=", "every=0", "often", "-3"] {
            assert!(parse_stress(bad).is_err(), "{bad}");
        }
    }
}
