//! aarch64, decoded by yaxpeax-arm: instructions of 4 bytes. The first operand is the result, with the exceptions
//! listed below. The caller's address arrives in x30, which the prologue stores at CFA-8.

use super::Isa;
use crate::insn::{Access, Assignment, Condition, Expr, Flow, Insn, Reg, RegSet};
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{InstDecoder, Instruction, Opcode, Operand, SIMDSizeCode, ShiftStyle, SizeCode};

pub struct Aarch64;

const LENGTH: u64 = 4;
const SP: Reg = Reg::integer(31);
const FP: Reg = Reg::integer(29);
const LINK: Reg = Reg::integer(30);
/// The number that means the zero register or the stack pointer.
const ZERO: u16 = 31;

static ARGUMENTS: [Reg; 17] = numbered([24, 25, 26, 27, 28, 0, 20, 21, 22, 23, 1, 2, 3, 4, 5, 6, 7]);
static NATIVE_ARGUMENTS: [Reg; 8] = numbered([0, 1, 2, 3, 4, 5, 6, 7]);
static RESULTS: [Reg; 2] = [Reg::integer(0), Reg::integer(1)];
static VECTOR_RESULTS: [Reg; 2] = [Reg::vector(0), Reg::vector(1)];

const fn numbered<const N: usize>(numbers: [u8; N]) -> [Reg; N] {
    let mut registers = [SP; N];
    let mut n = 0;
    while n < N {
        registers[n] = Reg::integer(numbers[n]);
        n += 1;
    }
    registers
}

impl Isa for Aarch64 {
    fn name(&self) -> &'static str {
        "aarch64"
    }

    fn machine(&self) -> u16 {
        object::elf::EM_AARCH64.0
    }

    fn sp(&self) -> Reg {
        SP
    }

    fn fp(&self) -> Reg {
        FP
    }

    fn link(&self) -> Option<Reg> {
        Some(LINK)
    }

    fn entry_distance(&self) -> i64 {
        0
    }

    fn arguments(&self) -> &'static [Reg] {
        &ARGUMENTS
    }

    fn results(&self) -> (&'static [Reg], &'static [Reg]) {
        (&RESULTS, &VECTOR_RESULTS)
    }

    fn native_arguments(&self) -> &'static [Reg] {
        &NATIVE_ARGUMENTS
    }

    fn native_scratch(&self) -> RegSet {
        let integers: RegSet = (19..30).chain([31]).map(Reg::integer).collect();
        RegSet::ALL.without(integers.union((8..16).map(Reg::vector).collect()))
    }

    fn mapped_integer(&self, number: u8) -> Option<Reg> {
        (u16::from(number) != ZERO).then(|| Reg::integer(number))
    }

    fn dwarf_register(&self, register: Reg) -> Option<u16> {
        const FIRST_VECTOR: u16 = 64;
        let vector = register.vector_number().map(|n| FIRST_VECTOR + u16::from(n));
        vector.or(register.integer_number().map(u16::from))
    }

    fn dwarf_link(&self) -> u16 {
        30
    }

    fn decode(&self, bytes: &[u8], address: u64) -> Option<Insn> {
        Some(Reader::new(decode(bytes)?, address).read())
    }

    fn text(&self, bytes: &[u8], _address: u64) -> String {
        decode(bytes).map_or_else(|| "(undefined)".to_owned(), |raw| raw.to_string())
    }

    fn register_name(&self, register: Reg) -> String {
        match (register.integer_number(), register.vector_number()) {
            (Some(31), _) => "sp".to_owned(),
            (Some(n), _) => format!("x{n}"),
            (_, Some(n)) => format!("v{n}"),
            _ => "flags".to_owned(),
        }
    }
}

fn decode(bytes: &[u8]) -> Option<Instruction> {
    InstDecoder::default().decode(&mut U8Reader::new(bytes.get(..LENGTH as usize)?)).ok()
}

