//! Where the two code generators meet: whoever comes first to a function waits for the other, and both get the same
//! answer.

use crate::align::{self, Code};
use crate::isa::{self, Isa};
use crate::times::{self, Phase};
use anyhow::{Error, Result, bail};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard};

/// Blocks of a function as lists of call sites.
type Blocks = Vec<Vec<u32>>;

#[derive(Default)]
struct State {
    reserved: HashMap<String, [Option<Needs>; 2]>,
    bare: HashMap<String, [Option<Vec<u32>>; 2]>,
    blocks: HashMap<String, [Option<Blocks>; 2]>,
    frames: BTreeMap<String, [Option<Frame>; 2]>,
    codes: [Option<Code>; 2],
    /// Whether both codes have been made to agree.
    aligned: Option<Result<()>>,
    violations: Vec<String>,
    left: [bool; 2],
    /// The function at which a side waits for the other, by its position in the module.
    waiting: [Option<usize>; 2],
}

/// What a frame needs besides locals and slots (`TwinFrame` in `shim/shim.h`).
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Needs {
    /// Bytes above locals and slots.
    pub above: u64,
    /// Bytes of spill slots.
    pub spills: u64,
    /// Bytes below everything, for arguments of native calls.
    pub bottom: u64,
    /// 1 if there is a frame pointer, else 0.
    pub pointer: u64,
    /// Instructions that access spill slots.
    pub spill_accesses: u64,
    /// Instructions that access slots.
    pub slot_accesses: u64,
}

