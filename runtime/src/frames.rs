//! `twin frames`.

use crate::verify::cannot_tell;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// What was written on the command line.
#[derive(Args)]
pub struct FramesArguments {
    /// The executable
    program: PathBuf,
    /// The function; all that have a uniform frame if there is none
    function: Option<String>,
}

/// Prints the frames of a function on both ISAs, slot by slot.
///
/// # Errors
/// If the executable cannot be read, is not a twin program, or has no such function.
pub fn frames(arguments: &FramesArguments) -> Result<()> {
    let path = &arguments.program;
    let bytes = std::fs::read(path).map_err(|e| cannot_tell(path, &e))?;
    let picture = twin_verify::picture::draw(&bytes, arguments.function.as_deref())
        .map_err(|e| cannot_tell(path, &format_args!("{e:#}")))?;
    print!("{picture}");
    Ok(())
}
