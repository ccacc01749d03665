//! `-r`: merges fat objects into one that links as they would.
//!
//! The sections of a function or datum stay apart, so that a later link sees each of them. Debug information is joined:
//! its readers expect one section of each name.

use crate::args::{Args, Strip};
use crate::errors::Errors;
use crate::fat::{self, Record};
use crate::half::{ENDIAN, Place, Symbol};
use crate::ids::{ObjectId, Pair, SectionId, Side, SymbolId};
use crate::isa;
use crate::objects::{Class, Content, Meaning, Object, Section};
use crate::program::{Definition, Program, Strength};
use crate::resolve::TP_OFFSET_PREFIX;
use anyhow::{Context, Result, bail};
use object::build::ByteString;
use object::build::elf::{self as build, Builder, SectionData};
use object::elf::{self, SectionFlags, SymbolBind, SymbolType};
use object::{Endianness, Object as _};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Merges the objects of `program`.
///
/// # Errors
/// If the objects cannot be one: of different kinds, or with section groups, or they call a function in different ways.
pub fn merge(args: &Args, program: &Program) -> Result<Vec<u8>> {
    for object in program.objects.values() {
        let file = object::File::parse(object.bytes).with_context(|| object.name.clone())?;
        if file.comdats().next().is_some() {
            bail!("{}: relocatable output (-r) of section groups is not supported", object.name);
        }
    }
    let record = record(program)?;
    let halves = Pair::try_new(|side| Half::new(args, program, side, &record).write())?;
    fat::pack(&halves.home, &halves.visitor, &record, None)
}

/// The records of all objects as one.
fn record(program: &Program) -> Result<Record> {
    let objects: Vec<&Object> = program.objects.values().collect();
    let Some(first) = objects.first() else { bail!("no objects to merge (-r)") };
    if let Some(other) = objects.iter().find(|object| object.record.kind != first.record.kind) {
        bail!(
            "{} and {} cannot be merged (-r): only one of them is compiled from C by twin-cc",
            first.name,
            other.name
        );
    }
    let all = |names: fn(&Record) -> &Vec<String>| -> Vec<String> {
        let set: BTreeSet<&String> = objects.iter().flat_map(|object| names(&object.record)).collect();
        set.into_iter().cloned().collect()
    };
    let mut merged = Record {
        version: Record::VERSION,
        kind: first.record.kind,
        uniform: all(|record| &record.uniform),
        native_symbols: all(|record| &record.native_symbols),
        uniform_symbols: all(|record| &record.uniform_symbols),
        native_refs: all(|record| &record.native_refs),
        uniform_refs: all(|record| &record.uniform_refs),
        variadic_symbols: all(|record| &record.variadic_symbols),
        variadic_refs: Vec::new(),
        unprototyped_refs: all(|record| &record.unprototyped_refs),
    };
    // Calls with a prototype, by function: an object, and whether there are variable arguments.
    let mut prototypes: HashMap<&str, (&Object, bool)> = HashMap::new();
    let mut errors = Errors::default();
    for object in &objects {
        let unprototyped: HashSet<&String> = object.record.unprototyped_refs.iter().collect();
        let variadic: HashSet<&String> = object.record.variadic_refs.iter().collect();
        for name in object.record.uniform_refs.iter().filter(|name| !unprototyped.contains(name)) {
            let is_variadic = variadic.contains(name);
            let (other, expected) = *prototypes.entry(name).or_insert((object, is_variadic));
            if expected != is_variadic {
                let [a, b] = if is_variadic { [other, object] } else { [object, other] };
                errors.push(format!(
                    "{name} is declared with fixed arguments in {} but with variable ones in {}",
                    a.name, b.name
                ));
            }
        }
    }
    errors.check()?;
    merged.unprototyped_refs.retain(|name| !prototypes.contains_key(name.as_str()));
    merged.variadic_refs = all(|record| &record.variadic_refs);
    merged.variadic_refs.retain(|name| prototypes.get(name.as_str()).is_some_and(|(_, variadic)| *variadic));
    Ok(merged)
}

