//! x86-64, decoded by iced-x86. A call pushes the return address, so that it lies at CFA-8 by itself. Writing a part
//! of a register counts as writing all of it: compilers leave the rest undefined where nothing depends on it.

use super::Isa;
use crate::insn::{Access, Assignment, Condition, Expr, Flow, Insn, Reg, RegSet};
use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory,
    InstructionInfoOptions, MemorySize, Mnemonic, OpAccess, OpKind, Register, RflagsBits,
};

pub struct X86_64;

const RAX: Reg = Reg::integer(0);
const RCX: Reg = Reg::integer(1);
const RDX: Reg = Reg::integer(2);
const RSP: Reg = Reg::integer(4);
const RBP: Reg = Reg::integer(5);
const RSI: Reg = Reg::integer(6);
const RDI: Reg = Reg::integer(7);
const R8: Reg = Reg::integer(8);
const R9: Reg = Reg::integer(9);
const R11: Reg = Reg::integer(11);

static ARGUMENTS: [Reg; 12] =
    [RDI, RSI, RDX, RCX, R8, R9, Reg::integer(12), Reg::integer(13), Reg::integer(14), Reg::integer(15), R11, RAX];
static RESULTS: [Reg; 2] = [RAX, RDX];
static VECTOR_RESULTS: [Reg; 2] = [Reg::vector(0), Reg::vector(1)];

/// The mask registers of AVX-512 stand behind the integer registers.
const FIRST_MASK: u8 = 16;

const STATUS_FLAGS: u32 =
    RflagsBits::OF | RflagsBits::SF | RflagsBits::ZF | RflagsBits::AF | RflagsBits::CF | RflagsBits::PF;

impl Isa for X86_64 {
    fn name(&self) -> &'static str {
        "x86-64"
    }

    fn machine(&self) -> u16 {
        object::elf::EM_X86_64.0
    }

    fn sp(&self) -> Reg {
        RSP
    }

    fn fp(&self) -> Reg {
        RBP
    }

    fn link(&self) -> Option<Reg> {
        None
    }

    fn entry_distance(&self) -> i64 {
        8
    }

    fn arguments(&self) -> &'static [Reg] {
        &ARGUMENTS
    }

    fn results(&self) -> (&'static [Reg], &'static [Reg]) {
        (&RESULTS, &VECTOR_RESULTS)
    }

    fn native_arguments(&self) -> &'static [Reg] {
        // Uniform functions begin with the same.
        &ARGUMENTS[..6]
    }

    fn native_scratch(&self) -> RegSet {
        let preserved = RegSet::of(&[RSP, RBP, Reg::integer(3)]).union((12..16).map(Reg::integer).collect());
        RegSet::ALL.without(preserved)
    }

    fn mapped_integer(&self, number: u8) -> Option<Reg> {
        Some(Reg::integer(number))
    }

    fn dwarf_register(&self, register: Reg) -> Option<u16> {
        // The first eight have an order of their own.
        const INTEGERS: [u16; 16] = [0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];
        const FIRST_VECTOR: u16 = 17;
        match register.vector_number() {
            Some(n) => Some(FIRST_VECTOR + u16::from(n)),
            None => register.integer_number().and_then(|n| INTEGERS.get(usize::from(n)).copied()),
        }
    }

    fn dwarf_link(&self) -> u16 {
        16
    }

    fn decode(&self, bytes: &[u8], address: u64) -> Option<Insn> {
        let raw = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
        (!raw.is_invalid()).then(|| Reader::new(&raw).read())
    }

    fn text(&self, bytes: &[u8], address: u64) -> String {
        use iced_x86::Formatter;
        let raw = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
        let mut text = String::new();
        iced_x86::GasFormatter::new().format(&raw, &mut text);
        text
    }

    fn register_name(&self, register: Reg) -> String {
        const NAMES: [&str; 24] = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
            "r15", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7",
        ];
        match (register.integer_number(), register.vector_number()) {
            (Some(n), _) => NAMES.get(usize::from(n)).map_or("?", |name| name).to_owned(),
            (_, Some(n)) => format!("xmm{n}"),
            _ => "flags".to_owned(),
        }
    }
}

