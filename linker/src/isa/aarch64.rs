//! aarch64: addresses are put together by pairs of instructions (`adrp` for the page, then the low twelve
//! bits) or by up to four `movz`/`movk`; each relocation fills one bit field of one instruction.

use super::Base::{Got, GotTpOffset, Symbol, TpOffset};
use super::Form::{Absolute, GotPage, GotRelative, Page, Relative};
use super::Range::{Any, Either, Signed, Unsigned};
use super::{Base, Form, Howto, Isa, Range};
use object::ConstantNames;
use object::elf::*;

/// The visitor ISA.
pub struct AArch64;

impl Isa for AArch64 {
    fn name(&self) -> &'static str {
        "aarch64"
    }

    fn machine(&self) -> Machine {
        EM_AARCH64
    }

    fn trap(&self) -> [u8; 4] {
        // brk #1
        0xd420_0020_u32.to_le_bytes()
    }

    fn relocation_names(&self) -> &'static ConstantNames<RelocationType> {
        &NAMES_R_AARCH64
    }

    fn howto(&self, kind: RelocationType) -> Option<Howto> {
        data(kind).or_else(|| branches_and_pages(kind)).or_else(|| low_bits(kind)).or_else(|| moves(kind))
    }

    /// The ABI: a branch goes to the next instruction, an address within reach of a literal is the place itself.
    fn undefined_weak(&self, kind: RelocationType, place: u64) -> u64 {
        match kind {
            R_AARCH64_CALL26 | R_AARCH64_JUMP26 | R_AARCH64_CONDBR19 | R_AARCH64_TSTBR14 => place.wrapping_add(4),
            R_AARCH64_ADR_PREL_LO21 | R_AARCH64_LD_PREL_LO19 => place,
            _ => 0,
        }
    }
}

fn data(kind: RelocationType) -> Option<Howto> {
    let (base, form, width, range) = match kind {
        R_AARCH64_NONE => return Some(Howto::NOTHING),
        R_AARCH64_ABS64 => (Symbol, Absolute, 8, Any),
        R_AARCH64_ABS32 => (Symbol, Absolute, 4, Either(32)),
        R_AARCH64_ABS16 => (Symbol, Absolute, 2, Either(16)),
        R_AARCH64_PREL64 => (Symbol, Relative, 8, Any),
        R_AARCH64_PREL32 => (Symbol, Relative, 4, Either(32)),
        R_AARCH64_PLT32 => (Symbol, Relative, 4, Signed(32)),
        R_AARCH64_PREL16 => (Symbol, Relative, 2, Either(16)),
        R_AARCH64_GOTREL64 => (Symbol, GotRelative, 8, Any),
        R_AARCH64_GOTREL32 => (Symbol, GotRelative, 4, Signed(32)),
        R_AARCH64_GOTPCREL32 => (Got, Relative, 4, Signed(32)),
        _ => return None,
    };
    Some(Howto::datum(base, form, width, range))
}

fn branches_and_pages(kind: RelocationType) -> Option<Howto> {
    let branch = |bits, insert| instruction(Symbol, Relative, Signed(bits), 4, insert);
    Some(match kind {
        R_AARCH64_CALL26 | R_AARCH64_JUMP26 => branch(28, |old, value| field(old, value >> 2, 0, 26)),
        R_AARCH64_CONDBR19 | R_AARCH64_LD_PREL_LO19 => branch(21, |old, value| field(old, value >> 2, 5, 19)),
        R_AARCH64_TSTBR14 => branch(16, |old, value| field(old, value >> 2, 5, 14)),
        R_AARCH64_ADR_PREL_LO21 => instruction(Symbol, Relative, Signed(21), 1, adr),
        R_AARCH64_ADR_PREL_PG_HI21 => instruction(Symbol, Page, Signed(33), 1, adrp),
        R_AARCH64_ADR_PREL_PG_HI21_NC => instruction(Symbol, Page, Any, 1, adrp),
        R_AARCH64_ADR_GOT_PAGE => instruction(Got, Page, Signed(33), 1, adrp),
        R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21 => instruction(GotTpOffset, Page, Signed(33), 1, adrp),
        R_AARCH64_GOT_LD_PREL19 => instruction(Got, Relative, Signed(21), 4, |o, v| field(o, v >> 2, 5, 19)),
        R_AARCH64_TLSIE_LD_GOTTPREL_PREL19 => {
            instruction(GotTpOffset, Relative, Signed(21), 4, |o, v| field(o, v >> 2, 5, 19))
        }
        _ => return None,
    })
}