/// How an instruction treats its register operands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The first `n` are results.
    Results(usize),
    /// The first is a result that depends on its old value.
    Update,
    /// The first is read, the second is the result.
    Exchange,
    /// All are read.
    Reads,
}

fn role(raw: &Instruction) -> Role {
    use Opcode::*;
    match raw.opcode {
        STR | STRB | STRH | STRW | STUR | STURB | STURH | STTR | STTRB | STTRH | STP | STNP | STLR | STLRB | STLRH
        | STLLR | STLLRB | STLLRH | STLUR | STLURB | STLURH | ST1 | ST2 | ST3 | ST4 => Role::Reads,
        CCMN | CCMP | FCMP | FCMPE | FCCMP | FCCMPE | CBZ | CBNZ | TBZ | TBNZ | BR | BLR | RET | PRFM | PRFUM | MSR
        | SVC | HINT | B | BL | Bcc(_) => Role::Reads,
        LDP | LDPSW | LDNP | LDXP | LDAXP => Role::Results(2),
        SWP(_) | SWPB(_) | SWPH(_) | LDADD(_) | LDADDB(_) | LDADDH(_) | LDCLR(_) | LDCLRB(_) | LDCLRH(_) | LDEOR(_)
        | LDEORB(_) | LDEORH(_) | LDSET(_) | LDSETB(_) | LDSETH(_) | LDSMAX(_) | LDSMAXB(_) | LDSMAXH(_)
        | LDSMIN(_) | LDSMINB(_) | LDSMINH(_) | LDUMAX(_) | LDUMAXB(_) | LDUMAXH(_) | LDUMIN(_) | LDUMINB(_)
        | LDUMINH(_) => Role::Exchange,
        MOVK | BFM | INS | BSL | BIT | BIF | TBX | CAS(_) | CASB(_) | CASH(_) | CASP(_) => Role::Update,
        MLA | MLS | FMLA | FMLS | FMLAL | FMLAL2 | FMLSL | FMLSL2 | FCMLA | SDOT | UDOT | SMLAL | SMLAL2 | SMLSL
        | SMLSL2 | UMLAL | UMLAL2 | UMLSL | UMLSL2 | SQDMLAL | SQDMLAL2 | SQDMLSL | SQDMLSL2 | SQRDMLAH | SQRDMLSH
        | SABA | SABAL | SABAL2 | UABA | UABAL | UABAL2 | SADALP | UADALP | SUQADD | USQADD => Role::Update,
        SSRA | USRA | SRSRA | URSRA | SRI | SLI => Role::Update,
        ADDHN2 | SUBHN2 | RADDHN2 | RSUBHN2 | XTN2 | SQXTN2 | SQXTUN2 | UQXTN2 | FCVTN2 | FCVTXN2 | SHRN2 | RSHRN2
        | SQSHRN2 | SQSHRUN2 | SQRSHRN2 | SQRSHRUN2 | UQSHRN2 | UQRSHRN2 => Role::Update,
        AESD | AESE | SHA1C | SHA1M | SHA1P | SHA1SU0 | SHA1SU1 | SHA256H | SHA256H2 | SHA256SU0 | SHA256SU1
        | SHA512H | SHA512H2 | SHA512SU0 | SHA512SU1 => Role::Update,
        LD1 | LD2 | LD3 | LD4 if matches!(raw.operands[0], Operand::SIMDRegisterGroupLane(..)) => Role::Update,
        _ => Role::Results(1),
    }
}

/// Bytes that each register of a load or store transfers, if the opcode says so.
fn transfer_size(opcode: Opcode) -> Option<u32> {
    use Opcode::*;
    Some(match opcode {
        LDRB | LDRSB | LDURB | LDURSB | LDTRB | LDTRSB | LDARB | LDAXRB | LDXRB | LDAPRB | LDAPURB | LDAPURSB
        | STRB | STURB | STTRB | STLRB | STXRB | STLXRB => 1,
        LDRH | LDRSH | LDURH | LDURSH | LDTRH | LDTRSH | LDARH | LDAXRH | LDXRH | LDAPRH | LDAPURH | LDAPURSH
        | STRH | STURH | STTRH | STLRH | STXRH | STLXRH => 2,
        LDRSW | LDURSW | LDTRSW | LDPSW | LDAPURSW => 4,
        _ => return None,
    })
}