/// The neutral name of a register; `None` for segment registers and the like.
fn neutral(register: Register) -> Option<Reg> {
    let full = register.full_register();
    if full.is_gpr64() {
        Some(Reg::integer(full.number() as u8))
    } else if full.is_vector_register() {
        Some(Reg::vector(full.number() as u8))
    } else if full.is_k() {
        Some(Reg::integer(FIRST_MASK + full.number() as u8))
    } else {
        None
    }
}

struct Reader<'i> {
    raw: &'i Instruction,
    insn: Insn,
}

impl<'i> Reader<'i> {
    fn new(raw: &'i Instruction) -> Reader<'i> {
        Reader { raw, insn: Insn::new(raw.ip(), raw.len() as u64) }
    }

    fn read(mut self) -> Insn {
        // The upper halves that `vzeroupper` clears hold nothing then.
        if matches!(self.raw.mnemonic(), Mnemonic::Nop | Mnemonic::Endbr64 | Mnemonic::Vzeroupper) {
            return self.insn;
        }
        self.registers_and_memory();
        self.flow();
        self.values();
        self.insn
    }

    fn registers_and_memory(&mut self) {
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info_options(self.raw, InstructionInfoOptions::NONE);
        for used in info.used_registers() {
            let Some(register) = neutral(used.register()) else { continue };
            let (reads, writes) = directions(used.access());
            if reads {
                self.insn.uses.insert(register);
            }
            if writes && !matches!(used.access(), OpAccess::CondWrite | OpAccess::ReadCondWrite) {
                self.insn.defs.insert(register);
            }
        }
        // `lock or $0` on the stack is a fence.
        let fence = self.raw.mnemonic() == Mnemonic::Or && self.raw.try_immediate(1).is_ok_and(|n| n == 0);
        let memory = if fence { &[] } else { info.used_memory() };
        for used in memory {
            let (reads, writes) = directions(used.access());
            // The return address that a call pushes lies below the frame.
            if writes && self.insn_is_call() {
                continue;
            }
            let thread_local = matches!(used.segment(), Register::FS | Register::GS);
            let index = neutral(used.index()).map(|index| (index, used.scale().trailing_zeros() as u8));
            let base = neutral(used.base());
            let mut access = Access::at(base, used.displacement() as i64, used.memory_size().size() as u32);
            if thread_local {
                continue;
            }
            (access.index, access.reads, access.writes) = (index, reads, writes);
            access.signed = matches!(used.memory_size(), MemorySize::Int8 | MemorySize::Int16 | MemorySize::Int32);
            if self.raw.has_rep_prefix() || self.raw.has_repne_prefix() {
                access.size = 0;
            }
            self.insn.accesses.push(access);
        }
        if self.raw.rflags_read() & STATUS_FLAGS != 0 {
            self.insn.uses.insert(Reg::FLAGS);
        }
        if self.raw.rflags_modified() & STATUS_FLAGS != 0 {
            self.insn.defs.insert(Reg::FLAGS);
        }
        if let Some(source) = self.irrelevant_source() {
            self.insn.uses.remove(source);
        }
    }

    fn insn_is_call(&self) -> bool {
        matches!(self.raw.flow_control(), FlowControl::Call | FlowControl::IndirectCall)
    }

    /// A register that the instruction formally reads twice although its result does not depend on it.
    fn irrelevant_source(&self) -> Option<Reg> {
        use Mnemonic::*;
        let raw = self.raw;
        let compares = match raw.mnemonic() {
            Sbb | Pcmpeqb | Pcmpeqw | Pcmpeqd | Pcmpgtb | Pcmpgtw | Pcmpgtd => [0, 1],
            Vpcmpeqb | Vpcmpeqw | Vpcmpeqd | Vpcmpeqq | Vpcmpgtb | Vpcmpgtw | Vpcmpgtd | Vpcmpgtq | Vpxor | Vpxord
            | Vpxorq | Vxorps | Vxorpd | Kxorb | Kxorw | Kxord | Kxorq | Kxnorb | Kxnorw | Kxnord | Kxnorq => [1, 2],
            // All ones.
            Vpternlogd | Vpternlogq if raw.try_immediate(3).is_ok_and(|table| table & 0xff == 0xff) => [0, 0],
            _ => return None,
        };
        let registers = compares.map(|n| (raw.op_kind(n) == OpKind::Register).then(|| raw.op_register(n)));
        if registers[0] == registers[1] { registers[0].and_then(neutral) } else { None }
    }

    fn flow(&mut self) {
        let raw = self.raw;
        self.insn.flow = match raw.flow_control() {
            FlowControl::Next | FlowControl::XbeginXabortXend => Flow::Next,
            FlowControl::UnconditionalBranch => Flow::Jump(raw.near_branch_target()),
            FlowControl::ConditionalBranch => Flow::Branch(raw.near_branch_target(), condition(raw.condition_code())),
            FlowControl::IndirectBranch => Flow::JumpTo(self.computed_target()),
            FlowControl::Call => match raw.code() {
                // System calls count as calls to iced.
                Code::Syscall | Code::Sysenter => Flow::Next,
                _ => Flow::Call(raw.near_branch_target()),
            },
            FlowControl::IndirectCall => Flow::CallTo(self.computed_target()),
            FlowControl::Return => Flow::Return,
            FlowControl::Interrupt | FlowControl::Exception => Flow::Stop,
        };
        if self.insn.is_call() {
            self.insn.defs = RegSet::EMPTY;
            self.insn.uses.remove(RSP);
        }
    }

    fn computed_target(&self) -> Expr {
        match neutral(self.raw.op0_register()) {
            Some(register) if self.raw.op0_kind() == OpKind::Register => Expr::Sum(register, 0),
            _ => Expr::Loaded(0),
        }
    }

    fn assign(&mut self, to: Reg, value: Expr, narrow: bool) {
        self.insn.assignments.push(Assignment { to, value, narrow });
    }

    /// The second operand as a value.
    fn source(&self, operand: u32) -> Option<Expr> {
        match self.raw.op_kind(operand) {
            OpKind::Register => neutral(self.raw.op_register(operand)).map(|r| Expr::Sum(r, 0)),
            OpKind::Memory => Some(Expr::Loaded(0)),
            _ => self.raw.try_immediate(operand).ok().map(Expr::Constant),
        }
    }

    fn values(&mut self) {
        use Mnemonic::*;
        let raw = self.raw;
        match raw.mnemonic() {
            Push => {
                self.assign(RSP, Expr::Sum(RSP, -8), false);
                let stored = self.source(0);
                // The short way to make room on the stack.
                if raw.op0_register() == Register::RAX {
                    self.insn.uses.remove(RAX);
                }
                // iced gives the address in terms of the old stack pointer.
                if let Some(access) = self.insn.accesses.iter_mut().find(|a| a.writes) {
                    access.stored = stored;
                }
            }
            Pop => {
                self.assign(RSP, Expr::Sum(RSP, 8), false);
                if let Some(register) = neutral(raw.op0_register()) {
                    self.assign(register, Expr::Loaded(0), false);
                }
            }
            Leave => {
                self.assign(RSP, Expr::Sum(RBP, 8), false);
                self.assign(RBP, Expr::Loaded(0), false);
            }
            _ if raw.op0_kind() == OpKind::Memory => self.stored_value(),
            _ if raw.op0_kind() == OpKind::Register => self.register_value(),
            _ => {}
        }
        if matches!(raw.mnemonic(), Cmp | Sub)
            && raw.op0_kind() == OpKind::Register
            && let (Some(register), Ok(constant)) = (neutral(raw.op0_register()), raw.try_immediate(1))
        {
            self.insn.compares = Some((register, mask(constant, raw.op0_register().size())));
        }
    }

    fn stored_value(&mut self) {
        let moves = matches!(
            self.raw.mnemonic(),
            Mnemonic::Mov
                | Mnemonic::Movss
                | Mnemonic::Movsd
                | Mnemonic::Movaps
                | Mnemonic::Movups
                | Mnemonic::Movq
                | Mnemonic::Movd
                | Mnemonic::Vmovss
                | Mnemonic::Vmovsd
                | Mnemonic::Vmovaps
                | Mnemonic::Vmovups
                | Mnemonic::Vmovq
                | Mnemonic::Vmovd
        );
        if let (true, Some(value), [access]) = (moves, self.source(1), &mut self.insn.accesses[..]) {
            access.stored = Some(value);
        }
    }

    fn register_value(&mut self) {
        use Mnemonic::*;
        let raw = self.raw;
        let size = raw.op0_register().size();
        let Some(to) = neutral(raw.op0_register()) else { return };
        let narrow = size == 4;
        if to.vector_number().is_some() {
            let moves = matches!(raw.mnemonic(), Movaps | Movups | Movapd | Movupd | Movdqa | Movdqu | Movq | Movd)
                || matches!(raw.mnemonic(), Vmovaps | Vmovups | Vmovapd | Vmovupd | Vmovdqa | Vmovdqu | Vmovq | Vmovd);
            if moves && let Some(source) = self.source(1) {
                self.assign(to, source, false);
            }
            return;
        }
        if size < 4 {
            return;
        }
        let immediate = raw.try_immediate(1).ok();
        let source = if raw.op_count() > 1 { self.source(1) } else { None };
        let value = match (raw.mnemonic(), immediate, source) {
            (Mov | Movsxd, _, Some(source)) => Some(source),
            (Movzx, _, _) => Some(Expr::Bounded(mask(u64::MAX, source_size(raw)))),
            (Lea, ..) => self.effective_address(),
            (Add, Some(n), _) => Some(Expr::Sum(to, n as i64)),
            (Sub, Some(n), _) => Some(Expr::Sum(to, (n as i64).wrapping_neg())),
            (Or, Some(n), _) => Some(Expr::Or(to, n)),
            (Inc, ..) => Some(Expr::Sum(to, 1)),
            (Dec, ..) => Some(Expr::Sum(to, -1)),
            (Add, None, Some(Expr::Sum(index, 0))) => Some(Expr::Added { base: to, index, shift: 0, constant: 0 }),
            (And, Some(n), _) if narrow || (n as i64) >= 0 => Some(Expr::Masked(to, mask(n, size))),
            (Shr, Some(n @ 1..64), _) => Some(Expr::Bounded(mask(u64::MAX, size) >> n)),
            (Xor | Sub, None, Some(Expr::Sum(other, 0))) if other == to => Some(Expr::Constant(0)),
            (_, None, Some(Expr::Sum(other, 0))) if raw.condition_code() != ConditionCode::None => {
                Some(Expr::Either(to, other))
            }
            _ => None,
        };
        if let Some(value) = value {
            self.assign(to, value, narrow);
        }
    }

    fn effective_address(&self) -> Option<Expr> {
        let raw = self.raw;
        let constant = raw.memory_displacement64() as i64;
        if raw.is_ip_rel_memory_operand() {
            return Some(Expr::Constant(raw.ip_rel_memory_address()));
        }
        match (neutral(raw.memory_base()), neutral(raw.memory_index())) {
            (None, None) => Some(Expr::Constant(constant as u64)),
            (Some(base), None) => Some(Expr::Sum(base, constant)),
            (Some(base), Some(index)) => {
                let shift = raw.memory_index_scale().trailing_zeros() as u8;
                Some(Expr::Added { base, index, shift, constant })
            }
            (None, Some(_)) => None,
        }
    }
}

/// Size of what a move with extension reads.
fn source_size(raw: &Instruction) -> usize {
    match raw.op1_kind() {
        OpKind::Register => raw.op1_register().size(),
        _ => raw.memory_size().size(),
    }
}

/// The lower `size` bytes of `value`.
fn mask(value: u64, size: usize) -> u64 {
    if size < 8 { value & ((1 << (size * 8)) - 1) } else { value }
}

fn directions(access: OpAccess) -> (bool, bool) {
    match access {
        OpAccess::Read | OpAccess::CondRead => (true, false),
        OpAccess::Write | OpAccess::CondWrite => (false, true),
        OpAccess::ReadWrite | OpAccess::ReadCondWrite => (true, true),
        OpAccess::None | OpAccess::NoMemAccess => (false, false),
    }
}

fn condition(code: ConditionCode) -> Condition {
    match code {
        ConditionCode::a => Condition::Above,
        ConditionCode::ae => Condition::AboveOrEqual,
        ConditionCode::b => Condition::Below,
        ConditionCode::be => Condition::BelowOrEqual,
        _ => Condition::Other,
    }
}
