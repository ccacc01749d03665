//! Checks that uniform data are byte-identical in both images, which is what lets a process hop.

use crate::errors::Errors;
use crate::half::ENDIAN;
use crate::ids::{Pair, SectionId, Side};
use crate::isa;
use crate::layout::Layout;
use crate::program::Program;
use anyhow::Result;

/// Compares the uniform segments of the two images.
///
/// # Errors
/// The first difference of each section, with symbol, offset and both values.
pub fn run(program: &Program, layout: &Layout, images: &Pair<Vec<u8>>) -> Result<()> {
    let mut errors = Errors::default();
    for segment in layout.segments.iter().filter(|s| s.segment.is_uniform_data()) {
        let bytes = Pair::new(|side| {
            let start = segment.file_offset[side] as usize;
            &images[side][start..start + segment.file_size[side] as usize]
        });
        if bytes.home == bytes.visitor {
            continue;
        }
        for output in layout.outputs.values().filter(|o| o.segment == Some(segment.segment) && !o.is_zero()) {
            for &id in &output.inputs {
                compare(program, id, segment.address, &bytes, &mut errors);
            }
        }
    }
    errors.check()
}

fn compare(program: &Program, id: SectionId, start: u64, segments: &Pair<&[u8]>, errors: &mut Errors) {
    /// A difference is shown as the aligned word it is in.
    const WORD: usize = 8;
    let section = &program.sections[id];
    let from = (section.address - start) as usize;
    let bytes = Pair::new(|side| &segments[side][from..from + section.size as usize]);
    let Some(at) = bytes.home.iter().zip(bytes.visitor).position(|(a, b)| a != b) else { return };
    let word = |side: Side| {
        let end = bytes[side].len().min(at / WORD * WORD + WORD);
        let digits: String = bytes[side][at / WORD * WORD..end].iter().map(|b| format!("{b:02x}")).collect();
        format!("\n>>> {digits} on {}{}", isa::of(side).name(), cause(program, id, side, at as u64))
    };
    let place = match program.symbol_at(id, Side::Home, at as u64) {
        Some(symbol) => format!("{}+{:#x}", symbol.name, at as u64 - symbol.value),
        None => format!("{}+{at:#x}", section.name),
    };
    errors.push(format!(
        "{}: uniform data differ between the ISAs at {place}{}{}",
        program.object_name(section.object),
        word(Side::Home),
        word(Side::Visitor),
    ));
}

/// The symbol that the value at `at` comes from, if it is relocated.
fn cause(program: &Program, id: SectionId, side: Side, at: u64) -> String {
    let section = &program.sections[id];
    let (Some(object), Some(content)) = (section.object, &section.contents[side]) else { return String::new() };
    let covers = |offset: u64| offset <= at && at < offset.saturating_add(8);
    match content.relocations.iter().find(|r| covers(r.r_offset.get(ENDIAN))) {
        Some(relocation) => {
            let index = relocation.r_sym(ENDIAN, false) as usize;
            format!(" (the address of {})", program.symbol_name(object, side, index))
        }
        None => String::new(),
    }
}
