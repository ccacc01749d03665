//! First pass over all relocations: reports undefined symbols, and lays out each ISA's global offset table.

use crate::args::Unresolved;
use crate::errors::Errors;
use crate::half::ENDIAN;
use crate::ids::{ObjectId, Pair, SectionId, Side, SymbolId};
use crate::isa::{self, Base, Form};
use crate::objects::{Class, Section, Segment};
use crate::program::{Program, Strength, Target, only_on};
use crate::source::Sources;
use anyhow::Result;
use object::elf;
use rustc_hash::FxHashMap as HashMap;
use std::collections::BTreeMap;

/// Bytes of an entry.
pub const ENTRY_SIZE: usize = 8;

/// What an entry of a global offset table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The symbol; a local one by its object and ELF index.
    pub symbol: EntrySymbol,
    /// Whether it holds the distance from the thread pointer, not the address.
    pub tp_offset: bool,
}

/// The symbol of an [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntrySymbol {
    /// A global one.
    Global(SymbolId),
    /// One of an object's own.
    Local(ObjectId, usize),
}

impl Entry {
    /// The entry that a relocation with `base` needs for symbol `index` of `object`.
    pub fn of(program: &Program, object: ObjectId, side: Side, index: usize, base: Base) -> Option<Entry> {
        if !matches!(base, Base::Got | Base::GotTpOffset) {
            return None;
        }
        let reference = program.reference(object, side, index);
        let tp_offset = base == Base::GotTpOffset || reference.tp_offset;
        let symbol = match reference.global {
            Some(id) => EntrySymbol::Global(id),
            None => EntrySymbol::Local(object, index),
        };
        Some(Entry { symbol, tp_offset })
    }
}

/// The global offset table of one ISA.
#[derive(Default)]
pub struct Got {
    /// Its section, if anything needs it.
    pub section: Option<SectionId>,
    /// Entries in order.
    pub entries: Vec<Entry>,
    /// Positions of the entries.
    pub positions: HashMap<Entry, usize>,
    needed: bool,
}

/// Visits all relocations of live sections. Adds undefined symbols that are no error to `warnings`, if they are to be
/// named; they are at 0 from then on.
///
/// # Errors
/// All undefined symbols and unknown relocations.
pub fn scan(program: &mut Program, unresolved: Unresolved, warnings: &mut Vec<String>) -> Result<Pair<Got>> {
    let mut scan = Scan { program, errors: Errors::default(), undefined: BTreeMap::new() };
    let mut gots = Pair::new(|side| scan.side(side));
    match unresolved {
        Unresolved::Report => scan.undefined_symbols().into_iter().for_each(|message| scan.errors.push(message)),
        Unresolved::Warn => warnings.extend(scan.undefined_symbols()),
        Unresolved::Ignore => {}
    }
    scan.errors.check()?;
    for symbol in scan.undefined.into_keys() {
        program.globals[symbol].references = Pair::new(|_| Strength::Weak);
    }
    for side in Side::BOTH {
        let got = &mut gots[side];
        if got.needed {
            let size = (ENTRY_SIZE * got.entries.len().max(1)) as u64;
            let section = Section::made(".got", Segment::PrivateWrite, elf::SHT_PROGBITS, 8, size, &[side]);
            got.section = Some(program.sections.push(section));
        }
    }
    Ok(gots)
}

/// Who refers to an undefined symbol.
#[derive(Default)]
struct Referrers {
    sides: Pair<bool>,
    places: Pair<Vec<(SectionId, u64)>>,
}

struct Scan<'p, 'a> {
    program: &'p Program<'a>,
    errors: Errors,
    undefined: BTreeMap<SymbolId, Referrers>,
}

impl Scan<'_, '_> {
    fn side(&mut self, side: Side) -> Got {
        let mut got = Got::default();
        for (id, section) in self.program.sections.iter() {
            let (Some(object), Some(content)) = (section.object, &section.contents[side]) else { continue };
            if section.live && section.class != Class::Unloaded {
                for relocation in content.relocations {
                    let offset = relocation.r_offset.get(ENDIAN);
                    let index = relocation.r_sym(ENDIAN, false) as usize;
                    let kind = relocation.r_type(ENDIAN, false);
                    let Some(howto) = isa::of(side).howto(kind) else {
                        self.unknown(id, side, offset, object, index, kind);
                        continue;
                    };
                    let reference = self.program.reference(object, side, index);
                    if let (Target::Undefined, Some(symbol)) = (reference.target, reference.global) {
                        self.note_undefined(symbol, id, side, offset);
                    }
                    got.needed |=
                        howto.base == Base::GotStart || matches!(howto.form, Form::GotRelative | Form::GotPage);
                    if let Some(entry) = Entry::of(self.program, object, side, index, howto.base) {
                        got.needed = true;
                        got.positions.entry(entry).or_insert_with(|| {
                            got.entries.push(entry);
                            got.entries.len() - 1
                        });
                    }
                }
            }
        }
        got
    }

    fn unknown(
        &mut self,
        section: SectionId,
        side: Side,
        offset: u64,
        object: ObjectId,
        index: usize,
        kind: elf::RelocationType,
    ) {
        self.errors.push(format!(
            "{}: {} against {} is not supported on {}; compile without -fPIC and with the default TLS model",
            self.program.describe_place(section, side, offset),
            relocation_name(side, kind),
            self.program.symbol_name(object, side, index),
            isa::of(side).name(),
        ));
    }

    fn note_undefined(&mut self, symbol: SymbolId, section: SectionId, side: Side, offset: u64) {
        let referrers = self.undefined.entry(symbol).or_default();
        referrers.sides[side] = true;
        referrers.places[side].push((section, offset));
    }

    fn undefined_symbols(&self) -> Vec<String> {
        const SHOWN: usize = 3;
        const REFERENCED: &str = ">>> referenced by ";
        let mut sources = Sources::default();
        let mut messages = Vec::new();
        for (&symbol, referrers) in &self.undefined {
            let mut message =
                format!("undefined symbol: {}{}", self.program.globals[symbol].name, only_on(referrers.sides));
            // The same places in both halves, though not the same number of relocations.
            let side = if referrers.sides.home { Side::Home } else { Side::Visitor };
            let places = &referrers.places[side];
            for &(section, offset) in places.iter().take(SHOWN) {
                let place = sources.place(self.program, section, side, offset, REFERENCED.len());
                message.push_str(&format!("\n{REFERENCED}{place}"));
            }
            if places.len() > SHOWN {
                message.push_str(&format!("\n>>> referenced {} more times", places.len() - SHOWN));
            }
            messages.push(message);
        }
        messages
    }
}

/// Name of a relocation type, or its number.
pub fn relocation_name(side: Side, kind: elf::RelocationType) -> String {
    match isa::of(side).relocation_names().name(kind) {
        Some(name) => name.to_owned(),
        None => format!("relocation type {}", kind.0),
    }
}
