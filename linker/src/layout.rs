//! Addresses: output sections in the five segments, equal in place and size on both ISAs.

use crate::args::{Args, Strip};
use crate::ids::{OutputId, Pair, SectionId, Side, Table};
use crate::merge::Merged;
use crate::objects::{Class, Section, Segment};
use crate::polls::{self, Pages};
use crate::program::Program;
use crate::tls::Tls;
use anyhow::{Result, bail};
use object::elf::{self, SectionFlags, SectionType};
use rustc_hash::FxHashMap as HashMap;

/// Where the image starts.
pub const BASE: u64 = 0x40_0000;
/// Where the arena starts, below which the image must end.
const LIMIT: u64 = 0x4_0000_0000;
/// More than relocations of 32 bits reach; a damaged object must not fill the disk.
const MAX_FILE_SIZE: u64 = 1 << 31;
/// Size of a page on both ISAs.
pub const PAGE: u64 = 4096;
/// Functions start at multiples of this, so that both ISAs' code agrees.
pub const FUNCTION_ALIGN: u64 = 16;
/// Five loaded segments, thread-local storage, notes, the unwinding table, the stack.
pub const PROGRAM_HEADERS: u64 = 9;
const FILE_HEADER_SIZE: u64 = 64;
const PROGRAM_HEADER_SIZE: u64 = 56;

/// A section of the executable.
pub struct Output {
    /// Name.
    pub name: String,
    /// The segment; `None` if it is not loaded.
    pub segment: Option<Segment>,
    /// Which images have it.
    pub sides: Pair<bool>,
    /// ELF type.
    pub kind: SectionType,
    /// ELF flags.
    pub flags: SectionFlags,
    /// Alignment.
    pub align: u64,
    /// Address in memory, or 0.
    pub address: u64,
    /// Size in memory.
    pub size: u64,
    /// Offset in each image's file.
    pub file_offset: Pair<u64>,
    /// Input sections in order.
    pub inputs: Vec<SectionId>,
    /// The content, if it is not that of the inputs one after the other.
    pub merged: Option<Vec<u8>>,
}

impl Output {
    /// Whether it takes no room in the file.
    pub fn is_zero(&self) -> bool {
        self.kind == elf::SHT_NOBITS
    }

    /// Whether each thread has a copy.
    pub fn is_tls(&self) -> bool {
        self.flags.contains(elf::SHF_TLS)
    }
}

/// A part of the image that is mapped as a whole.
pub struct SegmentLayout {
    /// Which.
    pub segment: Segment,
    /// Its start, at a page.
    pub address: u64,
    /// Bytes up to the end of its last section.
    pub used: u64,
    /// Bytes in memory.
    pub memory_size: u64,
    /// Offset in each image's file.
    pub file_offset: Pair<u64>,
    /// Bytes in each image's file.
    pub file_size: Pair<u64>,
}

/// Where everything is.
pub struct Layout {
    /// Output sections in the order of their addresses, then those that are not loaded.
    pub outputs: Table<OutputId, Output>,
    /// The segments in order.
    pub segments: Vec<SegmentLayout>,
    /// Thread-local storage.
    pub tls: Tls,
    /// Size of each image's file up to the symbol table.
    pub file_size: Pair<u64>,
    /// Where strings of debug information went.
    pub merged: Merged,
    by_name: Pair<HashMap<String, OutputId>>,
}

impl Layout {
    /// A segment.
    pub fn segment(&self, segment: Segment) -> &SegmentLayout {
        &self.segments[segment as usize]
    }

    /// The output section called `name` on one ISA.
    pub fn output(&self, name: &str, side: Side) -> Option<&Output> {
        self.by_name[side].get(name).map(|&id| &self.outputs[id])
    }
}

/// Lays out all live sections and sets their addresses.
///
/// # Errors
/// If the image is too large.
pub fn run(args: &Args, program: &mut Program) -> Result<Layout> {
    let mut outputs = assign_outputs(args, program);
    let tls_align = outputs.values().filter(|o| o.is_tls()).map(|o| o.align).max().unwrap_or(1);
    // The start of the TLS image must be aligned for all of it.
    if let Some(first) = outputs.values_mut().find(|o| o.is_tls()) {
        first.align = tls_align;
    }
    let has_polls = polls::are_in(program);
    let mut segments = Vec::new();
    let mut cursor = BASE;
    for segment in Segment::ALL {
        let pages = (has_polls && segment == Segment::Text).then(|| Pages::of(cursor));
        let placed = place_segment(segment, cursor, pages, &mut outputs, program)?;
        cursor = placed.address + placed.memory_size;
        segments.push(placed);
    }
    let mut by_name: Pair<HashMap<String, OutputId>> = Pair::default();
    for (id, output) in outputs.iter() {
        for side in Side::BOTH.into_iter().filter(|&side| output.sides[side]) {
            by_name[side].insert(output.name.clone(), id);
        }
    }
    let tls = Tls::of(&outputs, tls_align);
    let mut layout = Layout { outputs, segments, tls, file_size: Pair::default(), merged: Merged::default(), by_name };
    for side in Side::BOTH {
        assign_file_offsets(&mut layout, program, side);
        if layout.file_size[side] > MAX_FILE_SIZE {
            bail!("the executable would be larger than {MAX_FILE_SIZE:#x} bytes");
        }
    }
    Ok(layout)
}

