//! `twin verify`.

use crate::error::ProgramError;
use anyhow::Result;
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Status if the program is not uniform.
const NOT_UNIFORM: u8 = 1;
/// Status if nothing can be said about it.
const CANNOT_TELL: u8 = 2;

/// What was written on the command line.
#[derive(Args)]
pub struct VerifyArguments {
    /// Show the result as JSON
    #[arg(long)]
    json: bool,
    /// The executable
    program: PathBuf,
}

/// Checks that an executable is uniform, and says what has been compared or what is wrong.
///
/// # Errors
/// A [`ProgramError`] if it cannot be read or is not a twin program.
pub fn verify(arguments: &VerifyArguments) -> Result<ExitCode> {
    let path = &arguments.program;
    let bytes = std::fs::read(path).map_err(|e| cannot_tell(path, &e))?;
    let report = twin_verify::verify(&bytes).map_err(|e| cannot_tell(path, &format_args!("{e:#}")))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        for violation in &report.violations {
            println!("{violation}");
        }
        println!("{}: {}", path.display(), report.summary());
    }
    Ok(if report.uniform { ExitCode::SUCCESS } else { ExitCode::from(NOT_UNIFORM) })
}

/// The error that nothing can be said about `path`.
pub fn cannot_tell(path: &Path, why: &dyn std::fmt::Display) -> ProgramError {
    ProgramError { status: CANNOT_TELL, message: format!("{}: {why}", path.display()) }
}
