//! A fat object: its two ELF objects with their sections paired up.
//!
//! A section that is *shared* has one address on both ISAs; it is one [`Section`] with two contents. A private one
//! is a [`Section`] with one content. Either way it has exactly one address.

use crate::fat::{self, Kind, Record};
use crate::half::{self, Half, HalfSection, Place, Rela, Symbol};
use crate::ids::{ObjectId, OutputId, Pair, SectionId, Side, SymbolId, Table};
use crate::isa;
use crate::polls;
use anyhow::{Context, Result, anyhow, bail};
use object::elf::{self, SectionFlags, SectionType};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
use std::borrow::Cow;

/// The five loaded parts of an image, in the order of their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Headers and read-only data of one ISA.
    PrivateRead,
    /// Code.
    Text,
    /// Read-only data of the program.
    Read,
    /// Writable data of one ISA; does not travel.
    PrivateWrite,
    /// Writable data of the program; travels.
    Write,
}

impl Segment {
    /// In the order of their addresses.
    pub const ALL: [Segment; 5] =
        [Segment::PrivateRead, Segment::Text, Segment::Read, Segment::PrivateWrite, Segment::Write];

    /// Whether every section in it has one address on both ISAs.
    pub fn is_shared(self) -> bool {
        !matches!(self, Segment::PrivateRead | Segment::PrivateWrite)
    }

    /// Whether the program may write to it.
    pub fn is_writable(self) -> bool {
        matches!(self, Segment::PrivateWrite | Segment::Write)
    }

    /// Name for the user.
    pub fn name(self) -> &'static str {
        match self {
            Segment::PrivateRead => "private read-only",
            Segment::Text => "text",
            Segment::Read => "uniform read-only",
            Segment::PrivateWrite => "private data",
            Segment::Write => "uniform data",
        }
    }

    /// Whether its bytes are the same on both ISAs.
    pub fn is_uniform_data(self) -> bool {
        matches!(self, Segment::Read | Segment::Write)
    }
}

/// Where a section goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Into memory.
    Loaded(Segment),
    /// Into the call-frame information, record by record.
    EhFrame,
    /// Into the table of polls, poll by poll.
    Polls,
    /// Into the file only (debug information).
    Unloaded,
}

/// What a section holds on one ISA.
pub struct Content<'a> {
    /// Bytes; shorter than `size` if the rest is zero.
    pub data: Cow<'a, [u8]>,
    /// Size in memory.
    pub size: u64,
    /// What refers to symbols.
    pub relocations: &'a [Rela],
}

/// A section of a fat object, or one that the linker makes.
pub struct Section<'a> {
    /// The object; `None` if it is the linker's own.
    pub object: Option<ObjectId>,
    /// Name.
    pub name: &'a str,
    /// Where it goes.
    pub class: Class,
    /// ELF type.
    pub kind: SectionType,
    /// ELF flags.
    pub flags: SectionFlags,
    /// Alignment, the larger of both.
    pub align: u64,
    /// Size in memory, the larger of both.
    pub size: u64,
    /// Contents.
    pub contents: Pair<Option<Content<'a>>>,
    /// Whether it is part of the executable.
    pub live: bool,
    /// Address in memory, or offset in the output section if not loaded.
    pub address: u64,
    /// The output section.
    pub output: Option<OutputId>,
}

impl<'a> Section<'a> {
    /// A section of the linker's own on `sides`, zero until its content is filled in.
    pub fn made(name: &'a str, segment: Segment, kind: SectionType, align: u64, size: u64, sides: &[Side]) -> Self {
        let write = if segment.is_writable() { elf::SHF_WRITE.0 } else { 0 };
        let content =
            |side| sides.contains(&side).then(|| Content { data: Cow::Borrowed(&[][..]), size, relocations: &[] });
        Section {
            object: None,
            name,
            class: Class::Loaded(segment),
            kind,
            flags: SectionFlags(elf::SHF_ALLOC.0 | write),
            align,
            size,
            contents: Pair::new(content),
            live: true,
            address: 0,
            output: None,
        }
    }

    /// Whether it holds code.
    pub fn is_code(&self) -> bool {
        self.flags.contains(elf::SHF_EXECINSTR)
    }

    /// Whether it is zero-initialised and takes no room in the file.
    pub fn is_zero(&self) -> bool {
        self.kind == elf::SHT_NOBITS
    }

    /// Whether each thread has a copy.
    pub fn is_tls(&self) -> bool {
        self.flags.contains(elf::SHF_TLS)
    }

    /// Whether the ISAs agree on its address.
    pub fn is_shared(&self) -> bool {
        matches!(self.class, Class::Loaded(segment) if segment.is_shared())
    }

    /// Whether it holds data that are the same on both ISAs.
    pub fn is_uniform_data(&self) -> bool {
        matches!(self.class, Class::Loaded(segment) if segment.is_uniform_data())
    }
}

