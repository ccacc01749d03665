//! Sets of frame bytes.

use std::ops::Range;

/// A set of distances from the CFA within a fixed range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameBytes {
    start: i64,
    words: Vec<u64>,
}

/// Bits of a word.
const WORD: usize = 64;

impl FrameBytes {
    /// The empty set for distances in `range`.
    pub fn new(range: Range<i64>) -> FrameBytes {
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
        FrameBytes { start: range.start, words: vec![0; length.div_ceil(WORD)] }
    }

    fn positions(&self, offset: i64, size: u32) -> Range<usize> {
        let end = (self.words.len() * WORD) as i64;
        let from = offset.saturating_sub(self.start).clamp(0, end);
        let to = offset.saturating_sub(self.start).saturating_add(size.into()).clamp(0, end);
        from as usize..to as usize
    }

    /// Adds bytes.
    pub fn insert(&mut self, offset: i64, size: u32) {
        for n in self.positions(offset, size) {
            self.words[n / WORD] |= 1 << (n % WORD);
        }
    }

    /// Removes bytes.
    pub fn remove(&mut self, offset: i64, size: u32) {
        for n in self.positions(offset, size) {
            self.words[n / WORD] &= !(1 << (n % WORD));
        }
    }

    /// Whether any of these bytes is in the set.
    pub fn intersects(&self, offset: i64, size: u32) -> bool {
        self.positions(offset, size).any(|n| self.words[n / WORD] & (1 << (n % WORD)) != 0)
    }

    /// Adds all of `other`; tells whether that changed anything.
    pub fn add(&mut self, other: &FrameBytes) -> bool {
        let mut changed = false;
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            changed |= *more & !*word != 0;
            *word |= more;
        }
        changed
    }

    /// Keeps what is in `other` too.
    pub fn keep(&mut self, other: &FrameBytes) {
        for (word, kept) in self.words.iter_mut().zip(&other.words) {
            *word &= kept;
        }
    }

    /// The distances in the set in order.
    pub fn iter(&self) -> impl Iterator<Item = i64> {
        let bits = self.words.len() * WORD;
        (0..bits).filter(|n| self.words[n / WORD] & (1 << (n % WORD)) != 0).map(|n| self.start + n as i64)
    }
}
