//! Abstract values of registers and frame cells.

use crate::insn::Reg;
use std::collections::BTreeMap;

/// Where a frame keeps its caller's frame pointer, if it has one of its own: distance from the CFA (DESIGN.md 3).
pub const SAVED_FP: i64 = -16;
/// Where every frame keeps its return address.
pub const RETURN_ADDRESS: i64 = -8;
/// Both ABIs keep the stack pointer aligned so at calls.
const CFA_ALIGN: u64 = 16;

/// Where a value that nothing else is known of was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The instruction; or the begin of the block where several values meet.
    pub address: u64,
    /// The register it was made in.
    pub register: Reg,
    /// Whether it is where several values meet.
    pub meeting: bool,
}

/// An entry of a table in memory, by an index that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableEntry {
    /// Address of the table.
    pub table: u64,
    /// Bytes of an entry.
    pub size: u8,
    /// Whether it is sign-extended.
    pub signed: bool,
    /// Number of entries, if the index has been compared.
    pub count: Option<u32>,
}

/// A value that nothing is known of but where it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// What the register held on entry of the function.
    Entry(Reg),
    /// Made there.
    Made(Origin),
}

impl Source {
    fn is_made_at(self, address: u64) -> bool {
        matches!(self, Source::Made(origin) if origin.address == address && !origin.meeting)
    }
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing, not even where it was made.
    Unknown,
    /// What the register held on entry of the function.
    Entry(Reg),
    /// The value made there.
    Opaque(Origin),
    /// The bits of an unknown value that are in a mask.
    Masked(Source, u64),
    /// A number.
    Constant(u64),
    /// CFA plus a constant.
    Frame(i64),
    /// CFA plus one of two constants.
    FrameEither(i64, i64),
    /// An address within the frame object at this distance from the CFA.
    NearFrame(i64),
    /// A number read from a table.
    Entries(TableEntry),
    /// A constant plus such a number, shifted.
    Anchored(u64, TableEntry, u8),
}

impl Value {
    /// Where a value of which nothing else is known is from, and which of its bits count.
    fn source(self) -> Option<(Source, u64)> {
        match self {
            Value::Entry(register) => Some((Source::Entry(register), u64::MAX)),
            Value::Opaque(origin) => Some((Source::Made(origin), u64::MAX)),
            Value::Masked(source, mask) => Some((source, mask)),
            _ => None,
        }
    }

    /// The bits of the value that are in `mask`.
    #[must_use]
    pub fn masked(self, mask: u64) -> Option<Value> {
        match self {
            Value::Constant(n) => Some(Value::Constant(n & mask)),
            _ => self.source().map(|(source, known)| Value::Masked(source, known & mask)),
        }
    }

    /// The distance from the CFA that an address is at or near.
    pub fn frame_base(self) -> Option<i64> {
        match self {
            Value::Frame(n) | Value::NearFrame(n) => Some(n),
            Value::FrameEither(n, m) => Some(n.min(m)),
            _ => None,
        }
    }

    /// What is known of a value that is one of two.
    #[must_use]
    pub fn or(self, other: Value) -> Option<Value> {
        match (self, other) {
            _ if self == other => Some(self),
            (Value::Frame(n), Value::Frame(m)) => Some(Value::FrameEither(n.min(m), n.max(m))),
            (Value::FrameEither(n, m), Value::Frame(k)) | (Value::Frame(k), Value::FrameEither(n, m))
                if k == n || k == m =>
            {
                Some(Value::FrameEither(n, m))
            }
            _ => self.frame_base().zip(other.frame_base()).map(|(n, m)| Value::NearFrame(n.min(m))),
        }
    }

    /// The value with some bits set. As the CFA is aligned, the lowest bits of a frame address are known; setting bits
    /// never moves an address down.
    #[must_use]
    pub fn with_bits(self, bits: u64) -> Option<Value> {
        let set = |n: i64| (n as u64 | bits) as i64;
        match self {
            Value::Constant(n) => Some(Value::Constant(n | bits)),
            Value::Frame(n) if bits < CFA_ALIGN => Some(Value::Frame(set(n))),
            Value::FrameEither(n, m) if bits < CFA_ALIGN => Value::Frame(set(n)).or(Value::Frame(set(m))),
            _ if bits == 0 => Some(self),
            _ => self.frame_base().map(Value::NearFrame),
        }
    }

