//! The bytes of one image: contents of sections with all relocations applied.

use crate::eh_frame::{self, Frames};
use crate::errors::Errors;
use crate::got::{ENTRY_SIZE, Entry, EntrySymbol, Got, relocation_name};
use crate::half::{ENDIAN, Rela};
use crate::ids::{ObjectId, SectionId, Side};
use crate::isa::{self, Base, Form, Howto};
use crate::layout::{Layout, PAGE};
use crate::objects::{Class, Section, Segment};
use crate::polls::{Pages, Polls};
use crate::program::{Program, Reference, Target};
use anyhow::Result;

/// What the image of one ISA is made from.
pub struct Image<'p, 'a> {
    /// The program.
    pub program: &'p Program<'a>,
    /// Where everything is.
    pub layout: &'p Layout,
    /// Which ISA.
    pub side: Side,
    /// Its global offset table.
    pub got: &'p Got,
    /// Its call-frame information.
    pub frames: &'p Frames,
    /// Its polls.
    pub polls: &'p Polls,
}

/// A relocation's place.
struct Place<'r> {
    object: ObjectId,
    section: SectionId,
    /// Address of the first byte of `bytes`.
    address: u64,
    /// Offset in the input section of the first byte of `bytes`.
    start: u64,
    relocation: &'r Rela,
}

