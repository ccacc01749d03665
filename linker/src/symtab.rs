//! The symbol table of one image.

use crate::args::{Args, Strip};
use crate::half::{ENDIAN, Symbol};
use crate::ids::{OutputId, Side};
use crate::layout::Layout;
use crate::program::{Definition, Program, Target, is_data_or_function};
use object::elf::{self, Sym64, SymbolInfo, SymbolOther, SymbolSection};
use object::{LittleEndian, U16, U32, U64};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

/// A string table in the making.
#[derive(Default)]
pub struct Strings {
    /// Its bytes so far.
    pub bytes: Vec<u8>,
    offsets: HashMap<String, u32>,
}

impl Strings {
    /// The offset of `text`, which is added if it is new.
    pub fn add(&mut self, text: &str) -> u32 {
        if self.bytes.is_empty() {
            self.bytes.push(0);
        }
        if text.is_empty() {
            return 0;
        }
        if let Some(&offset) = self.offsets.get(text) {
            return offset;
        }
        let offset = u32::try_from(self.bytes.len()).expect("names of less than 4 GiB");
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.offsets.insert(text.to_owned(), offset);
        offset
    }
}

/// A symbol table.
#[derive(Default)]
pub struct SymbolTable {
    /// The symbols, local ones first.
    pub symbols: Vec<Sym64<LittleEndian>>,
    /// Number of local ones.
    pub locals: u32,
    /// Their names.
    pub names: Strings,
}

/// Makes the table of one image; `indices` are the positions of its sections. Empty if all is stripped.
pub fn make(
    args: &Args,
    program: &Program,
    layout: &Layout,
    side: Side,
    indices: &HashMap<OutputId, u16>,
) -> SymbolTable {
    let mut maker = Maker { program, layout, side, indices, table: SymbolTable::default() };
    if args.strip == Strip::All {
        return maker.table;
    }
    maker.push("", (elf::STB_LOCAL, elf::STT_NOTYPE), SymbolOther(0), SymbolSection(0), 0, 0);
    if !args.discard_locals {
        maker.locals();
    }
    maker.table.locals = maker.table.symbols.len() as u32;
    maker.globals();
    maker.table
}

struct Maker<'p, 'a> {
    program: &'p Program<'a>,
    layout: &'p Layout,
    side: Side,
    indices: &'p HashMap<OutputId, u16>,
    table: SymbolTable,
}

impl Maker<'_, '_> {
    fn push(
        &mut self,
        name: &str,
        (bind, kind): (elf::SymbolBind, elf::SymbolType),
        other: SymbolOther,
        section: SymbolSection,
        value: u64,
        size: u64,
    ) {
        let name = self.table.names.add(name);
        self.table.symbols.push(Sym64 {
            st_name: U32::new(ENDIAN, name),
            st_info: SymbolInfo(bind.0 << 4 | kind.0 & 0xf),
            st_other: other,
            st_shndx: U16::new(ENDIAN, section),
            st_value: U64::new(ENDIAN, value),
            st_size: U64::new(ENDIAN, size),
        });
    }

    /// Section index and value of a target; `None` if it is not part of the image.
    fn locate(&self, target: Target, kind: elf::SymbolType) -> Option<(SymbolSection, u64)> {
        match target {
            Target::Section(section, _) => {
                let section = &self.program.sections[section];
                let index = *self.indices.get(&section.output.filter(|_| section.live)?)?;
                let address = self.program.address(target);
                let value = if kind == elf::STT_TLS { self.layout.tls.offset(address) } else { address };
                Some((SymbolSection(index), value))
            }
            Target::Absolute(value) => Some((elf::SHN_ABS, value)),
            _ => None,
        }
    }

    fn locals(&mut self) {
        for (id, object) in self.program.objects.iter() {
            let half = &object.sides[self.side];
            let mut file: Option<&Symbol> = None;
            for (index, symbol) in half.symbols.iter().enumerate().filter(|(_, s)| s.is_local()) {
                if symbol.kind == elf::STT_FILE {
                    file = Some(symbol);
                    continue;
                }
                // Marks like `$x` tell disassemblers where code and data are.
                let named = is_data_or_function(symbol) || symbol.name.starts_with('$');
                if !named || symbol.name.starts_with(".L") {
                    continue;
                }
                let target = self.program.reference(id, self.side, index).target;
                let Some((section, value)) = self.locate(target, symbol.kind) else { continue };
                // The null symbol and the like are absolute too, but nobody names them.
                if let Some(file) = file.take() {
                    let bind = (elf::STB_LOCAL, elf::STT_FILE);
                    self.push(file.name, bind, SymbolOther(0), elf::SHN_ABS, 0, 0);
                }
                self.push(symbol.name, (symbol.bind, symbol.kind), symbol.other, section, value, symbol.size);
            }
        }
    }

    fn globals(&mut self) {
        for (id, global) in self.program.globals.iter() {
            let (size, kind) = self.program.size_and_kind(id, self.side);
            let (bind, other) = match (global.definitions[self.side], self.program.defining_symbol(id, self.side)) {
                (None, _) => continue,
                (Some(Definition::Object(..)), Some(symbol)) => (symbol.bind, symbol.other),
                _ => (elf::STB_GLOBAL, SymbolOther(0)),
            };
            let target = self.program.global_target(id, self.side);
            if let Some((section, value)) = self.locate(target, kind) {
                self.push(&global.name, (bind, kind), other, section, value, size);
            }
        }
    }
}

/// Numbers of uniform functions and of uniform data that have names.
pub fn count_uniform(program: &Program) -> (u64, u64) {
    let mut functions = HashSet::default();
    let mut data = HashSet::default();
    for (id, object) in program.objects.iter() {
        let half = &object.sides[Side::Home];
        for (index, symbol) in half.symbols.iter().enumerate() {
            let Target::Section(section, offset) = program.reference(id, Side::Home, index).target else { continue };
            let entry = &program.sections[section];
            if !entry.live || entry.object != Some(id) || !is_data_or_function(symbol) {
                continue;
            }
            if symbol.kind == elf::STT_FUNC && object.record.kind == crate::fat::Kind::Uniform {
                functions.insert((section, offset));
            } else if entry.is_uniform_data() && symbol.size > 0 {
                data.insert((section, offset));
            }
        }
    }
    (functions.len() as u64, data.len() as u64)
}
