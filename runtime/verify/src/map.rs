//! Maps of polls: words that say which registers are saved to which slots before a call, and loaded from them behind it (DESIGN.md 5;
//! `compiler/shim/map.cpp` has the format).

use crate::graph::Code;
use crate::insn::{Access, Assignment, Condition, Expr, Flow, Insn, Reg};
use crate::isa::Isa;
use crate::polls;

/// Bytes of a word.
const WORD: usize = 2;
/// Bits of the first word that say how many follow; the other one says whether they name vector registers.
const LENGTH: u16 = 0x7fff;
/// An offset of this says that it is in the next word.
const OFFSET_FOLLOWS: u16 = 63;
/// What a word says of a register if there is none.
const NO_REGISTER: u16 = 1 << 5 | 3 << 6;

/// What is moved to and from a slot.
enum Place {
    Register(Reg),
    Zero,
    /// Frame memory: its distance from the stack pointer, and its bytes.
    Spilled(i64, u32),
}

/// One value.
struct Move {
    place: Place,
    /// The slot's distance from the stack pointer.
    offset: i64,
    bytes: u32,
    saved: bool,
    loaded: bool,
}

/// Reads the map at the begin of `bytes`.
fn read(isa: &dyn Isa, bytes: &[u8]) -> Option<Vec<Move>> {
    let mut words = bytes.chunks_exact(WORD).map(|word| u16::from_le_bytes([word[0], word[1]]));
    let first = words.next()?;
    let (count, names_vectors) = (first & LENGTH, first & !LENGTH != 0);
    let mut words = words.take(count.into());
    let mut moves = Vec::new();
    let mut read = 0;
    while let Some(word) = words.next() {
        let (number, is_vector, size) = ((word & 31) as u8, word >> 5 & 1 != 0, word >> 6 & 3);
        let is_spilled = word & NO_REGISTER == NO_REGISTER;
        let bytes = match is_vector {
            true if is_spilled => 1 << (number & 7),
            true => 4 << size,
            false => 1 << size,
        };
        read += 1;
        let mut next = || {
            read += 1;
            words.next().map(i64::from)
        };
        let offset = if word >> 10 == OFFSET_FOLLOWS { next()? } else { i64::from(word >> 10) * i64::from(bytes) };
        let place = match is_vector {
            true if is_spilled => Place::Spilled(next()?, bytes << (number >> 3)),
            true => Place::Register(Reg::vector(number)),
            false => isa.mapped_integer(number).map_or(Place::Zero, Place::Register),
        };
        moves.push(Move { place, offset, bytes, saved: word >> 8 & 1 != 0, loaded: word >> 9 & 1 != 0 });
    }
    let is_vector = |each: &Move| matches!(each.place, Place::Register(register) if register.vector_number().is_some());
    // The runtime leaves vector registers alone unless the map says that it names any.
    let is_right = read == count && (names_vectors || !moves.iter().any(is_vector));
    is_right.then_some(moves)
}

impl Code<'_> {
    /// Reads the instruction at `address`, or all steps there. A poll is a branch to its cold block or to its steps, the call in a cold
    /// block is a jump to these.
    pub fn decode(&self, address: u64) -> Option<Vec<Insn>> {
        if polls::is_step(address) {
            return self.steps(address);
        }
        let mut insn = self.isa.decode(self.from(address)?, address).filter(|insn| insn.length > 0)?;
        if let Some(&target) = self.polls.faults.get(&address) {
            insn.flow = Flow::Branch(target, Condition::Other);
            // What an instruction that faulted would have loaded is not there.
            insn.assignments.clear();
        } else if self.polls.function.is_some_and(|poll| insn.flow == Flow::Call(poll)) {
            insn.flow = Flow::Jump(polls::steps(insn.end()));
        }
        Some(vec![insn])
    }

    /// What the runtime does from `first` on: it destroys the link register, saves, calls, loads, and goes on.
    fn steps(&self, first: u64) -> Option<Vec<Insn>> {
        let poll = self.polls.calls.get(&polls::place(first))?;
        let moves = read(self.isa, self.polls.image.bytes_from(poll.map))?;
        let [mut link, mut saves, mut call, mut loads, mut jump] =
            std::array::from_fn(|n| Insn::new(first + n as u64, 1));
        for each in &moves {
            let at = |offset| Access::at(Some(self.isa.sp()), offset, each.bytes);
            if each.saved {
                let stored = match each.place {
                    Place::Register(register) => {
                        saves.uses.insert(register);
                        Expr::Sum(register, 0)
                    }
                    Place::Zero => Expr::Constant(0),
                    Place::Spilled(offset, _) => saves.load(at(offset)),
                };
                saves.accesses.push(Access { writes: true, stored: Some(stored), ..at(each.offset) });
            }
            if each.loaded {
                let value = loads.load(at(each.offset));
                match each.place {
                    Place::Register(to) => {
                        loads.defs.insert(to);
                        loads.assignments.push(Assignment { to, value, narrow: false });
                    }
                    Place::Zero => {}
                    Place::Spilled(offset, size) => {
                        loads.accesses.push(Access { writes: true, stored: Some(value), size, ..at(offset) });
                    }
                }
            }
        }
        link.defs.extend_with(self.isa.link());
        for step in [&mut saves, &mut call, &mut loads] {
            step.uses.insert(self.isa.sp());
        }
        call.flow = Flow::Call(self.polls.function?);
        jump.flow = Flow::Jump(poll.resume);
        Some(vec![link, saves, call, loads, jump])
    }
}

impl Insn {
    /// Adds an access that reads; returns what it reads.
    fn load(&mut self, access: Access) -> Expr {
        self.accesses.push(Access { reads: true, ..access });
        Expr::Loaded(self.accesses.len() - 1)
    }
}