/// Bytes of the elements that a load spreads over whole registers.
fn replicated(opcode: Opcode, operand: &Operand) -> Option<u32> {
    match *operand {
        Operand::SIMDRegisterGroup(_, _, element, count)
            if matches!(opcode, Opcode::LD1R | Opcode::LD2R | Opcode::LD3R | Opcode::LD4R) =>
        {
            Some(element_bytes(element) * u32::from(count))
        }
        _ => None,
    }
}

fn is_store(opcode: Opcode) -> bool {
    use Opcode::*;
    matches!(
        opcode,
        STR | STRB
            | STRH
            | STRW
            | STUR
            | STURB
            | STURH
            | STTR
            | STTRB
            | STTRH
            | STP
            | STNP
            | STLR
            | STLRB
            | STLRH
            | STLLR
            | STLLRB
            | STLLRH
            | STLUR
            | STLURB
            | STLURH
            | ST1
            | ST2
            | ST3
            | ST4
            | STXR
            | STXRB
            | STXRH
            | STXP
            | STLXR
            | STLXRB
            | STLXRH
            | STLXP
    )
}

fn stores_exclusively(opcode: Opcode) -> bool {
    use Opcode::*;
    matches!(opcode, STXR | STXRB | STXRH | STXP | STLXR | STLXRB | STLXRH | STLXP)
}

fn updates_memory(raw: &Instruction) -> bool {
    use Opcode::*;
    matches!(raw.opcode, CAS(_) | CASB(_) | CASH(_) | CASP(_)) || role(raw) == Role::Exchange
}

fn element_bytes(size: SIMDSizeCode) -> u32 {
    match size {
        SIMDSizeCode::B => 1,
        SIMDSizeCode::H => 2,
        SIMDSizeCode::S => 4,
        SIMDSizeCode::D => 8,
        SIMDSizeCode::Q => 16,
    }
}

fn integer_bytes(size: SizeCode) -> u32 {
    match size {
        SizeCode::X => 8,
        SizeCode::W => 4,
    }
}

/// The integer register with that number, unless it is the zero register.
fn integer(number: u16) -> Option<Reg> {
    (number < ZERO).then(|| Reg::integer(number as u8))
}

/// The integer register with that number, which may be the stack pointer.
fn integer_or_sp(number: u16) -> Option<Reg> {
    (number <= ZERO).then(|| Reg::integer(number as u8))
}

fn vector(number: u16) -> Reg {
    Reg::vector(number as u8 & 31)
}

/// Registers that an operand names, apart from those of an address.
fn registers(operand: &Operand) -> RegSet {
    let group = |first: u16, count: u8| (0..u16::from(count)).map(|n| vector(first + n)).collect();
    match *operand {
        Operand::Register(_, n) => integer(n).into_iter().collect(),
        Operand::RegisterPair(_, n) => [integer(n), integer(n + 1)].into_iter().flatten().collect(),
        Operand::RegisterOrSP(_, n) => integer_or_sp(n).into_iter().collect(),
        Operand::RegShift(_, _, _, n) => integer(n).into_iter().collect(),
        Operand::SIMDRegister(_, n)
        | Operand::SIMDRegisterElements(_, n, _)
        | Operand::SIMDRegisterElementsLane(_, n, _, _)
        | Operand::SIMDRegisterElementsMultipleLane(_, n, _, _, _) => RegSet::of(&[vector(n)]),
        Operand::SIMDRegisterGroup(_, n, _, count) => group(n, count),
        Operand::SIMDRegisterGroupLane(n, _, count, _) => group(n, count),
        _ => RegSet::EMPTY,
    }
}

