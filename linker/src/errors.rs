//! Several errors at once: a linker reports all undefined symbols, not the first.

use std::fmt;

/// The errors of one phase, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Errors {
    messages: Vec<String>,
}

impl Errors {
    /// Notes one more error; lines behind the first are details.
    pub fn push(&mut self, message: impl Into<String>) {
        self.messages.push(message.into());
    }

    /// Fails if there is any error.
    ///
    /// # Errors
    /// All that were noted.
    pub fn check(self) -> anyhow::Result<()> {
        if self.messages.is_empty() { Ok(()) } else { Err(self.into()) }
    }

    /// The messages.
    pub fn messages(&self) -> &[String] {
        &self.messages
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.messages.join("\n"))
    }
}

impl std::error::Error for Errors {}
