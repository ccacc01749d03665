//! Call-frame information: one `.eh_frame` an ISA from the records of functions that are live, and the
//! sorted table `.eh_frame_hdr`.

use crate::half::{ENDIAN, Rela};
use crate::ids::{SectionId, Side};
use crate::objects::{Class, Content};
use crate::program::{Program, Target};
use anyhow::{Result, anyhow, bail};
use rustc_hash::FxHashMap as HashMap;

/// Bytes of `.eh_frame_hdr` in front of its table.
const HEADER_SIZE: usize = 12;
/// Offset of the address of the function in a record for one.
const FUNCTION_OFFSET: u64 = 8;

/// A record that is kept.
pub struct Record {
    /// The input section.
    pub section: SectionId,
    /// Offset in the input section.
    pub start: usize,
    /// Size with its length field.
    pub size: usize,
    /// Offset in the output section.
    pub offset: usize,
    /// For a record about a function: offset of its common record in the output section, and the function.
    pub function: Option<(usize, Target)>,
}

/// Call-frame information of one ISA.
#[derive(Default)]
pub struct Frames {
    /// All that is kept, in order.
    pub records: Vec<Record>,
    /// `.eh_frame`, if there is any record.
    pub section: Option<SectionId>,
    /// `.eh_frame_hdr`.
    pub header: Option<SectionId>,
    size: usize,
    functions: usize,
}

/// Collects the records of live functions and makes the two output sections.
///
/// # Errors
/// If call-frame information is damaged; names the object.
pub fn collect(program: &mut Program, side: Side) -> Result<Frames> {
    let mut collector = Collector { program, side, frames: Frames::default(), common: HashMap::default() };
    for (id, section) in program.sections.iter() {
        if let (Class::EhFrame, Some(content)) = (section.class, &section.contents[side]) {
            collector.add_section(id, content).map_err(|error| {
                anyhow!("{}: call-frame information: {error:#}", program.object_name(section.object))
            })?;
        }
    }
    let mut frames = collector.frames;
    if !frames.records.is_empty() {
        // A record of length 0 ends the list.
        frames.size += 4;
        let header_size = HEADER_SIZE + 8 * frames.functions;
        frames.header = Some(program.add_table(side, ".eh_frame_hdr", 4, header_size));
        frames.section = Some(program.add_table(side, ".eh_frame", 8, frames.size));
    }
    Ok(frames)
}

/// A common record's bytes, and its relocations: offset, type, addend and target.
type Common = (Vec<u8>, Vec<(u64, u64, i64, Target)>);

struct Collector<'p, 'a> {
    program: &'p Program<'a>,
    side: Side,
    frames: Frames,
    /// Output offsets of the common records.
    common: HashMap<Common, usize>,
}

impl Collector<'_, '_> {
    fn add_section(&mut self, id: SectionId, content: &Content) -> Result<()> {
        let data = &content.data;
        let mut relocations: Vec<&Rela> = content.relocations.iter().collect();
        relocations.sort_by_key(|r| r.r_offset.get(ENDIAN));
        // Input offset of each common record, with its output offset once it is used.
        let mut seen: HashMap<usize, (usize, Option<usize>)> = HashMap::default();
        let mut start = 0;
        while start + 4 <= data.len() {
            let length = word(data, start)? as usize;
            if length == 0 {
                start += 4;
                continue;
            }
            if length == 0xffff_ffff {
                bail!("64-bit records are not supported");
            }
            let size = length + 4;
            if length < 4 || data.len() - start < size {
                bail!("record at {start:#x} is longer than the section");
            }
            let pointer = word(data, start + 4)? as usize;
            if pointer == 0 {
                seen.insert(start, (size, None));
            } else if let Some(function) = self.live_function(id, &relocations, start) {
                let entry = (start + 4).checked_sub(pointer).and_then(|at| Some((at, seen.get_mut(&at)?)));
                let Some((at, (common_size, common))) = entry else {
                    bail!("record at {start:#x} refers to no common record");
                };
                let offset = match *common {
                    Some(offset) => offset,
                    None => *common.insert(self.add_common(id, data, &relocations, at, *common_size)),
                };
                self.push(id, start, size, Some((offset, function)));
                self.frames.functions += 1;
            }
            start += size;
        }
        Ok(())
    }

    /// The function that the record at `start` is about, if it is part of the executable.
    fn live_function(&self, id: SectionId, relocations: &[&Rela], start: usize) -> Option<Target> {
        let place = start as u64 + FUNCTION_OFFSET;
        let at = relocations.partition_point(|r| r.r_offset.get(ENDIAN) < place);
        let relocation = relocations.get(at).filter(|r| r.r_offset.get(ENDIAN) == place)?;
        let object = self.program.sections[id].object?;
        match self.program.relocation_target(object, self.side, relocation).target {
            Target::Section(section, offset) if self.program.sections[section].live => {
                Some(Target::Section(section, offset.wrapping_add_signed(relocation.r_addend.get(ENDIAN))))
            }
            _ => None,
        }
    }

    fn add_common(&mut self, id: SectionId, data: &[u8], relocations: &[&Rela], start: usize, size: usize) -> usize {
        let range = start as u64..(start + size) as u64;
        let inside = relocations.iter().filter(|r| range.contains(&r.r_offset.get(ENDIAN)));
        let object = self.program.sections[id].object;
        let references = inside.filter_map(|relocation| {
            let kind = u64::from(relocation.r_type(ENDIAN, false).0);
            let target = self.program.relocation_target(object?, self.side, relocation).target;
            Some((relocation.r_offset.get(ENDIAN) - range.start, kind, relocation.r_addend.get(ENDIAN), target))
        });
        let key = (data[start..start + size].to_vec(), references.collect());
        match self.common.get(&key) {
            Some(&offset) => offset,
            None => {
                let offset = self.push(id, start, size, None);
                self.common.insert(key, offset);
                offset
            }
        }
    }

    fn push(&mut self, section: SectionId, start: usize, size: usize, function: Option<(usize, Target)>) -> usize {
        let offset = self.frames.size;
        self.frames.records.push(Record { section, start, size, offset, function });
        self.frames.size += size;
        offset
    }
}

/// The content of `.eh_frame_hdr`: `functions` are addresses of functions and of their records.
pub fn header(address: u64, eh_frame: u64, mut functions: Vec<(u64, u64)>) -> Vec<u8> {
    const VERSION: u8 = 1;
    const PC_RELATIVE_4: u8 = 0x1b;
    const UNSIGNED_4: u8 = 0x03;
    const HEADER_RELATIVE_4: u8 = 0x3b;
    functions.sort_unstable();
    let mut out = vec![VERSION, PC_RELATIVE_4, UNSIGNED_4, HEADER_RELATIVE_4];
    // The image is far smaller than 2 GiB from end to end, or its relocations would not fit either.
    out.extend((eh_frame.wrapping_sub(address + 4) as u32).to_le_bytes());
    out.extend((functions.len() as u32).to_le_bytes());
    for (function, record) in functions {
        out.extend((function.wrapping_sub(address) as u32).to_le_bytes());
        out.extend((record.wrapping_sub(address) as u32).to_le_bytes());
    }
    out
}

fn word(data: &[u8], at: usize) -> Result<u32> {
    match data.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) => Ok(u32::from_le_bytes(*bytes)),
        None => bail!("record at {at:#x} is cut off"),
    }
}
