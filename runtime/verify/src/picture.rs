//! A picture of a function's frames: both ISAs side by side, slot by slot.

use crate::binary::Binary;
use crate::flow::Leave;
use crate::frames::{has_frame_pointer, sites};
use crate::functions::{Function, Program};
use crate::insn::{CfaOffset, Flow};
use crate::isa;
use crate::side::{Pair, Side};
use crate::slots::{Slot, SlotMap, exact_accesses, joined, meaning, pieces};
use crate::value::{RETURN_ADDRESS, SAVED_FP, Value};
use crate::variables::{self, Place, Variable, Variables};
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Shows the frames of `function`, or of all functions that have a uniform frame.
///
/// # Errors
/// If `bytes` is not a twin binary, or has no such function.
pub fn draw(bytes: &[u8], function: Option<&str>) -> Result<String> {
    let binary = Binary::parse(bytes)?;
    let program = Program::analyse(&binary);
    let variables = Pair::new(|side| variables::read(&binary.images[side]));
    let mut pictures = Vec::new();
    for pair in program.uniform_pairs() {
        let chosen = function.is_none_or(|name| pair.home.name == name);
        let framed = !sites(&program, pair).home.is_empty();
        if chosen && (framed || function.is_some()) {
            pictures.push(picture(&program, pair, &variables));
        }
    }
    match function {
        Some(name) if pictures.is_empty() => bail!("there is no uniform function called {name}"),
        _ => Ok(pictures.join("\n")),
    }
}

/// One line: a piece of the frame and what is known of it.
struct Row {
    slot: Slot,
    sides: Pair<String>,
    what: String,
}

fn picture(program: &Program, functions: Pair<&Function>, variables: &Pair<Variables>) -> String {
    let home = functions.home;
    let calls = sites(program, functions);
    let size = Pair::new(|side| {
        calls[side].first().map(|call| match call.state.register(isa::of(side).sp()) {
            Value::Frame(n) => n.wrapping_neg().to_string(),
            _ => "?".to_owned(),
        })
    });
    let mut text = format!("{} at {:#x}, {} bytes", home.name, home.address, home.size);
    match size {
        Pair { home: None, visitor: None } => {
            text.push_str(": no uniform calls, so that each ISA has a frame of its own\n");
            return text;
        }
        Pair { home: Some(home), visitor: Some(visitor) } if home == visitor => {
            let _ = write!(text, ", frame of {home} bytes on both ISAs");
        }
        Pair { home, visitor } => {
            let show = |size: Option<String>| size.unwrap_or_else(|| "no".to_owned());
            let _ = write!(text, ", frame of {} bytes on x86-64, {} on aarch64", show(home), show(visitor));
        }
    }
    text.push('\n');
    for (n, call) in calls.home.iter().enumerate() {
        let insn = home.body.graph.insn(call.insn);
        let callee = match insn.flow {
            Flow::Call(to) => program.name_of(Side::Home, to),
            _ => "a function pointer".to_owned(),
        };
        let _ = writeln!(text, "  call {:<3} returns to {:#x}  {callee}", n + 1, insn.returns_to());
    }
    let rows = rows(program, functions, &calls, variables);
    let widths = Pair::new(|side| {
        rows.iter().map(|r| r.sides[side].len()).chain([isa::of(side).name().len()]).max().unwrap_or(0)
    });
    let mut line = |place: &str, size: &str, home: &str, visitor: &str, what: &str| {
        let row = format!("  {place:<10} {size:>6}  {home:<0$}  {visitor:<1$}  {what}", widths.home, widths.visitor);
        text.push_str(row.trim_end());
        text.push('\n');
    };
    line("place", "size", isa::of(Side::Home).name(), isa::of(Side::Visitor).name(), "what");
    for row in rows {
        let place = CfaOffset(row.slot.offset).to_string();
        line(&place, &row.slot.size.to_string(), &row.sides.home, &row.sides.visitor, &row.what);
    }
    text
}

