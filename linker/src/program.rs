//! The program being linked: its objects, sections and global symbols, and what a symbol refers to.

use crate::half::{Place, Rela, Symbol};
use crate::ids::{ObjectId, Pair, SectionId, Side, SymbolId, Table};
use crate::isa;
use crate::objects::{Meaning, Object, Section, Segment};
use object::elf::{self, SymbolType};
use rustc_hash::FxHashMap as HashMap;
use std::borrow::Cow;

/// What defines a global symbol on one ISA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Definition {
    /// A symbol of an object, by its ELF index.
    Object(ObjectId, usize),
    /// To be allocated: the object that asks for most, the size and the alignment.
    Common(ObjectId, u64, u64),
    /// Allocated by the linker: section and size.
    Allocated(SectionId, u64),
    /// The linker itself; the value is in [`Global::values`] after the layout.
    Linker,
}

/// How strongly a symbol is referred to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Not at all.
    #[default]
    None,
    /// It may be undefined.
    Weak,
    /// It must be defined.
    Strong,
}

/// A global symbol.
pub struct Global<'a> {
    /// Name.
    pub name: Cow<'a, str>,
    /// What defines it on each ISA.
    pub definitions: Pair<Option<Definition>>,
    /// How strongly each ISA's objects refer to it.
    pub references: Pair<Strength>,
    /// Values of a symbol that the linker defines.
    pub values: Pair<u64>,
}

/// What a relocation or symbol refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A place in a section.
    Section(SectionId, u64),
    /// An address.
    Absolute(u64),
    /// Nothing, which is allowed.
    UndefinedWeak,
    /// Nothing, which is an error.
    Undefined,
    /// A section that was dropped because another object has the same COMDAT group.
    Dropped,
}

/// A symbol as an object sees it.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// What it refers to.
    pub target: Target,
    /// Whether the value is the distance of the target from the thread pointer.
    pub tp_offset: bool,
    /// The global symbol, unless it is local to the object.
    pub global: Option<SymbolId>,
}

/// The program being linked.
#[derive(Default)]
pub struct Program<'a> {
    /// Objects in link order.
    pub objects: Table<ObjectId, Object<'a>>,
    /// Sections of all objects, then those the linker makes.
    pub sections: Table<SectionId, Section<'a>>,
    /// Global symbols in the order in which they are first seen.
    pub globals: Table<SymbolId, Global<'a>>,
    /// Global symbols by name.
    pub by_name: HashMap<Cow<'a, str>, SymbolId>,
}

impl<'a> Program<'a> {
    /// The symbol called `name`, new if need be.
    pub fn intern(&mut self, name: impl Into<Cow<'a, str>>) -> SymbolId {
        let name = name.into();
        if let Some(&id) = self.by_name.get(&name) {
            return id;
        }
        let id = self.globals.push(Global {
            name: name.clone(),
            definitions: Pair::default(),
            references: Pair::default(),
            values: Pair::default(),
        });
        self.by_name.insert(name, id);
        id
    }

    /// What the symbol with ELF index `index` of `object` refers to.
    pub fn reference(&self, object: ObjectId, side: Side, index: usize) -> Reference {
        let half = &self.objects[object].sides[side];
        let (global, tp_offset) = match half.meanings[index] {
            Meaning::Local => (None, false),
            Meaning::Global(id) => (Some(id), false),
            Meaning::TpOffsetOf(id) => (Some(id), true),
            Meaning::TpOffsetOfLocal(local) => {
                return Reference { target: self.place(object, side, local), tp_offset: true, global: None };
            }
        };
        let target = match global {
            Some(id) => self.global_target(id, side),
            None => self.place(object, side, index),
        };
        Reference { target, tp_offset, global }
    }

    /// What a relocation of `object` refers to.
    pub fn relocation_target(&self, object: ObjectId, side: Side, relocation: &Rela) -> Reference {
        self.reference(object, side, relocation.r_sym(crate::half::ENDIAN, false) as usize)
    }

    /// Adds a read-only section of one ISA's, whose content comes later.
    pub fn add_table(&mut self, side: Side, name: &'static str, align: u64, size: usize) -> SectionId {
        let section = Section::made(name, Segment::PrivateRead, elf::SHT_PROGBITS, align, size as u64, &[side]);
        self.sections.push(section)
    }

