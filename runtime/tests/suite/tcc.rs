//! The programs with which tcc tests itself, compared with the output that its authors expect. `runtime/tests/tcc.list`
//! says what is special about some: a line `NAME DIRECTIVE`, with the directives of [`crate::directives`].

use crate::directives::Directives;
use crate::programs::{Program, stem};
use crate::tools::root;
use crate::trial;
use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each program is compiled at and how it hops, and what tcc takes for C.
const DIRECTIVES: [&str; 4] = ["Levels: O0 O2", "Hop: every=1 every=7", "Flags: -std=gnu17 -w", "ExpectFile: expect"];

/// All trials.
///
/// # Errors
/// Malformed lines of the list, with their number.
pub fn trials() -> Result<Vec<Trial>> {
    let list = list()?;
    let mut trials = vec![trial("tcc::list", check_list)];
    for source in sources()? {
        if !source.with_extension("expect").exists() {
            continue;
        }
        let name = stem(&source);
        let mut directives = Directives::default();
        for directive in DIRECTIVES.into_iter().chain(list.get(&name).into_iter().flatten().copied()) {
            directives.add(directive).with_context(|| format!("{name} in tcc.list: {directive}"))?;
        }
        trials.extend(Program::new(format!("tcc::{name}"), source, directives, true).trials());
    }
    Ok(trials)
}

fn folder() -> PathBuf {
    root().join("target/sources/tcc/tests/tests2")
}

/// The C files among tcc's tests.
fn sources() -> Result<Vec<PathBuf>> {
    let folder = folder();
    let entries = folder.read_dir().with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    files.sort();
    Ok(files)
}

/// The directives of each program that is listed.
fn list() -> Result<BTreeMap<String, Vec<&'static str>>> {
    let mut list = BTreeMap::<_, Vec<_>>::new();
    for (index, line) in include_str!("../tcc.list").lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(' ') {
            Some((name, directive)) => list.entry(name.to_owned()).or_default().push(directive),
            None => bail!("tcc.list:{}: write NAME DIRECTIVE", index + 1),
        }
    }
    Ok(list)
}

/// Whatever is listed exists, whatever is left out says why, and each file is a program or a part of one.
fn check_list() -> Result<()> {
    let list = list()?;
    let is_program = |name: &str| folder().join(name).with_extension("expect").exists();
    for (name, directives) in &list {
        ensure!(is_program(name), "tcc.list: there is no program {name}");
        for directive in directives {
            let (key, value) = directive.split_once(": ").unwrap_or((directive, ""));
            ensure!(!value.trim().is_empty(), "tcc.list: {name} {key} without a reason or value");
        }
    }
    let parts: Vec<_> = list.values().flatten().filter_map(|d| d.strip_prefix("Flags: ")).collect();
    for file in sources()? {
        let name = file.file_name().and_then(|name| name.to_str()).context("a name")?;
        let is_part = parts.iter().any(|flags| flags.split(' ').any(|flag| flag == name));
        ensure!(is_program(&stem(Path::new(name))) || is_part, "{name} is neither a program nor a part of one");
    }
    Ok(())
}
