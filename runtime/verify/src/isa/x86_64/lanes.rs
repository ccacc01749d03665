//! What x86-64 instructions do with the bytes of vector registers. Instructions that are not known here, and those with
//! three operands (AVX), use all of their sources.

use super::neutral;
use crate::bytes::{BYTES, ByteFlow, ByteMap, Mask, Operand, Target, WHOLE, Zeros, mask};
use crate::insn::Reg;
use iced_x86::{Instruction, Mnemonic, OpKind};
use std::ops::Range;

/// All bytes of a vector register.
const ALL: Range<usize> = 0..BYTES;

/// How the result depends on the old value of the first operand and on the second.
type Maps = (ByteMap, ByteMap);

/// What becomes of the vector registers that the instruction reads.
pub fn flows(raw: &Instruction) -> Vec<ByteFlow> {
    let [first, second] = [0, 1].map(|n| if n < raw.op_count() { register(raw, n) } else { None });
    let mut flows = Vec::new();
    let mut add = |from: Option<Reg>, to, masked_by| {
        flows.extend(from.filter(|r| r.vector_number().is_some()).map(|from| ByteFlow { from, to, masked_by }));
    };
    if let Some(bytes) = used(raw) {
        add(first, Target::Use(bytes), None);
        add(second, Target::Use(bytes), None);
    } else if let (Some(to), Some((own, other))) = (first, maps(raw)) {
        let of_second = match second {
            Some(register) => Some(Operand::Register(register)),
            None if raw.op1_kind() == OpKind::Memory => Some(Operand::Access(0)),
            None => None,
        };
        let and = matches!(raw.mnemonic(), Mnemonic::Pand | Mnemonic::Andps | Mnemonic::Andpd);
        let and_not = matches!(raw.mnemonic(), Mnemonic::Pandn | Mnemonic::Andnps | Mnemonic::Andnpd);
        add(first, Target::Result(to, own), of_second.filter(|_| and || and_not));
        add(second, Target::Result(to, other), Some(Operand::Register(to)).filter(|_| and));
    }
    flows
}

fn register(raw: &Instruction, operand: u32) -> Option<Reg> {
    if raw.op_kind(operand) == OpKind::Register { neutral(raw.op_register(operand)) } else { None }
}

/// The bytes of the sources that are stored, compared or made an integer of.
fn used(raw: &Instruction) -> Option<Mask> {
    use Mnemonic::*;
    match raw.mnemonic() {
        Comiss | Ucomiss => return Some(mask(0..4)),
        Comisd | Ucomisd => return Some(mask(0..8)),
        _ if raw.op0_kind() != OpKind::Memory => return None,
        _ => {}
    }
    Some(match raw.mnemonic() {
        Movss | Movd => mask(0..4),
        Movsd | Movq | Movlps | Movlpd => mask(0..8),
        Movhps | Movhpd => mask(8..16),
        Movaps | Movups | Movapd | Movupd | Movdqa | Movdqu | Movntps | Movntpd | Movntdq => WHOLE,
        _ => return None,
    })
}

fn maps(raw: &Instruction) -> Option<Maps> {
    let none = ByteMap::default();
    moves(raw)
        .or_else(|| integers(raw).map(|map| (none, map)))
        .or_else(|| scalar(raw))
        .or_else(|| element_size(raw).map(|size| (ByteMap::elements(size, ALL), ByteMap::elements(size, ALL))))
        .or_else(|| converted(raw).map(|map| (none, map)))
        .or_else(|| permuted(raw))
        .or_else(|| shifted(raw))
}

/// Whole registers and parts of them that are moved.
fn moves(raw: &Instruction) -> Option<Maps> {
    use Mnemonic::*;
    let none = ByteMap::default();
    let from_register = raw.op_count() > 1 && raw.op1_kind() == OpKind::Register;
    let upper_half_of = |n: usize| ByteMap::default().moving(8, 1, n);
    Some(match raw.mnemonic() {
        Movaps | Movups | Movapd | Movupd | Movdqa | Movdqu if from_register => (none, ByteMap::same(ALL)),
        Movss if from_register => (ByteMap::same(4..16), ByteMap::same(0..4)),
        Movsd if from_register => (ByteMap::same(8..16), ByteMap::same(0..8)),
        Movq => (none, ByteMap::same(0..8)),
        Movd => (none, ByteMap::same(0..4)),
        Movlps | Movlpd => (ByteMap::same(8..16), none),
        Movhps | Movhpd => (ByteMap::same(0..8), none),
        Movlhps => (ByteMap::same(0..8), ByteMap::default().moving(8, 0, 1)),
        Movhlps => (ByteMap::same(8..16), upper_half_of(0)),
        Pinsrw => {
            let lane = immediate(raw, 2)? % 8 * 2;
            (ByteMap::each(|n| if (lane..lane + 2).contains(&n) { 0 } else { mask(n..n + 1) }), none)
        }
        _ => return None,
    })
}

