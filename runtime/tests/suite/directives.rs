//! Directives in the source of a test program. Each is a comment line of its own:
//!
//! | directive | meaning |
//! |---|---|
//! | `//#Expect: text` | a line of the standard output; all of them together are all of the output |
//! | `//#ExpectFile` | the standard output is in NAME.out next to the source |
//! | `//#ExpectFile: expect` | it is in NAME.expect |
//! | `//#Status: 3` | exit status, 0 if not given |
//! | `//#Flags: -w -lm` | options for twin-cc and clang |
//! | `//#Args: one two` | arguments of the program |
//! | `//#Arg: one argument` | an argument with blanks |
//! | `//#Stdin: text` | a line of the standard input |
//! | `//#Levels: O0 O2g` | optimisation levels (`g` at the end adds -g, `lto` -flto, `v3` newer processors) instead of `O0 O1 O2 O3 Os O2g O2lto O2v3` |
//! | `//#Hop: every=1 every=5` | intervals of `twin run --stress` instead of `every=1 every=2 every=13` |
//! | `//#NoClang: reason` | what clang and the host's C library make of it is something else |
//! | `//#ExpectClang: reason` | the output of clang's program is expected, which is another than `Expect` says |
//! | `//#NoHops: reason` | a run may end without a single hop |
//! | `//#NoExec: reason` | it cannot hop with the exec vehicle |
//! | `//#Error: text` | twin-cc refuses the file with a line that contains the text, and makes nothing |
//! | `//#Broken: reason` | the program is shown as one ignored test, with the reason |
//! | `//#Broken: [O2::hop] reason` | only those whose name contains one of the words in brackets |
//!
//! `TWIN_BLESS=1` writes the expected output anew, from the program that clang made (with NoClang: from Twin's at
//! `-O2`).

use anyhow::{Context, Result, bail};
use std::path::Path;

/// Everything that a program's source says about its tests.
#[derive(Debug, Default, Clone)]
pub struct Directives {
    /// Lines of `Expect`.
    pub expect: Vec<String>,
    /// The extension of the file that the output is in.
    pub expect_file: Option<String>,
    /// Exit status.
    pub status: i32,
    /// Compiler options.
    pub flags: Vec<String>,
    /// Arguments of the program.
    pub args: Vec<String>,
    /// Its standard input.
    pub stdin: String,
    /// Optimisation levels.
    pub levels: Vec<String>,
    /// Intervals between hops, in polls.
    pub hops: Vec<u64>,
    /// Why clang's program is no reference.
    pub no_clang: Option<String>,
    /// Why clang's program says what is expected.
    pub expect_clang: Option<String>,
    /// Why there may be no hop.
    pub no_hops: Option<String>,
    /// Why it cannot hop with the exec vehicle.
    pub no_exec: Option<String>,
    /// The message with which compilation fails.
    pub error: Option<String>,
    /// What is broken: words of trial names (none: all of them), and the reason.
    pub broken: Vec<(Vec<String>, String)>,
}

/// Marks a directive.
const PREFIX: &str = "//#";

impl Directives {
    /// Reads the directives of `source`.
    ///
    /// # Errors
    /// Unknown or malformed directives, with their line.
    pub fn parse(source: &str) -> Result<Directives> {
        let mut directives = Directives::default();
        for (index, line) in source.lines().enumerate() {
            if let Some(directive) = line.strip_prefix(PREFIX) {
                directives.add(directive).with_context(|| format!("line {}: {line}", index + 1))?;
            }
        }
        if directives.levels.is_empty() {
            directives.levels = words("O0 O1 O2 O3 Os O2g O2lto O2v3");
        }
        if directives.hops.is_empty() {
            directives.hops = vec![1, 2, 13];
        }
        Ok(directives)
    }

    /// Adds a directive without its mark: `key: value`.
    ///
    /// # Errors
    /// If it is unknown or malformed.
    pub fn add(&mut self, directive: &str) -> Result<()> {
        let (key, value) = directive.split_once(':').unwrap_or((directive, ""));
        self.set(key.trim(), value.strip_prefix(' ').unwrap_or(value))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            "Expect" => self.expect.push(value.to_owned()),
            "ExpectFile" => self.expect_file = Some(if value.is_empty() { "out" } else { value }.to_owned()),
            "Status" => self.status = value.trim().parse().context("not a number")?,
            "Flags" => self.flags.extend(words(value)),
            "Args" => self.args.extend(words(value)),
            "Arg" => self.args.push(value.to_owned()),
            "Stdin" => self.stdin += &format!("{value}\n"),
            "Levels" => self.levels.extend(words(value)),
            "Hop" => {
                for word in value.split_whitespace() {
                    let every = word.strip_prefix("every=").and_then(|n| n.parse().ok());
                    self.hops.push(every.context("write every=N")?);
                }
            }
            "NoClang" => self.no_clang = Some(value.to_owned()),
            "ExpectClang" => self.expect_clang = Some(value.to_owned()),
            "NoHops" => self.no_hops = Some(value.to_owned()),
            "NoExec" => self.no_exec = Some(value.to_owned()),
            "Error" => self.error = Some(value.to_owned()),
            "Broken" => self.broken.push(match value.strip_prefix('[').and_then(|v| v.split_once(']')) {
                Some((names, reason)) => (words(names), reason.trim().to_owned()),
                None => (Vec::new(), value.to_owned()),
            }),
            _ => bail!("no such directive"),
        }
        Ok(())
    }

    /// Why the trial `name` is known to fail, if it is.
    pub fn broken(&self, name: &str) -> Option<&str> {
        let hit = |words: &[String]| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
        self.broken.iter().find(|(words, _)| hit(words)).map(|(_, reason)| reason.as_str())
    }

    /// The output that is expected of the program at `source`.
    ///
    /// # Errors
    /// If there is neither a line nor a file.
    pub fn output(&self, source: &Path) -> Result<Vec<u8>> {
        if let Some(extension) = &self.expect_file {
            let file = source.with_extension(extension);
            return std::fs::read(&file).with_context(|| format!("{}; TWIN_BLESS=1 makes it", file.display()));
        }
        Ok(self.expect.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect())
    }

    /// Makes `output` the expected one: rewrites the file, or the lines in the source.
    ///
    /// # Errors
    /// If a file cannot be written, or the output does not end with a newline.
    pub fn bless(&self, source: &Path, output: &[u8]) -> Result<()> {
        if let Some(extension) = &self.expect_file {
            return std::fs::write(source.with_extension(extension), output)
                .context("cannot write the expected output");
        }
        let output = std::str::from_utf8(output).context("use ExpectFile")?;
        if !output.is_empty() && !output.ends_with('\n') {
            bail!("the output does not end with a newline: use ExpectFile");
        }
        let text = std::fs::read_to_string(source)?;
        let is_expect = |line: &&str| line.starts_with("//#Expect:");
        let is_directive = |line: &&str| line.starts_with(PREFIX);
        let at = text.lines().position(|line| is_expect(&line));
        let at = at.or_else(|| text.lines().position(|line| is_directive(&line)));
        let at = at.unwrap_or_else(|| text.lines().take_while(|line| line.starts_with("//")).count());
        let mut lines: Vec<String> = text.lines().take(at).map(str::to_owned).collect();
        lines.extend(output.lines().map(|line| format!("//#Expect: {line}").trim_end().to_owned()));
        lines.extend(text.lines().skip(at).filter(|line| !is_expect(line)).map(str::to_owned));
        std::fs::write(source, lines.join("\n") + "\n").context("cannot write the source")
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
