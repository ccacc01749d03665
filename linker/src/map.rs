//! The link map, with the columns of lld's: sections of the executable, what they are made of, and symbols.

use crate::half::Place;
use crate::ids::{Pair, SectionId, Side};
use crate::isa;
use crate::layout::Layout;
use crate::program::{Definition, Program, is_data_or_function};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// Symbols of a section by offset and name, with the larger of their sizes and the ISAs where they are there.
type Symbols<'p> = BTreeMap<(u64, &'p str), (u64, Pair<bool>)>;

/// Writes the map as text.
pub fn render(program: &Program, layout: &Layout) -> String {
    let symbols = symbols(program);
    let mut out = String::from("             VMA              LMA     Size Align Out     In      Symbol\n");
    let mut line = |address: u64, size: u64, align: u64, indent: usize, text: &str| {
        let _ = writeln!(out, "{address:16x} {address:16x} {size:8x} {align:5} {:indent$}{}", "", text.trim_end());
    };
    for output in layout.outputs.values() {
        let on = on(output.sides);
        line(output.address, output.size, output.align, 0, &format!("{} {on}", output.name));
        for &id in &output.inputs {
            let section = &program.sections[id];
            let object = program.object_name(section.object);
            line(section.address, section.size, section.align, 8, &format!("{object}:({})", section.name));
            for ((offset, name), (size, sides)) in symbols.get(&id).into_iter().flatten() {
                // What is private to an ISA says so above.
                let on = if section.contents.is_both() { self::on(*sides) } else { "" };
                line(section.address + offset, *size, 1, 16, &format!("{name} {on}"));
            }
        }
    }
    out
}

/// The ISA, unless it is both.
fn on(sides: Pair<bool>) -> &'static str {
    match (sides.home, sides.visitor) {
        (true, false) => isa::of(Side::Home).name(),
        (false, true) => isa::of(Side::Visitor).name(),
        _ => "",
    }
}

fn symbols<'p>(program: &'p Program) -> HashMap<SectionId, Symbols<'p>> {
    let mut all: HashMap<SectionId, Symbols> = HashMap::new();
    let mut add = |section: SectionId, symbol, size: u64, side| {
        let (largest, sides) = all.entry(section).or_default().entry(symbol).or_default();
        *largest = size.max(*largest);
        sides[side] = true;
    };
    for object in program.objects.values() {
        for (side, half) in object.sides.iter() {
            for symbol in half.symbols.iter().filter(|s| is_data_or_function(s) && !s.name.starts_with(".L")) {
                let Place::Section(index) = symbol.place else { continue };
                if let Some(section) = half.sections[index] {
                    add(section, (symbol.value, symbol.name), symbol.size, side);
                }
            }
        }
    }
    for global in program.globals.values() {
        for (side, definition) in global.definitions.iter() {
            if let Some(Definition::Allocated(section, size)) = *definition {
                add(section, (0, &*global.name), size, side);
            }
        }
    }
    all
}
