//! Migration points: a test of a word whose cold path calls the runtime (by the map of `shim/map.cpp`). The code
//! generators make it an access that faults on a request (`shim/poll.cpp`). Every loop that may turn for long holds one, and so
//! does every recursion; both at as cold a place as there is.

use crate::calls::Recursion;
use crate::convention::{Conventions, POLL};
use crate::ir::{Block, Module, PRESERVE_NONE, Value, split_before, split_edges};
use crate::loops::{BlockId, Cfg, Turns};
use inkwell::llvm_sys::LLVMOpcode::{LLVMAlloca, LLVMBr, LLVMIndirectBr};
use inkwell::llvm_sys::LLVMVisibility;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What polls access.
const PAGE: &str = "__twin_poll_page";

/// In a loop that runs so many times as often as its function, a poll is where it takes least time, not least code.
const HOT: f64 = 100.0;

/// Inserts polls into the uniform functions of `module`.
pub fn run(module: Module, conventions: &Conventions) {
    let recursion = Recursion::new(module, conventions);
    let functions: Vec<(Value, Cfg)> = module
        .definitions()
        .into_iter()
        .filter(|f| !conventions.is_quiet(*f))
        .map(|function| (function, with_entries(function, |i| recursion.may_close_a_cycle(conventions, function, i))))
        .collect();
    let cuts: HashMap<Value, Vec<BlockId>> = functions
        .iter()
        .map(|(function, cfg)| {
            (*function, cut(*function, cfg, |i| recursion.may_close_a_cycle(conventions, *function, i)))
        })
        .collect();
    let polling: HashSet<Value> =
        cuts.iter().filter(|(_, cut)| cut.contains(&BlockId(0))).map(|(function, _)| *function).collect();
    for (function, cfg) in &functions {
        let mut places: Vec<Value> = cuts[function].iter().map(|block| begin(cfg, *block)).collect();
        let loops = cfg.loops();
        let turns = Turns::new(*function, cfg, &loops, conventions.turns());
        let mut latches: BTreeMap<BlockId, Vec<BlockId>> = BTreeMap::new();
        for (from, to) in cfg.retreating_edges() {
            let mut around =
                loops.iter().zip(&turns.of_loop).filter(|(l, _)| l.latches.contains(&from) && l.header == to);
            let is_short = around.any(|(_, turns_of_loop)| turns.is_few(*turns_of_loop));
            // Where each turn comes by: a poll in front of a call, or a call of a function that polls.
            let each_turn = |block: BlockId| cfg.dominates(to, block) && cfg.dominates(block, from);
            if is_short
                || cuts[function].iter().any(|block| each_turn(*block))
                || [from, to].into_iter().any(|block| each_turn(block) && calls_any(cfg, &polling, block))
            {
                continue;
            }
            latches.entry(to).or_default().push(from);
        }
        let frequency = cfg.frequencies(*function);
        let is_loud = |header: BlockId| {
            let mut blocks = loops.iter().filter(|l| l.header == header).flat_map(|l| &l.blocks);
            blocks.any(|b| cfg.blocks[b.index()].instructions().into_iter().any(|i| conventions.is_loud_call(i)))
        };
        for (header, latches) in latches {
            let is_small_or_hot = |latch: BlockId| latch == header || frequency[latch.index()] > HOT * frequency[0];
            let place = match latches[..] {
                [latch] if is_small_or_hot(latch) && !is_loud(header) => in_latch(cfg, latch),
                _ => on_way_back(cfg, &latches, header),
            };
            if !places.contains(&place) {
                places.push(place);
            }
        }
        for place in places {
            insert(module, place);
        }
    }
}

