//! Jump tables: where computed jumps lead, and where tables end.

use crate::binary::Image;
use crate::graph::Code;
use crate::insn::{Expr, Flow, Insn, Reg};
use crate::value::{TableEntry, Value};
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

/// No switch has more cases than this.
const MAX_TABLE: u64 = 1 << 16;
/// The bits of an address that say where in its page it is.
const PAGE_OFFSET: u64 = 0xfff;

/// Addresses that the code of an image mentions anywhere: no table goes on behind the next of them, whatever bound its
/// index has. (The index may be a masked value that is known to be one of fewer cases.)
#[derive(Clone, Debug, Default)]
pub struct Mentions(BTreeSet<u64>);

impl Mentions {
    /// Adds what a function mentions, reachable or not: compilers put no data between instructions.
    pub fn read(&mut self, code: &Code) {
        let mut constants: HashMap<Reg, u64> = HashMap::new();
        let mut address = code.address;
        while let Some(insns) = code.decode(address) {
            for insn in insns {
                address = insn.end();
                self.note(&insn, &mut constants);
            }
        }
    }

    fn note(&mut self, insn: &Insn, constants: &mut HashMap<Reg, u64>) {
        for access in &insn.accesses {
            let base = access.base.map_or(Some(0), |base| constants.get(&base).copied());
            self.0.extend(base.map(|base| base.wrapping_add_signed(access.displacement)));
        }
        let values: Vec<(Reg, u64)> = insn
            .assignments
            .iter()
            .filter_map(|a| match a.value {
                Expr::Constant(n) => {
                    // The begin of a page may be a part of an address that is not complete yet.
                    self.0.extend((n & PAGE_OFFSET != 0).then_some(n));
                    Some((a.to, n))
                }
                Expr::Sum(register, n) => {
                    let sum = constants.get(&register)?.wrapping_add_signed(n);
                    self.0.insert(sum);
                    Some((a.to, sum))
                }
                _ => None,
            })
            .collect();
        if insn.flow == Flow::Next {
            constants.retain(|register, _| !insn.defs.contains(*register));
        } else {
            constants.clear();
        }
        constants.extend(values);
    }

    /// The next address behind `address` that is mentioned.
    fn next(&self, address: u64) -> u64 {
        self.0.range((Bound::Excluded(address), Bound::Unbounded)).next().copied().unwrap_or(u64::MAX)
    }
}

/// Anchor, table and shift of a computed jump.
fn table_of(value: Value) -> Option<(u64, TableEntry, u8)> {
    match value {
        Value::Entries(entry) => Some((0, entry, 0)),
        Value::Anchored(anchor, entry, shift) => Some((anchor, entry, shift)),
        _ => None,
    }
}

/// Where a jump to `value` leads. A table whose index has not been compared also ends where its entries make no sense
/// any more.
pub fn targets(image: &Image, code: &Code, mentions: &Mentions, value: Value) -> BTreeSet<u64> {
    if let Value::Constant(target) = value {
        return BTreeSet::from([target]);
    }
    let Some((anchor, entry, shift)) = table_of(value) else { return BTreeSet::new() };
    let size = u64::from(entry.size.max(1));
    let room = mentions.next(entry.table).saturating_sub(entry.table) / size;
    let count = entry.count.map_or(u64::MAX, u64::from).min(MAX_TABLE).min(room);
    let mut targets = BTreeSet::new();
    for (_, chunk) in (0..count).zip(image.bytes_from(entry.table).chunks_exact(size as usize)) {
        let target = anchor.wrapping_add(number(chunk, entry.signed) << shift);
        if code.range().contains(&target) {
            targets.insert(target);
        } else if entry.count.is_none() {
            break;
        }
    }
    targets
}

fn number(bytes: &[u8], signed: bool) -> u64 {
    let value = bytes.iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
    let unused = 64 - 8 * bytes.len().min(8) as u32;
    if signed { ((value << unused) as i64 >> unused) as u64 } else { value }
}
