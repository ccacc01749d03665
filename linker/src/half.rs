//! Reads one of the two ELF objects of a fat object, checked so far that later phases may index freely.

use crate::ids::Side;
use crate::isa;
use anyhow::{Context, Result, bail};
use object::elf::{self, FileHeader64, Rela64, SectionFlags, SectionType, Sym64, SymbolBind, SymbolType};
use object::read::elf::{CompressionHeader, FileHeader, SectionHeader, Sym};
use object::read::{CompressedData, CompressedFileRange, CompressionFormat};
use object::{LittleEndian, SymbolIndex};
use std::borrow::Cow;

/// The byte order of both ISAs.
pub const ENDIAN: LittleEndian = LittleEndian;
/// A relocation as it is in the file.
pub type Rela = Rela64<LittleEndian>;

/// More than any compiler asks for; a damaged object must not make the output huge.
const MAX_ALIGN: u64 = 1 << 24;

/// One ELF relocatable object.
pub struct Half<'a> {
    /// All sections by their ELF index; the first is the null section.
    pub sections: Vec<HalfSection<'a>>,
    /// All symbols by their ELF index; the first is the null symbol.
    pub symbols: Vec<Symbol<'a>>,
}

/// A section of one ELF object.
pub struct HalfSection<'a> {
    /// Name.
    pub name: &'a str,
    /// ELF type.
    pub kind: SectionType,
    /// ELF flags.
    pub flags: SectionFlags,
    /// Alignment, a power of two.
    pub align: u64,
    /// Size in memory.
    pub size: u64,
    /// Content; empty for zero-initialised sections.
    pub data: Cow<'a, [u8]>,
    /// What refers to symbols.
    pub relocations: &'a [Rela],
    /// Signature of the COMDAT group it belongs to.
    pub group: Option<&'a str>,
}

/// Where a symbol is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Elsewhere.
    Undefined,
    /// Nowhere: the value is the address.
    Absolute,
    /// To be allocated with the alignment that is its value.
    Common,
    /// In the section with this ELF index.
    Section(usize),
}

/// A symbol of one ELF object.
#[derive(Clone, Copy)]
pub struct Symbol<'a> {
    /// Name; for section symbols the empty string.
    pub name: &'a str,
    /// Offset in the section, alignment or address.
    pub value: u64,
    /// Size.
    pub size: u64,
    /// ELF type.
    pub kind: SymbolType,
    /// Local, weak or global.
    pub bind: SymbolBind,
    /// ELF visibility bits.
    pub other: elf::SymbolOther,
    /// Where it is.
    pub place: Place,
}

impl Symbol<'_> {
    /// Whether other objects cannot see it.
    pub fn is_local(&self) -> bool {
        self.bind == elf::STB_LOCAL
    }

    /// Whether a definition or reference is weak.
    pub fn is_weak(&self) -> bool {
        self.bind == elf::STB_WEAK
    }
}

/// The ELF header, which must be that of a relocatable object for the ISA of `side`.
fn header(bytes: &[u8], side: Side) -> Result<&FileHeader64<LittleEndian>> {
    let header = FileHeader64::<LittleEndian>::parse(bytes)?;
    header.endian()?;
    let machine = header.e_machine.get(ENDIAN);
    if machine != isa::of(side).machine() {
        bail!("is for another machine (ELF machine {}), not for {}", machine.0, isa::of(side).name());
    }
    if header.e_type.get(ENDIAN) != elf::ET_REL {
        bail!("is not a relocatable object (ELF type {})", header.e_type.get(ENDIAN).0);
    }
    Ok(header)
}

/// Names of the global symbols that `bytes` defines, and of those it makes common.
///
/// # Errors
/// If `bytes` is not a relocatable object for the ISA of `side`.
pub fn defined_names(bytes: &[u8], side: Side) -> Result<Vec<&str>> {
    let table = header(bytes, side)?.sections(ENDIAN, bytes)?.symbols(ENDIAN, bytes, elf::SHT_SYMTAB)?;
    let defined = |s: &&Sym64<LittleEndian>| !s.is_local() && !s.is_undefined(ENDIAN);
    table.iter().filter(defined).map(|s| text(table.symbol_name(ENDIAN, s)?)).collect()
}

