//! The fat object: an x86-64 ELF relocatable object that carries its aarch64 counterpart.

use anyhow::{Context, Result, bail};
use object::build::elf::{Builder, SectionData};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, elf};
use serde::{Deserialize, Serialize};

/// Name of the section that holds the aarch64 object.
pub const AARCH64_SECTION: &str = ".twin.aarch64";
/// Name of the section that holds the LLVM bitcode for link-time optimisation, if there is any.
pub const BITCODE_SECTION: &str = ".twin.lto";
/// Name of the section that holds the layout [`Record`] as JSON.
pub const LAYOUT_SECTION: &str = ".twin.layout";

/// How the two objects of a fat object relate (DESIGN.md 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Made by twin-cc from one IR module.
    Uniform,
    /// Two independently compiled objects.
    Native,
}

/// What the linker must know beyond the two ELF objects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Format version: [`Record::VERSION`].
    pub version: u32,
    /// Producer of the object.
    pub kind: Kind,
    /// Names of the sections with one layout on both ISAs.
    #[serde(default)]
    pub uniform: Vec<String>,
    /// Functions defined here with the native convention.
    #[serde(default)]
    pub native_symbols: Vec<String>,
    /// Functions defined here with the uniform convention.
    #[serde(default)]
    pub uniform_symbols: Vec<String>,
    /// Undefined functions called with the native convention.
    #[serde(default)]
    pub native_refs: Vec<String>,
    /// Undefined functions called (or address taken) with the uniform convention.
    #[serde(default)]
    pub uniform_refs: Vec<String>,
    /// Functions defined here with variable arguments.
    #[serde(default)]
    pub variadic_symbols: Vec<String>,
    /// Undefined functions whose prototype here has variable arguments.
    #[serde(default)]
    pub variadic_refs: Vec<String>,
    /// Undefined functions without a prototype or without parameters here: calls of them fit all definitions.
    #[serde(default)]
    pub unprototyped_refs: Vec<String>,
}

impl Record {
    /// The version this build reads and writes.
    pub const VERSION: u32 = 2;
}

/// The Twin part of a fat object.
#[derive(Debug)]
pub struct Fat<'a> {
    /// The whole aarch64 object.
    pub aarch64: &'a [u8],
    /// How it relates to the x86-64 object around it.
    pub record: Record,
    /// The canonical bitcode that both were made from, not yet fully optimised.
    pub bitcode: Option<&'a [u8]>,
}

/// Appends the aarch64 object, the record and the bitcode to the x86-64 object, as sections that other linkers drop.
///
/// # Errors
/// If `x86_64` is not an ELF object.
pub fn pack(x86_64: &[u8], aarch64: &[u8], record: &Record, bitcode: Option<&[u8]>) -> Result<Vec<u8>> {
    let mut builder = Builder::read64(x86_64).context("the x86-64 half is not an ELF object")?;
    let json = serde_json::to_vec(record).context("layout record")?;
    let added = [(AARCH64_SECTION, aarch64, 16), (LAYOUT_SECTION, &json, 1)];
    for (name, data, align) in added.into_iter().chain(bitcode.map(|bitcode| (BITCODE_SECTION, bitcode, 16))) {
        let section = builder.sections.add();
        section.name = name.into();
        section.sh_type = elf::SHT_PROGBITS;
        section.sh_flags = elf::SectionFlags(elf::SHF_EXCLUDE.0);
        section.sh_addralign = align;
        section.data = SectionData::Data(data.into());
    }
    // LLVM keeps the names of sections in `.strtab`; the builder wants them in a section of their own.
    if !builder.sections.iter().any(|s| matches!(s.data, SectionData::SectionString)) {
        let names = builder.sections.add();
        names.name = ".shstrtab".into();
        names.sh_type = elf::SHT_STRTAB;
        names.sh_addralign = 1;
        names.data = SectionData::SectionString;
    }
    builder.set_section_sizes();
    let mut out = Vec::new();
    builder.write(&mut out).context("fat object")?;
    Ok(out)
}

/// Finds the Twin part of an object; `None` if it is an ordinary ELF object.
///
/// # Errors
/// If `bytes` is not a well-formed ELF object, or its Twin part is damaged or of another version.
pub fn unpack(bytes: &[u8]) -> Result<Option<Fat<'_>>> {
    let file = ElfFile64::<Endianness>::parse(bytes).context("not an ELF object")?;
    let Some(layout) = file.section_by_name(LAYOUT_SECTION) else {
        return Ok(None);
    };
    let record: Record = serde_json::from_slice(layout.data()?).context("damaged layout record")?;
    if record.version != Record::VERSION {
        bail!("made by another version of Twin (format {}, this is {})", record.version, Record::VERSION);
    }
    let section = file.section_by_name(AARCH64_SECTION).context("has a layout record but no aarch64 object")?;
    let bitcode = file.section_by_name(BITCODE_SECTION).map(|section| section.data()).transpose()?;
    Ok(Some(Fat { aarch64: section.data()?, record, bitcode }))
}