/// What a symbol of an object stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// What the object itself defines.
    Local,
    /// Whatever defines the global symbol.
    Global(SymbolId),
    /// The distance from the thread pointer of the object's own symbol with this index.
    TpOffsetOfLocal(usize),
    /// The distance from the thread pointer of a global symbol.
    TpOffsetOf(SymbolId),
}

/// One ISA's part of an [`Object`].
pub struct ObjectSide<'a> {
    /// By ELF index.
    pub symbols: Vec<Symbol<'a>>,
    /// What each symbol stands for, by ELF index.
    pub meanings: Vec<Meaning>,
    /// By ELF index; `None` if the section is dropped.
    pub sections: Vec<Option<SectionId>>,
}

/// A fat object.
pub struct Object<'a> {
    /// Path, with the member in parentheses.
    pub name: String,
    /// The compiler's record.
    pub record: Record,
    /// Both ELF objects.
    pub sides: Pair<ObjectSide<'a>>,
    /// The whole file.
    pub bytes: &'a [u8],
    /// The bitcode for link-time optimisation.
    pub bitcode: Option<&'a [u8]>,
}

/// Reads a fat object and appends its sections to `sections`. A COMDAT group that is already in `groups` is dropped.
///
/// # Errors
/// If `bytes` is not a fat object, is damaged, or its halves do not fit together; names the file.
pub fn read<'a>(
    name: &str,
    bytes: &'a [u8],
    id: ObjectId,
    sections: &mut Table<SectionId, Section<'a>>,
    groups: &mut HashMap<&'a str, ObjectId>,
) -> Result<Object<'a>> {
    let mut halves = || -> Result<Object<'a>> {
        let fat =
            fat::unpack(bytes)?.context("not a Twin object (made by another compiler?); build it with twin-cc")?;
        let sides = read_halves(Pair { home: bytes, visitor: fat.aarch64 }, &fat.record, id, sections, groups)?;
        Ok(Object { name: name.to_owned(), record: fat.record, sides, bytes, bitcode: fat.bitcode })
    };
    halves().map_err(|error| anyhow!("{name}: {error:#}"))
}

fn read_halves<'a>(
    bytes: Pair<&'a [u8]>,
    record: &Record,
    id: ObjectId,
    sections: &mut Table<SectionId, Section<'a>>,
    groups: &mut HashMap<&'a str, ObjectId>,
) -> Result<Pair<ObjectSide<'a>>> {
    let mut halves =
        Pair::try_new(|side| half::read(bytes[side], side).with_context(|| format!("{} half", isa::of(side).name())))?;
    let mut pairing = Pairing { record, id, sections, groups, indices: Pair::default() };
    for side in Side::BOTH {
        pairing.indices[side] = vec![None; halves[side].sections.len()];
    }
    pairing.run(&mut halves)?;
    let indices = pairing.indices;
    check_symbols(record.kind, &halves, &indices, sections)?;
    let Pair { home, visitor } = halves;
    let make = |half: Half<'a>, sections| ObjectSide {
        meanings: vec![Meaning::Local; half.symbols.len()],
        symbols: half.symbols,
        sections,
    };
    Ok(Pair { home: make(home, indices.home), visitor: make(visitor, indices.visitor) })
}

struct Pairing<'r, 'a> {
    record: &'r Record,
    id: ObjectId,
    sections: &'r mut Table<SectionId, Section<'a>>,
    groups: &'r mut HashMap<&'a str, ObjectId>,
    indices: Pair<Vec<Option<SectionId>>>,
}

impl<'a> Pairing<'_, 'a> {
    fn run(&mut self, halves: &mut Pair<Half<'a>>) -> Result<()> {
        let uniform: HashSet<&str> = self.record.uniform.iter().map(String::as_str).collect();
        // The home sections that await their counterpart, by name and position among equal names.
        let mut waiting: HashMap<(&'a str, usize), SectionId> = HashMap::default();
        for side in Side::BOTH {
            let mut seen: HashMap<&'a str, usize> = HashMap::default();
            for (index, half) in halves[side].sections.iter_mut().enumerate() {
                let Some(class) = classify(half, &uniform) else { continue };
                if half.group.is_some_and(|group| *self.groups.entry(group).or_insert(self.id) != self.id) {
                    continue;
                }
                let shared = matches!(class, Class::Loaded(segment) if segment.is_shared());
                let position = seen.entry(half.name).or_default();
                let partner = match side {
                    Side::Visitor if shared => waiting.remove(&(half.name, *position)),
                    _ => None,
                };
                let section = match partner {
                    Some(section) => self.join(section, class, half)?,
                    None => self.add(side, class, half),
                };
                if shared {
                    if side == Side::Home {
                        waiting.insert((half.name, *position), section);
                    } else if partner.is_none() {
                        self.may_stand_alone(section, side)?;
                    }
                    *position += 1;
                }
                self.indices[side][index] = Some(section);
            }
        }
        let mut alone: Vec<SectionId> = waiting.into_values().collect();
        alone.sort_unstable();
        alone.into_iter().try_for_each(|section| self.may_stand_alone(section, Side::Home))
    }

    fn add(&mut self, side: Side, class: Class, half: &mut HalfSection<'a>) -> SectionId {
        let mut contents = Pair::default();
        contents[side] = Some(content(half));
        self.sections.push(Section {
            object: Some(self.id),
            name: half.name,
            class,
            kind: half.kind,
            flags: half.flags,
            align: half.align,
            size: half.size,
            contents,
            live: true,
            address: 0,
            output: None,
        })
    }

    /// Adds the visitor's half to a home section.
    fn join(&mut self, id: SectionId, class: Class, half: &mut HalfSection<'a>) -> Result<SectionId> {
        let section = &mut self.sections[id];
        if section.class != class {
            bail!("section {} is of different kinds on the two ISAs", half.name);
        }
        if section.size != half.size && (!section.is_code() || self.record.kind == Kind::Uniform) {
            bail!("section {} has {} bytes on one ISA and {} on the other", half.name, section.size, half.size);
        }
        section.size = section.size.max(half.size);
        section.align = section.align.max(half.align);
        if half.kind != elf::SHT_NOBITS {
            section.kind = half.kind;
        }
        section.contents.visitor = Some(content(half));
        Ok(id)
    }

    /// Code of native objects may exist on one ISA only; it takes up its addresses on both.
    fn may_stand_alone(&self, section: SectionId, side: Side) -> Result<()> {
        let section = &self.sections[section];
        if section.size > 0 && !(section.is_code() && self.record.kind == Kind::Native) {
            bail!("section {} exists on {} only", section.name, isa::of(side).name());
        }
        Ok(())
    }
}