/// Reads all of `bytes`.
///
/// # Errors
/// If `bytes` is not a well-formed relocatable object for the ISA of `side`.
pub fn read(bytes: &[u8], side: Side) -> Result<Half<'_>> {
    let table = header(bytes, side)?.sections(ENDIAN, bytes)?;
    let symbols = table.symbols(ENDIAN, bytes, elf::SHT_SYMTAB)?;
    let mut sections = Vec::with_capacity(table.len());
    for header in table.iter() {
        let name = text(table.section_name(ENDIAN, header)?)?;
        sections.push(section(name, header, bytes).with_context(|| format!("section {name}"))?);
    }
    let count = symbols.len().max(1);
    for header in table.iter() {
        let target = header.sh_info.get(ENDIAN) as usize;
        if header.sh_type(ENDIAN) == elf::SHT_REL {
            bail!("relocations without addends are not supported");
        }
        if let Some((relocations, _)) = header.rela(ENDIAN, bytes)? {
            let section = sections.get_mut(target).context("relocations of a section that does not exist")?;
            for relocation in relocations {
                if relocation.r_sym(ENDIAN, false) as usize >= count {
                    bail!("relocation of {} refers to a symbol that does not exist", section.name);
                }
            }
            section.relocations = relocations;
        }
        if let Some((flags, members)) = header.group(ENDIAN, bytes)? {
            let signature = symbols.symbol(SymbolIndex(target)).context("section group without signature")?;
            let signature = match signature.st_type() {
                // Some assemblers use a section symbol, whose name is that of the section.
                elf::STT_SECTION => sections.get(usize::from(signature.st_shndx.get(ENDIAN).0)).map(|s| s.name),
                _ => Some(text(symbols.symbol_name(ENDIAN, signature)?)?),
            };
            for member in members.iter().filter(|_| flags.contains(elf::GRP_COMDAT)) {
                let section = sections.get_mut(member.get(ENDIAN) as usize);
                section.context("section group with a member that does not exist")?.group = signature;
            }
        }
    }
    let mut all = Vec::with_capacity(count);
    for (index, symbol) in symbols.enumerate() {
        let place = match symbols.symbol_section(ENDIAN, symbol, index)? {
            Some(section) if section.0 < sections.len() => Place::Section(section.0),
            Some(_) => bail!("symbol {} is in a section that does not exist", index.0),
            None if symbol.is_absolute(ENDIAN) => Place::Absolute,
            None if symbol.is_common(ENDIAN) => Place::Common,
            None => Place::Undefined,
        };
        let name = text(symbols.symbol_name(ENDIAN, symbol)?)?;
        if place == Place::Common && !valid_align(symbol.st_value(ENDIAN)) {
            bail!("common symbol {name} has the alignment {:#x}", symbol.st_value(ENDIAN));
        }
        all.push(Symbol {
            name,
            value: symbol.st_value(ENDIAN),
            size: symbol.st_size(ENDIAN),
            kind: symbol.st_type(),
            bind: symbol.st_bind(),
            other: symbol.st_other,
            place,
        });
    }
    if all.is_empty() {
        all.push(Symbol {
            name: "",
            value: 0,
            size: 0,
            kind: elf::STT_NOTYPE,
            bind: elf::STB_LOCAL,
            other: elf::SymbolOther(0),
            place: Place::Undefined,
        });
    }
    Ok(Half { sections, symbols: all })
}

fn section<'a>(
    name: &'a str,
    header: &'a elf::SectionHeader64<LittleEndian>,
    bytes: &'a [u8],
) -> Result<HalfSection<'a>> {
    let kind = header.sh_type(ENDIAN);
    let mut align = header.sh_addralign(ENDIAN).max(1);
    if !valid_align(align) {
        bail!("alignment {align:#x} is not a power of two up to {MAX_ALIGN:#x}");
    }
    let mut data = Cow::Borrowed(header.data(ENDIAN, bytes)?);
    let mut size = header.sh_size(ENDIAN);
    if let Some((compression, offset, length)) = header.compression(ENDIAN, bytes)? {
        data = Cow::Owned(decompress(compression, bytes, offset, length)?);
        size = data.len() as u64;
        align = compression.ch_addralign(ENDIAN).clamp(1, 16).next_power_of_two();
    }
    Ok(HalfSection { name, kind, flags: header.sh_flags(ENDIAN), align, size, data, relocations: &[], group: None })
}

fn decompress(
    header: &elf::CompressionHeader64<LittleEndian>,
    bytes: &[u8],
    offset: u64,
    compressed_size: u64,
) -> Result<Vec<u8>> {
    /// Zlib and zstd do not shrink debug information further than this.
    const MAX_RATIO: u64 = 2000;
    let format = match header.ch_type(ENDIAN) {
        elf::ELFCOMPRESS_ZLIB => CompressionFormat::Zlib,
        elf::ELFCOMPRESS_ZSTD => CompressionFormat::Zstandard,
        other => bail!("unknown compression {}", other.0),
    };
    let uncompressed_size = header.ch_size(ENDIAN);
    if uncompressed_size > compressed_size.saturating_mul(MAX_RATIO) {
        bail!("impossible size of compressed data: {uncompressed_size}");
    }
    let range = CompressedFileRange { format, offset, compressed_size, uncompressed_size };
    let data: CompressedData = range.data(bytes)?;
    Ok(data.decompress()?.into_owned())
}

fn valid_align(align: u64) -> bool {
    align.is_power_of_two() && align <= MAX_ALIGN
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).with_context(|| format!("name is not UTF-8: {}", bytes.escape_ascii()))
}
