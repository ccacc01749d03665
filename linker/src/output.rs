//! Writes the executable: the home ELF file with the visitor's ELF file in a section.

use crate::args::{Args, BuildId};
use crate::fat::Kind;
use crate::half::ENDIAN;
use crate::ids::{ObjectId, OutputId, Pair, SectionId, Side};
use crate::image::{self, ImageNote, NativeText, Note, RangeNote, SegmentNote, TlsNote};
use crate::isa;
use crate::layout::{FUNCTION_ALIGN, Layout, Output, PAGE};
use crate::objects::{Section, Segment};
use crate::program::Program;
use crate::symtab::{self, Strings, SymbolTable};
use anyhow::{Context, Result};
use object::elf::{self, FileHeader64, ProgramFlags, ProgramHeader64, ProgramType, SectionFlags, SectionHeader64};
use object::pod::{bytes_of, bytes_of_slice};
use object::{LittleEndian, U16, U32, U64};
use rustc_hash::FxHashMap as HashMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const BUILD_ID_SECTION: &str = ".note.gnu.build-id";
/// The header of the note, with its name `GNU`.
const NOTE_HEADER_SIZE: usize = 16;

/// Makes the sections for the build-id note, which all later phases treat like any other.
pub fn add_build_id(args: &Args, program: &mut Program) -> Pair<Option<SectionId>> {
    let size = match &args.build_id {
        BuildId::None => return Pair::default(),
        BuildId::Hash(size) => *size,
        BuildId::Fixed(bytes) => bytes.len(),
    };
    let size = (NOTE_HEADER_SIZE + size) as u64;
    Pair::new(|side| {
        let section = Section::made(BUILD_ID_SECTION, Segment::PrivateRead, elf::SHT_NOTE, 4, size, &[side]);
        Some(program.sections.push(section))
    })
}

/// What goes into the file besides the images' contents.
pub struct Writer<'p, 'a> {
    /// The command line.
    pub args: &'p Args,
    /// The program.
    pub program: &'p Program<'a>,
    /// Where everything is.
    pub layout: &'p Layout,
    /// Address of the first instruction.
    pub entry: u64,
    /// The build-id notes.
    pub build_id: Pair<Option<SectionId>>,
}

/// A section behind the image's own, without address.
struct Extra<'e> {
    name: &'e str,
    kind: elf::SectionType,
    align: u64,
    link: u32,
    info: u32,
    entry_size: u64,
    bytes: &'e [u8],
}

impl Writer<'_, '_> {
    /// The whole file, from the images' `contents`.
    ///
    /// # Errors
    /// If there are more sections than ELF allows.
    pub fn file(&self, mut contents: Pair<Vec<u8>>) -> Result<Vec<u8>> {
        let build_id = self.fill_build_id(&mut contents);
        let Pair { home, visitor } = contents;
        let visitor = self.image(Side::Visitor, visitor, Vec::new())?;
        let home_size = home.len() as u64;
        let offset = home_size.next_multiple_of(PAGE);
        let images = vec![
            self.image_note(Side::Home, 0, home_size),
            self.image_note(Side::Visitor, offset, visitor.len() as u64),
        ];
        let note = serde_json::to_vec(&self.note(images, build_id)).context("note")?;
        let extras = vec![
            extra(image::AARCH64_SECTION, elf::SHT_PROGBITS, PAGE, &visitor),
            extra(image::NOTE_SECTION, elf::SHT_PROGBITS, 1, &note),
        ];
        self.image(Side::Home, home, extras)
    }

    fn image_note(&self, side: Side, offset: u64, size: u64) -> ImageNote {
        let isa = isa::of(side);
        ImageNote { isa: isa.name().to_owned(), machine: isa.machine().0, offset, size }
    }