    /// The value plus a constant.
    #[must_use]
    pub fn plus(self, constant: i64) -> Option<Value> {
        match self {
            Value::Constant(n) => Some(Value::Constant(n.wrapping_add_signed(constant))),
            Value::Frame(n) => Some(Value::Frame(n.wrapping_add(constant))),
            Value::FrameEither(n, m) => Some(Value::FrameEither(n.wrapping_add(constant), m.wrapping_add(constant))),
            Value::NearFrame(_) => Some(self),
            _ if constant == 0 => Some(self),
            _ => None,
        }
    }
}

/// What is known at one point of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    registers: [Value; Reg::COUNT],
    /// Frame memory: distance from the CFA -> size and value.
    cells: BTreeMap<i64, (u32, Value)>,
    /// Upper bounds of values: of the bits in a mask.
    bounds: BTreeMap<(Source, u64), u64>,
    /// The value and constant that the flags come from.
    pub compared: Option<(Value, u64)>,
}

impl State {
    /// On entry of a function, with the stack pointer `distance` below the CFA.
    pub fn entry(sp: Reg, distance: i64) -> State {
        let registers = std::array::from_fn(|n| {
            let register = if n < 32 { Reg::integer(n as u8) } else { Reg::vector(n.min(63) as u8 - 32) };
            if n < 64 { Value::Entry(register) } else { Value::Unknown }
        });
        let mut state = State { registers, cells: BTreeMap::new(), bounds: BTreeMap::new(), compared: None };
        state.registers[sp.index()] = Value::Frame(-distance);
        state
    }

    /// What a register holds.
    pub fn register(&self, register: Reg) -> Value {
        self.registers[register.index()]
    }

    /// Gives a register a known value.
    pub fn set(&mut self, register: Reg, value: Value) {
        self.registers[register.index()] = value;
    }

    /// Forgets the values that the instruction at `address` made when it ran before.
    pub fn retire(&mut self, address: u64) {
        let stale = |value: &Value| value.source().is_some_and(|(source, _)| source.is_made_at(address));
        for value in self.registers.iter_mut().chain(self.cells.values_mut().map(|(_, v)| v)) {
            if stale(value) {
                *value = Value::Unknown;
            }
        }
        self.bounds.retain(|(source, _), _| !source.is_made_at(address));
        if self.compared.as_ref().is_some_and(|(value, _)| stale(value)) {
            self.compared = None;
        }
    }

    /// What `size` bytes of the frame at `offset` hold.
    pub fn cell(&self, offset: i64, size: u32) -> Value {
        match self.cells.get(&offset) {
            Some(&(stored, value)) if stored == size => value,
            _ => Value::Unknown,
        }
    }

    /// Whether what `offset` holds is known to be whole: the size and value of the last store.
    pub fn cells(&self) -> impl Iterator<Item = (i64, u32, Value)> {
        self.cells.iter().map(|(&offset, &(size, value))| (offset, size, value))
    }

    /// Stores `value` in the frame. Compilers make code that would write behind the end of an array if it were ever
    /// run; so nothing but registers of the caller goes into the frame record.
    pub fn store(&mut self, offset: i64, size: u32, value: Value) {
        let end = offset.saturating_add(size.into());
        if end > SAVED_FP && !matches!(value, Value::Entry(_)) {
            return;
        }
        self.cells.retain(|&at, &mut (stored, _)| at >= end || at.saturating_add(stored.into()) <= offset);
        if value != Value::Unknown {
            self.cells.insert(offset, (size, value));
        }
    }

    /// The largest value that `value` can have, if that is known.
    pub fn bound(&self, value: Value) -> Option<u64> {
        self.bounds.get(&value.source()?).copied()
    }

