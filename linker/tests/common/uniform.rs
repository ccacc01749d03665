//! Uniform fat objects written with `object::write`, independently of twin-cc.

use super::{Bench, record};
use object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationEncoding, RelocationFlags, RelocationKind, SectionKind,
    SymbolFlags, SymbolKind, SymbolScope,
};
use std::path::PathBuf;
use twin_linker::fat::{self, Kind, Record};

/// Half of a uniform object in the making.
pub struct Half {
    pub object: Object<'static>,
    pub architecture: Architecture,
    uniform: Vec<String>,
}

impl Half {
    fn new(architecture: Architecture) -> Half {
        let object = Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
        Half { object, architecture, uniform: Vec::new() }
    }

    pub fn is_home(&self) -> bool {
        self.architecture == Architecture::X86_64
    }

    /// Defines a symbol in a section of its own; local if `name` starts with `.`, weak if it ends with `?`.
    pub fn define(&mut self, section: &str, kind: SectionKind, name: &str, bytes: &[u8]) -> (SectionId, SymbolId) {
        let id = self.object.add_section(Vec::new(), section.as_bytes().to_vec(), kind);
        match kind {
            SectionKind::UninitializedData | SectionKind::UninitializedTls => {
                self.object.append_section_bss(id, bytes.len() as u64, 8);
            }
            _ => {
                self.object.append_section_data(id, bytes, 8);
            }
        }
        self.uniform.push(section.to_owned());
        let symbol_kind = match kind {
            SectionKind::Text => SymbolKind::Text,
            SectionKind::Tls | SectionKind::UninitializedTls => SymbolKind::Tls,
            _ => SymbolKind::Data,
        };
        let symbol = self.object.add_symbol(Symbol {
            name: name.trim_end_matches('?').into(),
            value: 0,
            size: bytes.len() as u64,
            kind: symbol_kind,
            scope: if name.starts_with('.') { SymbolScope::Compilation } else { SymbolScope::Linkage },
            weak: name.ends_with('?'),
            section: SymbolSection::Section(id),
            flags: SymbolFlags::None,
        });
        (id, symbol)
    }

    /// A reference to another object's symbol; weak if it ends with `?`.
    pub fn undefined(&mut self, name: &str) -> SymbolId {
        self.object.add_symbol(Symbol {
            name: name.trim_end_matches('?').into(),
            value: 0,
            size: 0,
            kind: SymbolKind::Unknown,
            scope: SymbolScope::Dynamic,
            weak: name.ends_with('?'),
            section: SymbolSection::Undefined,
            flags: SymbolFlags::None,
        })
    }

    /// Puts the address of `symbol` into a section.
    pub fn pointer(&mut self, section: SectionId, offset: u64, symbol: SymbolId, addend: i64) {
        let flags = RelocationFlags::Generic {
            kind: RelocationKind::Absolute,
            encoding: RelocationEncoding::Generic,
            size: 64,
        };
        self.object.add_relocation(section, Relocation { offset, symbol, addend, flags }).expect("relocation");
    }
}

/// Two objects that `build` makes alike.
pub fn pair(build: impl Fn(&mut Half)) -> ([Vec<u8>; 2], Record) {
    let halves = [Architecture::X86_64, Architecture::Aarch64].map(|architecture| {
        let mut half = Half::new(architecture);
        build(&mut half);
        half
    });
    let names: Vec<&str> = halves[0].uniform.iter().map(String::as_str).collect();
    let record = record(Kind::Uniform, &names);
    (halves.map(|half| half.object.write().expect("object")), record)
}

impl Bench {
    /// Writes a uniform fat object.
    pub fn uniform(&self, name: &str, build: impl Fn(&mut Half)) -> PathBuf {
        let (objects, record) = pair(build);
        self.write(name, &append(&objects[0], &objects[1], &serde_json::to_vec(&record).expect("record")))
    }
}

/// Packs a fat object by hand: the two sections and a new section header table go behind the home object.
fn append(home: &[u8], visitor: &[u8], record: &[u8]) -> Vec<u8> {
    const HEADER: usize = 64;
    let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("word")) as usize;
    let half = |at: usize| usize::from(u16::from_le_bytes(home[at..at + 2].try_into().expect("half")));
    let (table, count, names_index) = (word(home, 0x28), half(0x3c), half(0x3e));
    let mut headers = home[table..table + count * HEADER].to_vec();
    let names_header = names_index * HEADER;
    let (names_at, names_size) = (word(&headers, names_header + 0x18), word(&headers, names_header + 0x20));
    let mut names = home[names_at..names_at + names_size].to_vec();
    let mut out = home.to_vec();
    for (name, data) in [(fat::AARCH64_SECTION, visitor), (fat::LAYOUT_SECTION, record)] {
        let (progbits, exclude) = (1u32, 0x8000_0000u64);
        headers.extend((names.len() as u32).to_le_bytes());
        headers.extend(progbits.to_le_bytes());
        for value in [exclude, 0, out.len() as u64, data.len() as u64, 0, 1, 0] {
            headers.extend(value.to_le_bytes());
        }
        names.extend(name.as_bytes());
        names.push(0);
        out.extend(data);
    }
    headers[names_header + 0x18..names_header + 0x20].copy_from_slice(&(out.len() as u64).to_le_bytes());
    headers[names_header + 0x20..names_header + 0x28].copy_from_slice(&(names.len() as u64).to_le_bytes());
    out.extend(names);
    let table = out.len() as u64;
    out.extend(headers);
    out[0x28..0x30].copy_from_slice(&table.to_le_bytes());
    out[0x3c..0x3e].copy_from_slice(&((count + 2) as u16).to_le_bytes());
    out
}

/// A `_start` of eight trapping bytes, which makes any object a program.
pub fn start(half: &mut Half) -> (SectionId, SymbolId) {
    half.define(".text._start", SectionKind::Text, "_start", &[0; 16])
}