    fn note(&self, images: Vec<ImageNote>, build_id: Option<String>) -> Note {
        let uniform = self.layout.segment(Segment::Write);
        let (uniform_functions, uniform_data) = symtab::count_uniform(self.program);
        let segments = self.layout.segments.iter().map(|s| SegmentNote {
            kind: s.segment.name().to_owned(),
            address: s.address,
            size: s.memory_size,
        });
        let tls = &self.layout.tls;
        Note {
            version: Note::VERSION,
            entry: self.entry,
            images,
            segments: segments.collect(),
            uniform_functions,
            uniform_data,
            uniform: RangeNote { start: uniform.address, end: uniform.address + uniform.memory_size },
            tls: TlsNote { file_size: tls.file_size, memory_size: tls.memory_size, align: tls.align },
            build_id,
            native_text: self.native_text(),
        }
    }

    /// The code of native objects; neighbours from one object count as one piece.
    fn native_text(&self) -> Vec<NativeText> {
        let mut pieces: Vec<(u64, u64, ObjectId)> = Vec::new();
        for section in self.program.sections.values().filter(|s| s.live && s.is_code() && s.size > 0) {
            let native = |&id: &ObjectId| self.program.objects[id].record.kind == Kind::Native;
            if let Some(object) = section.object.filter(native) {
                pieces.push((section.address, section.address + section.size, object));
            }
        }
        pieces.sort_unstable_by_key(|&(start, ..)| start);
        pieces.dedup_by(|(start, end, object), (_, end_before, object_before)| {
            let adjoins = object == object_before && *start < end_before.next_multiple_of(FUNCTION_ALIGN) + 1;
            if adjoins {
                *end_before = *end;
            }
            adjoins
        });
        pieces
            .into_iter()
            .map(|(start, end, object)| {
                let name = &self.program.objects[object].name;
                let directory = name.split('(').next().and_then(|path| path.rfind('/')).map_or(0, |slash| slash + 1);
                NativeText { range: RangeNote { start, end }, object: name[directory..].to_owned() }
            })
            .collect()
    }

