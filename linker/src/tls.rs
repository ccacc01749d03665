//! Thread-local storage: one block behind the thread pointer, with the same layout on both ISAs.

use crate::ids::{OutputId, Table};
use crate::layout::Output;

/// Bytes at the thread pointer that belong to the runtime (DESIGN.md 3).
const RESERVED: u64 = 16;

/// The initial image of the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Where the image is.
    pub address: u64,
    /// Bytes of the image; the rest is zero.
    pub file_size: u64,
    /// Bytes of the block.
    pub memory_size: u64,
    /// Alignment of the block.
    pub align: u64,
}

impl Tls {
    /// The image that the thread-local `outputs` make.
    pub fn of(outputs: &Table<OutputId, Output>, align: u64) -> Tls {
        let parts = || outputs.values().filter(|o| o.is_tls());
        let address = parts().map(|o| o.address).min().unwrap_or_default();
        let mut tls = Tls { address, file_size: 0, memory_size: 0, align };
        for part in parts() {
            let end = part.address + part.size - address;
            tls.memory_size = tls.memory_size.max(end);
            if !part.is_zero() {
                tls.file_size = tls.file_size.max(end);
            }
        }
        tls
    }

    /// Distance from the thread pointer of what is at `address` in the image.
    pub fn tp_offset(&self, address: u64) -> u64 {
        RESERVED.next_multiple_of(self.align.max(1)).wrapping_add(self.offset(address))
    }

    /// Offset in the block of what is at `address` in the image.
    pub fn offset(&self, address: u64) -> u64 {
        address.wrapping_sub(self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_lie_behind_the_reserved_words() {
        let tls = Tls { address: 0x1000, file_size: 8, memory_size: 8, align: 8 };
        assert_eq!(tls.tp_offset(0x1004), 20);
        assert_eq!(Tls { align: 64, ..tls }.tp_offset(0x1004), 68);
    }
}
