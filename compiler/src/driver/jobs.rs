//! What `clang -###` prints: one line a job, every word in double quotes with backslash escapes.

use super::is;
use anyhow::{Context, Result};
use std::ffi::{OsStr, OsString};
use std::process::Command;

/// One process that clang would start.
#[derive(Debug)]
pub struct Job {
    /// Its program.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// The jobs in `text`.
pub fn parse(text: &str) -> Vec<Job> {
    text.lines()
        .filter(|line| line.starts_with(" \""))
        .filter_map(|line| {
            let mut words = words(line).into_iter().map(OsString::from);
            Some(Job { program: words.next()?, arguments: words.collect() })
        })
        .collect()
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = line.chars();
    while chars.by_ref().any(|c| c == '"') {
        let mut word = String::new();
        loop {
            match chars.next() {
                Some('\\') => word.extend(chars.next()),
                Some('"') | None => break,
                Some(c) => word.push(c),
            }
        }
        words.push(word);
    }
    words
}

impl Job {
    /// Whether it is clang's own compiler or assembler, as opposed to a linker.
    pub fn is_clang(&self) -> bool {
        self.arguments.first().is_some_and(|a| is(a, "-cc1") || is(a, "-cc1as"))
    }

    /// Whether it assembles a file.
    pub fn is_assembler(&self) -> bool {
        self.arguments.first().is_some_and(|a| is(a, "-cc1as"))
    }

    /// Whether it writes an object or assembly, that is, does what Twin does instead.
    pub fn makes_object(&self) -> bool {
        let has = |text: &str| self.arguments.iter().any(|a| is(a, text));
        self.is_assembler() || has("-emit-obj") || (has("-emit-llvm-bc") && self.is_for_link_time())
    }

    /// Whether the object is for link-time optimisation; plain clang would write bitcode in its place.
    pub fn is_for_link_time(&self) -> bool {
        self.arguments.iter().any(|a| is(a, "-flto=full") || is(a, "-flto=thin"))
    }

    /// The optimisation level as behind `-O`.
    pub fn level(&self) -> &str {
        let mut levels = self.arguments.iter().filter_map(|a| a.to_str()?.strip_prefix("-O"));
        levels.next_back().filter(|level| !level.is_empty()).unwrap_or("0")
    }

    /// Whether a table of times is asked for.
    pub fn wants_times(&self) -> bool {
        let asks = |word: &str| word == "-ftime-report" || word.starts_with("-ftime-report=");
        self.arguments.iter().any(|a| a.to_str().is_some_and(asks))
    }

    /// The argument behind `option`.
    pub fn value_of(&self, option: &str) -> Option<&OsStr> {
        let at = self.arguments.iter().position(|a| is(a, option))?;
        self.arguments.get(at + 1).map(OsString::as_os_str)
    }

    /// Its output file.
    pub fn output(&self) -> Option<&OsStr> {
        self.value_of("-o")
    }

    /// Its input file: the last argument.
    pub fn input(&self) -> Option<&OsStr> {
        self.arguments.last().map(OsString::as_os_str)
    }

    /// Runs it as it is.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn run(&self) -> Result<u8> {
        let status = Command::new(&self.program)
            .args(&self.arguments)
            .status()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        Ok(status.code().map_or(1, |code| code as u8))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_and_escapes() {
        assert_eq!(super::words(r#" "a" "b \"c\" \\d" """#), ["a", r#"b "c" \d"#, ""]);
    }
}
