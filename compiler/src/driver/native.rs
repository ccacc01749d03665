//! Native objects: the runtime's own C and assembly, compiled once for each ISA.

use super::compile::{split_output, write_atomically};
use super::tools::Tools;
use crate::convention::is_native_name;
use crate::isa;
use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use twin_linker::fat::{self, Kind, Record};

/// Prefix of sections of a native object whose content is the same for both ISAs and travels in a hop.
const SHARED: &str = ".twin.shared";

/// `twin-cc -mtwin=native -c FILE -o OBJECT`: clang's own flags, run once for each ISA.
///
/// # Errors
/// If clang cannot be run, or the objects cannot be packed.
pub fn compile(tools: &Tools, arguments: &[OsString]) -> Result<u8> {
    let (rest, output) = split_output(arguments)?;
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let mut objects = Vec::new();
    for isa in isa::both() {
        let object = directory.path().join(format!("{}.o", isa.name()));
        let status = Command::new(&tools.clang)
            .arg(format!("--target={}", isa.triple()))
            .args(["-ffunction-sections", "-fdata-sections", "-fno-pic", "-fno-addrsig", "-ffp-contract=off"])
            .args(&rest)
            .arg("-o")
            .arg(&object)
            .status()
            .with_context(|| format!("cannot run {}", tools.clang.display()))?;
        if !status.success() {
            return Ok(status.code().map_or(1, |code| code as u8));
        }
        objects.push(object);
    }
    pack(&objects[0], &objects[1], output.as_ref())?;
    Ok(0)
}

/// `twin-cc -mtwin=pack HOME.o VISITOR.o -o FAT.o`.
///
/// # Errors
/// If the arguments are not two objects and an output, or the files are not what they should be.
pub fn pack_files(arguments: &[OsString]) -> Result<u8> {
    let (rest, output) = split_output(arguments)?;
    let [home, visitor] = rest.as_slice() else {
        bail!("-mtwin=pack takes an x86-64 object, an aarch64 object and -o FILE");
    };
    pack(Path::new(home), Path::new(visitor), output.as_ref())?;
    Ok(0)
}

fn pack(home: &Path, visitor: &Path, output: &Path) -> Result<()> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let (home_bytes, visitor_bytes) = (read(home)?, read(visitor)?);
    let file = object::File::parse(&*home_bytes).with_context(|| format!("{}", home.display()))?;
    object::File::parse(&*visitor_bytes).with_context(|| format!("{}", visitor.display()))?;
    let native = file
        .symbols()
        .filter(|s| s.is_global() && s.is_definition() && s.kind() == SymbolKind::Text)
        .filter_map(|s| s.name().ok())
        .filter(|name| is_native_name(name))
        .map(str::to_owned)
        .collect();
    let shared = file.sections().filter_map(|s| s.name().ok().map(str::to_owned));
    let record = Record {
        version: Record::VERSION,
        kind: Kind::Native,
        uniform: shared.filter(|name| name.starts_with(SHARED)).collect(),
        native_symbols: native,
        uniform_symbols: Vec::new(),
        native_refs: Vec::new(),
        uniform_refs: Vec::new(),
        variadic_symbols: Vec::new(),
        variadic_refs: Vec::new(),
        unprototyped_refs: Vec::new(),
    };
    write_atomically(output, &fat::pack(&home_bytes, &visitor_bytes, &record, None)?)
}
