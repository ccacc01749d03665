//! Exit statuses of failures, as `env` and `timeout` have them.

use std::fmt;

/// What is wrong with the program to run; its text is the whole message.
#[derive(Debug)]
pub struct ProgramError {
    /// 126: it cannot be run; 127: it does not exist.
    pub status: u8,
    /// One line that names the file.
    pub message: String,
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ProgramError {}

/// `twin run` itself failed before or beside the program.
#[derive(Debug)]
pub struct RunFailed;

impl fmt::Display for RunFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot run the program")
    }
}

impl std::error::Error for RunFailed {}

/// The exit status that `failure` asks for.
pub fn status(failure: &anyhow::Error) -> u8 {
    if let Some(program) = failure.downcast_ref::<ProgramError>() {
        return program.status;
    }
    if failure.downcast_ref::<RunFailed>().is_some() { 125 } else { 1 }
}