    /// The bit that is the only one that can be set in `value`, if there is such.
    pub fn only_bit(&self, value: Value) -> Option<u64> {
        let Value::Masked(source, mask) = value else { return None };
        let whole = self.bounds.get(&(source, u64::MAX)).copied().unwrap_or(u64::MAX);
        let possible = mask & (u64::MAX >> whole.leading_zeros().min(63));
        possible.is_power_of_two().then_some(possible)
    }

    /// Notes that `value` is at most `bound`.
    pub fn restrict(&mut self, value: Value, bound: u64) {
        if let Some(key) = value.source() {
            let entry = self.bounds.entry(key).or_insert(bound);
            *entry = bound.min(*entry);
        }
    }

    /// Adds what is known on another way to the block at `address`; tells whether that changed anything.
    pub fn join(&mut self, other: &State, address: u64) -> bool {
        let mut changed = false;
        for n in 0..Reg::COUNT {
            let (old, new) = (self.registers[n], other.registers[n]);
            if old != new {
                let register = if n < 32 { Reg::integer(n as u8) } else { Reg::vector(n.min(63) as u8 - 32) };
                self.registers[n] = old.or(new).unwrap_or(Value::Opaque(Origin { address, register, meeting: true }));
                changed |= self.registers[n] != old;
            }
        }
        let known = (self.cells.len(), self.bounds.len());
        self.cells.retain(|offset, cell| other.cells.get(offset) == Some(cell));
        self.bounds.retain(|value, bound| other.bounds.get(value) == Some(bound));
        changed |= known != (self.cells.len(), self.bounds.len());
        if self.compared != other.compared {
            changed |= self.compared.is_some();
            self.compared = None;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_bits_of_a_frame_address_adds_them() {
        assert_eq!(Value::Frame(-0x3e0).with_bits(8), Some(Value::Frame(-0x3d8)));
        assert_eq!(Value::Frame(-24).with_bits(8), Some(Value::Frame(-24)));
        assert_eq!(Value::FrameEither(-64, -48).with_bits(4), Some(Value::FrameEither(-60, -44)));
        assert_eq!(Value::FrameEither(-64, -56).with_bits(8), Some(Value::Frame(-56)));
        // A pointer that goes through an array, or bits that the alignment of the CFA says nothing about.
        assert_eq!(Value::NearFrame(-64).with_bits(8), Some(Value::NearFrame(-64)));
        assert_eq!(Value::Frame(-64).with_bits(16), Some(Value::NearFrame(-64)));
        assert_eq!(Value::Unknown.with_bits(8), None);
    }

    /// As in `shr eax, 27; and eax, -16`, which is the sign bit at 16.
    #[test]
    fn a_masked_value_can_have_one_bit() {
        let mut state = State::entry(Reg::integer(31), 0);
        let whole = state.register(Reg::integer(3));
        let masked = whole.masked(0xffff_fff0).expect("has a source");
        assert_eq!([whole, masked].map(|value| state.only_bit(value)), [None, None]);
        state.restrict(whole, 31);
        assert_eq!(state.only_bit(masked), Some(16));
        assert_eq!(whole.masked(0x18).and_then(|two| state.only_bit(two)), None);
        assert_eq!(whole.masked(0x20).and_then(|none| state.only_bit(none)), None);
    }

    #[test]
    fn a_bound_holds_for_the_same_bits_wherever_they_are() {
        let mut state = State::entry(Reg::integer(31), 0);
        let low = |register| state.register(Reg::integer(register)).masked(0xff).expect("has a source");
        let (one, same, wider) = (low(3), low(3), state.register(Reg::integer(3)));
        assert_eq!(one.masked(0x1ff), Some(one));
        let of_other = low(4);
        state.restrict(one, 118);
        assert_eq!([same, wider, of_other].map(|value| state.bound(value)), [Some(118), None, None]);
        // What is made anew is another value.
        let made = |address| Value::Opaque(Origin { address, register: Reg::integer(5), meeting: false });
        let low = made(0x1000).masked(0xff).expect("has a source");
        state.restrict(low, 7);
        state.retire(0x1000);
        assert_eq!(state.bound(low), None);
    }
}
