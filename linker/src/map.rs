//! The link map: every section of the executable with the object it comes from.

use crate::ids::Side;
use crate::isa;
use crate::layout::Layout;
use crate::program::{Program, Target};
use std::fmt::Write;

/// Writes the map as text.
pub fn render(program: &Program, layout: &Layout) -> String {
    let mut symbols: Vec<(u64, String, &str)> = Vec::new();
    for (id, global) in program.globals.iter() {
        for side in global.definitions.sides() {
            let target = program.global_target(id, side);
            let twice = side == Side::Visitor
                && global.definitions.home.is_some()
                && program.address(program.global_target(id, Side::Home)) == program.address(target);
            if matches!(target, Target::Section(section, _) if program.sections[section].live) && !twice {
                let both = global.definitions.is_both()
                    && program.address(program.global_target(id, side.other())) == program.address(target);
                let isa = if both { "" } else { isa::of(side).name() };
                symbols.push((program.address(target), global.name.clone().into_owned(), isa));
            }
        }
    }
    symbols.sort();
    let mut out = String::from("         Address     Size  Align Section\n");
    for output in layout.outputs.values() {
        let on = match (output.sides.home, output.sides.visitor) {
            (true, false) => isa::of(Side::Home).name(),
            (false, true) => isa::of(Side::Visitor).name(),
            _ => "",
        };
        let _ = writeln!(out, "{:16x} {:8x} {:6} {} {on}", output.address, output.size, output.align, output.name);
        for &id in &output.inputs {
            let section = &program.sections[id];
            let object = program.object_name(section.object);
            let (address, size, align) = (section.address, section.size, section.align);
            let _ = writeln!(out, "{address:16x} {size:8x} {align:6}   {object}:({})", section.name);
        }
    }
    out.push_str("\n         Address Symbol\n");
    for (address, name, isa) in symbols {
        let _ = writeln!(out, "{address:16x} {name} {isa}");
    }
    out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