/// What a relocation of the merged object refers to, and the offset that is to be added.
type Target = (Option<build::SymbolId>, u64);

/// A section of the merged object.
struct Made {
    id: build::SectionId,
    /// The symbol that stands for it.
    symbol: Option<build::SymbolId>,
    relocations: Vec<build::Relocation>,
}

/// One ISA's half of the merged object.
struct Half<'p> {
    program: &'p Program<'p>,
    side: Side,
    strip: Strip,
    uniform: HashSet<&'p str>,
    builder: Builder<'p>,
    symbol_table: build::SectionId,
    made: Vec<Made>,
    /// Where each input section begins: in which of `made`, and at which offset.
    places: HashMap<SectionId, (usize, u64)>,
    globals: HashMap<SymbolId, build::SymbolId>,
    /// Symbols for distances from the thread pointer, by name.
    tp_offsets: HashMap<String, build::SymbolId>,
    /// Local symbols, by object and ELF index, with the names of thread-local variables.
    locals: HashMap<(ObjectId, usize), (build::SymbolId, String)>,
}

impl<'p> Half<'p> {
    fn new(args: &Args, program: &'p Program<'p>, side: Side, record: &'p Record) -> Half<'p> {
        let mut builder = Builder::new(Endianness::Little, true);
        builder.header.e_type = elf::ET_REL;
        builder.header.e_machine = isa::of(side).machine();
        let mut add = |name: &'static str, kind, data| {
            let section = builder.sections.add();
            section.name = name.into();
            section.sh_type = kind;
            section.sh_addralign = 1;
            section.data = data;
            section.id()
        };
        let symbol_table = add(".symtab", elf::SHT_SYMTAB, SectionData::Symbol);
        add(".strtab", elf::SHT_STRTAB, SectionData::String);
        add(".shstrtab", elf::SHT_STRTAB, SectionData::SectionString);
        // Without it, other tools take the stack to be executable.
        add(".note.GNU-stack", elf::SHT_PROGBITS, SectionData::Data(Vec::new().into()));
        Half {
            program,
            side,
            strip: args.strip,
            uniform: record.uniform.iter().map(String::as_str).collect(),
            builder,
            symbol_table,
            made: Vec::new(),
            places: HashMap::new(),
            globals: HashMap::new(),
            tp_offsets: HashMap::new(),
            locals: HashMap::new(),
        }
    }

    fn write(mut self) -> Result<Vec<u8>> {
        self.add_sections();
        self.add_locals();
        self.add_globals();
        self.add_relocations();
        self.builder.set_section_sizes();
        let mut bytes = Vec::new();
        self.builder.write(&mut bytes).context("merged object")?;
        Ok(bytes)
    }