/// The low twelve bits of an address, scaled by the size of the access.
fn low_bits(kind: RelocationType) -> Option<Howto> {
    let low = |base, multiple, insert| instruction(base, Absolute, Any, multiple, insert);
    let checked = |multiple, insert| instruction(TpOffset, Absolute, Unsigned(12), multiple, insert);
    let scale: [fn(u64, u64) -> u64; 5] = [
        |old, value| field(old, value & 0xfff, 10, 12),
        |old, value| field(old, (value & 0xfff) >> 1, 10, 12),
        |old, value| field(old, (value & 0xfff) >> 2, 10, 12),
        |old, value| field(old, (value & 0xfff) >> 3, 10, 12),
        |old, value| field(old, (value & 0xfff) >> 4, 10, 12),
    ];
    Some(match kind {
        R_AARCH64_ADD_ABS_LO12_NC | R_AARCH64_LDST8_ABS_LO12_NC => low(Symbol, 1, scale[0]),
        R_AARCH64_LDST16_ABS_LO12_NC => low(Symbol, 2, scale[1]),
        R_AARCH64_LDST32_ABS_LO12_NC => low(Symbol, 4, scale[2]),
        R_AARCH64_LDST64_ABS_LO12_NC => low(Symbol, 8, scale[3]),
        R_AARCH64_LDST128_ABS_LO12_NC => low(Symbol, 16, scale[4]),
        R_AARCH64_LD64_GOT_LO12_NC => low(Got, 8, scale[3]),
        R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC => low(GotTpOffset, 8, scale[3]),
        R_AARCH64_LD64_GOTPAGE_LO15 => {
            instruction(Got, GotPage, Unsigned(15), 8, |old, value| field(old, value >> 3, 10, 12))
        }
        R_AARCH64_TLSLE_ADD_TPREL_HI12 => {
            instruction(TpOffset, Absolute, Unsigned(24), 1, |old, value| field(old, value >> 12, 10, 12))
        }
        R_AARCH64_TLSLE_ADD_TPREL_LO12 | R_AARCH64_TLSLE_LDST8_TPREL_LO12 => checked(1, scale[0]),
        R_AARCH64_TLSLE_LDST16_TPREL_LO12 => checked(2, scale[1]),
        R_AARCH64_TLSLE_LDST32_TPREL_LO12 => checked(4, scale[2]),
        R_AARCH64_TLSLE_LDST64_TPREL_LO12 => checked(8, scale[3]),
        R_AARCH64_TLSLE_LDST128_TPREL_LO12 => checked(16, scale[4]),
        R_AARCH64_TLSLE_ADD_TPREL_LO12_NC | R_AARCH64_TLSLE_LDST8_TPREL_LO12_NC => low(TpOffset, 1, scale[0]),
        R_AARCH64_TLSLE_LDST16_TPREL_LO12_NC => low(TpOffset, 2, scale[1]),
        R_AARCH64_TLSLE_LDST32_TPREL_LO12_NC => low(TpOffset, 4, scale[2]),
        R_AARCH64_TLSLE_LDST64_TPREL_LO12_NC => low(TpOffset, 8, scale[3]),
        R_AARCH64_TLSLE_LDST128_TPREL_LO12_NC => low(TpOffset, 16, scale[4]),
        _ => return None,
    })
}

