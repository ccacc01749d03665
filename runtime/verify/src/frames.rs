//! Uniform call sites and the frames around them: return addresses, distance from CFA to SP, frame record.

use crate::cfi::CallFrames;
use crate::flow::Leave;
use crate::functions::{Function, Program};
use crate::insn::{Flow, Insn};
use crate::isa::{self, Isa};
use crate::polls;
use crate::report::{Counts, Kind, Violation};
use crate::side::{Pair, Side};
use crate::value::{RETURN_ADDRESS, SAVED_FP, Value};

/// Bytes of an address.
const WORD: u32 = 8;

/// The uniform calls of a function in the order of their addresses. A call that is there on both ISAs but cannot be
/// reached on one (whose code generator saw that a condition is constant) is left out.
pub fn sites<'f>(program: &Program, functions: Pair<&'f Function>) -> Pair<Vec<&'f Leave>> {
    let all = Pair::new(|side| {
        let calls = functions[side].body.facts.calls.iter();
        let calls = calls.map(|call| (call, functions[side].body.graph.insn(call.insn)));
        calls.filter(|(_, insn)| program.is_uniform_call(insn.flow)).collect::<Vec<_>>()
    });
    Pair::new(|side| {
        let other = side.other();
        let is_dead_there = |insn: &Insn| {
            let is_there = || match polls::is_step(insn.address) {
                true => program.polls[other].contains(&insn.returns_to()),
                false => {
                    let call = functions[other].call_before(isa::of(other), insn.returns_to());
                    call.is_some_and(|call| target(&call) == target(insn))
                }
            };
            all[other].iter().all(|(_, i)| i.returns_to() != insn.returns_to()) && is_there()
        };
        all[side].iter().filter(|(_, insn)| !is_dead_there(insn)).map(|(call, _)| *call).collect()
    })
}

/// What a direct call calls.
fn target(call: &Insn) -> Option<u64> {
    if let Flow::Call(to) = call.flow { Some(to) } else { None }
}

/// Checks a uniform function.
pub fn check(
    program: &Program,
    functions: Pair<&Function>,
    call_frames: &Pair<CallFrames>,
    counts: &mut Counts,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for side in Side::BOTH {
        can_be_followed(functions[side], isa::of(side), &mut violations);
        returns_properly(functions[side], isa::of(side), &mut violations);
    }
    let sites = sites(program, functions);
    return_addresses(program, functions, &sites, &mut violations);
    if sites.home.is_empty() && sites.visitor.is_empty() {
        return violations;
    }
    counts.frames += 1;
    counts.call_sites += sites.home.len() as u64;
    frame_sizes(functions, &sites, &mut violations);
    frame_pointers(functions, &sites, &mut violations);
    let mut described = true;
    for side in Side::BOTH {
        for site in &sites[side] {
            frame_record(functions[side], isa::of(side), site, &mut violations);
        }
        described &= described_frames(functions[side], side, &sites[side], &call_frames[side], &mut violations);
    }
    counts.described_frames += u64::from(described);
    violations
}

fn can_be_followed(function: &Function, isa: &dyn Isa, violations: &mut Vec<Violation>) {
    let mut report = |address: u64, what: &str| {
        let message = format!("{} {what} at {:#x}", isa.name(), polls::place(address));
        violations.push(Violation::new(Kind::Code, &function.name, function.address, message));
    };
    for &address in &function.body.graph.undefined {
        report(address, "control reaches bytes that are no instruction");
    }
    for &id in &function.body.facts.unresolved {
        report(function.body.graph.insn(id).address, "cannot tell where the computed jump leads");
    }
}