/// Which output section an input section belongs to.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    segment: Option<Segment>,
    /// The one ISA it is private to.
    side: Option<Side>,
    name: &'a str,
}

fn assign_outputs(args: &Args, program: &mut Program) -> Table<OutputId, Output> {
    let mut found: HashMap<Key, usize> = HashMap::default();
    let mut collected: Vec<((u32, u32), Output)> = Vec::new();
    for (id, section) in program.sections.iter() {
        let segment = match section.class {
            Class::Loaded(segment) => Some(segment),
            Class::Unloaded => None,
            Class::EhFrame | Class::Polls => continue,
        };
        let stripped = segment.is_none() && args.strip >= Strip::Debug && section.name != ".comment";
        if !section.live || stripped {
            continue;
        }
        let side = match section.is_shared() {
            true => None,
            false => section.contents.sides().next(),
        };
        let name = output_name(section, segment);
        let index = *found.entry(Key { segment, side, name }).or_insert_with(|| {
            let rank = (segment.map_or(u32::MAX, |s| s as u32), rank(name, section));
            let sides = Pair::new(|s| side.is_none_or(|only| only == s));
            collected.push((rank, new_output(name, segment, sides, section)));
            collected.len() - 1
        });
        let output = &mut collected[index].1;
        output.align = output.align.max(section.align).max(if section.is_code() { FUNCTION_ALIGN } else { 1 });
        if output.is_zero() && !section.is_zero() {
            output.kind = section.kind;
        }
        output.inputs.push(id);
    }
    collected.sort_by_key(|(rank, _)| *rank);
    let mut outputs = Table::default();
    for (_, mut output) in collected {
        if let Some(priority) = priority_of(&output.name) {
            // The sort is stable: link order among equals.
            output.inputs.sort_by_key(|&id| priority(program.sections[id].name));
        }
        let id = outputs.next_id();
        for &input in &output.inputs {
            program.sections[input].output = Some(id);
        }
        outputs.push(output);
    }
    outputs
}

fn new_output(name: &str, segment: Option<Segment>, sides: Pair<bool>, section: &Section) -> Output {
    let kept = elf::SHF_WRITE.0 | elf::SHF_ALLOC.0 | elf::SHF_EXECINSTR.0 | elf::SHF_TLS.0;
    let kind = match name {
        ".init_array" => elf::SHT_INIT_ARRAY,
        ".fini_array" => elf::SHT_FINI_ARRAY,
        ".preinit_array" => elf::SHT_PREINIT_ARRAY,
        _ if section.kind == elf::SHT_NOTE || section.is_zero() => section.kind,
        _ => elf::SHT_PROGBITS,
    };
    Output {
        name: name.to_owned(),
        segment,
        sides,
        kind,
        flags: SectionFlags(section.flags.0 & kept),
        align: 1,
        address: 0,
        size: 0,
        file_offset: Pair::default(),
        inputs: Vec::new(),
        merged: None,
    }
}

/// Sections with dotted names are merged; others keep their names for `__start_` and `__stop_`.
fn output_name<'a>(section: &Section<'a>, segment: Option<Segment>) -> &'a str {
    let name = section.name;
    let keeps = matches!(name, ".init" | ".fini" | ".got" | ".eh_frame" | ".eh_frame_hdr" | polls::SECTION);
    let Some(segment) = segment else { return name };
    // The initial values of all thread-local variables stay together.
    if section.is_tls() {
        return if section.is_zero() { ".tbss" } else { ".tdata" };
    }
    if !name.starts_with('.') && name != "COMMON" || keeps || section.kind == elf::SHT_NOTE {
        return name;
    }
    let is_table = |table: &str| name.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    match segment {
        Segment::PrivateRead => ".rodata.private",
        Segment::Text => ".text",
        Segment::Read => ".rodata",
        Segment::PrivateWrite if section.is_zero() => ".bss.private",
        Segment::PrivateWrite => ".data.private",
        Segment::Write if is_table(".preinit_array") => ".preinit_array",
        Segment::Write if is_table(".init_array") || is_table(".ctors") => ".init_array",
        Segment::Write if is_table(".fini_array") || is_table(".dtors") => ".fini_array",
        Segment::Write if section.is_zero() => ".bss",
        Segment::Write => ".data",
    }
}

