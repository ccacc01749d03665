//! Call-frame information: how an unwinder finds the frame of a function.

use crate::binary::Image;
use gimli::{
    BaseAddresses, CfaRule, CieOrFde, DebugFrame, EhFrame, EndianSlice, LittleEndian, RegisterRule, UnwindContext,
    UnwindSection,
};
use std::borrow::Cow;
use std::collections::BTreeMap;

type Slice<'s> = EndianSlice<'s, LittleEndian>;

/// The call-frame information of an image, by the address of the function.
pub struct CallFrames {
    /// First address -> address behind the last, and the rows.
    functions: BTreeMap<u64, (u64, Vec<Row>)>,
}

/// Where things are from some address on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// First address.
    pub start: u64,
    /// Address behind the last.
    pub end: u64,
    /// The CFA: DWARF register plus constant.
    pub cfa: Option<(u16, i64)>,
    /// Distance from the CFA of the saved frame pointer.
    pub fp: Option<i64>,
    /// Distance from the CFA of the return address.
    pub link: Option<i64>,
}

impl CallFrames {
    /// Reads `.eh_frame` and `.debug_frame`. What cannot be read counts as missing.
    pub fn read(image: &Image) -> CallFrames {
        let mut frames = CallFrames { functions: BTreeMap::new() };
        let eh: Cow<[u8]> = image.section_bytes(".eh_frame");
        let bases = BaseAddresses::default()
            .set_eh_frame(image.section_address(".eh_frame"))
            .set_text(image.section_address(".text"));
        let mut section = EhFrame::new(&eh, LittleEndian);
        section.set_address_size(8);
        frames.add(image, &section, &bases);
        let debug: Cow<[u8]> = image.section_bytes(".debug_frame");
        let mut section = DebugFrame::new(&debug, LittleEndian);
        section.set_address_size(8);
        frames.add(image, &section, &BaseAddresses::default());
        frames
    }

    fn add<'s, S: UnwindSection<Slice<'s>>>(&mut self, image: &Image, section: &S, bases: &BaseAddresses)
    where
        S::Offset: gimli::UnwindOffset<usize>,
    {
        let Some(fp) = image.isa.dwarf_register(image.isa.fp()) else { return };
        let mut context = UnwindContext::new();
        let mut entries = section.entries(bases);
        while let Ok(Some(entry)) = entries.next() {
            let CieOrFde::Fde(partial) = entry else { continue };
            let Ok(fde) = partial.parse(S::cie_from_offset) else { continue };
            let mut rows = Vec::new();
            let Ok(mut table) = fde.rows(section, bases, &mut context) else { continue };
            while let Ok(Some(row)) = table.next_row() {
                let saved = |number| match row.register(gimli::Register(number)) {
                    Some(RegisterRule::Offset(offset)) => Some(offset),
                    _ => None,
                };
                let cfa = match row.cfa() {
                    CfaRule::RegisterAndOffset { register, offset } => Some((register.0, *offset)),
                    CfaRule::Expression(_) => None,
                };
                rows.push(Row {
                    start: row.start_address(),
                    end: row.end_address(),
                    cfa,
                    fp: saved(fp),
                    link: saved(image.isa.dwarf_link()),
                });
            }
            let end = fde.initial_address().saturating_add(fde.len());
            self.functions.entry(fde.initial_address()).or_insert((end, rows));
        }
    }

    /// Where things are at `address`, if that is described.
    pub fn row(&self, address: u64) -> Option<Row> {
        let (_, (end, rows)) = self.functions.range(..=address).next_back()?;
        let row = rows.iter().find(|row| row.start <= address && address < row.end)?;
        (address < *end).then_some(*row)
    }
}