/// At a return, everything is as the caller left it.
fn returns_properly(function: &Function, isa: &dyn Isa, violations: &mut Vec<Violation>) {
    for exit in &function.body.facts.exits {
        let insn = function.body.graph.insn(exit.insn);
        let mut report = |what: &str, value: Value| {
            let message = format!("{} at the exit at {:#x}, {what} ({})", isa.name(), insn.address, show(value, isa));
            violations.push(Violation::new(Kind::Frame, &function.name, function.address, message));
        };
        let sp = exit.state.register(isa.sp());
        if sp != Value::Frame(-isa.entry_distance()) {
            report("the stack pointer is not what it was on entry", sp);
        }
        let fp = exit.state.register(isa.fp());
        if fp != Value::Entry(isa.fp()) {
            report("the frame pointer is not what it was on entry", fp);
        }
        if let Some(link) = isa.link()
            && exit.state.register(link) != Value::Entry(link)
        {
            report("the link register is not what it was on entry", exit.state.register(link));
        }
    }
}

fn return_addresses(
    program: &Program,
    functions: Pair<&Function>,
    sites: &Pair<Vec<&Leave>>,
    violations: &mut Vec<Violation>,
) {
    let name = &functions.home.name;
    let calls = Pair::new(|side| {
        sites[side].iter().map(|site| functions[side].body.graph.insn(site.insn)).collect::<Vec<&Insn>>()
    });
    if calls.home.len() != calls.visitor.len() {
        let numbers = Pair::new(|side| calls[side].len());
        let message = "different numbers of uniform calls";
        violations.push(Violation::new(Kind::CallSite, name, functions.home.address, message).with_values(numbers));
        for side in Side::BOTH {
            for call in
                calls[side].iter().filter(|c| calls[side.other()].iter().all(|d| d.returns_to() != c.returns_to()))
            {
                let message = format!(
                    "uniform call of {} returns to {:#x} on {} only",
                    callee(program, side, call),
                    call.returns_to(),
                    isa::of(side).name()
                );
                violations.push(Violation::new(Kind::CallSite, name, call.returns_to(), message));
            }
        }
        return;
    }
    for (number, (home, visitor)) in calls.home.iter().zip(&calls.visitor).enumerate() {
        let call = Pair { home: *home, visitor: *visitor };
        let number = number + 1;
        if home.returns_to() != visitor.returns_to() {
            let message = format!("uniform call {number} (of {}) returns to", callee(program, Side::Home, home));
            let addresses = call.map(|c| format!("{:#x}", c.returns_to()));
            violations.push(Violation::new(Kind::CallSite, name, home.address, message).with_values(addresses));
        }
        if !call.map(target).agree() {
            let callees = Pair::new(|side| callee(program, side, call[side]));
            let message = format!("uniform call {number} is of");
            violations.push(Violation::new(Kind::CallSite, name, home.returns_to(), message).with_values(callees));
        }
    }
}

fn callee(program: &Program, side: Side, call: &Insn) -> String {
    match call.flow {
        Flow::Call(to) => program.name_of(side, to),
        _ => "a function pointer".to_owned(),
    }
}

fn frame_sizes(functions: Pair<&Function>, sites: &Pair<Vec<&Leave>>, violations: &mut Vec<Violation>) {
    let name = &functions.home.name;
    for (home, visitor) in sites.home.iter().zip(&sites.visitor) {
        let site = Pair { home, visitor };
        let call = functions.home.body.graph.insn(home.insn);
        let distances = Pair::new(|side| site[side].state.register(isa::of(side).sp()));
        let shown = Pair::new(|side| match distances[side] {
            Value::Frame(n) => format!("{} bytes", n.wrapping_neg()),
            other => show(other, isa::of(side)),
        });
        let known = matches!(distances.home, Value::Frame(_));
        if !distances.agree() || !known {
            let message = "the distance from CFA to SP at the uniform call is";
            violations.push(Violation::new(Kind::Frame, name, call.returns_to(), message).with_values(shown));
            // The other calls of the function would tell the same.
            return;
        }
    }
}

/// Whether the frame around a call has a frame pointer, or the register is still the caller's.
pub fn has_frame_pointer(site: &Leave, isa: &dyn Isa) -> bool {
    site.state.register(isa.fp()) != Value::Entry(isa.fp())
}

