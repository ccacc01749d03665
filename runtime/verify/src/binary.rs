//! Reads both images of an executable: headers, segments, sections, symbols.

use crate::isa::{self, Isa};
use crate::side::{Pair, Side};
use anyhow::{Context, Result, bail};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolFlags, SymbolSection, elf};
use twin_linker::image::{self, Note};

/// The only byte order of Twin.
pub const ENDIAN: LittleEndian = LittleEndian;

/// A twin binary.
pub struct Binary<'a> {
    /// What it says about itself.
    pub note: Note,
    /// Its two executables.
    pub images: Pair<Image<'a>>,
}

/// What an ELF header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Kind of ELF file.
    pub kind: u16,
    /// Machine number.
    pub machine: u16,
    /// Address of the first instruction.
    pub entry: u64,
}

/// A program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// `PT_LOAD`, `PT_TLS`, ...
    pub kind: u32,
    /// Access rights.
    pub flags: u32,
    /// Offset in the image's file.
    pub offset: u64,
    /// First address.
    pub address: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory.
    pub memory_size: u64,
    /// Alignment.
    pub align: u64,
}

impl Segment {
    /// Whether `address` is in it.
    pub fn contains(&self, address: u64) -> bool {
        address.checked_sub(self.address).is_some_and(|offset| offset < self.memory_size)
    }
}

/// An allocated section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Name.
    pub name: String,
    /// First address.
    pub address: u64,
    /// Bytes in memory.
    pub size: u64,
    /// Whether each thread has a copy.
    pub thread_local: bool,
}

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// A datum.
    Datum,
    /// A thread-local datum; the address is its offset in the block.
    ThreadLocal,
    /// A place without a type.
    Label,
}

/// A symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Name.
    pub name: &'a str,
    /// What it names.
    pub kind: SymbolKind,
    /// Where that is.
    pub address: u64,
    /// Its size.
    pub size: u64,
    /// Whether the address is a mere number.
    pub absolute: bool,
}

/// One executable.
pub struct Image<'a> {
    /// Its instruction set.
    pub isa: &'static dyn Isa,
    /// ELF header.
    pub header: Header,
    /// Program headers.
    pub segments: Vec<Segment>,
    /// Allocated sections.
    pub sections: Vec<Section>,
    /// Symbols that name functions and data.
    pub symbols: Vec<Symbol<'a>>,
    bytes: &'a [u8],
    file: ElfFile64<'a, LittleEndian>,
}

impl<'a> Binary<'a> {
    /// Reads an executable.
    ///
    /// # Errors
    /// "not a Twin program", or what is damaged.
    pub fn parse(bytes: &'a [u8]) -> Result<Binary<'a>> {
        let image::Image { note, aarch64, .. } = image::Image::parse(bytes)?;
        if note.native_text.windows(2).any(|w| w[0].range.end > w[1].range.start)
            || note.native_text.iter().any(|n| n.range.start >= n.range.end)
        {
            bail!("damaged Twin note: pieces of native code overlap");
        }
        let images = Pair::try_new(|side| {
            let bytes = if side == Side::Home { bytes } else { aarch64 };
            Image::parse(side, bytes).with_context(|| format!("damaged {} image", isa::of(side).name()))
        })?;
        Ok(Binary { note, images })
    }

    /// The object of the native kind that the code at `address` comes from.
    pub fn native_object(&self, address: u64) -> Option<&str> {
        let native = &self.note.native_text;
        let after = native.partition_point(|n| n.range.start <= address);
        let last = &native[after.checked_sub(1)?];
        (address < last.range.end).then_some(&last.object)
    }
}

impl<'a> Image<'a> {
    fn parse(side: Side, bytes: &'a [u8]) -> Result<Image<'a>> {
        let file = ElfFile64::<LittleEndian>::parse(bytes)?;
        let raw = file.elf_header();
        let header =
            Header { kind: raw.e_type(ENDIAN).0, machine: raw.e_machine(ENDIAN).0, entry: raw.e_entry(ENDIAN) };
        let isa = isa::of(side);
        if header.machine != isa.machine() {
            bail!("it is for machine {} instead of {}", header.machine, isa.machine());
        }
        let segments = file
            .elf_program_headers()
            .iter()
            .map(|p| Segment {
                kind: p.p_type(ENDIAN).0,
                flags: p.p_flags(ENDIAN).0,
                offset: p.p_offset(ENDIAN),
                address: p.p_vaddr(ENDIAN),
                file_size: p.p_filesz(ENDIAN),
                memory_size: p.p_memsz(ENDIAN),
                align: p.p_align(ENDIAN),
            })
            .collect();
        let sections = sections(&file)?;
        let symbols = symbols(&file)?;
        if symbols.is_empty() {
            bail!("it has no symbol table (stripped?): there is nothing to compare");
        }
        Ok(Image { isa, header, segments, sections, symbols, bytes, file })
    }

    /// Segments of one kind.
    pub fn segments_of(&self, kind: elf::ProgramType) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(move |s| s.kind == kind.0)
    }

