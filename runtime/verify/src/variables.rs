//! Source variables and where they are, from the debug information.

use crate::binary::Image;
use gimli::{
    AttributeValue, DebuggingInformationEntry, Dwarf, EndianSlice, Expression, LittleEndian, Operation, Unit,
    UnitOffset, constants as dw,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

type Slice<'s> = EndianSlice<'s, LittleEndian>;

/// Types within types that are followed.
const MAX_DEPTH: usize = 32;
/// Largest alignment or array that a variable's size is believed for.
const MAX_SIZE: u64 = 1 << 24;

/// Where a variable is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In memory: a DWARF register (the CFA if `None`) plus a constant.
    Memory(Option<u16>, i64),
    /// In a DWARF register, while the program counter is in the range.
    Register(u16, Range<u64>),
}

/// A variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the source.
    pub name: String,
    /// Where it is (at times).
    pub place: Place,
    /// Bytes, if they are known.
    pub size: Option<u32>,
}

/// Variables by the address of their function.
pub type Variables = BTreeMap<u64, Vec<Variable>>;

/// Reads the variables of all functions. What cannot be read counts as missing.
pub fn read(image: &Image) -> Variables {
    let sections: HashMap<&str, Cow<[u8]>> = gimli_sections().map(|name| (name, image.section_bytes(name))).collect();
    let load = |id: gimli::SectionId| -> Result<Slice, gimli::Error> {
        Ok(EndianSlice::new(sections.get(id.name()).map_or(&[][..], |bytes| bytes), LittleEndian))
    };
    let mut variables = Variables::new();
    let Ok(dwarf) = Dwarf::load(load) else { return variables };
    let mut units = dwarf.units();
    while let Ok(Some(header)) = units.next() {
        if let Ok(unit) = dwarf.unit(header) {
            // Damaged entries end the unit.
            let _ = Reader { dwarf: &dwarf, unit: &unit }.functions(&mut variables);
        }
    }
    variables
}

fn gimli_sections() -> impl Iterator<Item = &'static str> {
    use gimli::SectionId::*;
    [
        DebugAbbrev,
        DebugAddr,
        DebugInfo,
        DebugLine,
        DebugLineStr,
        DebugLoc,
        DebugLocLists,
        DebugRanges,
        DebugRngLists,
        DebugStr,
        DebugStrOffsets,
        DebugTypes,
    ]
    .into_iter()
    .map(|id| id.name())
}

struct Reader<'d, 's> {
    dwarf: &'d Dwarf<Slice<'s>>,
    unit: &'d Unit<Slice<'s>>,
}

