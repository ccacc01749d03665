//! Where the CPU time of a compilation goes (`-ftime-report`). Counters are the process's: it compiles one module at a
//! time.

use crate::isa;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What time is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// clang, up to bitcode.
    FrontEnd,
    /// The optimiser, where clang has left it to Twin.
    Optimiser,
    /// From the front end's IR to one that both code generators treat alike.
    Lowering,
    /// Placing of slots.
    Slots,
    /// The code generator of an ISA, by its index.
    Code(usize),
    /// Measuring and solving for the padding of both ISAs.
    Padding,
    /// Comparing and packing both objects.
    Packing,
}

const PHASES: [Phase; 8] = [
    Phase::FrontEnd,
    Phase::Optimiser,
    Phase::Lowering,
    Phase::Slots,
    Phase::Code(0),
    Phase::Code(1),
    Phase::Padding,
    Phase::Packing,
];

/// Nanoseconds of each phase.
static SPENT: [AtomicU64; PHASES.len()] = [const { AtomicU64::new(0) }; PHASES.len()];
static ROUNDS: AtomicU64 = AtomicU64::new(0);
static MEASURED: AtomicU64 = AtomicU64::new(0);
/// What the process and its children had taken before the module in hand.
static BEFORE: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

impl Phase {
    fn counter(self) -> &'static AtomicU64 {
        let index = PHASES.iter().position(|phase| *phase == self).expect("every phase is listed");
        &SPENT[index]
    }

    /// Time of this phase is its children's, not that of a thread.
    fn clock(self) -> u64 {
        if self == Phase::FrontEnd { usage(libc::RUSAGE_CHILDREN) } else { thread() }
    }

    fn name(self) -> String {
        match self {
            Phase::FrontEnd => "front end and optimiser (clang)".into(),
            Phase::Optimiser => "optimiser (-flto)".into(),
            Phase::Lowering => "lowering".into(),
            Phase::Slots => "slots".into(),
            Phase::Code(index) => format!("code generator, {}", isa::both()[index].name()),
            Phase::Padding => "padding".into(),
            Phase::Packing => "packing".into(),
        }
    }
}

/// Counts for a phase until it is dropped, on the thread that made it.
pub struct Timer {
    phase: Phase,
    within: Option<Phase>,
    since: u64,
}

/// Begins to count for `phase`.
pub fn start(phase: Phase) -> Timer {
    Timer { phase, within: None, since: phase.clock() }
}

/// Begins to count for `phase` what does not count for `outer`, for which another timer of this thread counts.
pub fn start_within(outer: Phase, phase: Phase) -> Timer {
    Timer { phase, within: Some(outer), since: phase.clock() }
}

impl Timer {
    /// Counts for another phase from now on.
    pub fn turn_to(&mut self, phase: Phase) {
        // The old value counts as it is dropped.
        *self = start(phase);
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let spent = self.phase.clock() - self.since;
        self.phase.counter().fetch_add(spent, Relaxed);
        if let Some(outer) = self.within {
            // Less than nothing until the outer timer counts.
            outer.counter().fetch_sub(spent, Relaxed);
        }
    }
}

/// Counts a round of padding over so many functions.
pub fn round(functions: usize) {
    ROUNDS.fetch_add(1, Relaxed);
    MEASURED.fetch_add(functions as u64, Relaxed);
}

/// What was counted since the last report, as a table; counting begins anew.
pub fn report() -> String {
    let spent = SPENT.each_ref().map(|counter| counter.swap(0, Relaxed));
    let [own, children] = [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].map(usage);
    let [own, children] = [own - BEFORE[0].swap(own, Relaxed), children - BEFORE[1].swap(children, Relaxed)];
    table(&spent, own, children, [&ROUNDS, &MEASURED].map(|counter| counter.swap(0, Relaxed)))
}

/// The children other than the front end are clang's driver, which is asked what the command line means.
fn table(spent: &[u64; PHASES.len()], own: u64, children: u64, [rounds, measured]: [u64; 2]) -> String {
    let total = own + children;
    let mut rows: Vec<_> = PHASES.iter().zip(spent).map(|(phase, &spent)| (phase.name(), spent)).collect();
    rows.push(("command line (clang -###)".into(), children.saturating_sub(spent[0])));
    let counted = rows.iter().map(|(_, spent)| spent).sum();
    rows.push(("bitcode, files, start".into(), total.saturating_sub(counted)));
    rows.retain(|(_, spent)| *spent > 0);
    rows.push(("total".into(), total));
    let line = format!("===-{}-===\n", "-".repeat(73));
    let mut text = format!("{line}{:>60}\n{line}  seconds      %\n", "Twin: CPU time of compiling for both ISAs");
    for (name, spent) in rows {
        let share = 100.0 * spent as f64 / total.max(1) as f64;
        let _ = writeln!(text, "{:9.4}  {share:5.1}  {name}", spent as f64 / 1e9);
    }
    let _ = writeln!(text, "padding: {rounds} rounds, {measured} functions in all of them");
    text
}

/// Nanoseconds of this thread.
fn thread() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills what it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds of this process or of the children that have ended.
fn usage(who: libc::c_int) -> u64 {
    // SAFETY: all zeros are a value of this type; the kernel fills what it is given.
    let usage = unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(who, &mut usage);
        usage
    };
    let libc::rusage { ru_utime, ru_stime, .. } = usage;
    [ru_utime, ru_stime].map(|time| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000).iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares are of the total; what has no phase has a row, and what took no time has none.
    #[test]
    fn all_time_is_somewhere() {
        let mut spent = [0; PHASES.len()];
        (spent[0], spent[4]) = (1_000_000_000, 500_000_000);
        let text = table(&spent, 750_000_000, 1_250_000_000, [2, 10]);
        let rows: Vec<_> = text.lines().skip(4).map(str::trim).collect();
        let generator = format!("0.5000   25.0  code generator, {}", isa::HOME.name());
        assert_eq!(
            rows,
            [
                "1.0000   50.0  front end and optimiser (clang)",
                &generator,
                "0.2500   12.5  command line (clang -###)",
                "0.2500   12.5  bitcode, files, start",
                "2.0000  100.0  total",
                "padding: 2 rounds, 10 functions in all of them",
            ]
        );
    }
}
