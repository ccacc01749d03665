//! What a link job is asked to say about itself: `--trace`, `--trace-symbol`, `--print-gc-sections` and `--cref`.

use crate::args::Args;
use crate::half::Place;
use crate::ids::{ObjectId, Side, SymbolId};
use crate::objects::{Class, Meaning};
use crate::program::{Definition, Program};
use std::collections::HashMap;
use std::fmt::Write;

/// The lines for standard output.
pub fn render(args: &Args, program: &Program) -> String {
    let mut out = String::new();
    for object in program.objects.values() {
        if args.trace {
            let _ = writeln!(out, "{}", object.name);
        }
        // Most links name no symbol, and there are many to compare.
        let symbols = if args.trace_symbols.is_empty() { &[][..] } else { &object.sides[Side::Home].symbols };
        for symbol in symbols.iter().filter(|s| !s.is_local() && args.trace_symbols.iter().any(|name| name == s.name)) {
            let what = match symbol.place {
                Place::Undefined => "reference to",
                Place::Common => "common definition of",
                Place::Absolute | Place::Section(_) => "definition of",
            };
            let _ = writeln!(out, "{}: {what} {}", object.name, symbol.name);
        }
    }
    if args.print_gc_sections {
        let dropped =
            program.sections.values().filter(|s| !s.live && matches!(s.class, Class::Loaded(_)) && s.size > 0);
        for section in dropped {
            let _ = writeln!(out, "removing unused section {}:({})", program.object_name(section.object), section.name);
        }
    }
    if args.cref {
        cross_references(program, &mut out);
    }
    out
}

/// The objects that mention each defined symbol, behind the one whose definition holds; as lld writes it.
fn cross_references(program: &Program, out: &mut String) {
    let mut order: Vec<SymbolId> = Vec::new();
    let mut mentions: HashMap<SymbolId, Vec<Option<ObjectId>>> = HashMap::new();
    for (id, object) in program.objects.iter() {
        let half = &object.sides[Side::Home];
        for meaning in &half.meanings {
            let Meaning::Global(global) = *meaning else { continue };
            let Some(definition) = program.globals[global].definitions[Side::Home] else { continue };
            let objects = mentions.entry(global).or_insert_with(|| {
                order.push(global);
                Vec::from_iter((definition == Definition::Linker).then_some(None))
            });
            match definition {
                Definition::Object(definer, _) if definer == id => objects.insert(0, Some(id)),
                _ => objects.push(Some(id)),
            }
        }
    }
    let _ = writeln!(out, "Cross Reference Table\n\n{:<50}File", "Symbol");
    for global in order {
        for (n, &object) in mentions[&global].iter().enumerate() {
            let name = if n == 0 { &*program.globals[global].name } else { "" };
            let _ = writeln!(out, "{name:<49} {}", program.object_name(object));
        }
    }
}