    /// The sections that this ISA has.
    fn sections(&self) -> impl Iterator<Item = (SectionId, &'p Section<'p>, &'p Content<'p>)> + use<'p> {
        let (program, side, strip) = (self.program, self.side, self.strip);
        let wanted = move |section: &Section| section.class != Class::Unloaded || strip == Strip::Nothing;
        let all = program.sections.iter().filter(move |(_, section)| wanted(section));
        all.filter_map(move |(id, section)| Some((id, section, section.contents[side].as_ref()?)))
    }

    fn add_sections(&mut self) {
        let mut joined: HashMap<&str, (usize, Vec<u8>)> = HashMap::new();
        for (id, section, content) in self.sections() {
            if section.class != Class::Unloaded {
                let new = self.add_section(section, content);
                self.places.insert(id, (new, 0));
                continue;
            }
            let (new, bytes) =
                joined.entry(section.name).or_insert_with(|| (self.add_section(section, content), Vec::new()));
            bytes.resize(bytes.len().next_multiple_of(section.align as usize), 0);
            self.places.insert(id, (*new, bytes.len() as u64));
            bytes.extend_from_slice(&content.data);
        }
        for (made, bytes) in joined.into_values() {
            self.builder.sections.get_mut(self.made[made].id).data = SectionData::Data(bytes.into());
        }
    }

    fn add_section(&mut self, section: &'p Section<'p>, content: &'p Content<'p>) -> usize {
        let name = self.name(section);
        let new = self.builder.sections.add();
        new.name = name;
        new.sh_addralign = section.align;
        // What other sections or groups a section belongs to is gone; strings of debug information are of single bytes.
        let mut dropped = elf::SHF_GROUP.0 | elf::SHF_LINK_ORDER.0 | elf::SHF_INFO_LINK.0 | elf::SHF_COMPRESSED.0;
        match section.class {
            Class::Unloaded if section.flags.contains(elf::SHF_STRINGS) => new.sh_entsize = 1,
            _ => dropped |= elf::SHF_MERGE.0 | elf::SHF_STRINGS.0,
        }
        new.sh_flags = SectionFlags(section.flags.0 & !dropped);
        let is_zero = section.is_zero() || (content.data.len() as u64) < content.size;
        (new.sh_type, new.data) = match is_zero {
            true => (elf::SHT_NOBITS, SectionData::UninitializedData(content.size)),
            false => (section.kind, SectionData::Data((&*content.data).into())),
        };
        self.made.push(Made { id: new.id(), symbol: None, relocations: Vec::new() });
        self.made.len() - 1
    }

    /// A private section must not have the name of a uniform one of another object.
    fn name(&self, section: &'p Section<'p>) -> ByteString<'p> {
        let is_private = matches!(section.class, Class::Loaded(_)) && !section.is_shared();
        if !is_private || !self.uniform.contains(section.name) {
            return section.name.into();
        }
        let mut names = (0..).map(|n| format!("{}.private{n}", section.name));
        let name = names.find(|name| !self.uniform.contains(name.as_str()));
        name.expect("there is always another number").into_bytes().into()
    }

    fn add_symbol(&mut self, name: impl Into<Vec<u8>>, bind: SymbolBind, kind: SymbolType) -> &mut build::Symbol<'p> {
        let new = self.builder.symbols.add();
        new.name = name.into().into();
        new.st_info = elf::SymbolInfo::new(bind, kind);
        new.st_shndx = elf::SHN_UNDEF;
        new
    }

    /// Copies a symbol that `object` defines, unless its section is gone.
    fn copy(&mut self, object: ObjectId, symbol: &Symbol<'p>, name: &str) -> Option<build::SymbolId> {
        let (section, index, base) = match symbol.place {
            Place::Section(section) => {
                let section = self.program.objects[object].sides[self.side].sections[section]?;
                let (made, base) = *self.places.get(&section)?;
                (Some(self.made[made].id), elf::SHN_UNDEF, base)
            }
            Place::Absolute => (None, elf::SHN_ABS, 0),
            Place::Common => (None, elf::SHN_COMMON, 0),
            Place::Undefined => return None,
        };
        let new = self.add_symbol(name, symbol.bind, symbol.kind);
        new.section = section;
        new.st_shndx = index;
        new.st_other = symbol.other;
        new.st_value = base + symbol.value;
        new.st_size = symbol.size;
        Some(new.id())
    }

    fn add_locals(&mut self) {
        // A thread-local variable is found by its name, which another object may have used, too.
        let mut taken: HashSet<String> = HashSet::new();
        for (id, object) in self.program.objects.iter() {
            let symbols = object.sides[self.side].symbols.iter().enumerate().skip(1);
            for (index, symbol) in symbols.filter(|(_, s)| s.is_local() && s.kind != elf::STT_SECTION) {
                let mut name = symbol.name.to_owned();
                if symbol.kind == elf::STT_TLS {
                    let is_free = |name: &String| !self.program.by_name.contains_key(name.as_str());
                    let mut names = std::iter::once(name.clone()).chain((1..).map(|n| format!("{}.{n}", symbol.name)));
                    name = names
                        .find(|name| is_free(name) && taken.insert(name.clone()))
                        .expect("there is always another number");
                }
                if let Some(new) = self.copy(id, symbol, &name) {
                    self.locals.insert((id, index), (new, name));
                }
            }
        }
    }

    fn add_globals(&mut self) {
        for (id, global) in self.program.globals.iter() {
            let reference = global.references[self.side];
            let new = match global.definitions[self.side] {
                Some(Definition::Object(object, index)) => {
                    let symbol = &self.program.objects[object].sides[self.side].symbols[index];
                    self.copy(object, symbol, &global.name)
                }
                Some(Definition::Common(_, size, align)) => {
                    let new = self.add_symbol(&*global.name, elf::STB_GLOBAL, elf::STT_OBJECT);
                    (new.st_shndx, new.st_value, new.st_size) = (elf::SHN_COMMON, align, size);
                    Some(new.id())
                }
                _ if reference == Strength::None => None,
                _ => {
                    let bind = if reference == Strength::Weak { elf::STB_WEAK } else { elf::STB_GLOBAL };
                    Some(self.add_symbol(&*global.name, bind, elf::STT_NOTYPE).id())
                }
            };
            self.globals.extend(new.map(|new| (id, new)));
        }
    }

    fn add_relocations(&mut self) {
        for (id, section, content) in self.sections() {
            let Some(object) = section.object else { continue };
            let (made, base) = self.places[&id];
            for relocation in content.relocations {
                let (symbol, offset) = self.target(object, relocation.r_sym(ENDIAN, false) as usize);
                self.made[made].relocations.push(build::Relocation {
                    r_offset: base + relocation.r_offset.get(ENDIAN),
                    symbol,
                    r_type: relocation.r_type(ENDIAN, false),
                    r_addend: relocation.r_addend.get(ENDIAN).wrapping_add_unsigned(offset),
                });
            }
        }
        for made in self.made.drain(..).filter(|made| !made.relocations.is_empty()) {
            let name = [b".rela", self.builder.sections.get(made.id).name.as_slice()].concat();
            let new = self.builder.sections.add();
            new.name = name.into();
            new.sh_type = elf::SHT_RELA;
            new.sh_flags = SectionFlags(elf::SHF_INFO_LINK.0);
            new.sh_link_section = Some(self.symbol_table);
            new.sh_info_section = Some(made.id);
            new.sh_addralign = 8;
            new.sh_entsize = size_of::<elf::Rela64<object::LittleEndian>>() as u64;
            new.data = SectionData::Relocation(made.relocations);
        }
    }

    fn target(&mut self, object: ObjectId, index: usize) -> Target {
        let half = &self.program.objects[object].sides[self.side];
        let symbol = &half.symbols[index];
        let tp_offset_of = match half.meanings[index] {
            Meaning::Global(id) => return (self.globals.get(&id).copied(), 0),
            Meaning::Local => match symbol.place {
                Place::Section(section) if symbol.kind == elf::STT_SECTION => {
                    return self.section_target(half.sections[section]);
                }
                _ => return (self.locals.get(&(object, index)).map(|(symbol, _)| *symbol), 0),
            },
            Meaning::TpOffsetOf(id) => self.program.globals[id].name.to_string(),
            Meaning::TpOffsetOfLocal(local) => self.locals[&(object, local)].1.clone(),
        };
        let bind = symbol.bind;
        if let Some(&known) = self.tp_offsets.get(&tp_offset_of) {
            return (Some(known), 0);
        }
        let name = format!("{TP_OFFSET_PREFIX}{tp_offset_of}");
        let new = self.add_symbol(name, bind, elf::STT_NOTYPE).id();
        self.tp_offsets.insert(tp_offset_of, new);
        (Some(new), 0)
    }

    fn section_target(&mut self, section: Option<SectionId>) -> Target {
        let Some(&(made, base)) = section.and_then(|section| self.places.get(&section)) else { return (None, 0) };
        if self.made[made].symbol.is_none() {
            let id = self.made[made].id;
            let new = self.add_symbol("", elf::STB_LOCAL, elf::STT_SECTION);
            new.section = Some(id);
            self.made[made].symbol = Some(new.id());
        }
        (self.made[made].symbol, base)
    }
}