/// Bytes of one transferred operand, and the register if it is a single one.
fn transferred(operand: &Operand) -> Option<(u32, Option<Expr>)> {
    let whole = |register: Option<Reg>| Some(register.map_or(Expr::Constant(0), |r| Expr::Sum(r, 0)));
    match *operand {
        Operand::Register(size, n) => Some((integer_bytes(size), whole(integer(n)))),
        Operand::SIMDRegister(size, n) => Some((element_bytes(size), whole(Some(vector(n))))),
        Operand::SIMDRegisterGroup(size, _, _, count) => Some((element_bytes(size) * u32::from(count), None)),
        Operand::SIMDRegisterGroupLane(_, size, count, _) => Some((element_bytes(size) * u32::from(count), None)),
        _ => None,
    }
}

fn immediate(operand: &Operand) -> Option<u64> {
    match *operand {
        Operand::Immediate(n) => Some(n.into()),
        Operand::Imm64(n) => Some(n),
        Operand::Imm16(n) => Some(n.into()),
        Operand::ImmShift(n, shift) => u64::from(n).checked_shl(shift.into()),
        _ => None,
    }
}

struct Reader {
    raw: Instruction,
    insn: Insn,
}

impl Reader {
    fn new(raw: Instruction, address: u64) -> Reader {
        Reader { raw, insn: Insn::new(address, LENGTH) }
    }

    fn read(mut self) -> Insn {
        self.registers();
        self.flags();
        self.memory();
        self.flow();
        self.values();
        self.insn
    }

    fn registers(&mut self) {
        let role = role(&self.raw);
        for (position, operand) in self.raw.operands.iter().enumerate() {
            let named = registers(operand);
            let (reads, writes) = match role {
                Role::Results(count) => (position >= count, position < count),
                Role::Update => (true, position == 0),
                Role::Exchange => (position == 0, position == 1),
                Role::Reads => (true, false),
            };
            if reads {
                self.insn.uses = self.insn.uses.union(named);
            }
            if writes {
                self.insn.defs = self.insn.defs.union(named);
            }
        }
    }

    fn flags(&mut self) {
        use Opcode::*;
        let opcode = self.raw.opcode;
        if matches!(opcode, ADDS | SUBS | ANDS | BICS | ADCS | SBCS | CCMP | CCMN | FCMP | FCMPE | FCCMP | FCCMPE) {
            self.insn.defs.insert(Reg::FLAGS);
        }
        if matches!(
            opcode,
            Bcc(_) | CSEL | CSINC | CSINV | CSNEG | FCSEL | CCMP | CCMN | FCCMP | FCCMPE | ADC | ADCS | SBC | SBCS
        ) {
            self.insn.uses.insert(Reg::FLAGS);
        }
    }

    fn memory(&mut self) {
        let mut position = self.raw.operands.iter().position(|o| {
            matches!(
                o,
                Operand::RegRegOffset(..)
                    | Operand::RegPreIndex(..)
                    | Operand::RegPostIndex(..)
                    | Operand::RegPostIndexReg(..)
            )
        });
        if position.is_none() && matches!(self.raw.opcode, Opcode::LDR | Opcode::LDRSW) {
            position = self.raw.operands.iter().position(|o| matches!(o, Operand::PCOffset(_)));
        }
        let Some(position) = position else { return };
        let (base, index, displacement, writeback) = match self.raw.operands[position] {
            Operand::RegRegOffset(base, index, _, _, shift) => (base, integer(index).map(|r| (r, shift)), 0, None),
            Operand::RegPreIndex(base, offset, writeback) => {
                (base, None, i64::from(offset), writeback.then_some(i64::from(offset)))
            }
            Operand::RegPostIndex(base, offset) => (base, None, 0, Some(i64::from(offset))),
            Operand::RegPostIndexReg(base, increment) => {
                self.insn.uses.extend_with(integer(increment));
                self.insn.defs.extend_with(integer_or_sp(base));
                (base, None, 0, None)
            }
            Operand::PCOffset(offset) => (u16::MAX, None, self.insn.address.wrapping_add_signed(offset) as i64, None),
            _ => return,
        };
        let base = integer_or_sp(base);
        self.insn.uses.extend_with(base);
        self.insn.uses.extend_with(index.map(|(r, _)| r));
        if let (Some(base), Some(offset)) = (base, writeback) {
            self.insn.defs.insert(base);
            self.insn.assignments.push(Assignment { to: base, value: Expr::Sum(base, offset), narrow: false });
        }
        self.accesses(position, base, index, displacement);
    }

