//! What differs between the instruction sets, one file each. Everything else works on [`Insn`].

mod aarch64;
mod x86_64;

use crate::insn::{Insn, Reg, RegSet};
use crate::side::Side;

/// An instruction set, as the checker sees it.
pub trait Isa: Sync {
    /// Name for people.
    fn name(&self) -> &'static str;
    /// ELF machine number.
    fn machine(&self) -> u16;
    /// The stack pointer.
    fn sp(&self) -> Reg;
    /// The frame pointer.
    fn fp(&self) -> Reg;
    /// The register that holds the return address on entry; `None` if the stack does.
    fn link(&self) -> Option<Reg>;
    /// Distance from the CFA to the stack pointer on entry of a function.
    fn entry_distance(&self) -> i64;
    /// Integer arguments of a uniform function in order (DESIGN.md 3); floating-point ones are in vectors 0-7.
    fn arguments(&self) -> &'static [Reg];
    /// Registers in which a call of any convention may leave results: integers and vectors in order.
    fn results(&self) -> (&'static [Reg], &'static [Reg]);
    /// Integer arguments of a native function in order; floating-point ones are in vectors 0-7 too.
    fn native_arguments(&self) -> &'static [Reg];
    /// Registers that a native function need not preserve.
    fn native_scratch(&self) -> RegSet;
    /// The integer register that a poll's map calls by this number, or `None` for a zero that no register holds.
    fn mapped_integer(&self, number: u8) -> Option<Reg>;
    /// DWARF's number of a register.
    fn dwarf_register(&self, register: Reg) -> Option<u16>;
    /// DWARF's number of the return address.
    fn dwarf_link(&self) -> u16;
    /// Decodes the instruction at the begin of `bytes`, which is at `address`.
    fn decode(&self, bytes: &[u8], address: u64) -> Option<Insn>;
    /// The instruction as text.
    fn text(&self, bytes: &[u8], address: u64) -> String;
    /// Name of a register.
    fn register_name(&self, register: Reg) -> String;
}

/// The instruction set of a side.
pub fn of(side: Side) -> &'static dyn Isa {
    match side {
        Side::Home => &x86_64::X86_64,
        Side::Visitor => &aarch64::Aarch64,
    }
}