impl Needs {
    /// Room for both, and how often either accesses it.
    fn joined(self, other: Needs) -> Needs {
        Needs {
            above: self.above.max(other.above),
            spills: self.spills.max(other.spills),
            bottom: self.bottom.max(other.bottom),
            pointer: self.pointer.max(other.pointer),
            spill_accesses: self.spill_accesses + other.spill_accesses,
            slot_accesses: self.slot_accesses + other.slot_accesses,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Frame {
    size: u64,
    locals: i64,
    slots: i64,
}

/// The common ground of two code generators, which take the functions in the order of the module.
pub struct Meeting {
    state: Mutex<State>,
    changed: Condvar,
    position: HashMap<String, usize>,
}

/// One code generator's view of the meeting.
pub struct Side<'a> {
    meeting: &'a Meeting,
    index: usize,
}

impl Meeting {
    /// For a module with these functions.
    pub fn new(functions: impl Iterator<Item = String>) -> Meeting {
        let position = functions.enumerate().map(|(position, name)| (name, position)).collect();
        Meeting { state: Mutex::default(), changed: Condvar::new(), position }
    }

    /// The view of code generator `index`: 0 is home.
    pub fn side(&self, index: usize) -> Side<'_> {
        Side { meeting: self, index }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether both sides came out with the same frames and no pass found anything wrong.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<()> {
        let state = self.lock();
        // Which side is first to find something is a matter of time.
        if let Some(violation) = state.violations.iter().min() {
            let more = state.violations.len() - 1;
            let note = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            bail!("internal error: {violation}{note}");
        }
        for (function, frames) in &state.frames {
            let [home, visitor] = frames;
            if let (Some(home), Some(visitor)) = (home, visitor)
                && home != visitor
            {
                bail!(
                    "internal error: function `{function}`: frames differ: {} {home:?}, {} {visitor:?}",
                    isa::HOME.name(),
                    isa::VISITOR.name()
                );
            }
        }
        Ok(())
    }

    /// Whether everything in these objects (home first) is where it was measured to be.
    ///
    /// # Errors
    /// If there is no padding that makes both agree; the first site that is somewhere else.
    pub fn confirm(&self, objects: &[Vec<u8>; 2]) -> Result<()> {
        let mut state = self.lock();
        state.aligned.take().unwrap_or_else(|| Err(Error::msg("internal error: nothing has been aligned")))?;
        for (code, object) in state.codes.iter().zip(objects) {
            code.as_ref().expect("has been aligned").confirm(object)?;
        }
        Ok(())
    }
}

impl Side<'_> {
    /// Waits until both sides have given their `mine` for `function`.
    fn exchange<T: Clone>(
        &self,
        function: &str,
        mine: T,
        table: impl Fn(&mut State) -> &mut HashMap<String, [Option<T>; 2]>,
    ) -> Option<[T; 2]> {
        let mut state = self.meeting.lock();
        table(&mut state).entry(function.to_owned()).or_insert([None, None])[self.index] = Some(mine);
        let position = self.meeting.position.get(function).copied();
        state.waiting[self.index] = position;
        self.meeting.changed.notify_all();
        loop {
            if let [Some(home), Some(visitor)] = &table(&mut state)[function] {
                let both = Some([home.clone(), visitor.clone()]);
                state.waiting[self.index] = None;
                return both;
            }
            // The other side may have found all uniform calls of the function to be unreachable: then the function is
            // never on the stack at a hop.
            let other = 1 - self.index;
            if state.left[other] || state.waiting[other] > position {
                state.waiting[self.index] = None;
                return None;
            }
            state = self.meeting.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// What both sides have in their frames.
    pub fn reserve(&self, function: &str, needs: Needs) -> Option<Needs> {
        let [home, visitor] = self.exchange(function, needs, |s| &mut s.reserved)?;
        Some(home.joined(visitor))
    }

    /// Reports a finished frame.
    pub fn frame(&self, function: &str, size: u64, locals: i64, slots: i64) {
        let frame = Frame { size, locals, slots };
        self.meeting.lock().frames.entry(function.to_owned()).or_default()[self.index] = Some(frame);
    }

    /// The sites of polls that need no cold block on either side.
    pub fn bare_polls(&self, function: &str, sites: Vec<u32>) -> Option<Vec<u32>> {
        let [home, visitor] = self.exchange(function, sites, |s| &mut s.bare)?;
        let visitor: HashSet<u32> = visitor.into_iter().collect();
        Some(home.into_iter().filter(|site| visitor.contains(site)).collect())
    }

    /// The order of the call sites that both sides have.
    pub fn block_order(&self, function: &str, blocks: Blocks) -> Option<Vec<u32>> {
        let [home, visitor] = self.exchange(function, blocks, |s| &mut s.blocks)?;
        match agree(&home, &visitor) {
            Ok(order) => Some(order),
            Err(why) => {
                self.violation(format!("function `{function}`: {why}"));
                None
            }
        }
    }

    /// Waits until both sides have given the code of all functions and it has padding, which `take` gets to see. Tells
    /// whether there is any.
    pub fn align(&self, mine: Code, take: impl FnOnce(&Code)) -> bool {
        let mut state = self.meeting.lock();
        state.codes[self.index] = Some(mine);
        // Behind all functions.
        state.waiting[self.index] = Some(usize::MAX);
        self.meeting.changed.notify_all();
        loop {
            if let State { codes: [Some(home), Some(visitor)], aligned, .. } = &mut *state {
                // Who comes last does it for both.
                let aligned = aligned.get_or_insert_with(|| {
                    let _time = times::start_within(Phase::Code(self.index), Phase::Padding);
                    align::run([home, visitor])
                });
                let is_aligned = aligned.is_ok();
                if is_aligned {
                    take(state.codes[self.index].as_ref().expect("given above"));
                }
                return is_aligned;
            }
            if state.left[1 - self.index] {
                return false;
            }
            state = self.meeting.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// The instruction set of this side.
    pub fn isa(&self) -> &'static dyn Isa {
        isa::both()[self.index]
    }

    /// Reports a violated invariant.
    pub fn violation(&self, message: String) {
        let name = self.isa().name();
        self.meeting.lock().violations.push(format!("{name}: {message}"));
    }

    /// This side is done, so that the other one does not wait for it.
    pub fn leave(&self) {
        self.meeting.lock().left[self.index] = true;
        self.meeting.changed.notify_all();
    }
}

/// The blocks of `mine` less the sites that the other side has found to be unreachable.
fn common(mine: &Blocks, other: &Blocks) -> Blocks {
    let others: HashSet<u32> = other.iter().flatten().copied().collect();
    mine.iter().map(|block| block.iter().copied().filter(|site| others.contains(site)).collect()).collect()
}

/// An order of the call sites that both sides have, in which every block of either side is contiguous. Follows the
/// home side, whose speed is paid for by the padding.
fn agree(home: &Blocks, visitor: &Blocks) -> Result<Vec<u32>, String> {
    for blocks in [home, visitor] {
        let mut seen = HashSet::new();
        if let Some(twice) = blocks.iter().flatten().find(|site| !seen.insert(**site)) {
            return Err(format!("call site {twice} has been duplicated"));
        }
    }
    let (home, visitor) = (&common(home, visitor), &common(visitor, home));
    let position: HashMap<u32, usize> = home.iter().flatten().enumerate().map(|(i, s)| (*s, i)).collect();
    let order: Vec<u32> = home.iter().flatten().copied().collect();
    // Sites that share a block on either side belong together.
    let mut group: HashMap<u32, u32> = order.iter().map(|s| (*s, *s)).collect();
    fn root(group: &HashMap<u32, u32>, mut site: u32) -> u32 {
        while group[&site] != site {
            site = group[&site];
        }
        site
    }
    let mut before: HashMap<u32, Vec<u32>> = HashMap::new();
    for block in home.iter().chain(visitor) {
        for pair in block.windows(2) {
            let (a, b) = (root(&group, pair[0]), root(&group, pair[1]));
            group.insert(a, b);
            before.entry(pair[1]).or_default().push(pair[0]);
        }
    }
    let mut members: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut groups: Vec<u32> = Vec::new();
    let entries = [home, visitor].map(|blocks| blocks.first().and_then(|b| b.first()).copied());
    for site in entries.into_iter().flatten().chain(order.iter().copied()) {
        let of = root(&group, site);
        if !groups.contains(&of) {
            groups.push(of);
        }
    }
    for site in order {
        members.entry(root(&group, site)).or_default().push(site);
    }
    let mut result = Vec::new();
    for of in groups {
        let mut rest = members.remove(&of).unwrap_or_default();
        rest.sort_by_key(|s| position[s]);
        while !rest.is_empty() {
            let ready =
                rest.iter().position(|s| before.get(s).is_none_or(|earlier| !earlier.iter().any(|e| rest.contains(e))));
            let Some(ready) = ready else {
                return Err(format!("call sites {rest:?} come in opposite orders"));
            };
            result.push(rest.remove(ready));
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::agree;

    #[test]
    fn blocks_of_both_sides_stay_contiguous() {
        let home = vec![vec![0], vec![1, 3], vec![2]];
        let visitor = vec![vec![0], vec![2], vec![3], vec![1]];
        assert_eq!(agree(&home, &visitor), Ok(vec![0, 1, 3, 2]));
    }

    #[test]
    fn the_entry_block_of_either_side_comes_first() {
        let home = vec![vec![], vec![1], vec![0]];
        let visitor = vec![vec![0], vec![1]];
        assert_eq!(agree(&home, &visitor), Ok(vec![0, 1]));
    }

    #[test]
    fn a_site_on_one_side_only_is_left_out() {
        assert_eq!(agree(&vec![vec![0, 1], vec![2]], &vec![vec![0], vec![2]]), Ok(vec![0, 2]));
    }

    #[test]
    fn opposite_orders_and_duplicates_are_errors() {
        assert!(agree(&vec![vec![0], vec![0]], &vec![vec![0]]).is_err());
        assert!(agree(&vec![vec![0, 1]], &vec![vec![1, 0]]).is_err());
    }
}