impl<'s> Reader<'_, 's> {
    fn functions(&self, variables: &mut Variables) -> gimli::Result<()> {
        let mut entries = self.unit.entries();
        // The function that the current depth belongs to: depth, address, frame base.
        let mut function: Option<(isize, u64, Option<u16>)> = None;
        while let Some(entry) = entries.next_dfs()? {
            let depth = entry.depth();
            function = function.filter(|(outer, ..)| depth > *outer);
            match entry.tag() {
                dw::DW_TAG_subprogram => {
                    let address = entry.attr_value(dw::DW_AT_low_pc).map(|v| self.dwarf.attr_address(self.unit, v));
                    if let (Some(Ok(Some(address))), Some(base)) = (address, self.frame_base(entry)) {
                        function = Some((depth, address, base));
                    }
                }
                dw::DW_TAG_variable | dw::DW_TAG_formal_parameter => {
                    if let Some((_, address, frame_base)) = function {
                        let list = variables.entry(address).or_default();
                        self.variable(entry, frame_base, list)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn frame_base(&self, function: &DebuggingInformationEntry<Slice<'s>>) -> Option<Option<u16>> {
        let AttributeValue::Exprloc(expression) = function.attr_value(dw::DW_AT_frame_base)? else { return None };
        match expression.operations(self.unit.encoding()).next() {
            Ok(Some(Operation::Register { register })) => Some(Some(register.0)),
            Ok(Some(Operation::CallFrameCFA)) => Some(None),
            _ => None,
        }
    }

    fn variable(
        &self,
        entry: &DebuggingInformationEntry<Slice<'s>>,
        frame_base: Option<u16>,
        list: &mut Vec<Variable>,
    ) -> gimli::Result<()> {
        let Some(name) = self.name(entry.offset(), 0) else { return Ok(()) };
        let size = self.type_of(entry.offset(), 0).and_then(|t| self.size(t, 0)).and_then(|n| u32::try_from(n).ok());
        let mut add = |expression: Expression<Slice<'s>>, range: Range<u64>| {
            if let Some(place) = self.place(expression, range, frame_base) {
                let variable = Variable { name: name.clone(), place, size };
                if !list.contains(&variable) {
                    list.push(variable);
                }
            }
        };
        match entry.attr_value(dw::DW_AT_location) {
            Some(AttributeValue::Exprloc(expression)) => add(expression, 0..u64::MAX),
            Some(value) => {
                if let Some(mut locations) = self.dwarf.attr_locations(self.unit, value)? {
                    while let Some(location) = locations.next()? {
                        add(location.data, location.range.begin..location.range.end);
                    }
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Where an expression says that the variable is, if it is that simple.
    fn place(&self, expression: Expression<Slice<'s>>, range: Range<u64>, frame_base: Option<u16>) -> Option<Place> {
        let mut operations = expression.operations(self.unit.encoding());
        let mut place = match operations.next().ok()?? {
            Operation::FrameOffset { offset } => Place::Memory(frame_base, offset),
            Operation::RegisterOffset { register, offset, .. } => Place::Memory(Some(register.0), offset),
            Operation::Register { register } => Place::Register(register.0, range),
            _ => return None,
        };
        while let Some(operation) = operations.next().ok()? {
            match (operation, &mut place) {
                (Operation::PlusConstant { value }, Place::Memory(_, offset)) => {
                    *offset = offset.checked_add_unsigned(value)?;
                }
                _ => return None,
            }
        }
        Some(place)
    }

    /// The entry that says more about this one.
    fn origin(&self, offset: UnitOffset) -> Option<UnitOffset> {
        let entry = self.unit.entry(offset).ok()?;
        match entry.attr_value(dw::DW_AT_abstract_origin)? {
            AttributeValue::UnitRef(origin) => Some(origin),
            _ => None,
        }
    }

    fn name(&self, offset: UnitOffset, depth: usize) -> Option<String> {
        let entry = self.unit.entry(offset).ok()?;
        if let Some(value) = entry.attr_value(dw::DW_AT_name) {
            let name = self.dwarf.attr_string(self.unit, value).ok()?;
            return Some(name.to_string_lossy().into_owned());
        }
        if depth < MAX_DEPTH { self.name(self.origin(offset)?, depth + 1) } else { None }
    }

    fn type_of(&self, offset: UnitOffset, depth: usize) -> Option<UnitOffset> {
        let entry = self.unit.entry(offset).ok()?;
        match entry.attr_value(dw::DW_AT_type) {
            Some(AttributeValue::UnitRef(ty)) => Some(ty),
            _ if depth < MAX_DEPTH => self.type_of(self.origin(offset)?, depth + 1),
            _ => None,
        }
    }

    fn size(&self, ty: UnitOffset, depth: usize) -> Option<u64> {
        let entry = self.unit.entry(ty).ok()?;
        if let Some(size) = entry.attr_value(dw::DW_AT_byte_size).and_then(|v| v.udata_value()) {
            return Some(size);
        }
        if depth >= MAX_DEPTH {
            return None;
        }
        match entry.tag() {
            dw::DW_TAG_pointer_type => Some(8),
            dw::DW_TAG_array_type => {
                let element = self.size(self.type_of(ty, 0)?, depth + 1)?;
                self.lengths(ty)?.into_iter().try_fold(element, u64::checked_mul).filter(|size| *size <= MAX_SIZE)
            }
            _ => self.size(self.type_of(ty, 0)?, depth + 1),
        }
    }

    fn lengths(&self, array: UnitOffset) -> Option<Vec<u64>> {
        let mut tree = self.unit.entries_tree(Some(array)).ok()?;
        let mut children = tree.root().ok()?.children();
        let mut lengths = Vec::new();
        while let Ok(Some(child)) = children.next() {
            if child.entry().tag() == dw::DW_TAG_subrange_type {
                lengths.push(child.entry().attr_value(dw::DW_AT_count)?.udata_value()?);
            }
        }
        Some(lengths)
    }
}
