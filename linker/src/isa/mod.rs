//! What the linker must know about an ISA: its machine number, its trap, and its relocations.
//!
//! A relocation is described by a [`Howto`]; computing its value and checking its range is generic
//! (`relocate.rs`), only the bit fields of instructions are in the file of the ISA.

mod aarch64;
mod x86_64;

use crate::ids::Side;
use object::ConstantNames;
use object::elf;

/// What a relocation refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Nothing: the relocation is a marker.
    Nothing,
    /// The symbol.
    Symbol,
    /// The entry of the global offset table that holds the symbol's address.
    Got,
    /// The global offset table itself; the symbol is irrelevant.
    GotStart,
    /// The symbol's distance from the thread pointer.
    TpOffset,
    /// The entry of the global offset table that holds the symbol's distance from the thread pointer.
    GotTpOffset,
    /// The symbol's offset in the TLS image (debug information).
    TlsOffset,
    /// The size of the symbol.
    Size,
}

/// What is subtracted from base plus addend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing.
    Absolute,
    /// The address of the relocated place.
    Relative,
    /// Both are rounded down to pages of 4096 bytes before the place is subtracted.
    Page,
    /// The page of the global offset table.
    GotPage,
    /// The start of the global offset table.
    GotRelative,
}

/// Which values fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// All: the field takes the low bits.
    Any,
    /// Two's complement of this many bits.
    Signed(u32),
    /// Unsigned of this many bits.
    Unsigned(u32),
    /// Whatever fits either way.
    Either(u32),
}

impl Range {
    /// Smallest and largest value, or `None` if all fit.
    pub fn limits(self) -> Option<(i128, i128)> {
        match self {
            Range::Any => None,
            Range::Signed(bits) => Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
            Range::Unsigned(bits) => Some((0, (1 << bits) - 1)),
            Range::Either(bits) => Some((-(1 << (bits - 1)), (1 << bits) - 1)),
        }
    }
}

/// How to apply a relocation.
#[derive(Clone, Copy)]
pub struct Howto {
    /// What it refers to.
    pub base: Base,
    /// What is subtracted.
    pub form: Form,
    /// Which values fit.
    pub range: Range,
    /// The value must be a multiple of this.
    pub multiple: u64,
    /// Bytes at the place, little-endian.
    pub width: usize,
    /// Puts the value into the old content of the place.
    pub insert: fn(old: u64, value: u64) -> u64,
}

impl Howto {
    /// Describes a relocation that does nothing.
    pub const NOTHING: Howto = Howto {
        base: Base::Nothing,
        form: Form::Absolute,
        range: Range::Any,
        multiple: 1,
        width: 0,
        insert: |old, _| old,
    };

    /// A whole little-endian datum of `width` bytes.
    pub const fn datum(base: Base, form: Form, width: usize, range: Range) -> Howto {
        Howto { base, form, range, multiple: 1, width, insert: |_, value| value }
    }
}

/// One instruction-set architecture.
pub trait Isa: Sync {
    /// Name as in `uname -m`, with `-` in place of `_` as the documentation writes it.
    fn name(&self) -> &'static str;
    /// ELF machine number.
    fn machine(&self) -> elf::Machine;
    /// Code that traps wherever execution enters it; repeated from addresses that are multiples of four.
    fn trap(&self) -> [u8; 4];
    /// Names of the relocation types.
    fn relocation_names(&self) -> &'static ConstantNames<elf::RelocationType>;
    /// How to apply a relocation type; `None` if the linker does not know it.
    fn howto(&self, kind: elf::RelocationType) -> Option<Howto>;
    /// What an undefined weak symbol stands for in a relocation at `place`.
    fn undefined_weak(&self, kind: elf::RelocationType, place: u64) -> u64;
}

/// The ISA of one side.
pub fn of(side: Side) -> &'static dyn Isa {
    match side {
        Side::Home => &x86_64::X86_64,
        Side::Visitor => &aarch64::AArch64,
    }
}
