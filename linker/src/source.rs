//! Where in the source something is, for messages: by the debug information of the object that it is in.

use crate::half::ENDIAN;
use crate::ids::{ObjectId, SectionId, Side};
use crate::isa::{self, Base, Form};
use crate::objects::Class;
use crate::program::{Program, Target};
use gimli::{AttributeValue, EndianArcSlice, LittleEndian, Reader};
use object::elf;
use rustc_hash::FxHashMap as HashMap;
use std::sync::Arc;

type Bytes = EndianArcSlice<LittleEndian>;

/// Sections of an object have no addresses yet: each gets room for itself here.
const ROOM: u64 = 1 << 32;

/// Debug information of the objects that were asked about.
#[derive(Default)]
pub struct Sources {
    read: HashMap<(ObjectId, Side), Option<Debug>>,
}

struct Debug {
    dwarf: Arc<gimli::Dwarf<Bytes>>,
    lines: addr2line::Context<Bytes>,
    bases: HashMap<SectionId, u64>,
}

impl Sources {
    /// `file.c:3 (/path/of/file.c:3)`, and on a line of its own, at `column`, the object and the symbol. Without debug
    /// information the name of the source alone, or nothing but the object and the symbol.
    pub fn place(&mut self, program: &Program, section: SectionId, side: Side, offset: u64, column: usize) -> String {
        let entry = &program.sections[section];
        let (path, archive) = split_member(program.object_name(entry.object));
        let symbol = program.symbol_at(section, side, offset);
        let inner = match symbol {
            Some(symbol) => symbol.name.to_owned(),
            None => format!("{}+{offset:#x}", entry.name),
        };
        let object = match archive {
            Some(archive) => format!("{path}:({inner}) in archive {archive}"),
            None => format!("{path}:({inner})"),
        };
        let Some(id) = entry.object else { return object };
        let debug = self.read.entry((id, side)).or_insert_with(|| Debug::read(program, id, side)).as_ref();
        let line = debug.and_then(|debug| match symbol {
            Some(symbol) if !entry.is_code() => debug.variable(symbol.name),
            _ => debug.line(section, offset),
        });
        let source = match line {
            Some((path, line)) => {
                let name = path.rsplit('/').next().unwrap_or(&path);
                Some(format!("{name}:{line} ({path}:{line})"))
            }
            None => source_file(program, id, side).map(str::to_owned),
        };
        match source {
            Some(source) => format!("{source}\n>>>{:1$}{object}", "", column.saturating_sub(3)),
            None => object,
        }
    }
}

/// A member and its archive.
fn split_member(name: &str) -> (&str, Option<&str>) {
    match name.strip_suffix(')').and_then(|name| name.rsplit_once('(')) {
        Some((archive, member)) => (member, Some(archive)),
        None => (name, None),
    }
}

/// The name of the source, if the object mentions just one.
fn source_file<'p>(program: &'p Program, object: ObjectId, side: Side) -> Option<&'p str> {
    let symbols = &program.objects[object].sides[side].symbols;
    let mut files = symbols.iter().filter(|symbol| symbol.kind == elf::STT_FILE).map(|symbol| symbol.name);
    files.next().filter(|_| files.next().is_none())
}

impl Debug {
    fn read(program: &Program, object: ObjectId, side: Side) -> Option<Debug> {
        let own = program.sections.iter().filter(|(_, s)| s.object == Some(object) && s.contents[side].is_some());
        let (debug, loaded): (Vec<_>, Vec<_>) = own.partition(|(_, s)| s.class == Class::Unloaded);
        let bases = (1..).zip(&loaded).map(|(number, &(id, _))| (id, number * ROOM)).collect();
        let load = |id: gimli::SectionId| {
            let section = debug.iter().find(|(_, s)| s.name == id.name());
            let bytes = section.map(|&(section, _)| relocated(program, object, side, section, &bases));
            Ok::<_, gimli::Error>(EndianArcSlice::new(Arc::from(bytes.unwrap_or_default()), LittleEndian))
        };
        let dwarf = Arc::new(gimli::Dwarf::load(load).ok()?);
        let lines = addr2line::Context::from_arc_dwarf(dwarf.clone()).ok()?;
        Some(Debug { dwarf, lines, bases })
    }

    /// Path and line of code.
    fn line(&self, section: SectionId, offset: u64) -> Option<(String, u64)> {
        let location = self.lines.find_location(self.bases.get(&section)? + offset).ok()??;
        Some((location.file?.to_owned(), location.line?.into()))
    }

    /// Path and line of the definition of a variable.
    fn variable(&self, name: &str) -> Option<(String, u64)> {
        let mut units = self.dwarf.units();
        while let Some(header) = units.next().ok()? {
            let unit = self.dwarf.unit(header).ok()?;
            let mut entries = unit.entries();
            while let Some(entry) = entries.next_dfs().ok()? {
                let is_definition =
                    entry.tag() == gimli::DW_TAG_variable && entry.attr(gimli::DW_AT_location).is_some();
                let called = entry.attr_value(gimli::DW_AT_name).filter(|_| is_definition);
                let called = called.and_then(|value| self.dwarf.attr_string(&unit, value).ok());
                if called.is_some_and(|called| called.to_string_lossy().is_ok_and(|called| called == name)) {
                    return self.declaration(&unit, entry);
                }
            }
        }
        None
    }

    fn declaration(
        &self,
        unit: &gimli::Unit<Bytes>,
        entry: &gimli::DebuggingInformationEntry<Bytes>,
    ) -> Option<(String, u64)> {
        let line = entry.attr(gimli::DW_AT_decl_line)?.udata_value()?;
        let AttributeValue::FileIndex(index) = entry.attr_value(gimli::DW_AT_decl_file)? else { return None };
        let header = unit.line_program.as_ref()?.header();
        let file = header.file(index)?;
        let text = |value| {
            let text = self.dwarf.attr_string(unit, value).ok()?;
            text.to_string_lossy().ok().map(|text| text.into_owned())
        };
        // Each part is relative to the one before, unless it is absolute.
        let mut path = unit.comp_dir.as_ref()?.to_string_lossy().ok()?.into_owned();
        for part in [file.directory(header).and_then(text), text(file.path_name())].into_iter().flatten() {
            path = if part.starts_with('/') { part } else { format!("{path}/{part}") };
        }
        Some((path, line))
    }
}

/// Bytes of a debug section, with references to the other sections of the object filled in.
fn relocated(
    program: &Program,
    object: ObjectId,
    side: Side,
    section: SectionId,
    bases: &HashMap<SectionId, u64>,
) -> Vec<u8> {
    let Some(content) = &program.sections[section].contents[side] else { return Vec::new() };
    let mut bytes = content.data.to_vec();
    for relocation in content.relocations {
        let howto = isa::of(side).howto(relocation.r_type(ENDIAN, false));
        let Some(howto) = howto.filter(|howto| howto.base == Base::Symbol && howto.form == Form::Absolute) else {
            continue;
        };
        let Target::Section(target, offset) = program.relocation_target(object, side, relocation).target else {
            continue;
        };
        let base = bases.get(&target).copied().unwrap_or_default();
        let value = base.wrapping_add(offset).wrapping_add_signed(relocation.r_addend.get(ENDIAN));
        let at = relocation.r_offset.get(ENDIAN) as usize;
        if let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..howto.width)) {
            field.copy_from_slice(&value.to_le_bytes()[..howto.width]);
        }
    }
    bytes
}
