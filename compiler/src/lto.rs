//! Link-time optimisation: prepares modules for being merged, and says what of the whole others can see.

use crate::convention::is_native_name;
use crate::ir::{FUNCTION_INDEX, Module, Value};
use twin_linker::lto::Job;

/// A function of more instructions is not inlined here. LLVM would do it whatever the size where there is one call only, which
/// gains little, and then the loops of both compete for registers and slots.
const LARGE: usize = 500;

/// Makes `module` refer to the definitions that the linker has chosen.
pub fn prepare(module: Module, job: &Job) {
    for value in named(module) {
        let name = value.name();
        if value.is_declaration() {
            let real = name.strip_prefix("__real_").filter(|real| job.wrap.contains(*real));
            if job.wrap.contains(&name) {
                rename(module, value, &format!("__wrap_{name}"));
            } else if let Some(real) = real {
                rename(module, value, real);
            }
        } else if job.foreign.contains(&name) && !value.is_local() {
            value.demote(module);
        }
    }
}

/// The parameters of LLVM's pass `internalize` that keep visible what others than `merged` refer to: its objects, the
/// code generators (library functions), and the linker (`__start_` and `__stop_` of sections).
pub fn kept(merged: Module, job: &Job) -> Vec<String> {
    let is_identifier = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    named(merged)
        .into_iter()
        .filter(|value| !value.is_declaration() && !value.is_local())
        .filter(|value| {
            let name = value.name();
            job.keep.contains(&name) || is_native_name(&name) || value.section().is_some_and(|s| is_identifier(&s))
        })
        .map(|value| format!("preserve-gv={}", value.name()))
        .collect()
}

/// Keeps large functions of `merged` from being inlined.
pub fn keep_large(merged: Module) {
    for function in merged.definitions() {
        if function.instructions().len() > LARGE && !function.has_attribute(FUNCTION_INDEX, "alwaysinline") {
            function.add_attribute(FUNCTION_INDEX, merged.attribute("noinline"));
        }
    }
}

/// Level of the pipeline for `-O` followed by `level`: there is none for size alone, which functions ask for themselves.
pub fn level(level: &str) -> &str {
    match level {
        "0" | "1" | "3" => level,
        _ => "2",
    }
}

fn named(module: Module) -> Vec<Value> {
    [module.functions(), module.globals(), module.aliases()].concat()
}

/// Renames a declaration; one that is there already takes its place.
fn rename(module: Module, declaration: Value, name: &str) {
    match named(module).into_iter().find(|value| value.name() == name) {
        Some(found) => declaration.replace_with(found),
        None => declaration.set_name(name),
    }
}
