//! clang's options that mean something else here, or nothing: `clang-options.txt` says which.

use super::is;
use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

/// Every option of clang's, by what becomes of it.
pub const OPTIONS: &str = include_str!("../../clang-options.txt");

/// What twin-cc does with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Leaves it to clang.
    Passed,
    /// Does what it asks for.
    Handled,
    /// Reports an error for this reason.
    Refused(&'static str),
}

/// The listed words and their classes.
pub fn listed() -> impl Iterator<Item = (&'static str, Class)> {
    let mut class = Class::Passed;
    OPTIONS.lines().filter(|line| !line.starts_with('#')).flat_map(move |line| {
        let heading = line.strip_prefix('[').and_then(|line| line.split_once(']'));
        if let Some((name, reason)) = heading {
            class = match name {
                "refused" => Class::Refused(reason.trim()),
                "handled" => Class::Handled,
                _ => Class::Passed,
            };
        }
        let words = if heading.is_some() { "" } else { line };
        let class = class;
        words.split_whitespace().map(move |word| (word, class))
    })
}

/// How much of `argument` the listed `word` covers.
fn fit(word: &str, argument: &str) -> Option<usize> {
    let beginning = word.strip_suffix('*').or(word.ends_with('=').then_some(word));
    let fits = beginning.map_or(argument == word, |beginning| argument.starts_with(beginning));
    fits.then(|| beginning.unwrap_or(word).len())
}

/// What becomes of `argument`; nothing if it is not listed.
pub fn class(argument: &str) -> Option<Class> {
    let fitting = listed().filter_map(|(word, class)| Some((fit(word, argument)?, class)));
    fitting.max_by_key(|(length, _)| *length).map(|(_, class)| class)
}

/// Refuses options that would give wrong code or none.
///
/// # Errors
/// Names the first such option and the reason.
pub fn check(clang: &Path, arguments: &[OsString]) -> Result<()> {
    for (index, argument) in arguments.iter().enumerate() {
        let text = argument.to_string_lossy();
        if text.starts_with('-')
            && let Some(Class::Refused(reason)) = class(&text)
            && !takes_a_value(clang, &arguments[..index])?
        {
            bail!("{text} is not supported: {reason}");
        }
    }
    Ok(())
}

/// Whether the last of `arguments` takes the next one as its value, whatever that looks like: clang then does not say
/// that it knows no such option.
fn takes_a_value(clang: &Path, arguments: &[OsString]) -> Result<bool> {
    const NO_OPTION: &str = "--twin-no-option";
    let output = Command::new(clang)
        .arg("-###")
        .args(arguments)
        .arg(NO_OPTION)
        .output()
        .with_context(|| format!("cannot run {}", clang.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    Ok(!text.lines().any(|line| line.contains("unknown argument") && line.contains(NO_OPTION)))
}

/// What clang takes for unused when it links without its own libraries, and builds use with `-Werror`.
const FOR_LINKERS: [&str; 2] = ["-pthread", "-rdynamic"];

/// The arguments, such that clang does not call options unused that twin-ld does not need.
///
/// # Errors
/// If clang cannot be run.
pub fn with_linker_options_used(clang: &Path, arguments: &[OsString]) -> Result<Vec<OsString>> {
    let compiles_only = arguments.iter().any(|a| ["-c", "-S", "-E", "-fsyntax-only"].iter().any(|text| is(a, text)));
    let mut all = Vec::with_capacity(arguments.len());
    for (index, argument) in arguments.iter().enumerate() {
        let is_known = !compiles_only && FOR_LINKERS.iter().any(|text| is(argument, text));
        if is_known && !takes_a_value(clang, &arguments[..index])? {
            let words = ["--start-no-unused-arguments".into(), argument.clone(), "--end-no-unused-arguments".into()];
            all.extend(words);
        } else {
            all.push(argument.clone());
        }
    }
    Ok(all)
}

/// The arguments with response files (`@FILE`) replaced by what they say, as clang does it.
pub fn expanded(arguments: &[OsString]) -> Vec<OsString> {
    /// As many may be nested in one another.
    const DEPTH: usize = 20;
    let mut words = arguments.to_vec();
    for _ in 0..DEPTH {
        if !words.iter().any(|word| response_file(word).is_some()) {
            break;
        }
        words = words
            .into_iter()
            .flat_map(|word| match response_file(&word) {
                Some(text) => twin_linker::words::split(&text).into_iter().map(OsString::from).collect(),
                None => vec![word],
            })
            .collect();
    }
    words
}

/// The text of the response file that `word` names; a name without a file is an ordinary argument.
fn response_file(word: &OsStr) -> Option<String> {
    std::fs::read_to_string(word.to_str()?.strip_prefix('@')?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_word_decides() {
        assert_eq!(class("-Wall"), Some(Class::Passed));
        assert_eq!(class("-mcmodel=small"), Some(Class::Passed));
        assert_eq!(class("-march=native"), Some(Class::Handled));
        assert_eq!(class("-mcmodel=large"), Some(Class::Refused("the address space of Twin programs is fixed")));
        assert_eq!(class("-m32"), Some(Class::Handled));
        assert_eq!(class("--frobnicate"), None);
    }

    #[test]
    fn no_word_has_two_classes() {
        let mut words: Vec<&str> = listed().map(|(word, _)| word).collect();
        words.sort_unstable();
        let twice: Vec<_> = words.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }

    #[test]
    fn options_for_linkers_are_used() {
        let used = |text: &str| {
            let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
            let all = with_linker_options_used(Path::new("clang-22"), &words).expect("clang runs");
            all.len() - words.len()
        };
        assert_eq!(used("-O2 -pthread a.o -rdynamic"), 4);
        assert_eq!(used("-Xlinker -rdynamic -o -pthread a.o"), 0);
        assert_eq!(used("-c -pthread a.c"), 0);
    }

    #[test]
    fn refuses_options_and_not_their_values() {
        let check = |text: &str| check(Path::new("clang-22"), &text.split(' ').map(OsString::from).collect::<Vec<_>>());
        for accepted in [
            "-O2 -pthread -fsanitize-trap=all -o -fopenmp -c a.c",
            "-include -fopenmp.h -c a.c",
            "-Xclang -fopenmp -mllvm -fopenmp -c a.c",
            "-isystem -o -fopenmp.c -c",
            "-z -fopenmp -u -fopenmp --param -fopenmp -target -fopenmp",
        ] {
            check(accepted).expect(accepted);
        }
        for refused in ["-O2 -fopenmp", "-o -o -fopenmp a.c", "-ofile -fopenmp", "-Idirectory -fopenmp", "-v -fopenmp"]
        {
            let error = check(refused).expect_err(refused).to_string();
            assert_eq!(error, "-fopenmp is not supported: there is no runtime library for it");
        }
    }
}