    /// One access for each transferred register, up to the operand with the address.
    fn accesses(&mut self, position: usize, base: Option<Reg>, index: Option<(Reg, u8)>, displacement: i64) {
        use Opcode::*;
        let opcode = self.raw.opcode;
        if matches!(opcode, PRFM | PRFUM) {
            return;
        }
        let store = is_store(opcode);
        let first = usize::from(stores_exclusively(opcode));
        let last = if role(&self.raw) == Role::Exchange { 1 } else { position };
        let mut at = displacement;
        for operand in &self.raw.operands[first..last] {
            let Some((size, register)) = transferred(operand) else { continue };
            let size = transfer_size(opcode).or_else(|| replicated(opcode, operand)).unwrap_or(size);
            let mut access = Access::at(base, at, size);
            access.index = index;
            // A load into the zero register is none.
            let nowhere = register == Some(Expr::Constant(0)) && !updates_memory(&self.raw);
            access.reads = !store && !nowhere;
            access.writes = store || updates_memory(&self.raw);
            access.signed =
                matches!(opcode, LDRSB | LDRSH | LDRSW | LDURSB | LDURSH | LDURSW | LDPSW | LDTRSB | LDTRSH | LDTRSW);
            access.stored = if store { register } else { None };
            if let (false, Some(Expr::Sum(to, 0)), Role::Results(_)) = (store, register, role(&self.raw)) {
                let value = Expr::Loaded(self.insn.accesses.len());
                self.insn.assignments.push(Assignment { to, value, narrow: false });
            }
            self.insn.accesses.push(access);
            at += i64::from(size);
        }
    }

    fn target(&self) -> u64 {
        let offset = self.raw.operands.iter().find_map(|o| match o {
            Operand::PCOffset(offset) => Some(*offset),
            _ => None,
        });
        self.insn.address.wrapping_add_signed(offset.unwrap_or(0))
    }

    fn flow(&mut self) {
        use Opcode::*;
        let register = match self.raw.operands[0] {
            Operand::Register(_, n) => integer(n).map(|r| Expr::Sum(r, 0)),
            _ => None,
        };
        self.insn.flow = match self.raw.opcode {
            B => Flow::Jump(self.target()),
            Bcc(code) => Flow::Branch(self.target(), condition(code)),
            CBZ | CBNZ | TBZ | TBNZ => Flow::Branch(self.target(), Condition::Other),
            BL => Flow::Call(self.target()),
            BR => Flow::JumpTo(register.unwrap_or(Expr::Constant(0))),
            BLR => Flow::CallTo(register.unwrap_or(Expr::Constant(0))),
            RET => Flow::Return,
            BRK | UDF | HLT => Flow::Stop,
            _ => Flow::Next,
        };
        if self.insn.is_call() {
            self.insn.defs = RegSet::of(&[LINK]);
        }
    }

    fn assign(&mut self, to: Reg, value: Expr, narrow: bool) {
        self.insn.assignments.push(Assignment { to, value, narrow });
    }