    /// Writes the note into both images; returns the build-id in hexadecimal.
    fn fill_build_id(&self, contents: &mut Pair<Vec<u8>>) -> Option<String> {
        let id = match &self.args.build_id {
            BuildId::None => return None,
            BuildId::Fixed(bytes) => bytes.clone(),
            BuildId::Hash(size) => {
                let mut hash = blake3::Hasher::new(); // as in ld.lld, whatever the style is called
                hash.update(&self.entry.to_le_bytes());
                for side in Side::BOTH {
                    hash.update(&contents[side]);
                }
                hash.finalize().as_bytes()[..*size].to_vec()
            }
        };
        for side in Side::BOTH {
            let Some(section) = self.build_id[side].map(|id| &self.program.sections[id]) else { continue };
            let Some(output) = section.output.map(|id| &self.layout.outputs[id]) else { continue };
            let at = (output.file_offset[side] + section.address - output.address) as usize;
            let mut note = Vec::new();
            for word in [4, id.len() as u32, elf::NT_GNU_BUILD_ID.0] {
                note.extend(word.to_le_bytes());
            }
            note.extend(b"GNU\0");
            note.extend(&id);
            contents[side][at..at + note.len()].copy_from_slice(&note);
        }
        Some(id.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Completes one image: headers in front of `file`, other sections, symbols and section headers behind it.
    fn image(&self, side: Side, mut file: Vec<u8>, extras: Vec<Extra>) -> Result<Vec<u8>> {
        let mut names = Strings::default();
        names.add("");
        let mut headers = vec![section_header(0, elf::SHT_NULL, 0, 0, 0, 0)];
        let mut indices: HashMap<OutputId, u16> = HashMap::default();
        for (id, output) in self.layout.outputs.iter().filter(|(_, o)| o.sides[side]) {
            indices.insert(id, u16::try_from(headers.len()).context("too many sections")?);
            headers.push(self.output_header(output, side, names.add(&output.name)));
        }
        let SymbolTable { symbols, locals, names: symbol_names } =
            symtab::make(self.args, self.program, self.layout, side, &indices);
        let mut extras = extras;
        if !symbols.is_empty() {
            let link = (headers.len() + extras.len() + 1) as u32;
            let table = extra(".symtab", elf::SHT_SYMTAB, 8, bytes_of_slice(&symbols));
            let entry_size = size_of_val(&symbols[0]) as u64;
            extras.push(Extra { link, info: locals, entry_size, ..table });
            extras.push(extra(".strtab", elf::SHT_STRTAB, 1, &symbol_names.bytes));
        }
        for extra in &extras {
            let offset = append(&mut file, extra.align, extra.bytes);
            let name = names.add(extra.name);
            let mut header = section_header(name, extra.kind, 0, offset, extra.bytes.len() as u64, extra.align);
            header.sh_link = U32::new(ENDIAN, extra.link);
            header.sh_info = U32::new(ENDIAN, extra.info);
            header.sh_entsize = U64::new(ENDIAN, extra.entry_size);
            headers.push(header);
        }
        let name = names.add(".shstrtab");
        let offset = append(&mut file, 1, &names.bytes);
        headers.push(section_header(name, elf::SHT_STRTAB, 0, offset, names.bytes.len() as u64, 1));
        let section_headers = append(&mut file, 8, bytes_of_slice(&headers));
        self.write_headers(side, &mut file, section_headers, headers.len() as u16);
        Ok(file)
    }

    fn output_header(&self, output: &Output, side: Side, name: u32) -> SectionHeader64<LittleEndian> {
        let mut header =
            section_header(name, output.kind, output.address, output.file_offset[side], output.size, output.align);
        header.sh_flags = U64::new(ENDIAN, output.flags);
        if matches!(output.kind, elf::SHT_INIT_ARRAY | elf::SHT_FINI_ARRAY | elf::SHT_PREINIT_ARRAY) {
            header.sh_entsize = U64::new(ENDIAN, 8);
        }
        if output.merged.is_some() {
            header.sh_entsize = U64::new(ENDIAN, 1);
        }
        header
    }

    fn write_headers(&self, side: Side, file: &mut [u8], section_headers: u64, sections: u16) {
        let program_headers = self.program_headers(side);
        let header = FileHeader64::<LittleEndian> {
            e_ident: elf::Ident {
                magic: elf::ELFMAG,
                class: elf::ELFCLASS64,
                data: elf::ELFDATA2LSB,
                version: elf::EV_CURRENT,
                os_abi: elf::ELFOSABI_SYSV,
                abi_version: 0,
                padding: [0; 7],
            },
            e_type: U16::new(ENDIAN, elf::ET_EXEC),
            e_machine: U16::new(ENDIAN, isa::of(side).machine()),
            e_version: U32::new(ENDIAN, 1),
            e_entry: U64::new(ENDIAN, self.entry),
            e_phoff: U64::new(ENDIAN, size_of::<FileHeader64<LittleEndian>>() as u64),
            e_shoff: U64::new(ENDIAN, section_headers),
            e_flags: U32::new(ENDIAN, elf::FileFlags(0)),
            e_ehsize: U16::new(ENDIAN, size_of::<FileHeader64<LittleEndian>>() as u16),
            e_phentsize: U16::new(ENDIAN, size_of::<ProgramHeader64<LittleEndian>>() as u16),
            e_phnum: U16::new(ENDIAN, program_headers.len() as u16),
            e_shentsize: U16::new(ENDIAN, size_of::<SectionHeader64<LittleEndian>>() as u16),
            e_shnum: U16::new(ENDIAN, sections),
            e_shstrndx: U16::new(ENDIAN, elf::SymbolSection(sections - 1)),
        };
        let (front, rest) = file.split_at_mut(size_of_val(&header));
        front.copy_from_slice(bytes_of(&header));
        let bytes = bytes_of_slice(&program_headers);
        rest[..bytes.len()].copy_from_slice(bytes);
    }

    fn program_headers(&self, side: Side) -> Vec<ProgramHeader64<LittleEndian>> {
        let mut headers = Vec::new();
        for segment in self.layout.segments.iter().filter(|s| s.memory_size > 0) {
            let flags = match segment.segment {
                Segment::PrivateRead | Segment::Read => elf::PF_R.0,
                Segment::Text => elf::PF_R.0 | elf::PF_X.0,
                Segment::PrivateWrite | Segment::Write => elf::PF_R.0 | elf::PF_W.0,
            };
            headers.push(program_header(
                elf::PT_LOAD,
                flags,
                (segment.file_offset[side], segment.address),
                (segment.file_size[side], segment.memory_size),
                PAGE,
            ));
        }
        let tls = &self.layout.tls;
        if tls.memory_size > 0 {
            let segment = self.layout.segment(Segment::Write);
            let offset = segment.file_offset[side] + (tls.address - segment.address);
            let sizes = (tls.file_size, tls.memory_size);
            headers.push(program_header(elf::PT_TLS, elf::PF_R.0, (offset, tls.address), sizes, tls.align));
        }
        let here = |o: &&Output| o.sides[side] && o.segment == Some(Segment::PrivateRead);
        let notes: Vec<&Output> =
            self.layout.outputs.values().filter(here).filter(|o| o.kind == elf::SHT_NOTE).collect();
        if let (Some(first), Some(last)) = (notes.first(), notes.last()) {
            let size = last.address + last.size - first.address;
            let place = (first.file_offset[side], first.address);
            headers.push(program_header(elf::PT_NOTE, elf::PF_R.0, place, (size, size), first.align));
        }
        if let Some(table) = self.layout.output(".eh_frame_hdr", side) {
            let place = (table.file_offset[side], table.address);
            headers.push(program_header(elf::PT_GNU_EH_FRAME, elf::PF_R.0, place, (table.size, table.size), 4));
        }
        headers.push(program_header(
            elf::PT_GNU_STACK,
            elf::PF_R.0 | elf::PF_W.0,
            (0, 0),
            (0, self.args.stack_size),
            16,
        ));
        headers
    }
}

fn extra<'e>(name: &'e str, kind: elf::SectionType, align: u64, bytes: &'e [u8]) -> Extra<'e> {
    Extra { name, kind, align, link: 0, info: 0, entry_size: 0, bytes }
}

/// Appends `bytes` at a multiple of `align`; returns their offset.
fn append(file: &mut Vec<u8>, align: u64, bytes: &[u8]) -> u64 {
    let offset = (file.len() as u64).next_multiple_of(align);
    file.resize(offset as usize, 0);
    file.extend_from_slice(bytes);
    offset
}

fn section_header(
    name: u32,
    kind: elf::SectionType,
    address: u64,
    offset: u64,
    size: u64,
    align: u64,
) -> SectionHeader64<LittleEndian> {
    SectionHeader64 {
        sh_name: U32::new(ENDIAN, name),
        sh_type: U32::new(ENDIAN, kind),
        sh_flags: U64::new(ENDIAN, SectionFlags(0)),
        sh_addr: U64::new(ENDIAN, address),
        sh_offset: U64::new(ENDIAN, offset),
        sh_size: U64::new(ENDIAN, size),
        sh_link: U32::new(ENDIAN, 0),
        sh_info: U32::new(ENDIAN, 0),
        sh_addralign: U64::new(ENDIAN, align),
        sh_entsize: U64::new(ENDIAN, 0),
    }
}

fn program_header(
    kind: ProgramType,
    flags: u32,
    (offset, address): (u64, u64),
    (file_size, memory_size): (u64, u64),
    align: u64,
) -> ProgramHeader64<LittleEndian> {
    ProgramHeader64 {
        p_type: U32::new(ENDIAN, kind),
        p_flags: U32::new(ENDIAN, ProgramFlags(flags)),
        p_offset: U64::new(ENDIAN, offset),
        p_vaddr: U64::new(ENDIAN, address),
        p_paddr: U64::new(ENDIAN, address),
        p_filesz: U64::new(ENDIAN, file_size),
        p_memsz: U64::new(ENDIAN, memory_size),
        p_align: U64::new(ENDIAN, align),
    }
}

/// Writes a file with `mode`, less the umask, so that `path` holds either its old content or all of `bytes`.
///
/// # Errors
/// If the directory or a special file cannot be written to.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    // Devices such as /dev/null are written to, not replaced.
    if path.metadata().is_ok_and(|m| !m.is_file()) {
        return std::fs::write(path, bytes).with_context(failed);
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mode = std::fs::Permissions::from_mode(mode);
    let mut file = tempfile::Builder::new().permissions(mode).tempfile_in(directory).with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}