/// Results in an integer register.
fn integers(raw: &Instruction) -> Option<ByteMap> {
    use Mnemonic::*;
    let sources = match raw.mnemonic() {
        Movmskps => mask(3..4) | mask(7..8) | mask(11..12) | mask(15..16),
        Movmskpd => mask(7..8) | mask(15..16),
        Pmovmskb => WHOLE,
        Pextrw => {
            let lane = immediate(raw, 2)? % 8 * 2;
            mask(lane..lane + 2)
        }
        Cvtss2si | Cvttss2si => mask(0..4),
        Cvtsd2si | Cvttsd2si => mask(0..8),
        _ => return None,
    };
    Some(ByteMap::all(0..8, sources))
}

/// Operations on the lowest element, which keep the upper part of the first operand.
fn scalar(raw: &Instruction) -> Option<Maps> {
    use Mnemonic::*;
    let keeps = |size: usize| ByteMap::same(size..16);
    let one = |to, from| ByteMap::all(0..to, mask(0..from));
    Some(match raw.mnemonic() {
        Addss | Subss | Mulss | Divss | Minss | Maxss | Cmpss => {
            (ByteMap::each(|n| if n < 4 { mask(0..4) } else { mask(n..n + 1) }), one(4, 4))
        }
        Addsd | Subsd | Mulsd | Divsd | Minsd | Maxsd | Cmpsd => {
            (ByteMap::each(|n| if n < 8 { mask(0..8) } else { mask(n..n + 1) }), one(8, 8))
        }
        Sqrtss | Rcpss | Rsqrtss | Roundss => (keeps(4), one(4, 4)),
        Sqrtsd | Roundsd => (keeps(8), one(8, 8)),
        Cvtss2sd => (keeps(8), one(8, 4)),
        Cvtsd2ss => (keeps(4), one(4, 8)),
        Cvtsi2ss => (keeps(4), ByteMap::default()),
        Cvtsi2sd => (keeps(8), ByteMap::default()),
        _ => return None,
    })
}

/// Size of the elements that an operation takes from both operands and puts in the same place.
fn element_size(raw: &Instruction) -> Option<usize> {
    use Mnemonic::*;
    Some(match raw.mnemonic() {
        Pand | Pandn | Por | Pxor | Andps | Andpd | Andnps | Andnpd | Orps | Orpd | Xorps | Xorpd | Paddb | Psubb
        | Paddsb | Paddusb | Psubsb | Psubusb | Pcmpeqb | Pcmpgtb | Pminub | Pmaxub | Pavgb => 1,
        Paddw | Psubw | Paddsw | Paddusw | Psubsw | Psubusw | Pmullw | Pmulhw | Pmulhuw | Pcmpeqw | Pcmpgtw
        | Pminsw | Pmaxsw | Pavgw => 2,
        Paddd | Psubd | Pcmpeqd | Pcmpgtd | Pmaddwd | Addps | Subps | Mulps | Divps | Minps | Maxps | Cmpps => 4,
        Paddq | Psubq | Psadbw | Addpd | Subpd | Mulpd | Divpd | Minpd | Maxpd | Cmppd => 8,
        _ => return None,
    })
}

/// Operations on the elements of the second operand only.
fn converted(raw: &Instruction) -> Option<ByteMap> {
    use Mnemonic::*;
    Some(match raw.mnemonic() {
        Sqrtps | Rcpps | Rsqrtps | Cvtdq2ps | Cvtps2dq | Cvttps2dq => ByteMap::elements(4, ALL),
        Sqrtpd => ByteMap::elements(8, ALL),
        Cvtdq2pd | Cvtps2pd => ByteMap::widened(8, 4, 0, ALL),
        Cvtpd2ps | Cvtpd2dq | Cvttpd2dq => ByteMap::widened(4, 8, 0, 0..8),
        Pshufd => four(4, 0, immediate(raw, 2)?),
        Pshuflw => (0..4).fold(four(2, 0, immediate(raw, 2)?), |map, n| map.moving(2, 4 + n, 4 + n)),
        Pshufhw => (0..4).fold(four(2, 4, immediate(raw, 2)?), |map, n| map.moving(2, n, n)),
        _ => return None,
    })
}

/// Four elements from `first` on, selected by two bits each.
fn four(size: usize, first: usize, selector: usize) -> ByteMap {
    let map = ByteMap::default();
    (0..4).fold(map, |map, n| map.moving(size, first + (selector >> (2 * n) & 3), first + n))
}

