//! Checks that calls and definitions agree on the calling convention, and on whether there are variable arguments, as
//! far as the compiler recorded it.

use crate::errors::Errors;
use crate::ids::{ObjectId, Side};
use crate::program::{Definition, Program};
use anyhow::Result;
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Convention {
    Native,
    Uniform,
}

impl Convention {
    fn name(self) -> &'static str {
        match self {
            Convention::Native => "native",
            Convention::Uniform => "uniform",
        }
    }
}

/// Checks all objects.
///
/// # Errors
/// All mismatches, with both objects.
pub fn check(program: &Program) -> Result<()> {
    let mut defined: HashMap<(ObjectId, &str), Convention> = HashMap::default();
    for (id, object) in program.objects.iter() {
        for (names, convention) in
            [(&object.record.native_symbols, Convention::Native), (&object.record.uniform_symbols, Convention::Uniform)]
        {
            defined.extend(names.iter().map(|name| ((id, name.as_str()), convention)));
        }
    }
    let mut variadic: HashSet<(ObjectId, &str)> = HashSet::default();
    for (id, object) in program.objects.iter() {
        variadic.extend(object.record.variadic_symbols.iter().map(|name| (id, name.as_str())));
    }
    let mut errors = Errors::default();
    for object in program.objects.values() {
        for (names, convention) in
            [(&object.record.native_refs, Convention::Native), (&object.record.uniform_refs, Convention::Uniform)]
        {
            for name in names {
                // A name that no relocation uses is not in the symbol tables.
                let Some(&symbol) = program.by_name.get(name.as_str()) else { continue };
                let Some(Definition::Object(definer, _)) = program.globals[symbol].definitions[Side::Home] else {
                    continue;
                };
                match defined.get(&(definer, name.as_str())) {
                    Some(&actual) if actual != convention => errors.push(format!(
                        "{name} is called as a {} function in {} but {} defines it as {}",
                        convention.name(),
                        object.name,
                        program.objects[definer].name,
                        actual.name(),
                    )),
                    Some(Convention::Uniform) if !object.record.unprototyped_refs.contains(name) => {
                        let is_variadic = variadic.contains(&(definer, name.as_str()));
                        let wanted = object.record.variadic_refs.contains(name);
                        if is_variadic != wanted {
                            let kind = |variadic| if variadic { "variable" } else { "fixed" };
                            errors.push(format!(
                                "{name} is declared with {} arguments in {} but {} defines it with {} ones",
                                kind(wanted),
                                object.name,
                                program.objects[definer].name,
                                kind(is_variadic),
                            ));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    errors.check()
}
