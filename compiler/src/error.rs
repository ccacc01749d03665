//! What can be wrong with the user's program, as opposed to with Twin.

use crate::ir::Value;
use std::fmt;

/// A construct that Twin refuses, with the place where it stands.
#[derive(Debug, Clone)]
pub struct Unsupported {
    /// What is not supported.
    pub what: String,
    /// Function around it, if any.
    pub function: Option<String>,
    /// File and line, when debug information tells.
    pub line: Option<(String, u32)>,
}

impl Unsupported {
    /// About `instruction`.
    pub fn at(instruction: Value, what: impl Into<String>) -> Unsupported {
        Unsupported {
            what: what.into(),
            function: Some(instruction.block().function().name()),
            line: instruction.source_line(),
        }
    }

    /// About the module as a whole or one of its symbols.
    pub fn module(what: impl Into<String>) -> Unsupported {
        Unsupported { what: what.into(), function: None, line: None }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line)) = &self.line {
            write!(f, "{file}:{line}: ")?;
        }
        write!(f, "error: {}", self.what)?;
        if let Some(function) = &self.function {
            write!(f, " (in function `{function}`)")?;
        }
        Ok(())
    }
}

impl std::error::Error for Unsupported {}