    fn values(&mut self) {
        use Opcode::*;
        let [result, first, second, third] = self.raw.operands;
        let (to, narrow) = match result {
            Operand::Register(size, n) => (integer(n), size == SizeCode::W),
            Operand::RegisterOrSP(size, n) => (integer_or_sp(n), size == SizeCode::W),
            Operand::SIMDRegister(_, n) => (Some(vector(n)), false),
            _ => (None, false),
        };
        let source = registers(&first).iter().next();
        if matches!(self.raw.opcode, SUBS)
            && let (Some(register), Some(constant)) = (source, immediate(&second))
        {
            self.insn.compares = Some((register, constant));
        }
        let Some(to) = to else { return };
        let value = match self.raw.opcode {
            ADR => Some(Expr::Constant(self.target())),
            ADRP => {
                const PAGE: u64 = 0xfff;
                let offset = self.target().wrapping_sub(self.insn.address);
                Some(Expr::Constant((self.insn.address & !PAGE).wrapping_add(offset)))
            }
            MOVZ => immediate(&first).map(Expr::Constant),
            MOVN => immediate(&first).map(|n| Expr::Constant(!n)),
            MOVK => match first {
                Operand::ImmShift(n, shift) if shift < 64 => {
                    const HALF: u64 = 0xffff;
                    Some(Expr::Insert { register: to, mask: HALF << shift, bits: u64::from(n) << shift })
                }
                _ => None,
            },
            FMOV => source.map(|r| Expr::Sum(r, 0)),
            ORR => match (source, immediate(&second)) {
                (None, Some(constant)) => Some(Expr::Constant(constant)),
                (Some(register), Some(constant)) => Some(Expr::Or(register, constant)),
                (None, None) => plain(&second).map(|r| r.map_or(Expr::Constant(0), |r| Expr::Sum(r, 0))),
                (Some(register), None) => plain(&second).flatten().map(|other| Expr::OrRegister(register, other)),
            },
            CSEL => source.zip(registers(&second).iter().next()).map(|(a, b)| Expr::Either(a, b)),
            ADD | ADDS => self.sum(source, &second, 1),
            SUB | SUBS => self.sum(source, &second, -1),
            AND => source.zip(immediate(&second).filter(|n| (*n as i64) >= 0)).map(|(of, mask)| Expr::Masked(of, mask)),
            UBFM => match (immediate(&second), immediate(&third)) {
                (Some(low), Some(high)) if (low..64).contains(&high) => {
                    Some(Expr::Bounded(u64::MAX >> (63 - high + low)))
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(value) = value {
            self.assign(to, value, narrow);
        }
    }

    fn sum(&self, source: Option<Reg>, second: &Operand, sign: i64) -> Option<Expr> {
        let base = source?;
        if let Some(constant) = immediate(second) {
            return Some(Expr::Sum(base, (constant as i64).wrapping_mul(sign)));
        }
        let added = |index: u16, shift: u8| integer(index).map(|index| Expr::Added { base, index, shift, constant: 0 });
        match *second {
            _ if sign < 0 => None,
            Operand::Register(_, index) => added(index, 0),
            Operand::RegShift(style, shift, _, index) => {
                let widens = !matches!(style, ShiftStyle::LSR | ShiftStyle::ASR | ShiftStyle::ROR);
                if widens { added(index, shift) } else { None }
            }
            _ => None,
        }
    }
}

/// The register that an unshifted operand names: `Some(None)` is the zero register.
fn plain(operand: &Operand) -> Option<Option<Reg>> {
    match *operand {
        Operand::Register(_, n) | Operand::RegShift(ShiftStyle::LSL, 0, _, n) => Some(integer(n)),
        _ => None,
    }
}

fn condition(code: u8) -> Condition {
    match code {
        2 => Condition::AboveOrEqual,
        3 => Condition::Below,
        8 => Condition::Above,
        9 => Condition::BelowOrEqual,
        _ => Condition::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spread_is_loaded_once() {
        let sizes = |word: u32| {
            let insn = Aarch64.decode(&word.to_le_bytes(), 0x1000).expect("an instruction");
            insn.accesses.iter().map(|access| (access.size, access.reads)).collect::<Vec<_>>()
        };
        // ld1r {v0.8b}, [x8]; ld1r {v0.2d}, [x8]; ld2r {v0.4h, v1.4h}, [x8]; ld1 {v0.8b}, [x8].
        for (word, size) in [(0x0d40_c100, 1), (0x4d40_cd00, 8), (0x0d60_c500, 4), (0x0c40_7100, 8)] {
            assert_eq!(sizes(word), [(size, true)], "{word:#x}");
        }
    }
}
