//! Bytes of registers, and how the bytes of a result depend on those of its sources: compilers leave the rest of a
//! register undefined where nothing that is used comes of it.

use crate::insn::{Reg, RegSet};
use std::ops::Range;

/// Bytes of a register, the lowest in bit 0. The flags are one register with one byte.
pub type Mask = u16;

/// All bytes of a vector register.
pub const WHOLE: Mask = Mask::MAX;

/// Bytes of a vector register.
pub const BYTES: usize = 16;

/// The bytes in a range.
pub fn mask(bytes: Range<usize>) -> Mask {
    bytes.filter(|n| *n < BYTES).fold(0, |sum, n| sum | 1 << n)
}

/// Bytes of all registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSet([Mask; Reg::COUNT]);

impl Default for ByteSet {
    fn default() -> ByteSet {
        ByteSet::EMPTY
    }
}

impl ByteSet {
    /// No byte.
    pub const EMPTY: ByteSet = ByteSet([0; Reg::COUNT]);

    /// All bytes of some registers.
    pub fn whole(registers: RegSet) -> ByteSet {
        let mut set = ByteSet::EMPTY;
        registers.iter().for_each(|register| set.insert(register, WHOLE));
        set
    }

    /// Adds bytes of a register.
    pub fn insert(&mut self, register: Reg, bytes: Mask) {
        self.0[register.index()] |= bytes;
    }

    /// The bytes of a register that are in the set.
    pub fn of(&self, register: Reg) -> Mask {
        self.0[register.index()]
    }

    /// The registers of which bytes are in the set.
    pub fn registers(&self) -> RegSet {
        RegSet::ALL.iter().filter(|register| self.of(*register) != 0).collect()
    }

    /// What either holds.
    #[must_use]
    pub fn union(mut self, other: &ByteSet) -> ByteSet {
        self.0.iter_mut().zip(other.0).for_each(|(mine, more)| *mine |= more);
        self
    }

    /// What both hold.
    #[must_use]
    pub fn intersection(mut self, other: &ByteSet) -> ByteSet {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine &= theirs);
        self
    }

    /// The same but for some registers.
    #[must_use]
    pub fn without(mut self, registers: RegSet) -> ByteSet {
        registers.iter().for_each(|register| self.0[register.index()] = 0);
        self
    }

    /// The bytes of these registers only.
    #[must_use]
    pub fn within(self, registers: RegSet) -> ByteSet {
        self.without(RegSet::ALL.without(registers))
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|bytes| *bytes == 0)
    }
}

/// For each byte of a result, the bytes of a source that it depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteMap([Mask; BYTES]);

impl ByteMap {
    /// Each byte of the result depends on what `source` says.
    pub fn each(source: impl Fn(usize) -> Mask) -> ByteMap {
        ByteMap(std::array::from_fn(source))
    }

    /// A range of bytes is that of the source.
    pub fn same(bytes: Range<usize>) -> ByteMap {
        ByteMap::each(|n| if bytes.contains(&n) { 1 << n } else { 0 })
    }

    /// Elements of `size` bytes depend on the element at their place in the source.
    pub fn elements(size: usize, bytes: Range<usize>) -> ByteMap {
        ByteMap::widened(size, size, 0, bytes)
    }

    /// Elements of `to` bytes depend on elements of `from` bytes in order, which begin at byte `begin` of the source.
    pub fn widened(to: usize, from: usize, begin: usize, bytes: Range<usize>) -> ByteMap {
        let element = |n: usize| begin + n / to * from;
        ByteMap::each(|n| if bytes.contains(&n) { mask(element(n)..element(n) + from) } else { 0 })
    }

    /// Every byte of a range depends on all of these.
    pub fn all(bytes: Range<usize>, source: Mask) -> ByteMap {
        ByteMap::each(|n| if bytes.contains(&n) { source } else { 0 })
    }

    /// Elements of `size` bytes that are shifted by a number of bits. To the right, copies of the sign may come in.
    pub fn shifted(size: usize, left: i64, signed: bool, bytes: Range<usize>) -> ByteMap {
        let bits = size as i64 * 8;
        ByteMap::each(|n| {
            let first = (n % size) as i64 * 8 - left;
            let source = (first..first + 8).map(|bit| if signed { bit.min(bits - 1) } else { bit });
            let within = source.filter(|bit| (0..bits).contains(bit));
            let element = n / size * size;
            let sources = within.fold(0, |sum: Mask, bit| sum | 1 << (element + bit as usize / 8));
            if bytes.contains(&n) { sources } else { 0 }
        })
    }

    /// The element of `size` bytes with number `from` becomes element number `to`.
    #[must_use]
    pub fn moving(mut self, size: usize, from: usize, to: usize) -> ByteMap {
        for n in 0..size {
            if let Some(sources) = self.0.get_mut(to * size + n) {
                *sources = mask(from * size + n..from * size + n + 1);
            }
        }
        self
    }

    /// What the bytes in `result` depend on.
    pub fn sources(&self, result: Mask) -> Mask {
        (0..BYTES).filter(|n| result & 1 << n != 0).fold(0, |sum, n| sum | self.0[n])
    }

    /// The bytes of the result that depend on the bytes in `source`.
    pub fn results(&self, source: Mask) -> Mask {
        (0..BYTES).filter(|n| self.0[*n] & source != 0).fold(0, |sum, n| sum | 1 << n)
    }
}

/// Where bytes of a register go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the bytes of a result that depend on them.
    Result(Reg, ByteMap),
    /// Out of sight: they are stored, compared, or an address. These bytes only.
    Use(Mask),
}

/// What an instruction does with a register that it reads, where it does not simply use all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteFlow {
    /// The register.
    pub from: Reg,
    /// Where its bytes go.
    pub to: Target,
    /// Bytes count only where this operand of the same instruction is not zero.
    pub masked_by: Option<Operand>,
}

/// A vector that an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// From a register.
    Register(Reg),
    /// By the access with this number.
    Access(usize),
}

/// Bytes of a vector register that an instruction makes zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeros {
    /// These.
    Known(Mask),
    /// Where the operand has zeros.
    Of(Operand),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_depend_on_the_bits_that_stay() {
        // `psrad $24`: the highest byte of each double word, everywhere in it.
        let map = ByteMap::shifted(4, -24, true, 0..16);
        assert_eq!(map.sources(0x000f), 0x0008);
        assert_eq!(map.sources(0x0010), 0x0080);
        // `psrld $20`: the upper half byte and the byte above.
        let map = ByteMap::shifted(4, -20, false, 0..16);
        assert_eq!([map.sources(1), map.sources(2), map.sources(4)], [0xc, 0x8, 0]);
        // `pslld $8`.
        let map = ByteMap::shifted(4, 8, false, 0..16);
        assert_eq!([map.sources(1), map.sources(2), map.sources(8)], [0, 1, 4]);
    }

    #[test]
    fn elements_depend_on_their_own() {
        assert_eq!(ByteMap::elements(4, 0..8).sources(0x0120), 0x00f0);
        assert_eq!(ByteMap::widened(4, 2, 8, 0..16).sources(0x0010), 0x0c00);
        assert_eq!(ByteMap::default().moving(2, 3, 1).sources(0x000c), 0x00c0);
        assert_eq!(ByteMap::elements(2, 0..16).results(0x0008), 0x000c);
    }
}
