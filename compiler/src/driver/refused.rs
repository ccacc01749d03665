//! Options that would change the data layout, or instrument code for a runtime that Twin lacks.

use super::jobs::Job;
use crate::error::Unsupported;
use std::path::Path;

/// What front end and optimiser compile for.
const TRIPLE: &str = "x86_64-unknown-linux-musl";

/// Arguments of `clang -cc1` (or how they begin: with `=` or `-` at the end), and what the user called them.
const REFUSED: [(&str, &str); 14] = [
    ("-mlong-double-64", "-mlong-double-64"),
    ("-mlong-double-80", "-mlong-double-80"),
    ("-no-implicit-float", "-msoft-float"),
    ("-sse", "-mno-sse"),
    ("-sse2", "-mno-sse2"),
    ("-pg", "-pg"),
    ("-fsplit-stack", "-fsplit-stack"),
    ("-fprofile-instrument=", "-fprofile-generate"),
    ("-coverage-notes-file=", "--coverage"),
    ("-fsanitize-coverage-", "-fsanitize-coverage"),
    ("-fxray-instrument", "-fxray-instrument"),
    ("-fbasic-block-sections=", "-fbasic-block-sections"),
    ("-fpatchable-function-entry=", "-fpatchable-function-entry"),
    ("-save-temps=", "-save-temps"),
];

/// Refuses `job` if one of its options is not supported.
///
/// # Errors
/// Names the option.
pub fn check(job: &Job) -> Result<(), Unsupported> {
    let refuse = |what: String| Err(Unsupported::module(format!("{what} is not supported")));
    if Path::new(&job.program).file_name().is_some_and(|name| name == "as") {
        return refuse("-fno-integrated-as".to_owned());
    }
    if let Some(triple) = job.value_of("-triple").filter(|t| *t != TRIPLE) {
        return refuse(format!("target {}", triple.display()));
    }
    let arguments: Vec<&str> = job.arguments.iter().filter_map(|a| a.to_str()).collect();
    for argument in &arguments {
        let refused = REFUSED
            .iter()
            .find(|(text, _)| if text.ends_with(['=', '-']) { argument.starts_with(text) } else { argument == text });
        if let Some((_, option)) = refused {
            return refuse((*option).to_owned());
        }
    }
    let list = |option: &str| arguments.iter().find_map(|a| a.strip_prefix(option)).unwrap_or_default();
    let traps: Vec<&str> = list("-fsanitize-trap=").split(',').collect();
    match list("-fsanitize=").split(',').find(|kind| !kind.is_empty() && !traps.contains(kind)) {
        Some(kind) => refuse(format!("-fsanitize={kind} without -fsanitize-trap")),
        None => Ok(()),
    }
}
