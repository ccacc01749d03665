//! Reads twin binaries: the note about the whole, and the image of the visitor ISA.
//!
//! ```no_run
//! let bytes = std::fs::read("a.out")?;
//! let image = twin_linker::image::Image::parse(&bytes)?;
//! println!("entry {:#x}, {} uniform functions", image.note.entry, image.note.uniform_functions);
//! std::fs::write("a.out.aarch64", image.aarch64)?;
//! # Ok::<(), anyhow::Error>(())
//! ```

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};
use serde::{Deserialize, Serialize};

/// Name of the section that holds the aarch64 executable.
pub const AARCH64_SECTION: &str = ".twin.image.aarch64";
/// Name of the section that holds the [`Note`] as JSON.
pub const NOTE_SECTION: &str = ".twin.note";

/// What a twin binary says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Format version: [`Note::VERSION`].
    pub version: u32,
    /// Address of the first instruction, on both ISAs.
    pub entry: u64,
    /// The executables, home first.
    pub images: Vec<ImageNote>,
    /// The parts of the address space, the same on both ISAs.
    pub segments: Vec<SegmentNote>,
    /// Number of uniform functions.
    pub uniform_functions: u64,
    /// Number of named uniform data.
    pub uniform_data: u64,
    /// The uniform data segment, which travels in a hop.
    pub uniform: RangeNote,
    /// Thread-local storage.
    pub tls: TlsNote,
    /// Hexadecimal build-id, the same in both images.
    pub build_id: Option<String>,
    /// Code that is compiled apart for each ISA, in the order of its addresses; all other code is uniform.
    pub native_text: Vec<NativeText>,
}

impl Note {
    /// The version this build reads and writes.
    pub const VERSION: u32 = 1;
}

/// One executable within the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageNote {
    /// Name of the ISA.
    pub isa: String,
    /// ELF machine number.
    pub machine: u16,
    /// Offset in the file.
    pub offset: u64,
    /// Size; of the home image without what follows its sections.
    pub size: u64,
}

/// A part of the address space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentNote {
    /// What it holds.
    pub kind: String,
    /// Its start.
    pub address: u64,
    /// Its size in memory.
    pub size: u64,
}

/// A range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeNote {
    /// First address.
    pub start: u64,
    /// Address behind the last.
    pub end: u64,
}

/// Code of one object of the native kind (DESIGN.md 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeText {
    /// Where it is.
    #[serde(flatten)]
    pub range: RangeNote,
    /// Name of the object, without directory.
    pub object: String,
}

/// Sizes of thread-local storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsNote {
    /// Bytes of the initial image.
    pub file_size: u64,
    /// Bytes of the block.
    pub memory_size: u64,
    /// Alignment of the block.
    pub align: u64,
}

/// A twin binary.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// What it says about itself.
    pub note: Note,
    /// The aarch64 executable, a complete ELF file.
    pub aarch64: &'a [u8],
    /// Where it is in the file; a multiple of the page size.
    pub aarch64_offset: u64,
}

impl<'a> Image<'a> {
    /// Reads an executable that twin-ld wrote.
    ///
    /// # Errors
    /// "not a Twin program" for any other file; otherwise what is damaged.
    pub fn parse(bytes: &'a [u8]) -> Result<Image<'a>> {
        const NOT_TWIN: &str = "not a Twin program";
        let file = object::read::elf::ElfFile64::<object::Endianness>::parse(bytes).ok().context(NOT_TWIN)?;
        let note = file.section_by_name(NOTE_SECTION).context(NOT_TWIN)?;
        let note: Note = serde_json::from_slice(note.data()?).context("damaged Twin note")?;
        if note.version != Note::VERSION {
            bail!("made by another version of Twin (format {}, this is {})", note.version, Note::VERSION);
        }
        let section = file.section_by_name(AARCH64_SECTION).context("has a Twin note but no aarch64 image")?;
        let (offset, _) = section.file_range().context("empty aarch64 image")?;
        Ok(Image { note, aarch64: section.data()?, aarch64_offset: offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_not_twin_programs() {
        for bytes in [&b""[..], b"#!/bin/sh\n", &std::fs::read("/proc/self/exe").expect("own program")] {
            assert_eq!(Image::parse(bytes).expect_err("no note").to_string(), "not a Twin program");
        }
    }
}