fn frame_pointers(functions: Pair<&Function>, sites: &Pair<Vec<&Leave>>, violations: &mut Vec<Violation>) {
    let name = &functions.home.name;
    for (home, visitor) in sites.home.iter().zip(&sites.visitor) {
        let site = Pair { home, visitor };
        let has = Pair::new(|side| has_frame_pointer(site[side], isa::of(side)));
        if !has.agree() {
            let message = "the frame pointer at the uniform call is";
            let shown = has.map(|has| if has { "the frame's" } else { "the caller's" });
            let call = functions.home.body.graph.insn(home.insn);
            violations.push(Violation::new(Kind::Frame, name, call.returns_to(), message).with_values(shown));
            return;
        }
    }
}

fn frame_record(function: &Function, isa: &dyn Isa, site: &Leave, violations: &mut Vec<Violation>) {
    let call = function.body.graph.insn(site.insn);
    let mut report = |what: &str, value: Value| {
        let message = format!("{} at the uniform call, {what} ({})", isa.name(), show(value, isa));
        violations.push(Violation::new(Kind::Frame, &function.name, call.returns_to(), message));
    };
    if has_frame_pointer(site, isa) {
        let fp = site.state.register(isa.fp());
        if fp != Value::Frame(SAVED_FP) {
            report("the frame pointer is neither CFA-16 nor the caller's", fp);
        }
        let saved = site.state.cell(SAVED_FP, WORD);
        if saved != Value::Entry(isa.fp()) {
            report("CFA-16 does not hold the caller's frame pointer", saved);
        }
    }
    if let Some(link) = isa.link() {
        let saved = site.state.cell(RETURN_ADDRESS, WORD);
        if saved != Value::Entry(link) {
            report("CFA-8 does not hold the return address", saved);
        }
    }
}

/// Compares the call-frame information at the sites with the code; tells whether there is any.
fn described_frames(
    function: &Function,
    side: Side,
    sites: &[&Leave],
    call_frames: &CallFrames,
    violations: &mut Vec<Violation>,
) -> bool {
    let isa = isa::of(side);
    let mut described = !sites.is_empty();
    for site in sites {
        let call = function.body.graph.insn(site.insn);
        let Some(row) = call_frames.row(call.returns_to() - 1) else {
            described = false;
            continue;
        };
        let mut report = |what: &str, by_code: String, by_table: String| {
            let message = format!("{} call-frame information: {what} is {by_table}, by the code {by_code}", isa.name());
            violations.push(Violation::new(Kind::Cfi, &function.name, call.returns_to(), message));
        };
        let base = row.cfa.and_then(|(register, offset)| {
            let register = [isa.sp(), isa.fp()].into_iter().find(|r| isa.dwarf_register(*r) == Some(register))?;
            site.state.register(register).plus(offset)
        });
        if base != Some(Value::Frame(0)) {
            let table = base.map_or_else(|| "unknown".to_owned(), |value| show(value, isa));
            report("the CFA", "CFA".to_owned(), table);
        }
        let saved_fp = has_frame_pointer(site, isa).then_some(SAVED_FP);
        for (what, place, expected) in
            [("the saved frame pointer", row.fp, saved_fp), ("the return address", row.link, Some(RETURN_ADDRESS))]
        {
            if place != expected {
                let show = |place: Option<i64>| {
                    place.map_or_else(|| "not saved".to_owned(), |n| format!("at {}", crate::insn::CfaOffset(n)))
                };
                report(what, show(expected), show(place));
            }
        }
    }
    described
}

/// A value as people write it.
pub fn show(value: Value, isa: &dyn Isa) -> String {
    match value {
        Value::Entry(register) => format!("{} on entry", isa.register_name(register)),
        Value::Opaque(origin) => format!("made at {:#x}", origin.address),
        Value::Constant(n) => format!("{n:#x}"),
        Value::Frame(n) => crate::insn::CfaOffset(n).to_string(),
        Value::FrameEither(n, m) => format!("{} or {}", crate::insn::CfaOffset(n), crate::insn::CfaOffset(m)),
        Value::NearFrame(n) => format!("near {}", crate::insn::CfaOffset(n)),
        Value::Unknown | Value::Masked(..) | Value::Entries(_) | Value::Anchored(..) => "unknown".to_owned(),
    }
}