    /// Where a global symbol is on one ISA.
    pub fn global_target(&self, id: SymbolId, side: Side) -> Target {
        let global = &self.globals[id];
        match global.definitions[side] {
            Some(Definition::Object(object, index)) => self.place(object, side, index),
            Some(Definition::Allocated(section, _)) => Target::Section(section, 0),
            Some(Definition::Linker) => Target::Absolute(global.values[side]),
            // Commons are allocated before anyone asks for addresses.
            Some(Definition::Common(..)) => Target::Absolute(0),
            None if global.references[side] == Strength::Strong => Target::Undefined,
            None => Target::UndefinedWeak,
        }
    }

    fn place(&self, object: ObjectId, side: Side, index: usize) -> Target {
        let half = &self.objects[object].sides[side];
        let symbol = &half.symbols[index];
        match symbol.place {
            Place::Section(section) => match half.sections[section] {
                Some(section) => Target::Section(section, symbol.value),
                None => Target::Dropped,
            },
            Place::Absolute => Target::Absolute(symbol.value),
            // The null symbol.
            Place::Undefined | Place::Common => Target::Absolute(0),
        }
    }

    /// The symbol of an object that defines a global one, if an object does.
    pub fn defining_symbol(&self, id: SymbolId, side: Side) -> Option<&Symbol<'a>> {
        match self.globals[id].definitions[side] {
            Some(Definition::Object(object, index)) => Some(&self.objects[object].sides[side].symbols[index]),
            _ => None,
        }
    }

    /// Size and type of a global symbol.
    pub fn size_and_kind(&self, id: SymbolId, side: Side) -> (u64, SymbolType) {
        match self.globals[id].definitions[side] {
            Some(Definition::Allocated(_, size)) => (size, elf::STT_OBJECT),
            _ => self.defining_symbol(id, side).map_or((0, elf::STT_NOTYPE), |s| (s.size, s.kind)),
        }
    }

    /// Address of a target; undefined and dropped ones are at 0.
    pub fn address(&self, target: Target) -> u64 {
        match target {
            Target::Section(section, offset) => self.sections[section].address.wrapping_add(offset),
            Target::Absolute(value) => value,
            Target::UndefinedWeak | Target::Undefined | Target::Dropped => 0,
        }
    }

    /// Name of the object of a section for messages.
    pub fn object_name(&self, object: Option<ObjectId>) -> &str {
        object.map_or("<internal>", |object| &self.objects[object].name)
    }

    /// `object:(function f)` or `object:(.section+0x1f)`, as messages name a place.
    pub fn describe_place(&self, section: SectionId, side: Side, offset: u64) -> String {
        let entry = &self.sections[section];
        let object = self.object_name(entry.object);
        match self.symbol_at(section, side, offset) {
            Some(symbol) if symbol.kind == elf::STT_FUNC => format!("{object}:(function {})", symbol.name),
            _ => format!("{object}:({}+{offset:#x})", entry.name),
        }
    }

    /// The named symbol of the section's own object that covers `offset`.
    pub fn symbol_at(&self, section: SectionId, side: Side, offset: u64) -> Option<&Symbol<'a>> {
        let half = &self.objects[self.sections[section].object?].sides[side];
        half.symbols.iter().find(|symbol| {
            let inside = offset >= symbol.value && offset - symbol.value < symbol.size.max(1);
            let here = matches!(symbol.place, Place::Section(index) if half.sections[index] == Some(section));
            here && inside && is_data_or_function(symbol)
        })
    }

    /// The name by which a message calls the symbol of a relocation.
    pub fn symbol_name(&self, object: ObjectId, side: Side, index: usize) -> String {
        let half = &self.objects[object].sides[side];
        let symbol = &half.symbols[index];
        match (half.meanings[index], symbol.place) {
            (Meaning::Global(id) | Meaning::TpOffsetOf(id), _) => self.globals[id].name.clone().into_owned(),
            (_, Place::Section(section)) if symbol.name.is_empty() => match half.sections[section] {
                Some(id) => self.sections[id].name.to_owned(),
                None => "(section)".to_owned(),
            },
            _ => symbol.name.to_owned(),
        }
    }
}

/// Says on which ISA, if `sides` is not both.
pub fn only_on(sides: Pair<bool>) -> String {
    match (sides.home, sides.visitor) {
        (true, false) => format!(" (on {} only)", isa::of(Side::Home).name()),
        (false, true) => format!(" (on {} only)", isa::of(Side::Visitor).name()),
        _ => String::new(),
    }
}

/// Whether a symbol names data or a function, as opposed to a section, file or mapping mark.
pub fn is_data_or_function(symbol: &Symbol) -> bool {
    let kind = matches!(symbol.kind, elf::STT_FUNC | elf::STT_OBJECT | elf::STT_TLS | elf::STT_NOTYPE);
    kind && !symbol.name.is_empty() && !symbol.name.starts_with('$')
}