/// The graph of `function`, with a block in front of each loop around a call that `counts`.
fn with_entries(function: Value, counts: impl Fn(Value) -> bool) -> Cfg {
    let cfg = Cfg::new(function);
    let mut changed = false;
    for each in cfg.loops() {
        let mut outside = cfg.predecessors[each.header.index()].iter().filter(|p| !each.blocks.contains(p));
        if let (Some(before), None) = (outside.next(), outside.next())
            && cfg.successors[before.index()].len() > 1
            && cfg.blocks[before.index()].terminator().opcode() == LLVMBr
            && each.blocks.iter().any(|b| cfg.blocks[b.index()].instructions().into_iter().any(&counts))
        {
            split_edges(&[cfg.blocks[before.index()]], cfg.blocks[each.header.index()]);
            changed = true;
        }
    }
    if changed { Cfg::new(function) } else { cfg }
}

/// The blocks that run least often in all, one of which is on every path to each of the calls that `counts`.
fn cut(function: Value, cfg: &Cfg, counts: impl Fn(Value) -> bool) -> Vec<BlockId> {
    let (frequency, dominated) = (cfg.frequencies(function), cfg.dominated());
    let mut best: Vec<(f64, Vec<BlockId>)> = vec![(0.0, Vec::new()); cfg.blocks.len()];
    // What a block dominates comes behind it.
    for block in cfg.ids().rev() {
        let here = (frequency[block.index()], vec![block]);
        let (mut below, mut blocks) = (0.0, Vec::new());
        for next in &dominated[block.index()] {
            let (cost, at) = std::mem::take(&mut best[next.index()]);
            below += cost;
            blocks.extend(at);
        }
        let calls = cfg.blocks[block.index()].instructions().into_iter().any(&counts);
        best[block.index()] = if calls || (!blocks.is_empty() && here.0 <= below) { here } else { (below, blocks) };
    }
    std::mem::take(&mut best[0].1)
}

/// Whether `block` calls one of `functions`.
fn calls_any(cfg: &Cfg, functions: &HashSet<Value>, block: BlockId) -> bool {
    cfg.blocks[block.index()]
        .instructions()
        .into_iter()
        .any(|i| i.is_call() && i.called_function().is_some_and(|f| functions.contains(&f) && !f.is_interposable()))
}

/// A poll's place in a latch: the latch's compare and branch stay together.
fn in_latch(cfg: &Cfg, latch: BlockId) -> Value {
    let end = cfg.blocks[latch.index()].terminator();
    if cfg.successors[latch.index()].len() > 1 { begin(cfg, latch) } else { end }
}

/// A poll's place on the way back from all latches, where little lives: it falls into the header.
fn on_way_back(cfg: &Cfg, latches: &[BlockId], header: BlockId) -> Value {
    let from: Vec<Block> = latches.iter().map(|latch| cfg.blocks[latch.index()]).collect();
    match &from[..] {
        [latch] if cfg.successors[latches[0].index()].len() == 1 => latch.terminator(),
        _ if from.iter().any(|latch| latch.terminator().opcode() == LLVMIndirectBr) => begin(cfg, header),
        _ => split_edges(&from, cfg.blocks[header.index()]).terminator(),
    }
}

/// The first place in a block for code.
fn begin(cfg: &Cfg, block: BlockId) -> Value {
    let instructions = cfg.blocks[block.index()].instructions();
    let is_code = |i: &Value| !i.is_phi() && i.opcode() != LLVMAlloca;
    instructions.into_iter().find(is_code).expect("a block ends in a terminator")
}

fn insert(module: Module, place: Value) {
    let word = module.int(32);
    let page = module.global(PAGE, word);
    page.set_visibility(LLVMVisibility::LLVMHiddenVisibility);
    let slow_type = module.function_type(module.void(), &[], false);
    let slow = module.function(POLL, slow_type);
    slow.set_convention(PRESERVE_NONE);

    let head = place.block();
    let tail = split_before(place);
    let cold = head.function().append_block(module, "twin.poll");
    let branch = head.terminator();
    let builder = module.before(branch).located_like(place);
    let requested = builder.volatile(builder.load(word, page, 4));
    builder.branch_if_unlikely(builder.is_nonzero(requested), cold, tail);
    branch.erase();
    let builder = module.at_end(cold).located_like(place);
    builder.call(slow_type, slow, &[], PRESERVE_NONE);
    builder.branch(tail);
}
