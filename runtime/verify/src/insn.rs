//! Instructions of either ISA in one neutral form: control flow, registers, memory, and what is known of the values.

use crate::polls;
use std::fmt;

/// A register: 0-31 integer, 32-63 vector, 64 the condition flags. Which is which is the ISA's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(u8);

impl Reg {
    /// Number of registers.
    pub const COUNT: usize = 65;
    /// The condition flags, as one register.
    pub const FLAGS: Reg = Reg(64);

    /// An integer register.
    pub const fn integer(number: u8) -> Reg {
        assert!(number < 32);
        Reg(number)
    }

    /// A vector register.
    pub const fn vector(number: u8) -> Reg {
        assert!(number < 32);
        Reg(32 + number)
    }

    /// Position among all registers.
    pub fn index(self) -> usize {
        self.0.into()
    }

    /// Number among the integer registers.
    pub fn integer_number(self) -> Option<u8> {
        (self.0 < 32).then_some(self.0)
    }

    /// Number among the vector registers.
    pub fn vector_number(self) -> Option<u8> {
        (32..64).contains(&self.0).then(|| self.0 - 32)
    }
}

/// A set of registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegSet(u128);

impl RegSet {
    /// No register.
    pub const EMPTY: RegSet = RegSet(0);
    /// Every register.
    pub const ALL: RegSet = RegSet((1 << Reg::COUNT) - 1);

    /// The set of `registers`.
    pub fn of(registers: &[Reg]) -> RegSet {
        registers.iter().copied().collect()
    }

    /// Adds a register.
    pub fn insert(&mut self, register: Reg) {
        self.0 |= 1 << register.0;
    }

    /// Adds a register if there is one.
    pub fn extend_with(&mut self, register: Option<Reg>) {
        register.into_iter().for_each(|r| self.insert(r));
    }

    /// Removes a register.
    pub fn remove(&mut self, register: Reg) {
        self.0 &= !(1 << register.0);
    }

    /// Whether it holds `register`.
    pub fn contains(self, register: Reg) -> bool {
        self.0 & (1 << register.0) != 0
    }

    /// Whether it holds nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What either holds.
    #[must_use]
    pub fn union(self, other: RegSet) -> RegSet {
        RegSet(self.0 | other.0)
    }

    /// What both hold.
    #[must_use]
    pub fn intersection(self, other: RegSet) -> RegSet {
        RegSet(self.0 & other.0)
    }

    /// What `other` does not hold.
    #[must_use]
    pub fn without(self, other: RegSet) -> RegSet {
        RegSet(self.0 & !other.0)
    }

    /// Its registers in order.
    pub fn iter(self) -> impl Iterator<Item = Reg> {
        (0..Reg::COUNT as u8).map(Reg).filter(move |r| self.contains(*r))
    }
}

impl FromIterator<Reg> for RegSet {
    fn from_iter<I: IntoIterator<Item = Reg>>(registers: I) -> RegSet {
        let mut set = RegSet::EMPTY;
        registers.into_iter().for_each(|r| set.insert(r));
        set
    }
}

/// What an unsigned comparison with a constant tells on the edges of a conditional branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Taken if greater.
    Above,
    /// Taken if greater or equal.
    AboveOrEqual,
    /// Taken if less.
    Below,
    /// Taken if less or equal.
    BelowOrEqual,
    /// Nothing that matters here.
    Other,
}

/// Where control goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next instruction.
    Next,
    /// Elsewhere.
    Jump(u64),
    /// Elsewhere, or to the next instruction.
    Branch(u64, Condition),
    /// To a computed address.
    JumpTo(Expr),
    /// Into a function, which may return here.
    Call(u64),
    /// Into a function at a computed address.
    CallTo(Expr),
    /// Back to the caller.
    Return,
    /// Nowhere: a trap.
    Stop,
}

/// What an instruction makes of its operands, as far as addresses and frames are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expr {
    /// A constant or an address.
    Constant(u64),
    /// A register plus a constant.
    Sum(Reg, i64),
    /// `base + (index << shift) + constant`.
    Added {
        /// First register.
        base: Reg,
        /// Second register.
        index: Reg,
        /// How far the second is shifted to the left.
        shift: u8,
        /// What is added to both.
        constant: i64,
    },
    /// A register with some bits set.
    Or(Reg, u64),
    /// All bits of two registers.
    OrRegister(Reg, Reg),
    /// A register with the bits of a mask replaced.
    Insert {
        /// The register.
        register: Reg,
        /// Bits that are replaced.
        mask: u64,
        /// By what.
        bits: u64,
    },
    /// One of two registers.
    Either(Reg, Reg),
    /// What the access with this number reads.
    Loaded(usize),
    /// Something of at most this (unsigned).
    Bounded(u64),
    /// A register's bits that are in the mask.
    Masked(Reg, u64),
}

/// A register's new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The register.
    pub to: Reg,
    /// Its value, in terms of the registers before the instruction.
    pub value: Expr,
    /// Whether only the lower 32 bits are computed.
    pub narrow: bool,
}

/// An access to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Base register.
    pub base: Option<Reg>,
    /// Index register and how far it is shifted.
    pub index: Option<(Reg, u8)>,
    /// Constant part of the address.
    pub displacement: i64,
    /// Bytes; 0 if it is not known how many.
    pub size: u32,
    /// Whether memory is read.
    pub reads: bool,
    /// Whether memory is written.
    pub writes: bool,
    /// Whether what is read is sign-extended.
    pub signed: bool,
    /// What is written, if it is a register or constant.
    pub stored: Option<Expr>,
}

impl Access {
    /// An access at `base + displacement`.
    pub fn at(base: Option<Reg>, displacement: i64, size: u32) -> Access {
        Access { base, index: None, displacement, size, reads: false, writes: false, signed: false, stored: None }
    }
}

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insn {
    /// Its address.
    pub address: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Where control goes.
    pub flow: Flow,
    /// Registers whose old value matters.
    pub uses: RegSet,
    /// Registers that get a new value.
    pub defs: RegSet,
    /// Known values among those.
    pub assignments: Vec<Assignment>,
    /// What it does to memory.
    pub accesses: Vec<Access>,
    /// The register and constant that it compares (unsigned conditions tell which is larger).
    pub compares: Option<(Reg, u64)>,
}

impl Insn {
    /// An instruction without any effect.
    pub fn new(address: u64, length: u64) -> Insn {
        Insn {
            address,
            length,
            flow: Flow::Next,
            uses: RegSet::EMPTY,
            defs: RegSet::EMPTY,
            assignments: Vec::new(),
            accesses: Vec::new(),
            compares: None,
        }
    }

    /// The address behind it.
    pub fn end(&self) -> u64 {
        self.address.wrapping_add(self.length)
    }

    /// The return address of a call.
    pub fn returns_to(&self) -> u64 {
        polls::place(self.end())
    }

    /// Whether it is a call of any kind.
    pub fn is_call(&self) -> bool {
        matches!(self.flow, Flow::Call(_) | Flow::CallTo(_))
    }
}

/// An offset from the CFA, as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CfaOffset(pub i64);

impl fmt::Display for CfaOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("CFA"),
            n if n < 0 => write!(f, "CFA-{}", n.unsigned_abs()),
            n => write!(f, "CFA+{n}"),
        }
    }
}
