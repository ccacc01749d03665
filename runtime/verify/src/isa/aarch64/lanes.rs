//! What aarch64 instructions do with the bytes of vector registers. Of an operand whose instruction is not known here,
//! all bytes that it names are used. Whatever a result does not fill of its register becomes zero.

use super::{Role, element_bytes, immediate, is_store, registers, role, vector};
use crate::bytes::{ByteFlow, ByteMap, Mask, Operand as Source, Target, Zeros, mask};
use crate::insn::Reg;
use std::ops::Range;
use yaxpeax_arm::armv8::a64::{Instruction, Opcode, Operand};

/// A vector operand.
#[derive(Clone, Copy)]
struct Vector {
    register: Reg,
    /// The bytes that it names.
    bytes: (usize, usize),
    /// Bytes of an element.
    element: usize,
    /// Whether it is one element out of several.
    lane: bool,
}

impl Vector {
    fn of(operand: &Operand) -> Option<Vector> {
        let size = |code| element_bytes(code) as usize;
        let lane = |register, code, lane: u8| {
            let begin = size(code) * usize::from(lane);
            Vector { register: vector(register), bytes: (begin, begin + size(code)), element: size(code), lane: true }
        };
        Some(match *operand {
            Operand::SIMDRegister(code, n) => {
                Vector { register: vector(n), bytes: (0, size(code)), element: size(code), lane: false }
            }
            Operand::SIMDRegisterElements(width, n, code) => {
                Vector { register: vector(n), bytes: (0, size(width)), element: size(code), lane: false }
            }
            Operand::SIMDRegisterElementsLane(_, n, code, number) => lane(n, code, number),
            Operand::SIMDRegisterGroupLane(n, code, 1, number) => lane(n, code, number),
            Operand::SIMDRegisterGroup(width, n, code, 1) => {
                Vector { register: vector(n), bytes: (0, size(width)), element: size(code), lane: false }
            }
            _ => return None,
        })
    }

    fn range(&self) -> Range<usize> {
        self.bytes.0..self.bytes.1
    }

    fn mask(&self) -> Mask {
        mask(self.range())
    }
}

/// What becomes of the vector registers that the instruction reads.
pub fn flows(raw: &Instruction) -> Vec<ByteFlow> {
    let sources = match role(raw) {
        Role::Results(count) => count..raw.operands.len(),
        Role::Update | Role::Reads => 0..raw.operands.len(),
        Role::Exchange => return Vec::new(),
    };
    let to = result(raw);
    let mut flows = Vec::new();
    for position in sources {
        let operand = &raw.operands[position];
        let Some(source) = Vector::of(operand) else {
            if registers(operand).iter().any(|r| r.vector_number().is_some()) {
                return Vec::new();
            }
            continue;
        };
        let map = to.and_then(|to| map(raw, to, position, source));
        let target = map.map_or(Target::Use(source.mask()), |map| {
            Target::Result(to.map_or(source.register, |to| to.register), map)
        });
        flows.push(ByteFlow { from: source.register, to: target, masked_by: masked_by(raw, position) });
    }
    flows
}

/// The register that gets the result; an integer register counts as a vector of one element.
fn result(raw: &Instruction) -> Option<Vector> {
    if is_store(raw.opcode) || role(raw) == Role::Reads {
        return None;
    }
    match raw.operands[0] {
        Operand::Register(_, n) => {
            super::integer(n).map(|register| Vector { register, bytes: (0, 8), element: 8, lane: false })
        }
        ref operand => Vector::of(operand),
    }
}

/// The register that leaves nothing of the bytes where it is zero.
fn masked_by(raw: &Instruction, position: usize) -> Option<Source> {
    let other = match (raw.opcode, position) {
        (Opcode::AND | Opcode::CMTST, 1) => 2,
        (Opcode::AND | Opcode::CMTST, 2) => 1,
        _ => return None,
    };
    Vector::of(&raw.operands[other]).map(|other| Source::Register(other.register))
}

