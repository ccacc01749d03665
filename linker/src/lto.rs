//! Link-time optimisation: the compiler merges the bitcode of all objects that take part and have some, knowing what
//! the others refer to, and makes one object, which takes their place.

use crate::args::Args;
use crate::ids::{Pair, Side};
use crate::input::File;
use crate::objects::Object;
use crate::program::{Definition, Program};
use crate::{resolve, synthetic};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the compiler is to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// The modules in link order.
    pub modules: Vec<Bitcode>,
    /// Symbols that something outside of the modules refers to.
    pub keep: BTreeSet<String>,
    /// Symbols that the modules define, but whose definition is elsewhere.
    pub foreign: BTreeSet<String>,
    /// Symbols whose references go to `__wrap_` of them.
    pub wrap: BTreeSet<String>,
    /// A digit or letter as behind `-O`.
    pub level: String,
}

/// One module.
#[derive(Debug, Serialize, Deserialize)]
pub struct Bitcode {
    /// The object it comes from, for messages.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}

/// An object and those that it replaces.
pub struct Merged {
    /// The object.
    pub bytes: Vec<u8>,
    replaced: HashSet<*const u8>,
}

impl Merged {
    /// Whether the object with these very `bytes` is part of the merged one.
    pub fn replaces(&self, bytes: &[u8]) -> bool {
        self.replaced.contains(&bytes.as_ptr())
    }
}

/// Runs the compiler `args.lto_compiler` if `program`, which was resolved from `files`, has bitcode.
///
/// # Errors
/// If the compiler fails (it has said why), or the result cannot be resolved.
pub fn run(args: &Args, files: &[File], program: &Program) -> Result<Option<Merged>> {
    let Some(compiler) = &args.lto_compiler else { return Ok(None) };
    let modules: Vec<&Object> = program.objects.values().filter(|object| object.bitcode.is_some()).collect();
    if modules.is_empty() {
        return Ok(None);
    }
    let defined: HashSet<&str> = modules.iter().flat_map(|object| globals(object)).collect();
    let inside = |name: &String| defined.contains(name.as_str());
    let mut keep: BTreeSet<String> = outside(program).chain(roots(args)).filter(inside).collect();
    loop {
        let merged = compile(args, compiler, program, &modules, &keep)?;
        // The new code may call library functions that the old did not, and these something in the modules.
        let before = keep.len();
        keep.extend(outside(&resolve::run(args, files, Some(&merged))?).filter(inside));
        if keep.len() == before {
            return Ok(Some(merged));
        }
    }
}

/// Names of the global symbols of an object. The two halves have the same.
fn globals<'a>(object: &Object<'a>) -> impl Iterator<Item = &'a str> {
    let symbols = object.sides[Side::Home].symbols.iter().skip(1);
    symbols
        .filter(|symbol| !symbol.is_local())
        .map(|symbol| resolve::variable(symbol.name))
        .collect::<Vec<_>>()
        .into_iter()
}

/// Names that objects without bitcode mention.
fn outside<'p>(program: &'p Program) -> impl Iterator<Item = String> + 'p {
    let others = program.objects.values().filter(|object| object.bitcode.is_none());
    others.flat_map(globals).map(str::to_owned)
}

/// Names that the command line mentions.
fn roots(args: &Args) -> impl Iterator<Item = String> {
    let operands = args.definitions.iter().filter_map(|(_, expression)| synthetic::operand(expression).0);
    let wrapped = args.wrap.iter().flat_map(|name| [name.clone(), format!("__wrap_{name}")]);
    let names = args.undefined.iter().cloned().chain([args.entry.clone()]);
    names.chain(operands.map(str::to_owned)).chain(wrapped)
}

fn compile(
    args: &Args,
    compiler: &Path,
    program: &Program,
    modules: &[&Object],
    keep: &BTreeSet<String>,
) -> Result<Merged> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let mut job = Job {
        modules: Vec::new(),
        keep: keep.clone(),
        foreign: BTreeSet::new(),
        wrap: args.wrap.iter().cloned().collect(),
        level: args.lto_level.clone(),
    };
    for (index, object) in modules.iter().enumerate() {
        let path = directory.path().join(format!("{index}.bc"));
        std::fs::write(&path, object.bitcode.unwrap_or_default())
            .with_context(|| format!("cannot write {}", path.display()))?;
        job.modules.push(Bitcode { name: object.name.clone(), path });
        job.foreign.extend(globals(object).filter(|name| is_foreign(program, name)).map(str::to_owned));
    }
    let (input, output) = (directory.path().join("job.json"), directory.path().join("merged.o"));
    std::fs::write(&input, serde_json::to_vec(&job)?).with_context(|| format!("cannot write {}", input.display()))?;
    let status = Command::new(compiler)
        .arg("-mtwin=lto")
        .arg(&input)
        .arg("-o")
        .arg(&output)
        .status()
        .with_context(|| format!("cannot run {}", compiler.display()))?;
    if !status.success() {
        bail!("link-time optimisation failed");
    }
    let bytes = std::fs::read(&output).with_context(|| format!("cannot read {}", output.display()))?;
    Ok(Merged { bytes, replaced: modules.iter().map(|object| object.bytes.as_ptr()).collect() })
}

/// Whether the definition of `name` that counts is in an object without bitcode, or the linker's.
fn is_foreign(program: &Program, name: &str) -> bool {
    let Some(&id) = program.by_name.get(name) else { return false };
    let Pair { home, visitor } = program.globals[id].definitions;
    match home.or(visitor) {
        Some(Definition::Object(object, _) | Definition::Common(object, ..)) => {
            program.objects[object].bitcode.is_none()
        }
        Some(Definition::Allocated(..) | Definition::Linker) => true,
        None => false,
    }
}
