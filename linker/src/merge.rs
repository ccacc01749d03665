//! Debug information holds the same strings, of single bytes, in every object; each is kept once.

use crate::ids::{SectionId, Side};
use crate::program::Program;
use object::elf;
use rustc_hash::FxHashMap as HashMap;

/// Where the strings of the input sections went.
#[derive(Default)]
pub struct Merged {
    /// For each section the offsets of its strings, there and in the output, in ascending order.
    strings: HashMap<SectionId, Vec<(u64, u64)>>,
}

impl Merged {
    /// Merges the strings of `inputs`, which are private to `side`, and returns them.
    /// `None` if one of the sections holds something else.
    pub fn add(&mut self, program: &Program, side: Side, inputs: &[SectionId]) -> Option<Vec<u8>> {
        if !inputs.iter().all(|&id| is_strings(program, side, id)) {
            return None;
        }
        let mut bytes: Vec<u8> = Vec::new();
        let mut offsets: HashMap<&[u8], u64> = HashMap::default();
        for &id in inputs {
            let content = program.sections[id].contents[side].as_ref()?;
            let mut start = 0;
            let mut strings = Vec::new();
            for string in content.data.split_inclusive(|&byte| byte == 0) {
                let offset = *offsets.entry(string).or_insert_with(|| {
                    bytes.extend_from_slice(string);
                    (bytes.len() - string.len()) as u64
                });
                strings.push((start, offset));
                start += string.len() as u64;
            }
            self.strings.insert(id, strings);
        }
        Some(bytes)
    }

    /// The output offset of `offset` in an input section, if its strings were merged.
    pub fn locate(&self, section: SectionId, offset: u64) -> Option<u64> {
        let strings = self.strings.get(&section)?;
        let after = strings.partition_point(|&(start, _)| start <= offset);
        let (start, output) = *strings.get(after.checked_sub(1)?)?;
        Some(output + (offset - start))
    }
}

fn is_strings(program: &Program, side: Side, id: SectionId) -> bool {
    let section = &program.sections[id];
    let flags = section.flags.contains(elf::SHF_MERGE) && section.flags.contains(elf::SHF_STRINGS);
    let content = section.contents[side].as_ref();
    flags && content.is_some_and(|c| c.relocations.is_empty() && c.data.last().is_none_or(|&last| last == 0))
}
