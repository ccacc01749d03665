//! Chooses how webs are kept across calls.

use super::Strategy;
use super::live::Liveness;
use super::webs::Webs;
use crate::convention::is_poll_call;

/// What is known of a function for the choice.
pub struct Choice<'a> {
    live: &'a Liveness,
    frequency: &'a [f64],
    webs: &'a Webs,
    /// What an instruction less is worth, in executed ones.
    size: f64,
    /// Instructions that a call of the function executes.
    steps: f64,
    /// For each web the calls that it lives across, by their number.
    calls: Vec<Vec<usize>>,
}

impl Choice<'_> {
    /// So much of the executed instructions may be added for as much less code. Small, since frequencies are guesses.
    const WORTH: f64 = 0.02;
    /// Values that registers can hold besides those that come and go.
    pub const REGISTERS: usize = 14;
    /// A frame pointer makes each access a byte shorter on x86-64, and takes five bytes and three instructions a call of the
    /// function: worth it from so many accesses and executed instructions on, and if few bytes of locals are between it and the
    /// slots.
    const POINTER_ACCESSES: usize = 64;
    const POINTER_STEPS: f64 = 150.0;
    const POINTER_LOCALS: u64 = 64;

    /// Analyses the function of `live`.
    pub fn new<'a>(live: &'a Liveness, frequency: &'a [f64], webs: &'a Webs) -> Choice<'a> {
        let (mut steps, mut length) = (0.0, 0.0);
        for (block, frequency) in live.cfg.blocks.iter().zip(frequency) {
            let instructions = block.instructions().len() as f64;
            steps += instructions * frequency;
            length += instructions;
        }
        let mut calls = vec![Vec::new(); webs.members.len()];
        for (site, (_, crossing)) in live.crossing.iter().enumerate() {
            crossing.iter().filter_map(|n| webs.index.get(n)).for_each(|&web| calls[web].push(site));
        }
        Choice { live, frequency, webs, size: Choice::WORTH * steps / length, steps, calls }
    }

    /// How many instructions access the slot of `web`, by and large, but for those that a poll's map replaces.
    pub fn accesses(&self, web: usize, strategy: Strategy) -> usize {
        let is_poll = |site: &&usize| is_poll_call(self.live.crossing[**site].0);
        match strategy {
            Strategy::Around => 2 * self.calls[web].iter().filter(|site| !is_poll(site)).count(),
            Strategy::Resident => self.webs.definitions(self.live, web).len() + self.webs.uses(self.live, web).len(),
        }
    }

    /// Whether a frame pointer pays for so many accesses of slots below so many bytes of locals.
    pub fn wants_frame_pointer(&self, accesses: usize, locals: u64) -> bool {
        accesses >= Choice::POINTER_ACCESSES && self.steps >= Choice::POINTER_STEPS && locals <= Choice::POINTER_LOCALS
    }

    /// How `web` is kept, and the frequency of the hottest call behind which it is loaded at once.
    pub fn choose(&self, web: usize) -> (Strategy, f64) {
        let definitions = self.webs.definitions(self.live, web);
        let stores: f64 = definitions.iter().map(|b| self.frequency[b.index()]).sum();
        let used = self.webs.uses(self.live, web);
        let uses: f64 = used.iter().map(|b| self.frequency[b.index()]).sum();
        let hottest = used.iter().map(|b| self.frequency[b.index()]).fold(0.0, f64::max);
        let (mut calls, mut reloads, mut eager) = (0.0, 0.0, 0.0);
        for &site in &self.calls[web] {
            let (call, crossing) = &self.live.crossing[site];
            let frequency = self.live.cfg.id(call.block()).map_or(0.0, |b| self.frequency[b.index()]);
            // What finds no register goes through memory once more.
            let moves = if crossing.len() > Choice::REGISTERS { 2.0 } else { 1.0 };
            calls += frequency;
            reloads += moves;
            eager += if frequency <= hottest { moves } else { 0.0 };
        }
        let (saves, sites) = (definitions.len() as f64, used.len() as f64);
        let around = 2.0 * calls + self.size * 2.0 * reloads;
        let resident = stores + uses.min(calls) + self.size * (saves + eager.min(sites + reloads));
        let late = stores + uses + self.size * (saves + sites);
        if around < resident.min(late) {
            (Strategy::Around, hottest)
        } else if resident <= late {
            (Strategy::Resident, hottest)
        } else {
            (Strategy::Resident, -1.0)
        }
    }
}