/// All pieces from the top of the frame down.
fn rows(
    program: &Program,
    functions: Pair<&Function>,
    calls: &Pair<Vec<&Leave>>,
    variables: &Pair<Variables>,
) -> Vec<Row> {
    let map = if calls.home.len() == calls.visitor.len() { Some(SlotMap::of(program, functions)) } else { None };
    let named: Vec<(i64, Variable)> = Side::BOTH
        .iter()
        .flat_map(|&side| {
            let list = variables[side].get(&functions.home.address).into_iter().flatten();
            list.filter_map(move |v| Some((distance(v, side, calls[side].first()?)?, v.clone())))
        })
        .collect();
    let mut all: Vec<std::ops::Range<i64>> = pieces(functions).collect();
    all.extend(named.iter().map(|(offset, v)| *offset..*offset + i64::from(v.size.unwrap_or(1))));
    let has_pointer = calls.home.first().is_some_and(|call| has_frame_pointer(call, isa::of(Side::Home)));
    let mut rows = vec![record(RETURN_ADDRESS, "return address")];
    rows.push(if has_pointer {
        record(SAVED_FP, "caller's frame pointer")
    } else {
        let slot = Slot { offset: SAVED_FP, size: 8 };
        Row {
            slot,
            sides: Pair::new(|side| usage(functions[side], slot, side, map.as_ref())),
            what: "nothing".to_owned(),
        }
    });
    for slot in joined(all.into_iter().filter(|p| p.start < SAVED_FP && p.end <= SAVED_FP).collect()).into_iter().rev()
    {
        let sides = Pair::new(|side| usage(functions[side], slot, side, map.as_ref()));
        let mut names: BTreeSet<&str> = named
            .iter()
            .filter(|(offset, _)| (slot.offset..slot.end()).contains(offset))
            .map(|(_, v)| v.name.as_str())
            .collect();
        for side in Side::BOTH {
            names.extend(stored_names(functions[side], side, slot, &variables[side]));
        }
        let mut what: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let across =
            map.as_ref().is_some_and(|m| m.across.home.iter().any(|a| a.live.intersects(slot.offset, slot.size)));
        if across {
            what.extend(meanings(functions, calls, slot));
        } else if map.as_ref().is_some_and(|m| m.range.contains(&slot.offset)) && what.is_empty() {
            what.push("scratch: never lives across a uniform call".to_owned());
        }
        rows.push(Row { slot, sides, what: what.join(", ") });
    }
    rows
}

fn record(offset: i64, what: &str) -> Row {
    Row { slot: Slot { offset, size: 8 }, sides: Pair::new(|_| "w".to_owned()), what: what.to_owned() }
}

/// Where a variable in memory is, as a distance from the CFA.
fn distance(variable: &Variable, side: Side, call: &Leave) -> Option<i64> {
    let isa = isa::of(side);
    let Place::Memory(register, offset) = variable.place else { return None };
    let base = match register {
        None => Value::Frame(0),
        Some(n) if isa.dwarf_register(isa.sp()) == Some(n) => call.state.register(isa.sp()),
        Some(n) if isa.dwarf_register(isa.fp()) == Some(n) => call.state.register(isa.fp()),
        Some(_) => return None,
    };
    match base.plus(offset) {
        Some(Value::Frame(offset)) => Some(offset),
        _ => None,
    }
}

/// Variables that are in a register when that is stored in the slot.
fn stored_names<'v>(function: &Function, side: Side, slot: Slot, variables: &'v Variables) -> BTreeSet<&'v str> {
    let mut names = BTreeSet::new();
    for (id, accesses) in &function.body.facts.accesses {
        let address = function.body.graph.insn(*id).address;
        for access in accesses.iter().filter(|a| a.exact && a.offset == slot.offset) {
            let register = access.stores.and_then(|r| isa::of(side).dwarf_register(r));
            let here = variables.get(&function.address).into_iter().flatten().filter(
                |v| matches!(&v.place, Place::Register(n, range) if Some(*n) == register && range.contains(&address)),
            );
            names.extend(here.map(|v| v.name.as_str()));
        }
    }
    names
}

/// How one ISA uses a piece: reads, writes, address taken, lives across which calls.
fn usage(function: &Function, slot: Slot, side: Side, map: Option<&SlotMap>) -> String {
    let touching =
        || exact_accesses(function).filter(|a| a.offset < slot.end() && a.offset + i64::from(a.size) > slot.offset);
    let mut text = String::new();
    if touching().any(|a| a.reads) {
        text.push('r');
    }
    if touching().any(|a| a.writes) {
        text.push('w');
    }
    if function.body.facts.taken.range(slot.offset..slot.end()).next().is_some() {
        text.push('&');
    }
    let across = map.map(|m| &m.across[side]).into_iter().flatten().enumerate();
    let calls: Vec<String> =
        across.filter(|(_, a)| a.live.intersects(slot.offset, slot.size)).map(|(n, _)| (n + 1).to_string()).collect();
    if !calls.is_empty() {
        let _ = write!(text, " across {}", calls.join(","));
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

/// What the slot is known to hold at some call, on both ISAs.
fn meanings(functions: Pair<&Function>, calls: &Pair<Vec<&Leave>>, slot: Slot) -> Vec<String> {
    let mut known = BTreeSet::new();
    for (home, visitor) in calls.home.iter().zip(&calls.visitor) {
        let home = meaning(functions, Side::Home, home, slot);
        if home.is_some() && home == meaning(functions, Side::Visitor, visitor, slot) {
            known.extend(home.map(|m| m.to_string()));
        }
    }
    known.into_iter().map(|m| format!("({m})")).collect()
}