fn content<'a>(half: &mut HalfSection<'a>) -> Content<'a> {
    let data = match half.kind {
        elf::SHT_NOBITS => Cow::Borrowed(&[][..]),
        _ => std::mem::take(&mut half.data),
    };
    Content { data, size: half.size, relocations: half.relocations }
}

/// Where a section goes; `None` if it is not part of the program.
fn classify(section: &HalfSection, uniform: &HashSet<&str>) -> Option<Class> {
    let name = section.name;
    let structural = matches!(
        section.kind,
        elf::SHT_NULL | elf::SHT_SYMTAB | elf::SHT_STRTAB | elf::SHT_RELA | elf::SHT_GROUP | elf::SHT_SYMTAB_SHNDX
    );
    if structural || section.flags.contains(elf::SHF_EXCLUDE) {
        return None;
    }
    if name == ".eh_frame" {
        return Some(Class::EhFrame);
    }
    if name == polls::SECTION {
        return Some(Class::Polls);
    }
    if !section.flags.contains(elf::SHF_ALLOC) {
        let wanted = name.starts_with(".debug_") || name == ".comment";
        return (wanted && section.kind != elf::SHT_NOBITS).then_some(Class::Unloaded);
    }
    // Properties of one ISA's instructions; the two together have none.
    if name.starts_with(".note.gnu.property") {
        return None;
    }
    let table = matches!(section.kind, elf::SHT_INIT_ARRAY | elf::SHT_FINI_ARRAY | elf::SHT_PREINIT_ARRAY);
    let shared = table || uniform.contains(name);
    let segment = if section.flags.contains(elf::SHF_TLS) {
        // The initial values of all threads' variables stay together, whatever other flags say.
        Segment::Write
    } else if section.flags.contains(elf::SHF_EXECINSTR) {
        Segment::Text
    } else {
        match (section.flags.contains(elf::SHF_WRITE), shared) {
            (false, false) => Segment::PrivateRead,
            (false, true) => Segment::Read,
            (true, false) => Segment::PrivateWrite,
            (true, true) => Segment::Write,
        }
    };
    Some(Class::Loaded(segment))
}

/// A global symbol in a shared section must have one address, but for native functions that share a section: nobody
/// keeps their addresses.
fn check_symbols(
    kind: Kind,
    halves: &Pair<Half>,
    indices: &Pair<Vec<Option<SectionId>>>,
    sections: &Table<SectionId, Section>,
) -> Result<()> {
    let globals = |side: Side| {
        halves[side].symbols.iter().filter(|s| !s.is_local()).filter_map(move |symbol| match symbol.place {
            Place::Section(index) => indices[side][index].map(|section| (symbol.name, (section, symbol.value))),
            _ => None,
        })
    };
    let home: HashMap<_, _> = globals(Side::Home).collect();
    for (name, (section, value)) in globals(Side::Visitor) {
        let Some(&(other, expected)) = home.get(name) else { continue };
        if kind == Kind::Native && section == other && sections[section].is_code() {
            continue;
        }
        let shared = sections[section].is_shared() || sections[other].is_shared();
        if shared && (section, value) != (other, expected) {
            bail!(
                "symbol {name} is at {}+{expected:#x} on {} and at {}+{value:#x} on {}",
                sections[other].name,
                isa::of(Side::Home).name(),
                sections[section].name,
                isa::of(Side::Visitor).name(),
            );
        }
    }
    Ok(())
}
