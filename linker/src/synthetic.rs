//! Symbols that the linker defines (DESIGN.md 4), and common symbols, which it allocates.

use crate::args::{Args, number};
use crate::errors::Errors;
use crate::ids::{Pair, Side, SymbolId};
use crate::layout::Layout;
use crate::objects::{Section, Segment};
use crate::polls;
use crate::program::{Definition, Program, Strength, Target};
use anyhow::Result;
use object::elf;
use rustc_hash::FxHashSet as HashSet;

/// Names with one value on both ISAs, apart from `__start_` and `__stop_` of sections.
const NAMES: [&str; 28] = [
    "__twin_uniform_start",
    "__twin_uniform_end",
    polls::PAGE_SYMBOL,
    polls::FIRST_PAGE_SYMBOL,
    "__twin_polls_start",
    "__twin_polls_end",
    "__twin_tls_image",
    "__twin_tls_filesz",
    "__twin_tls_memsz",
    "__twin_tls_align",
    "__preinit_array_start",
    "__preinit_array_end",
    "__init_array_start",
    "__init_array_end",
    "__fini_array_start",
    "__fini_array_end",
    "__ehdr_start",
    "__executable_start",
    "__bss_start",
    "_etext",
    "etext",
    "_edata",
    "edata",
    "_end",
    "end",
    "_GLOBAL_OFFSET_TABLE_",
    "__GNU_EH_FRAME_HDR",
    "__dso_handle",
];

/// The section that `__start_X` or `__stop_X` bounds, if `X` is a C identifier.
pub fn bounded_section(name: &str) -> Option<&str> {
    let section = name.strip_prefix("__start_").or_else(|| name.strip_prefix("__stop_"))?;
    let first = section.bytes().next()?;
    let valid = section.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !first.is_ascii_digit();
    valid.then_some(section)
}

/// A `--defsym` expression: a symbol, and what is added to it.
pub fn operand(expression: &str) -> (Option<&str>, u64) {
    if let Some(value) = number(expression) {
        return (None, value);
    }
    let split = expression.rfind(['+', '-']).filter(|&at| at > 0);
    match split.and_then(|at| Some((at, number(&expression[at + 1..])?))) {
        Some((at, value)) if expression.as_bytes()[at] == b'-' => (Some(expression[..at].trim()), value.wrapping_neg()),
        Some((at, value)) => (Some(expression[..at].trim()), value),
        None => (Some(expression.trim()), 0),
    }
}

fn is_of_a_name(character: char) -> bool {
    character.is_alphanumeric() || "_.$@".contains(character)
}

/// Gives every common symbol a section of its own among the uniform data.
pub fn allocate_commons(program: &mut Program) {
    for id in program.globals.ids() {
        let definitions = program.globals[id].definitions;
        let commons = Pair::new(|side| match definitions[side] {
            Some(Definition::Common(_, size, align)) => Some((size, align)),
            _ => None,
        });
        let sides: Vec<Side> = commons.sides().collect();
        let of = |pick: fn((u64, u64)) -> u64| commons.iter().filter_map(|(_, c)| c.map(pick)).max();
        let (Some(size), Some(align)) = (of(|(size, _)| size), of(|(_, align)| align)) else { continue };
        let section = Section::made("COMMON", Segment::Write, elf::SHT_NOBITS, align, size, &Side::BOTH);
        let section = program.sections.push(section);
        for side in sides {
            program.globals[id].definitions[side] = Some(Definition::Allocated(section, size));
        }
    }
}

/// Defines the linker's symbols that are referred to and that nothing else defines; values come later.
pub fn define(program: &mut Program) {
    let mut names: Pair<HashSet<&str>> = Pair::default();
    for section in program.sections.values() {
        for side in section.contents.sides() {
            names[side].insert(section.name);
        }
    }
    let wanted: Vec<Pair<bool>> = program
        .globals
        .values()
        .map(|global| {
            let fixed = NAMES.contains(&&*global.name);
            let bounded = bounded_section(&global.name);
            Pair::new(|side| {
                let undefined = global.definitions[side].is_none() && global.references[side] != Strength::None;
                undefined && (fixed || bounded.is_some_and(|section| names[side].contains(section)))
            })
        })
        .collect();
    for (global, wanted) in program.globals.values_mut().zip(wanted) {
        for side in Side::BOTH {
            if wanted[side] {
                global.definitions[side] = Some(Definition::Linker);
            }
        }
    }
}

