//! Assembly, which means nothing on the other ISA; except where nothing is left of it: many libraries have a file for each
//! ISA, all of it between `#ifdef` and `#endif`.

use super::jobs::Job;
use super::tools::Tools;
use crate::error::Unsupported;
use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, elf};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// The bitcode of an empty module if the assembler's `job` makes an object without content; clang's exit status if it
/// cannot be assembled.
///
/// # Errors
/// Refuses any other assembly.
pub fn nothing(tools: &Tools, job: &Job) -> Result<Result<Vec<u8>, u8>> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let path = directory.path().join("assembled.o");
    let output = job.output().context("clang names no output")?;
    let arguments = job.arguments.iter().map(|a| if a == output { path.as_os_str() } else { a });
    let assembler = Job { program: job.program.clone(), arguments: arguments.map(OsString::from).collect() };
    let code = assembler.run()?;
    if code != 0 {
        return Ok(Err(code));
    }
    if !is_empty(&std::fs::read(&path).context("clang wrote no object")?)? {
        let source = job.value_of("-main-file-name").or(job.input()).unwrap_or_default();
        return Err(Unsupported::module(format!("assembly is not supported: {}", Path::new(source).display())).into());
    }
    let empty = Command::new(&tools.clang)
        .args(tools.canonical_flags())
        .args(["-x", "c", "-emit-llvm", "-c", "-o", "-", "/dev/null"])
        .output()
        .with_context(|| format!("cannot run {}", tools.clang.display()))?;
    ensure!(empty.status.success(), "clang does not compile an empty file");
    Ok(Ok(empty.stdout))
}

/// Whether an object has neither symbols nor anything that would be loaded.
fn is_empty(object: &[u8]) -> Result<bool> {
    let file = object::File::parse(object).context("clang's object")?;
    let loaded = |section: object::Section| {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return true };
        sh_flags.contains(elf::SHF_ALLOC) && section.size() != 0
    };
    let named =
        |symbol: object::Symbol| !matches!(symbol.kind(), object::SymbolKind::File | object::SymbolKind::Section);
    Ok(!file.sections().any(loaded) && !file.symbols().any(named))
}