/// Sixteen bits each of an absolute value.
fn moves(kind: RelocationType) -> Option<Howto> {
    let groups: [fn(u64, u64) -> u64; 4] = [
        |old, value| field(old, value, 5, 16),
        |old, value| field(old, value >> 16, 5, 16),
        |old, value| field(old, value >> 32, 5, 16),
        |old, value| field(old, value >> 48, 5, 16),
    ];
    let signed: [fn(u64, u64) -> u64; 3] =
        [|old, value| signed_move(old, value, 0), |o, v| signed_move(o, v, 16), |o, v| signed_move(o, v, 32)];
    let part = |base, range, insert| instruction(base, Absolute, range, 1, insert);
    Some(match kind {
        R_AARCH64_MOVW_UABS_G0 => part(Symbol, Unsigned(16), groups[0]),
        R_AARCH64_MOVW_UABS_G0_NC => part(Symbol, Any, groups[0]),
        R_AARCH64_MOVW_UABS_G1 => part(Symbol, Unsigned(32), groups[1]),
        R_AARCH64_MOVW_UABS_G1_NC => part(Symbol, Any, groups[1]),
        R_AARCH64_MOVW_UABS_G2 => part(Symbol, Unsigned(48), groups[2]),
        R_AARCH64_MOVW_UABS_G2_NC => part(Symbol, Any, groups[2]),
        R_AARCH64_MOVW_UABS_G3 => part(Symbol, Any, groups[3]),
        R_AARCH64_MOVW_SABS_G0 => part(Symbol, Signed(17), signed[0]),
        R_AARCH64_MOVW_SABS_G1 => part(Symbol, Signed(33), signed[1]),
        R_AARCH64_MOVW_SABS_G2 => part(Symbol, Signed(49), signed[2]),
        R_AARCH64_TLSLE_MOVW_TPREL_G0 => part(TpOffset, Signed(17), signed[0]),
        R_AARCH64_TLSLE_MOVW_TPREL_G0_NC => part(TpOffset, Any, groups[0]),
        R_AARCH64_TLSLE_MOVW_TPREL_G1 => part(TpOffset, Signed(33), signed[1]),
        R_AARCH64_TLSLE_MOVW_TPREL_G1_NC => part(TpOffset, Any, groups[1]),
        R_AARCH64_TLSLE_MOVW_TPREL_G2 => part(TpOffset, Signed(49), signed[2]),
        _ => return None,
    })
}

const fn instruction(base: Base, form: Form, range: Range, multiple: u64, insert: fn(u64, u64) -> u64) -> Howto {
    Howto { base, form, range, multiple, width: 4, insert }
}

/// `old` with its `bits` bits from `at` replaced.
fn field(old: u64, value: u64, at: u32, bits: u32) -> u64 {
    let mask = ((1 << bits) - 1) << at;
    old & !mask | (value << at) & mask
}

fn adr(old: u64, value: u64) -> u64 {
    field(field(old, value, 29, 2), value >> 2, 5, 19)
}

fn adrp(old: u64, value: u64) -> u64 {
    adr(old, value >> 12)
}

/// `movz` for a value that is not negative, else `movn` of its complement.
fn signed_move(old: u64, value: u64, shift: u32) -> u64 {
    const MOVZ: u64 = 1 << 30;
    if (value as i64) < 0 {
        field(old & !MOVZ, !value >> shift, 5, 16)
    } else {
        field(old | MOVZ, value >> shift, 5, 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(kind: RelocationType, old: u32, value: u64) -> u32 {
        (AArch64.howto(kind).expect("known").insert)(old.into(), value) as u32
    }

    #[test]
    fn fills_the_fields_of_instructions() {
        // bl .+8, bl .-4, adrp x0 two pages on, adr x1 .+5, add x0, x0, #0xabc, ldr x0, [x0, #0x7f8]
        assert_eq!(applied(R_AARCH64_CALL26, 0x9400_0000, 8), 0x9400_0002);
        assert_eq!(applied(R_AARCH64_CALL26, 0x9400_0000, -4i64 as u64), 0x97ff_ffff);
        assert_eq!(applied(R_AARCH64_ADR_PREL_PG_HI21, 0x9000_0000, 0x2000), 0xd000_0000);
        assert_eq!(applied(R_AARCH64_ADR_PREL_LO21, 0x1000_0001, 5), 0x3000_0021);
        assert_eq!(applied(R_AARCH64_ADD_ABS_LO12_NC, 0x9100_0000, 0x1234_5abc), 0x912a_f000);
        assert_eq!(applied(R_AARCH64_LDST64_ABS_LO12_NC, 0xf940_0000, 0x1_07f8), 0xf943_fc00);
        assert_eq!(applied(R_AARCH64_MOVW_UABS_G1_NC, 0xf2a0_0000, 0x1234_5678), 0xf2a2_4680);
        // movz x0, #imm turns into movn x0, #0 for -1
        assert_eq!(applied(R_AARCH64_MOVW_SABS_G0, 0xd280_0000, u64::MAX), 0x9280_0000);
    }
}