/// Order within a segment: what has no bytes in the file comes last.
fn rank(name: &str, section: &Section) -> u32 {
    match name {
        _ if section.kind == elf::SHT_NOTE => 0,
        ".tdata" | ".init" | ".got" => 1,
        ".tbss" | ".text" | ".rodata" | ".rodata.private" | ".data.private" => 2,
        ".preinit_array" => 3,
        ".init_array" => 4,
        ".fini_array" => 5,
        ".data" | ".fini" => 6,
        polls::SECTION | ".eh_frame_hdr" => 8,
        ".eh_frame" => 9,
        _ if section.is_zero() => 10,
        _ => 7,
    }
}

/// How to sort the inputs of a table of functions, lowest first.
fn priority_of(output: &str) -> Option<fn(&str) -> u32> {
    /// Priorities are 16 bits; those of `.ctors` count backwards.
    const LAST: u32 = 65535;
    matches!(output, ".init_array" | ".fini_array" | ".preinit_array").then_some(|name: &str| {
        let number = name.rsplit_once('.').and_then(|(_, number)| number.parse::<u32>().ok());
        match number {
            Some(number) if name.starts_with(".ctors") || name.starts_with(".dtors") => LAST.saturating_sub(number),
            Some(number) => number,
            None => LAST + 1,
        }
    })
}

fn place_segment(
    segment: Segment,
    start: u64,
    pages: Option<Pages>,
    outputs: &mut Table<OutputId, Output>,
    program: &mut Program,
) -> Result<SegmentLayout> {
    let headers = match segment {
        Segment::PrivateRead => FILE_HEADER_SIZE + PROGRAM_HEADERS * PROGRAM_HEADER_SIZE,
        _ => 0,
    };
    let mut used = start + headers;
    let mut file_end = Pair { home: used, visitor: used };
    for side in Side::BOTH {
        if segment.is_shared() && side == Side::Visitor {
            break;
        }
        let mut cursor = start + headers;
        for output in outputs.values_mut().filter(|o| o.segment == Some(segment) && o.sides[side]) {
            let end = place_output(output, cursor, pages, program)?;
            // Thread-local zeroes exist in the threads' copies only.
            if !(output.is_tls() && output.is_zero()) {
                cursor = end;
            }
            for side in Side::BOTH.into_iter().filter(|&s| output.sides[s] && !output.is_zero()) {
                file_end[side] = end;
            }
        }
        used = used.max(cursor);
    }
    let mut memory_size = (used - start).next_multiple_of(PAGE);
    if segment == Segment::Write {
        // The uniform data always exist.
        memory_size = memory_size.max(PAGE);
    }
    // A loader cannot zero the rest of a page that is read-only.
    let file_size = Pair::new(|side| if segment.is_writable() { file_end[side] - start } else { memory_size });
    let file_offset = Pair::default();
    Ok(SegmentLayout { segment, address: start, used: used - start, memory_size, file_offset, file_size })
}

/// Places the inputs of one output section from `cursor` on, around poll pages; returns its end.
fn place_output(output: &mut Output, cursor: u64, pages: Option<Pages>, program: &mut Program) -> Result<u64> {
    output.address = cursor.next_multiple_of(output.align);
    let mut end = output.address;
    for &input in &output.inputs {
        let section = &mut program.sections[input];
        let align = section.align.max(if section.is_code() { FUNCTION_ALIGN } else { 1 });
        section.address = end.next_multiple_of(align);
        if let Some(pages) = pages {
            let Some(address) = pages.place(section.address, section.size) else {
                bail!("{} has {:#x} bytes: too many for its polls to reach a poll page", section.name, section.size);
            };
            section.address = address;
        }
        if section.size >= LIMIT.saturating_sub(section.address) {
            bail!("the program does not fit below {LIMIT:#x}: {} has {:#x} bytes", section.name, section.size);
        }
        end = section.address + section.size;
    }
    output.size = end - output.address;
    Ok(end)
}

fn assign_file_offsets(layout: &mut Layout, program: &mut Program, side: Side) {
    let mut cursor = 0u64;
    for segment in &mut layout.segments {
        cursor = cursor.next_multiple_of(PAGE);
        segment.file_offset[side] = cursor;
        cursor += segment.file_size[side];
    }
    for output in layout.outputs.values_mut().filter(|o| o.sides[side]) {
        if let Some(segment) = output.segment {
            let segment = &layout.segments[segment as usize];
            output.file_offset[side] = segment.file_offset[side] + (output.address - segment.address);
            continue;
        }
        let mut end = 0u64;
        if let Some(strings) = layout.merged.add(program, side, &output.inputs) {
            end = strings.len() as u64;
            output.flags = SectionFlags(elf::SHF_MERGE.0 | elf::SHF_STRINGS.0);
            output.merged = Some(strings);
        } else {
            for &input in &output.inputs {
                let section = &mut program.sections[input];
                section.address = end.next_multiple_of(section.align);
                end = section.address + section.size;
            }
        }
        output.size = end;
        cursor = cursor.next_multiple_of(output.align);
        output.file_offset[side] = cursor;
        cursor += end;
    }
    layout.file_size[side] = cursor;
}