impl Image<'_, '_> {
    /// The file up to its symbol table, with headers still zero.
    ///
    /// # Errors
    /// All relocations that do not fit.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let size = usize::try_from(self.layout.file_size[self.side])?;
        let mut file = vec![0; size];
        let mut errors = Errors::default();
        self.fill_with_traps(&mut file);
        for output in self.layout.outputs.values().filter(|o| o.sides[self.side] && !o.is_zero()) {
            if let Some(strings) = &output.merged {
                let start = output.file_offset[self.side] as usize;
                file[start..start + strings.len()].copy_from_slice(strings);
                continue;
            }
            for &id in &output.inputs {
                self.copy_section(id, &mut file, &mut errors);
            }
        }
        self.copy_frames(&mut file, &mut errors);
        self.copy_polls(&mut file);
        self.copy_got(&mut file);
        errors.check()?;
        Ok(file)
    }

    /// Where a section starts in the file.
    pub fn file_offset(&self, section: &Section) -> usize {
        section.output.map_or(0, |output| {
            let output = &self.layout.outputs[output];
            (output.file_offset[self.side] + (section.address - output.address)) as usize
        })
    }

    fn fill_with_traps(&self, file: &mut [u8]) {
        let text = self.layout.segment(Segment::Text);
        let start = text.file_offset[self.side] as usize;
        let code = &mut file[start..start + text.file_size[self.side] as usize];
        for chunk in code.chunks_exact_mut(4) {
            chunk.copy_from_slice(&isa::of(self.side).trap());
        }
    }

    fn copy_section(&self, id: SectionId, file: &mut [u8], errors: &mut Errors) {
        let section = &self.program.sections[id];
        let Some(content) = &section.contents[self.side] else { return };
        let start = self.file_offset(section);
        let bytes = &mut file[start..start + content.size as usize];
        bytes[..content.data.len()].copy_from_slice(&content.data);
        let Some(object) = section.object else { return };
        for relocation in content.relocations {
            let place = Place { object, section: id, address: section.address, start: 0, relocation };
            if let Err(message) = self.apply(&place, bytes) {
                errors.push(message);
            }
        }
    }

    fn copy_frames(&self, file: &mut [u8], errors: &mut Errors) {
        let (Some(section), Some(header)) = (self.frames.section, self.frames.header) else { return };
        let (section, header) = (&self.program.sections[section], &self.program.sections[header]);
        let base = self.file_offset(section);
        let mut functions = Vec::new();
        for record in &self.frames.records {
            let input = &self.program.sections[record.section];
            let (Some(content), Some(object)) = (&input.contents[self.side], input.object) else { continue };
            let range = record.start as u64..(record.start + record.size) as u64;
            let bytes = &mut file[base + record.offset..][..record.size];
            bytes.copy_from_slice(&content.data[record.start..record.start + record.size]);
            let address = section.address + record.offset as u64;
            if let Some((common, function)) = record.function {
                let distance = (record.offset + 4 - common) as u32;
                bytes[4..8].copy_from_slice(&distance.to_le_bytes());
                functions.push((self.program.address(function), address));
            }
            for relocation in content.relocations.iter().filter(|r| range.contains(&r.r_offset.get(ENDIAN))) {
                let place = Place { object, section: record.section, address, start: range.start, relocation };
                if let Err(message) = self.apply(&place, bytes) {
                    errors.push(message);
                }
            }
        }
        let table = eh_frame::header(header.address, section.address, functions);
        file[self.file_offset(header)..][..table.len()].copy_from_slice(&table);
    }

    fn copy_polls(&self, file: &mut [u8]) {
        let Some(section) = self.polls.section else { return };
        let table = self.polls.table(self.program);
        file[self.file_offset(&self.program.sections[section])..][..table.len()].copy_from_slice(&table);
    }

    fn copy_got(&self, file: &mut [u8]) {
        let Some(section) = self.got.section else { return };
        let start = self.file_offset(&self.program.sections[section]);
        for (slot, entry) in file[start..].chunks_exact_mut(ENTRY_SIZE).zip(&self.got.entries) {
            let target = match entry.symbol {
                EntrySymbol::Global(id) => self.program.global_target(id, self.side),
                EntrySymbol::Local(object, index) => self.program.reference(object, self.side, index).target,
            };
            slot.copy_from_slice(&self.value(target, entry.tp_offset).to_le_bytes());
        }
    }

    /// Address of a target or its distance from the thread pointer.
    fn value(&self, target: Target, tp_offset: bool) -> u64 {
        match target {
            Target::Section(..) if tp_offset => self.layout.tls.tp_offset(self.program.address(target)),
            _ => self.program.address(target),
        }
    }

    /// Applies a relocation to `bytes`; the error is the message for the user.
    fn apply(&self, place: &Place, bytes: &mut [u8]) -> Result<(), String> {
        let kind = place.relocation.r_type(ENDIAN, false);
        let Some(howto) = isa::of(self.side).howto(kind) else {
            return Err(self.message(place, "is not supported"));
        };
        if howto.base == Base::Nothing {
            return Ok(());
        }
        let at = place.relocation.r_offset.get(ENDIAN).wrapping_sub(place.start);
        let field = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at..)?.get_mut(..howto.width));
        let Some(field) = field else {
            return Err(self.message(place, "lies outside its section"));
        };
        let index = place.relocation.r_sym(ENDIAN, false) as usize;
        let reference = self.program.reference(place.object, self.side, index);
        let value = match self.tombstone(place, &reference) {
            Some(value) => value,
            None => self.relocated(place, &howto, &reference, place.address.wrapping_add(at))?,
        };
        if let Some((low, high)) = howto.range.limits()
            && !(low..=high).contains(&i128::from(value as i64))
        {
            return Err(self.message(place, &format!("does not fit: {value:#x} is not between {low:#x} and {high:#x}")));
        }
        if value % howto.multiple != 0 {
            return Err(
                self.message(place, &format!("is misaligned: {value:#x} is not a multiple of {}", howto.multiple))
            );
        }
        let mut old = [0; 8];
        old[..howto.width].copy_from_slice(field);
        let new = (howto.insert)(u64::from_le_bytes(old), value).to_le_bytes();
        field.copy_from_slice(&new[..howto.width]);
        Ok(())
    }

    /// What debug information says about a function that is not part of the executable.
    fn tombstone(&self, place: &Place, reference: &Reference) -> Option<u64> {
        let section = &self.program.sections[place.section];
        let gone = match reference.target {
            Target::Section(target, _) => !self.program.sections[target].live,
            Target::Dropped | Target::Undefined => true,
            _ => false,
        };
        // In lists of ranges two zeroes are the end of the list.
        let is_list = matches!(section.name, ".debug_loc" | ".debug_ranges");
        (section.class == Class::Unloaded && gone).then_some(u64::from(is_list))
    }

    fn relocated(&self, place: &Place, howto: &Howto, reference: &Reference, address: u64) -> Result<u64, String> {
        self.check_target(place, reference, howto)?;
        let index = place.relocation.r_sym(ENDIAN, false) as usize;
        let kind = place.relocation.r_type(ENDIAN, false);
        let got = self.got.section.map_or(0, |section| self.program.sections[section].address);
        let entry = || {
            let entry = Entry::of(self.program, place.object, self.side, index, howto.base);
            let position = entry.and_then(|entry| self.got.positions.get(&entry));
            position.map_or(got, |&position| got + (ENTRY_SIZE * position) as u64)
        };
        let base = match howto.base {
            Base::Nothing => 0,
            Base::Symbol if reference.target == Target::UndefinedWeak => {
                isa::of(self.side).undefined_weak(kind, address)
            }
            Base::Symbol if howto.form == Form::Relative && self.polls.is_page(reference) => {
                Pages::of(self.layout.segment(Segment::Text).address).before(address)
            }
            Base::Symbol => self.value(reference.target, reference.tp_offset),
            Base::Got | Base::GotTpOffset => entry(),
            Base::GotStart => got,
            Base::TpOffset => self.value(reference.target, true),
            Base::TlsOffset => self.layout.tls.offset(self.program.address(reference.target)),
            Base::Size => match reference.global {
                Some(id) => self.program.size_and_kind(id, self.side).0,
                None => self.program.objects[place.object].sides[self.side].symbols[index].size,
            },
        };
        let addend = place.relocation.r_addend.get(ENDIAN);
        if let Target::Section(section, offset) = reference.target
            && let Some(offset) = self.layout.merged.locate(section, offset.wrapping_add_signed(addend))
        {
            return Ok(offset);
        }
        let page = |address: u64| address & !(PAGE - 1);
        let sum = base.wrapping_add_signed(addend);
        Ok(match howto.form {
            Form::Absolute => sum,
            Form::Relative => sum.wrapping_sub(address),
            Form::Page => page(sum).wrapping_sub(page(address)),
            Form::GotPage => sum.wrapping_sub(page(got)),
            Form::GotRelative => sum.wrapping_sub(got),
        })
    }

    /// Refuses what has no meaning in a twin binary.
    fn check_target(&self, place: &Place, reference: &Reference, howto: &Howto) -> Result<(), String> {
        let target = match reference.target {
            Target::Section(id, _) => Some(&self.program.sections[id]),
            Target::Dropped => return Err(self.message(place, "refers to a section that was dropped as a duplicate")),
            _ => None,
        };
        let is_tls = target.is_none_or(Section::is_tls);
        let wants_offset = reference.tp_offset || matches!(howto.base, Base::TpOffset | Base::GotTpOffset);
        if wants_offset && !is_tls {
            return Err(self.message(place, "needs a thread-local variable, and this is none"));
        }
        let is_private = target.is_some_and(|t| matches!(t.class, Class::Loaded(_)) && !t.is_shared());
        if is_private && self.program.sections[place.section].is_uniform_data() {
            return Err(self.message(place, "in uniform data refers to data that are private to each ISA"));
        }
        Ok(())
    }

    /// `a.o:(function f): relocation R_X against y ...`.
    fn message(&self, place: &Place, what: &str) -> String {
        let index = place.relocation.r_sym(ENDIAN, false) as usize;
        let offset = place.relocation.r_offset.get(ENDIAN);
        let section = &self.program.sections[place.section];
        let definer = match self.program.reference(place.object, self.side, index).target {
            Target::Section(id, _) if self.program.sections[id].object != Some(place.object) => {
                format!(" of {}", self.program.object_name(self.program.sections[id].object))
            }
            _ => String::new(),
        };
        format!(
            "{}: {} ({}+{offset:#x}) against {}{definer} {what}",
            self.program.describe_place(place.section, self.side, offset),
            relocation_name(self.side, place.relocation.r_type(ENDIAN, false)),
            section.name,
            self.program.symbol_name(place.object, self.side, index),
        )
    }
}