/// Looks for the symbols that the command line says must be defined.
///
/// # Errors
/// All that are not.
pub fn check_required(args: &Args, program: &Program) -> Result<()> {
    let mut errors = Errors::default();
    for name in &args.required {
        let defined = program.by_name.get(name.as_str()).is_some_and(|&id| program.globals[id].definitions.is_both());
        if !defined {
            errors.push(format!("undefined symbol: {name}\n>>> referenced by --require-defined"));
        }
    }
    errors.check()
}

/// Computes the values of all symbols that the linker defines.
///
/// # Errors
/// If a `--defsym` expression refers to an undefined symbol.
pub fn assign(args: &Args, program: &mut Program, layout: &Layout) -> Result<()> {
    for id in program.globals.ids() {
        for side in Side::BOTH {
            if program.globals[id].definitions[side] == Some(Definition::Linker) {
                let value = value(layout, &program.globals[id].name, side);
                program.globals[id].values[side] = value;
            }
        }
    }
    let mut errors = Errors::default();
    for (name, expression) in &args.definitions {
        let (symbol, addend) = operand(expression);
        if let Some(symbol) = symbol.filter(|symbol| symbol.contains(|c: char| !is_of_a_name(c))) {
            errors.push(format!("--defsym={name}={expression}: `{symbol}` is not a symbol or number"));
            continue;
        }
        for side in Side::BOTH {
            let base = match symbol.map(|symbol| defined_value(program, symbol, side)) {
                None => 0,
                Some(Some(value)) => value,
                Some(None) => {
                    errors.push(format!("--defsym={name}={expression}: undefined symbol"));
                    break;
                }
            };
            let id = program.by_name[name.as_str()];
            program.globals[id].values[side] = base.wrapping_add(addend);
        }
    }
    errors.check()
}

fn defined_value(program: &Program, name: &str, side: Side) -> Option<u64> {
    let id: SymbolId = *program.by_name.get(name)?;
    match program.global_target(id, side) {
        Target::Undefined | Target::UndefinedWeak | Target::Dropped => None,
        target => Some(program.address(target)),
    }
}

fn value(layout: &Layout, name: &str, side: Side) -> u64 {
    let uniform = layout.segment(Segment::Write);
    let text = layout.segment(Segment::Text);
    let bounds = |section: &str| match layout.output(section, side) {
        Some(output) => (output.address, output.address + output.size),
        // Empty, but still somewhere in the image.
        None => (uniform.address, uniform.address),
    };
    match name {
        "__twin_uniform_start" => uniform.address,
        "__twin_uniform_end" => uniform.address + uniform.memory_size,
        polls::PAGE_SYMBOL | polls::FIRST_PAGE_SYMBOL => text.address,
        "__twin_polls_start" => bounds(polls::SECTION).0,
        "__twin_polls_end" => bounds(polls::SECTION).1,
        "__twin_tls_image" => layout.tls.address,
        "__twin_tls_filesz" => layout.tls.file_size,
        "__twin_tls_memsz" => layout.tls.memory_size,
        "__twin_tls_align" => layout.tls.align,
        "__preinit_array_start" => bounds(".preinit_array").0,
        "__preinit_array_end" => bounds(".preinit_array").1,
        "__init_array_start" => bounds(".init_array").0,
        "__init_array_end" => bounds(".init_array").1,
        "__fini_array_start" => bounds(".fini_array").0,
        "__fini_array_end" => bounds(".fini_array").1,
        "__ehdr_start" | "__executable_start" => crate::layout::BASE,
        "_etext" | "etext" => text.address + text.used,
        "__bss_start" | "_edata" | "edata" => uniform.address + uniform.file_size[side],
        "_end" | "end" => uniform.address + uniform.used,
        "_GLOBAL_OFFSET_TABLE_" => bounds(".got").0,
        "__GNU_EH_FRAME_HDR" => bounds(".eh_frame_hdr").0,
        "__dso_handle" => 0,
        _ => match bounded_section(name) {
            Some(section) if name.starts_with("__start_") => bounds(section).0,
            Some(section) => bounds(section).1,
            None => 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_expressions() {
        assert_eq!(operand("0x20"), (None, 0x20));
        assert_eq!(operand("foo"), (Some("foo"), 0));
        assert_eq!(operand("foo+0x10"), (Some("foo"), 16));
        assert_eq!(operand("foo - 1"), (Some("foo"), 1u64.wrapping_neg()));
    }

    #[test]
    fn only_c_identifiers_have_bounds() {
        assert_eq!(bounded_section("__start_hooks"), Some("hooks"));
        assert_eq!(bounded_section("__stop_.data"), None);
        assert_eq!(bounded_section("start_hooks"), None);
    }
}
