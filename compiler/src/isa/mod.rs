//! What differs between the instruction sets, one file each.

mod aarch64;
mod x86_64;

/// An instruction set that Twin compiles for.
pub trait Isa: Sync + std::fmt::Debug {
    /// Name for people.
    fn name(&self) -> &'static str;
    /// LLVM target triple.
    fn triple(&self) -> &'static str;
    /// LLVM processor name, if none is asked for.
    fn cpu(&self) -> &'static str;
    /// LLVM feature string, which comes behind what is asked for.
    fn features(&self) -> &'static str;
    /// Instruction lengths are multiples of this many bytes.
    fn granule(&self) -> u64;
    /// `bytes` bytes of padding that are run through, or not. Long padding that is run through is jumped over.
    fn padding(&self, bytes: u64, executed: bool) -> Vec<u8>;
    /// The opposite of a conditional branch whose only form has a short reach; where it leads to is filled in by others.
    fn opposite(&self, instruction: u32) -> u32;
}

/// The instruction set whose processors own the process and whose block order is followed.
pub static HOME: &dyn Isa = &x86_64::X86_64;
/// The other one.
pub static VISITOR: &dyn Isa = &aarch64::Aarch64;

/// Both, home first.
pub fn both() -> [&'static dyn Isa; 2] {
    [HOME, VISITOR]
}