/// How the result depends on a source, if that is known.
fn map(raw: &Instruction, to: Vector, position: usize, source: Vector) -> Option<ByteMap> {
    use Opcode::*;
    let last = position >= 2;
    let updates = position == 0;
    let shift = immediate(&raw.operands[2]).map(|n| n as i64);
    let whole = to.range();
    if source.lane && !matches!(raw.opcode, INS | DUP | LD1 | UMOV | SMOV | FMOV) {
        return is_lanewise(raw.opcode).then(|| ByteMap::all(whole, source.mask()));
    }
    Some(match raw.opcode {
        // What a lane replaces is all that does not stay; it may come from a lane.
        INS | LD1 | FMOV if to.lane && updates => ByteMap::each(|n| if whole.contains(&n) { 0 } else { 1 << n }),
        INS | FMOV if source.lane || to.lane => ByteMap::each(|n| {
            if whole.contains(&n) {
                mask(n - to.bytes.0 + source.bytes.0..n - to.bytes.0 + source.bytes.0 + 1)
            } else {
                0
            }
        }),
        DUP => ByteMap::each(|n| {
            let byte = source.bytes.0 + n % source.element;
            if whole.contains(&n) { mask(byte..byte + 1) } else { 0 }
        }),
        UMOV | SMOV => ByteMap::all(whole, source.mask()),
        FMOV => ByteMap::same(0..source.bytes.1.min(to.bytes.1)),
        BIC | ORR if updates => {
            let kept = raw.opcode == ORR;
            let cleared = repeated(raw);
            ByteMap::each(|n| if whole.contains(&n) && (kept || cleared[n % 8] != u8::MAX) { 1 << n } else { 0 })
        }
        SHL => ByteMap::shifted(to.element, shift?, false, whole),
        USHR => ByteMap::shifted(to.element, -shift?, false, whole),
        SSHR => ByteMap::shifted(to.element, -shift?, true, whole),
        AND | ORR | ORN | EOR | BIC | NOT | BSL | BIT | BIF => ByteMap::same(whole),
        XTN | XTN2 if updates => ByteMap::same(0..8),
        XTN | XTN2 => {
            let begin = if raw.opcode == XTN2 { 8 } else { 0 };
            let byte = |n: usize| (n - begin) / to.element * source.element + n % to.element;
            ByteMap::each(|n| if (begin..begin + 8).contains(&n) { mask(byte(n)..byte(n) + 1) } else { 0 })
        }
        SHRN | RSHRN | SQXTN | UQXTN | SQXTUN | FCVTN | FCVTXN | SQSHRN | UQSHRN | SQSHRUN | SQRSHRN | UQRSHRN
        | SQRSHRUN | ADDHN | SUBHN | RADDHN | RSUBHN => ByteMap::widened(to.element, source.element, 0, whole),
        SADDW | UADDW | SSUBW | USUBW | SADDW2 | UADDW2 | SSUBW2 | USUBW2 if !last => {
            ByteMap::elements(to.element, whole)
        }
        SMLAL | UMLAL | SMLSL | UMLSL | SMLAL2 | UMLAL2 | SMLSL2 | UMLSL2 | SABAL | UABAL | SABAL2 | UABAL2
            if updates =>
        {
            ByteMap::elements(to.element, whole)
        }
        SSHLL | USHLL | SHLL | SADDL | UADDL | SSUBL | USUBL | SMULL | UMULL | SABDL | UABDL | FCVTL | SADDW
        | UADDW | SSUBW | USUBW | SMLAL | UMLAL | SMLSL | UMLSL | SABAL | UABAL => {
            ByteMap::widened(to.element, source.element, 0, whole)
        }
        SSHLL2 | USHLL2 | SHLL2 | SADDL2 | UADDL2 | SSUBL2 | USUBL2 | SMULL2 | UMULL2 | SABDL2 | UABDL2 | FCVTL2
        | SADDW2 | UADDW2 | SSUBW2 | USUBW2 | SMLAL2 | UMLAL2 | SMLSL2 | UMLSL2 | SABAL2 | UABAL2 => {
            ByteMap::widened(to.element, source.element, 8, whole)
        }
        SADDLP | UADDLP | SADALP | UADALP => ByteMap::elements(to.element, whole),
        EXT => {
            // Both operands in a row, from that byte on.
            let begin = immediate(&raw.operands[3])? as usize;
            let skipped = if last { to.bytes.1 } else { 0 };
            let byte = move |n: usize| (n + begin).checked_sub(skipped).filter(|byte| *byte < to.bytes.1);
            ByteMap::each(|n| byte(n).filter(|_| whole.contains(&n)).map_or(0, |byte| mask(byte..byte + 1)))
        }
        ZIP1 | ZIP2 | UZP1 | UZP2 | TRN1 | TRN2 => permuted(raw.opcode, to, usize::from(last)),
        REV16 | REV32 | REV64 => {
            let group = match raw.opcode {
                REV16 => 2,
                REV32 => 4,
                _ => 8,
            } / to.element;
            (0..to.bytes.1 / to.element).fold(ByteMap::default(), |map, n| {
                map.moving(to.element, n / group * group + (group - 1 - n % group), n)
            })
        }
        _ if is_lanewise(raw.opcode) && source.element == to.element => ByteMap::elements(to.element, whole),
        // A scalar, or a reduction to one.
        _ if is_lanewise(raw.opcode) || matches!(raw.operands[0], Operand::SIMDRegister(..)) => {
            ByteMap::all(whole, source.mask())
        }
        _ => return None,
    })
}

