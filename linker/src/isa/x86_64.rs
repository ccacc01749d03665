//! x86-64: relocations are plain little-endian fields, even inside instructions.

use super::Base::{Got, GotStart, GotTpOffset, Size, Symbol, TlsOffset, TpOffset};
use super::Form::{Absolute, GotRelative, Relative};
use super::Range::{Any, Either, Signed, Unsigned};
use super::{Howto, Isa};
use object::ConstantNames;
use object::elf::*;

/// The home ISA.
pub struct X86_64;

impl Isa for X86_64 {
    fn name(&self) -> &'static str {
        "x86-64"
    }

    fn machine(&self) -> Machine {
        EM_X86_64
    }

    fn trap(&self) -> [u8; 4] {
        [0xcc; 4]
    }

    fn relocation_names(&self) -> &'static ConstantNames<RelocationType> {
        &NAMES_R_X86_64
    }

    fn howto(&self, kind: RelocationType) -> Option<Howto> {
        let (base, form, width, range) = match kind {
            R_X86_64_NONE => return Some(Howto::NOTHING),
            R_X86_64_64 => (Symbol, Absolute, 8, Any),
            R_X86_64_32 => (Symbol, Absolute, 4, Unsigned(32)),
            R_X86_64_32S => (Symbol, Absolute, 4, Signed(32)),
            R_X86_64_16 => (Symbol, Absolute, 2, Either(16)),
            R_X86_64_8 => (Symbol, Absolute, 1, Either(8)),
            R_X86_64_PC64 => (Symbol, Relative, 8, Any),
            // All code is in one image, so that a call needs no procedure linkage table.
            R_X86_64_PC32 | R_X86_64_PLT32 => (Symbol, Relative, 4, Signed(32)),
            R_X86_64_PC16 => (Symbol, Relative, 2, Signed(16)),
            R_X86_64_PC8 => (Symbol, Relative, 1, Signed(8)),
            R_X86_64_GOTPCREL | R_X86_64_GOTPCRELX | R_X86_64_REX_GOTPCRELX | R_X86_64_CODE_4_GOTPCRELX => {
                (Got, Relative, 4, Signed(32))
            }
            R_X86_64_GOTPCREL64 => (Got, Relative, 8, Any),
            R_X86_64_GOT32 => (Got, GotRelative, 4, Signed(32)),
            R_X86_64_GOT64 => (Got, GotRelative, 8, Any),
            R_X86_64_GOTPC32 => (GotStart, Relative, 4, Signed(32)),
            R_X86_64_GOTPC64 => (GotStart, Relative, 8, Any),
            R_X86_64_GOTOFF64 => (Symbol, GotRelative, 8, Any),
            R_X86_64_GOTTPOFF | R_X86_64_CODE_4_GOTTPOFF => (GotTpOffset, Relative, 4, Signed(32)),
            R_X86_64_TPOFF32 => (TpOffset, Absolute, 4, Signed(32)),
            R_X86_64_TPOFF64 => (TpOffset, Absolute, 8, Any),
            R_X86_64_DTPOFF32 => (TlsOffset, Absolute, 4, Signed(32)),
            R_X86_64_DTPOFF64 => (TlsOffset, Absolute, 8, Any),
            R_X86_64_SIZE32 => (Size, Absolute, 4, Unsigned(32)),
            R_X86_64_SIZE64 => (Size, Absolute, 8, Any),
            _ => return None,
        };
        Some(Howto::datum(base, form, width, range))
    }

    fn undefined_weak(&self, _kind: RelocationType, _place: u64) -> u64 {
        0
    }
}
