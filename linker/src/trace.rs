//! What a link job is asked to say about itself: `--trace`, `--trace-symbol` and `--print-gc-sections`.

use crate::args::Args;
use crate::half::Place;
use crate::ids::Side;
use crate::objects::Class;
use crate::program::Program;
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
    out
}
