//! The aarch64 processor, which options of its own choose; those without a mark are about x86-64, as always.

use super::tools::Tools;
use super::{is, jobs};
use crate::isa::VISITOR;
use crate::processor::Processor;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::process::Command;

/// clang's mark for an option that is about one of several ISAs.
const MARK: &str = "-Xarch_aarch64";
/// No x86-64 processor has such a name.
const UNMARKED: &str = "-march=armv";
/// What can be chosen.
const OPTIONS: [&str; 3] = ["-march=", "-mcpu=", "-mtune="];

/// The first is for a runtime library that is not there, the second for the front end.
const DROPPED: [&str; 2] = ["+outline-atomics", "-fmv"];
/// Features that all code needs.
const NEEDED: [&str; 2] = ["-neon", "-fp-armv8"];

/// The command line, divided.
pub struct Options {
    /// What is for clang.
    pub home: Vec<OsString>,
    /// What chooses the aarch64 processor, as it was written.
    pub written: Vec<OsString>,
    /// The same without marks.
    visitor: Vec<OsString>,
}

/// Takes options for aarch64 out of `arguments`.
///
/// # Errors
/// If one is no choice of a processor.
pub fn divide(arguments: &[OsString]) -> Result<Options> {
    let mut options = Options { home: Vec::new(), written: Vec::new(), visitor: Vec::new() };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if is(word, MARK) {
            let option = words.next().with_context(|| format!("{MARK} needs an option"))?;
            let known = option.to_str().is_some_and(|o| OPTIONS.iter().any(|known| o.starts_with(known)));
            ensure!(known, "{MARK} {} is not supported: only a processor can be chosen", option.display());
            options.written.extend([word.clone(), option.clone()]);
            options.visitor.push(option.clone());
        } else if word.to_str().is_some_and(|w| w.starts_with(UNMARKED)) {
            options.written.push(word.clone());
            options.visitor.push(word.clone());
        } else {
            options.home.push(word.clone());
        }
    }
    Ok(options)
}

impl Options {
    /// The aarch64 processor that is asked for, if any.
    ///
    /// # Errors
    /// What clang says about it, and if it lacks what all code needs.
    pub fn processor(&self, tools: &Tools) -> Result<Option<Processor>> {
        if self.visitor.is_empty() {
            return Ok(None);
        }
        let output = Command::new(&tools.clang)
            .arg(format!("--target={}", VISITOR.triple()))
            .args(&self.visitor)
            .args(["-###", "-c", "-x", "c", "/dev/null"])
            .output()
            .with_context(|| format!("cannot run {}", tools.clang.display()))?;
        let text = String::from_utf8_lossy(&output.stderr);
        if let Some((_, error)) = text.lines().find_map(|line| line.split_once(": error: ")) {
            bail!("aarch64: {error}");
        }
        let jobs = jobs::parse(&text);
        let job = jobs.first().context("clang names no job")?;
        let value = |option: &str| job.value_of(option).and_then(|value| value.to_str()).map(str::to_owned);
        let marked = job.arguments.windows(2).filter(|pair| is(&pair[0], "-target-feature"));
        let features: Vec<&str> = marked.filter_map(|pair| pair[1].to_str()).collect();
        if let Some(missing) = NEEDED.iter().find(|feature| features.contains(feature)) {
            bail!("aarch64: the feature `{missing}` is not supported: all code uses vector registers");
        }
        let features: Vec<&str> = features.into_iter().filter(|feature| !DROPPED.contains(feature)).collect();
        Ok(Some(Processor {
            cpu: value("-target-cpu").context("clang names no processor")?,
            features: features.join(","),
            tune: value("-tune-cpu"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(text: &str) -> Result<[String; 2]> {
        let options = divide(&text.split(' ').map(OsString::from).collect::<Vec<_>>())?;
        let joined = |words: &[OsString]| words.join(" ".as_ref()).into_string().expect("text");
        Ok([joined(&options.home), joined(&options.visitor)])
    }

    #[test]
    fn options_go_to_the_isa_that_they_are_for() {
        for (text, home, visitor) in [
            ("-O2 -march=x86-64-v3 a.c", "-O2 -march=x86-64-v3 a.c", ""),
            ("-march=x86-64-v3 -march=armv8.2-a+fp16 a.c", "-march=x86-64-v3 a.c", "-march=armv8.2-a+fp16"),
            ("-Xarch_aarch64 -mcpu=neoverse-n1 -mtune=skylake a.c", "-mtune=skylake a.c", "-mcpu=neoverse-n1"),
        ] {
            assert_eq!(divided(text).expect(text), [home, visitor]);
        }
        assert!(divided("-Xarch_aarch64 -O3 a.c").is_err());
        assert!(divided("a.c -Xarch_aarch64").is_err());
    }
}