/// Elements of both operands in another order.
fn permuted(raw: &Instruction) -> Option<Maps> {
    use Mnemonic::*;
    let interleaved = |size: usize, high: usize| {
        let count = BYTES / size / 2;
        let from =
            |operand| (0..count).fold(ByteMap::default(), |map, n| map.moving(size, n + high * count, 2 * n + operand));
        (from(0), from(1))
    };
    // Elements get smaller: those of the second operand follow those of the first.
    let packed = |size: usize| {
        let element = |n: usize| n / size * size * 2;
        let from = |begin: usize| {
            ByteMap::each(|n| {
                let n = n.checked_sub(begin).filter(|n| *n < 8);
                n.map_or(0, |n| mask(element(n)..element(n) + 2 * size))
            })
        };
        (from(0), from(8))
    };
    Some(match raw.mnemonic() {
        Punpcklbw => interleaved(1, 0),
        Punpckhbw => interleaved(1, 1),
        Punpcklwd => interleaved(2, 0),
        Punpckhwd => interleaved(2, 1),
        Punpckldq | Unpcklps => interleaved(4, 0),
        Punpckhdq | Unpckhps => interleaved(4, 1),
        Punpcklqdq | Unpcklpd => interleaved(8, 0),
        Punpckhqdq | Unpckhpd => interleaved(8, 1),
        Packsswb | Packuswb => packed(1),
        Packssdw => packed(2),
        Pmuludq => {
            let low = ByteMap::each(|n| mask(n / 8 * 8..n / 8 * 8 + 4));
            (low, low)
        }
        Shufps => {
            let selector = immediate(raw, 2)?;
            let from = |n: usize| selector >> (2 * n) & 3;
            let map = ByteMap::default();
            (map.moving(4, from(0), 0).moving(4, from(1), 1), map.moving(4, from(2), 2).moving(4, from(3), 3))
        }
        Shufpd => {
            let selector = immediate(raw, 2)?;
            let map = ByteMap::default();
            (map.moving(8, selector & 1, 0), map.moving(8, selector >> 1 & 1, 1))
        }
        _ => return None,
    })
}

fn shifted(raw: &Instruction) -> Option<Maps> {
    use Mnemonic::*;
    let (size, direction, signed) = match raw.mnemonic() {
        Psllw => (2, 1, false),
        Pslld => (4, 1, false),
        Psllq => (8, 1, false),
        Pslldq => (16, 8, false),
        Psrlw => (2, -1, false),
        Psrld => (4, -1, false),
        Psrlq => (8, -1, false),
        Psrldq => (16, -8, false),
        Psraw => (2, -1, true),
        Psrad => (4, -1, true),
        _ => return None,
    };
    Some(match immediate(raw, 1) {
        Some(n) => (ByteMap::shifted(size, direction * n as i64, signed, ALL), ByteMap::default()),
        None => (ByteMap::elements(size, ALL), ByteMap::all(ALL, mask(0..8))),
    })
}

fn immediate(raw: &Instruction, operand: u32) -> Option<usize> {
    raw.try_immediate(operand).ok().map(|n| (n & 0xff) as usize)
}

/// Bytes of the result that are known to be zero.
pub fn zeros(raw: &Instruction) -> Vec<(Reg, Zeros)> {
    use Mnemonic::*;
    let to = if raw.op_count() > 1 { register(raw, 0).filter(|r| r.vector_number().is_some()) } else { None };
    let Some(to) = to else { return Vec::new() };
    let from_memory = raw.op1_kind() == OpKind::Memory;
    let second = register(raw, 1);
    let of_second = second.map(Operand::Register).or(from_memory.then_some(Operand::Access(0)));
    let of_second = of_second.into_iter().map(Zeros::Of);
    let found: Vec<Zeros> = match raw.mnemonic() {
        Movd => vec![Zeros::Known(mask(4..16))],
        Movq => vec![Zeros::Known(mask(8..16))],
        Movss if from_memory => vec![Zeros::Known(mask(4..16))],
        Movsd if from_memory => vec![Zeros::Known(mask(8..16))],
        Pxor | Xorps | Xorpd if second == Some(to) => vec![Zeros::Known(WHOLE)],
        Movaps | Movups | Movapd | Movupd | Movdqa | Movdqu => of_second.collect(),
        Pand | Andps | Andpd => of_second.chain([Zeros::Of(Operand::Register(to))]).collect(),
        _ => return Vec::new(),
    };
    found.into_iter().map(|zeros| (to, zeros)).collect()
}