/// Result element `n` of a permutation that takes from the first (0) or second (1) operand.
fn permuted(opcode: Opcode, to: Vector, operand: usize) -> ByteMap {
    use Opcode::*;
    let count = to.bytes.1 / to.element;
    let upper = usize::from(matches!(opcode, ZIP2 | UZP2 | TRN2));
    (0..count / 2).fold(ByteMap::default(), |map, n| match opcode {
        ZIP1 | ZIP2 => map.moving(to.element, n + upper * count / 2, 2 * n + operand),
        UZP1 | UZP2 => map.moving(to.element, 2 * n + upper, n + operand * count / 2),
        _ => map.moving(to.element, 2 * n + upper, 2 * n + operand),
    })
}

/// Whether each element of the result depends on the elements at its place only.
fn is_lanewise(opcode: Opcode) -> bool {
    use Opcode::*;
    matches!(
        opcode,
        ADD | SUB
            | MUL
            | MLA
            | MLS
            | ABS
            | NEG
            | CNT
            | CLZ
            | CLS
            | RBIT
            | CMEQ
            | CMGE
            | CMGT
            | CMHI
            | CMHS
            | CMLE
            | CMLT
            | CMTST
            | SMAX
            | SMIN
            | UMAX
            | UMIN
            | SABD
            | UABD
            | SABA
            | UABA
            | SHADD
            | UHADD
            | SRHADD
            | URHADD
            | SHSUB
            | UHSUB
            | SQADD
            | UQADD
            | SQSUB
            | UQSUB
            | SQABS
            | SQNEG
            | SSHL
            | USHL
            | SRSHL
            | URSHL
            | SQSHL
            | UQSHL
            | SRSHR
            | URSHR
            | SSRA
            | USRA
            | SRI
            | SLI
            | SQDMULH
            | SQRDMULH
    ) || matches!(
        opcode,
        FADD | FSUB
            | FMUL
            | FDIV
            | FNMUL
            | FMULX
            | FMLA
            | FMLS
            | FMADD
            | FMSUB
            | FNMADD
            | FNMSUB
            | FABD
            | FMAX
            | FMIN
            | FMAXNM
            | FMINNM
            | FABS
            | FNEG
            | FSQRT
            | FRINTA
            | FRINTI
            | FRINTM
            | FRINTN
            | FRINTP
            | FRINTX
            | FRINTZ
            | FCMEQ
            | FCMGE
            | FCMGT
            | FCMLE
            | FCMLT
            | FACGE
            | FACGT
            | FRECPE
            | FRECPS
            | FRSQRTE
            | FRSQRTS
            | SCVTF
            | UCVTF
            | FCVTZS
            | FCVTZU
            | FCVTAS
            | FCVTAU
            | FCVTMS
            | FCVTMU
            | FCVTNS
            | FCVTNU
            | FCVTPS
            | FCVTPU
            | FCSEL
            | FCVT
    )
}

/// The immediate operand of a vector instruction, repeated over eight bytes.
fn repeated(raw: &Instruction) -> [u8; 8] {
    let element = Vector::of(&raw.operands[0]).map_or(8, |v| v.element.min(8));
    let value = match raw.operands[1] {
        Operand::ImmShift(n, shift) => u64::from(n).checked_shl(shift.into()).unwrap_or(0),
        Operand::Imm64(n) => n,
        _ => 0,
    };
    std::array::from_fn(|n| value.to_le_bytes()[n % element])
}

/// Bytes of the result that are known to be zero.
pub fn zeros(raw: &Instruction) -> Vec<(Reg, Zeros)> {
    use Opcode::*;
    let (Role::Results(1), Some(to)) = (role(raw), Vector::of(&raw.operands[0])) else { return Vec::new() };
    let mut zeros = vec![(to.register, Zeros::Known(!to.mask()))];
    let sources: Vec<Reg> = raw.operands[1..3].iter().filter_map(Vector::of).map(|v| v.register).collect();
    match raw.opcode {
        MOVI if matches!(raw.operands[1], Operand::ImmShift(..) | Operand::Imm64(_)) => {
            let bytes = repeated(raw);
            let known = (0..16).filter(|n| bytes[n % 8] == 0).fold(0, |sum, n| sum | mask(n..n + 1));
            zeros.push((to.register, Zeros::Known(known)));
        }
        AND => zeros.extend(sources.iter().map(|s| (to.register, Zeros::Of(Source::Register(*s))))),
        ORR if sources.len() == 2 && sources[0] == sources[1] => {
            zeros.push((to.register, Zeros::Of(Source::Register(sources[0]))));
        }
        LDR => zeros.push((to.register, Zeros::Of(Source::Access(0)))),
        _ => {}
    }
    zeros
}