    /// What the file holds from `address` to the end of its segment; nothing for zero-initialised memory.
    pub fn bytes_from(&self, address: u64) -> &'a [u8] {
        for segment in self.segments_of(elf::PT_LOAD) {
            if let Some(offset) = address.checked_sub(segment.address).filter(|o| *o < segment.file_size) {
                let range = segment.offset.checked_add(offset).zip(segment.offset.checked_add(segment.file_size));
                let range = range.and_then(|(a, b)| Some(usize::try_from(a).ok()?..usize::try_from(b).ok()?));
                return range.and_then(|range| self.bytes.get(range)).unwrap_or_default();
            }
        }
        &[]
    }

    /// `size` bytes at `address`, if the file holds that many.
    pub fn bytes_at(&self, address: u64, size: u64) -> Option<&'a [u8]> {
        self.bytes_from(address).get(..usize::try_from(size).ok()?)
    }

    /// Bytes of a section that need not be allocated; empty if there is none.
    pub fn section_bytes(&self, name: &str) -> std::borrow::Cow<'a, [u8]> {
        let section = self.file.section_by_name(name);
        section.and_then(|s| s.uncompressed_data().ok()).unwrap_or_default()
    }

    /// Address of a section, or 0.
    pub fn section_address(&self, name: &str) -> u64 {
        self.file.section_by_name(name).map_or(0, |s| s.address())
    }
}

fn sections(file: &ElfFile64<LittleEndian>) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if sh_flags.contains(elf::SHF_ALLOC) {
            sections.push(Section {
                name: section.name()?.to_owned(),
                address: section.address(),
                size: section.size(),
                thread_local: sh_flags.contains(elf::SHF_TLS),
            });
        }
    }
    Ok(sections)
}

fn symbols<'a>(file: &ElfFile64<'a, LittleEndian>) -> Result<Vec<Symbol<'a>>> {
    let mut symbols = Vec::new();
    for symbol in file.symbols() {
        let SymbolFlags::Elf { st_info, .. } = symbol.flags() else { continue };
        let kind = match st_info.0 & 0xf {
            n if n == elf::STT_FUNC.0 => SymbolKind::Function,
            n if n == elf::STT_OBJECT.0 => SymbolKind::Datum,
            n if n == elf::STT_TLS.0 => SymbolKind::ThreadLocal,
            n if n == elf::STT_NOTYPE.0 => SymbolKind::Label,
            _ => continue,
        };
        let name = symbol.name()?;
        // Marks like `$x` are aarch64's own.
        if name.is_empty() || name.starts_with('$') || symbol.is_undefined() {
            continue;
        }
        let absolute = symbol.section() == SymbolSection::Absolute;
        symbols.push(Symbol { name, kind, address: symbol.address(), size: symbol.size(), absolute });
    }
    Ok(symbols)
}
