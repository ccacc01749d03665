//! Corrupts one property of a program at a time: the checker must name that property, and where.

mod common;
mod robustness;

use common::{
    WORD, at, entry, find, image_offset, instructions, map, poll_of, program, put, section, symbol,
    without_frame_pointers, word,
};
use object::elf;
use twin_verify::insn::Flow;
use twin_verify::report::{Kind, Violation};
use twin_verify::side::Side;

/// Offsets in ELF structures.
const ENTRY: usize = 24;
const PROGRAM_HEADERS: usize = 64;
const PROGRAM_HEADER: usize = 56;
const FLAGS: usize = 4;
const MEMORY_SIZE: usize = 40;
const SYMBOL_INFO: usize = 4;
const SYMBOL_VALUE: usize = 8;
const SYMBOL_SIZE: usize = 16;

/// Checks a corrupted copy of the program.
fn violations(mutate: impl FnOnce(&mut Vec<u8>)) -> Vec<Violation> {
    violations_in(program(), mutate)
}

/// Checks a corrupted copy of `program`.
fn violations_in(program: &[u8], mutate: impl FnOnce(&mut Vec<u8>)) -> Vec<Violation> {
    let mut bytes = program.to_vec();
    mutate(&mut bytes);
    assert_ne!(bytes, program, "the mutation changes something");
    let report = twin_verify::verify(&bytes).expect("still a twin program");
    assert_eq!(report.uniform, report.violations.is_empty());
    report.violations
}

/// All violations must be of one kind and about one thing, and one of them must have that text.
#[track_caller]
fn expect(kind: Kind, subject: &str, text: &str, mutate: impl FnOnce(&mut Vec<u8>)) {
    expect_in(program(), kind, subject, text, mutate);
}

#[track_caller]
fn expect_in(program: &[u8], kind: Kind, subject: &str, text: &str, mutate: impl FnOnce(&mut Vec<u8>)) {
    let violations = violations_in(program, mutate);
    let shown: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(shown.iter().any(|v| v.starts_with(subject) && v.contains(text)), "no `{text}` in {shown:#?}");
    assert!(violations.iter().all(|v| v.kind == kind && v.subject == subject), "more than that: {shown:#?}");
}

/// Offset of the `n`-th program header of a kind.
fn program_header(bytes: &[u8], side: Side, kind: elf::ProgramType, n: usize) -> usize {
    let start = image_offset(bytes, side) + PROGRAM_HEADERS;
    let headers = (0..).map(|index| start + index * PROGRAM_HEADER);
    headers.filter(|&h| bytes[h..h + 4] == kind.0.to_le_bytes()).nth(n).expect("program header")
}

fn add(bytes: &mut [u8], offset: usize, more: u64) {
    let old = u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"));
    put(bytes, offset, &(old + more).to_le_bytes());
}

#[test]
fn the_program_itself_is_uniform() {
    let report = twin_verify::verify(program()).expect("twin program");
    assert_eq!(report.violations, []);
    assert!(report.uniform);
    let c = report.counts;
    assert!(c.functions > 50 && c.data > 20 && c.call_sites > 100 && c.frames > 20 && c.slots > 50, "{c:?}");
    assert!(c.known_values > 50 && c.described_frames >= 5 && c.bytes > 1000 && c.private_bytes > 1000, "{c:?}");
    assert!(report.private.iter().all(|region| !region.reason.is_empty()));
    let report = twin_verify::verify(without_frame_pointers()).expect("twin program");
    assert_eq!(report.violations, []);
    assert!(report.counts.described_frames >= 5, "{:?}", report.counts);
}

#[test]
fn moved_function() {
    let (entry, address, _) = symbol(program(), Side::Visitor, "other");
    let text = format!("address of the function: {address:#x} on x86-64, {:#x} on aarch64", address + 16);
    expect(Kind::Symbol, "other", &text, |bytes| add(bytes, entry + SYMBOL_VALUE, 16));
}

#[test]
fn function_of_another_size() {
    let (entry, address, size) = symbol(program(), Side::Visitor, "other");
    let text = format!("at {address:#x}: size of the function: {size} bytes on x86-64, {} bytes on aarch64", size + 16);
    expect(Kind::Symbol, "other", &text, |bytes| add(bytes, entry + SYMBOL_SIZE, 16));
}

#[test]
fn moved_datum() {
    let (entry, address, _) = symbol(program(), Side::Home, "words");
    let text = format!("address of the datum: {:#x} on x86-64, {address:#x} on aarch64", address + 1);
    expect(Kind::Symbol, "words", &text, |bytes| add(bytes, entry + SYMBOL_VALUE, 1));
}

/// Its new place is outside of the segment, too.
#[test]
fn moved_thread_local_variable() {
    let (entry, offset, _) = symbol(program(), Side::Visitor, "counter");
    let found = violations(|bytes| add(bytes, entry + SYMBOL_VALUE, 4));
    let text = format!("address of the thread-local variable: {offset:#x} on x86-64, {:#x} on aarch64", offset + 4);
    assert!(found.iter().all(|v| v.subject == "counter"), "{found:#?}");
    assert!(found.iter().any(|v| v.kind == Kind::Symbol && v.to_string().contains(&text)), "{found:#?}");
    assert!(found.iter().any(|v| v.kind == Kind::Tls && v.message.starts_with("aarch64 is outside of")), "{found:#?}");
}

#[test]
fn datum_of_another_size() {
    let (entry, address, _) = symbol(program(), Side::Visitor, "table");
    let text = format!("at {address:#x}: size of the datum: 16 bytes on x86-64, 24 bytes on aarch64");
    expect(Kind::Symbol, "table", &text, |bytes| add(bytes, entry + SYMBOL_SIZE, 8));
}

#[test]
fn datum_of_one_isa_only() {
    let (entry, _, _) = symbol(program(), Side::Home, "table");
    expect(Kind::Symbol, "table", "datum exists on aarch64 only", |bytes| {
        bytes[entry + SYMBOL_INFO] = elf::STT_SECTION.0;
    });
}

#[test]
fn changed_byte_of_uniform_data() {
    let (_, address, _) = symbol(program(), Side::Visitor, "words");
    let text = format!("at {:#x}: byte 4 differs: 0x73 on x86-64, 0x53 on aarch64", address + 4);
    expect(Kind::Data, "words", &text, |bytes| {
        let offset = at(bytes, Side::Visitor, address + 4);
        bytes[offset] = b'S';
    });
}

#[test]
fn private_section_without_reason() {
    expect(Kind::Data, ".data.privatf", "private to each ISA without a reason", |bytes| {
        for side in Side::BOTH {
            let (_, offset, size) = section(bytes, side, ".shstrtab");
            let name = b".data.private\0";
            let place = bytes[offset..offset + size].windows(name.len()).position(|w| w == name);
            bytes[offset + place.expect("name") + name.len() - 2] = b'f';
        }
    });
}

#[test]
fn segment_of_another_size() {
    let found = violations(|bytes| {
        let header = program_header(bytes, Side::Visitor, elf::PT_LOAD, 4);
        add(bytes, header + MEMORY_SIZE, 4096);
    });
    assert!(found.iter().all(|v| v.kind == Kind::Segment), "{found:#?}");
    assert_eq!(found[0].subject, "segment 4");
    let values = found[0].values.clone().expect("both values");
    assert_ne!(values.home, values.visitor);
    assert!(found[1].to_string().starts_with("uniform data segment at "), "{found:#?}");
}

#[test]
fn segment_with_other_rights() {
    expect(Kind::Segment, "segment 1", "r-x on x86-64, ", |bytes| {
        let header = program_header(bytes, Side::Visitor, elf::PT_LOAD, 1);
        bytes[header + FLAGS] |= elf::PF_W.0 as u8;
    });
}

#[test]
fn another_entry_point() {
    expect(Kind::Segment, "entry point", "differs", |bytes| {
        let offset = image_offset(bytes, Side::Visitor) + ENTRY;
        add(bytes, offset, 4);
    });
}

#[test]
fn thread_local_storage_of_another_size() {
    expect(Kind::Tls, "thread-local storage", "differ", |bytes| {
        let header = program_header(bytes, Side::Visitor, elf::PT_TLS, 0);
        add(bytes, header + MEMORY_SIZE, 16);
    });
}

#[test]
fn thread_local_variable_outside_of_its_segment() {
    expect(Kind::Tls, "counter", "x86-64 is outside of the", |bytes| {
        for side in Side::BOTH {
            let (entry, _, _) = symbol(bytes, side, "counter");
            add(bytes, entry + SYMBOL_VALUE, 4096);
        }
    });
}

/// `nop; call` becomes `call; nop`.
#[test]
fn return_address_off_by_some_bytes() {
    let all = instructions(program(), Side::Home, "work");
    let index = all.windows(2).position(|w| w[0].bytes.starts_with(&[0x0f, 0x1f]) && w[1].insn.is_call());
    let [nop, call] = [&all[index.expect("padding")], &all[index.expect("padding") + 1]];
    let Flow::Call(target) = call.insn.flow else { panic!("direct call") };
    let returns_to = call.insn.end() - nop.insn.length;
    let text = format!("returns to: {returns_to:#x} on x86-64, {:#x} on aarch64", call.insn.end());
    expect(Kind::CallSite, "work", &text, |bytes| {
        let distance = (target as i64 - returns_to as i64) as i32;
        let moved = [&[0xe8], &distance.to_le_bytes()[..], &nop.bytes].concat();
        put(bytes, nop.offset, &moved);
    });
}

/// An aarch64 call changes places with the instruction in front of it.
#[test]
fn return_address_off_by_four() {
    const BRANCH_OFFSET: u32 = (1 << 26) - 1;
    let all = instructions(program(), Side::Visitor, "work");
    let index = all.windows(2).position(|w| w[1].insn.is_call() && w[0].insn.flow == Flow::Next).expect("call");
    let [before, call] = [&all[index], &all[index + 1]];
    let found = violations(|bytes| {
        let word = u32::from_le_bytes(call.bytes[..].try_into().expect("four bytes"));
        let moved = word & !BRANCH_OFFSET | (word & BRANCH_OFFSET).wrapping_add(1) & BRANCH_OFFSET;
        put(bytes, before.offset, &[&moved.to_le_bytes()[..], &before.bytes].concat());
    });
    let text = format!("returns to: {:#x} on x86-64, {:#x} on aarch64", call.insn.end(), call.insn.end() - 4);
    assert!(found.iter().all(|v| v.subject == "work"), "{found:#?}");
    assert!(found.iter().any(|v| v.kind == Kind::CallSite && v.to_string().contains(&text)), "{found:#?}");
}

#[test]
fn call_of_another_function() {
    let call = instructions(program(), Side::Home, "pair").into_iter().find(|f| f.insn.is_call()).expect("call");
    let (_, other, _) = symbol(program(), Side::Home, "other");
    expect(Kind::CallSite, "pair", "uniform call 1 is of: other on x86-64, callee on aarch64", |bytes| {
        put(bytes, call.offset + 1, &((other as i64 - call.insn.end() as i64) as i32).to_le_bytes());
    });
}

/// The runtime calls a uniform function instead of one of its own.
#[test]
fn native_code_that_calls_uniform_code() {
    let all = instructions(program(), Side::Home, "__twin_start");
    let call = all.into_iter().find(|f| matches!(f.insn.flow, Flow::Call(_))).expect("call");
    let (_, other, _) = symbol(program(), Side::Home, "other");
    let text = "x86-64 native code calls other, during which a hop can happen";
    expect(Kind::CallSite, "__twin_start", text, |bytes| {
        put(bytes, call.offset + 1, &((other as i64 - call.insn.end() as i64) as i32).to_le_bytes());
    });
}

#[test]
fn missing_call() {
    let call = instructions(program(), Side::Home, "pair").into_iter().find(|f| f.insn.is_call()).expect("call");
    let text = format!("uniform call of callee returns to {:#x} on aarch64 only", call.insn.end());
    expect(Kind::CallSite, "pair", &text, |bytes| put(bytes, call.offset, &[0x0f, 0x1f, 0x44, 0, 0]));
}

/// `sub $32, %rsp` and `add $32, %rsp` become 48.
#[test]
fn frame_that_is_16_bytes_larger() {
    let text = "the distance from CFA to SP at the uniform call is: 64 bytes on x86-64, 48 bytes on aarch64";
    expect(Kind::Frame, "pair", text, |bytes| {
        for instruction in [[0x48, 0x83, 0xec, 0x20], [0x48, 0x83, 0xc4, 0x20]] {
            let found = find(bytes, Side::Home, "pair", &instruction);
            bytes[found.offset + 3] = 0x30;
        }
    });
}

#[test]
fn stack_pointer_that_is_not_restored() {
    let text = "x86-64 at the exit at ";
    expect(Kind::Frame, "pair", text, |bytes| {
        let found = find(bytes, Side::Home, "pair", &[0x48, 0x83, 0xc4, 0x20]);
        bytes[found.offset + 3] = 0;
    });
}

/// `push %rbp` becomes `push %rsp`.
#[test]
fn frame_pointer_that_is_not_saved() {
    let text = "CFA-16 does not hold the caller's frame pointer (unknown)";
    expect(Kind::Frame, "pair", text, |bytes| {
        let found = find(bytes, Side::Home, "pair", &[0x55]);
        bytes[found.offset] = 0x54;
    });
}

/// `stp x29, x30` becomes `stp x30, x29`.
#[test]
fn return_address_in_the_wrong_place() {
    let text = "aarch64 at the uniform call, CFA-8 does not hold the return address (x29 on entry)";
    expect(Kind::Frame, "pair", text, |bytes| {
        let all = instructions(bytes, Side::Visitor, "pair");
        let store = all.iter().find(|f| f.insn.accesses.iter().filter(|a| a.writes).count() == 2).expect("stp");
        let word = u32::from_le_bytes(store.bytes[..].try_into().expect("four bytes"));
        assert_eq!(word & 0x7c1f, 30 << 10 | 29, "a frame record");
        put(bytes, store.offset, &(word & !0x7c1f | 29 << 10 | 30).to_le_bytes());
    });
}

/// `stp xzr, x30` and `ldp xzr, x30` become those of x29, so that behind a hop it is what x86-64 left there.
#[test]
fn frame_pointer_that_is_saved_on_one_isa() {
    let text = "slot CFA-16..CFA-8 lives across the uniform call on aarch64, but x86-64 never wrote it";
    expect_in(without_frame_pointers(), Kind::Slot, "pair", text, |bytes| {
        let all = instructions(bytes, Side::Visitor, "pair");
        let pairs = all.iter().filter(|f| f.bytes[0] == 0xff && f.bytes[1] & 0x7f == 0x7b);
        assert_eq!(pairs.map(|pair| bytes[pair.offset] = 0xfd).count(), 2);
    });
}

/// An instruction in front of a call becomes `mov x29, sp`.
#[test]
fn frame_pointer_on_one_isa() {
    let found = violations_in(without_frame_pointers(), |bytes| {
        let all = instructions(bytes, Side::Visitor, "pair");
        let index = all.windows(2).position(|w| w[1].insn.is_call()).expect("call");
        put(bytes, all[index].offset, &[0xfd, 0x03, 0x00, 0x91]);
    });
    assert!(found.iter().all(|v| matches!(v.kind, Kind::Frame | Kind::Cfi) && v.subject == "pair"), "{found:#?}");
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    for text in [
        "the frame pointer at the uniform call is: the caller's on x86-64, the frame's on aarch64",
        "aarch64 at the uniform call, the frame pointer is neither CFA-16 nor the caller's (CFA-48)",
        "the frame pointer is not what it was on entry (CFA-48)",
    ] {
        assert!(shown.iter().any(|v| v.contains(text)), "no `{text}` in {shown:#?}");
    }
}

/// The description of the saved frame pointer goes one word down.
#[test]
fn call_frame_information_that_contradicts_the_code() {
    const RBP_AT_16: [u8; 2] = [0x86, 2];
    expect(Kind::Cfi, "pair", "the saved frame pointer is at CFA-24, by the code at CFA-16", |bytes| {
        let (_, function, _) = symbol(bytes, Side::Home, "pair");
        let (address, start, size) = section(bytes, Side::Home, ".eh_frame");
        let word = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let mut entry = start;
        while entry < start + size {
            let length = word(entry) as usize;
            let begin = entry + 8;
            let described = address + (begin - start) as u64;
            if word(entry + 4) != 0 && described.wrapping_add_signed(word(begin).into()) == function {
                let rule = bytes[entry..entry + 4 + length].windows(2).position(|w| w == RBP_AT_16);
                bytes[entry + rule.expect("rule") + 1] = 3;
                return;
            }
            entry += 4 + length;
        }
        panic!("the function is described");
    });
}

/// A load of the first argument's slot becomes one of the second's.
#[test]
fn swapped_slot() {
    let text = "slot CFA-24..CFA-16 lives across the uniform call on aarch64, but x86-64 does not read it there";
    expect(Kind::Slot, "pair", text, |bytes| {
        let found = find(bytes, Side::Home, "pair", &[0x48, 0x8b, 0x45, 0xf8]);
        bytes[found.offset + 3] = 0xf0;
    });
}

/// The two arguments are stored in each other's slots.
#[test]
fn slots_with_swapped_values() {
    let text =
        "slot CFA-32 holds different values across the uniform call: argument 1 on x86-64, argument 2 on aarch64";
    expect(Kind::Slot, "pair", text, |bytes| {
        let first = find(bytes, Side::Home, "pair", &[0x48, 0x89, 0x7d, 0xf8]);
        let second = find(bytes, Side::Home, "pair", &[0x48, 0x89, 0x75, 0xf0]);
        bytes[first.offset + 3] = 0xf0;
        bytes[second.offset + 3] = 0xf8;
    });
}

/// A slot moves to where only x86-64 has one.
#[test]
fn slot_of_one_isa_only() {
    let text = "slot CFA-48..CFA-40 lives across the uniform call on x86-64, but aarch64 never wrote it";
    expect(Kind::Slot, "pair", text, |bytes| {
        for instruction in [[0x48, 0x89, 0x7d, 0xf8], [0x48, 0x8b, 0x45, 0xf8]] {
            let found = find(bytes, Side::Home, "pair", &instruction);
            bytes[found.offset + 3] = 0xe0;
        }
    });
}

/// Violations if more stands in a word of what the table has for the poll of `spin`.
fn with_more_in(side: Side, number: usize, more: u32) -> Vec<Violation> {
    violations(|bytes| {
        let (entry, _) = poll_of(bytes, side, "spin");
        let changed = word(bytes, entry, number) + more;
        put(bytes, entry + WORD * number, &changed.to_le_bytes());
    })
}

#[test]
fn poll_that_goes_on_elsewhere() {
    for side in Side::BOTH {
        let found = with_more_in(side, entry::RESUME, 0x1000);
        let elsewhere = |v: &Violation| v.kind == Kind::Poll && v.message.contains("a poll goes on elsewhere");
        assert!(found.iter().all(|v| v.subject == "spin") && found.iter().any(elsewhere), "{found:#?}");
    }
}

/// Only one ISA knows a bare poll by this return address.
#[test]
fn poll_with_another_return_address() {
    for side in Side::BOTH {
        let found = with_more_in(side, entry::RETURNS_TO, 1);
        let differs =
            |v: &Violation| v.kind == Kind::CallSite && v.message.contains("(of __twin_poll_mapped) returns to");
        assert!(found.iter().all(|v| v.subject == "spin") && found.iter().any(differs), "{found:#?}");
    }
}

#[test]
fn poll_that_the_table_lacks() {
    for side in Side::BOTH {
        let found = violations(|bytes| {
            let (entry, found) = poll_of(bytes, side, "spin");
            put(bytes, entry, &(found.insn.address as u32 + 1).to_le_bytes());
        });
        let polls = found.iter().filter(|v| v.kind == Kind::Poll);
        assert!(polls.clone().all(|v| v.subject == "spin"), "{found:#?}");
        for text in ["a poll is missing in the table", "does not access a poll page alone"] {
            assert!(polls.clone().any(|v| v.message.contains(text)), "{found:#?}");
        }
    }
}

#[test]
fn table_of_polls_that_is_not_sorted() {
    let found = violations(|bytes| {
        let (entry, _) = poll_of(bytes, Side::Visitor, "spin");
        let size = WORD * entry::WORDS;
        bytes[entry..entry + 2 * size].rotate_left(size);
    });
    assert!(!found.is_empty(), "nothing found");
    assert!(found.iter().all(|v| v.kind == Kind::Poll && v.message.contains("is not sorted")), "{found:#?}");
}

#[test]
fn table_of_polls_that_is_not_sorted_by_return_addresses() {
    let next = |bytes: &mut [u8], of: usize| {
        let (_, start, _) = section(bytes, Side::Visitor, ".twin.polls");
        start + WORD * (entry::WORDS * of + entry::NEXT)
    };
    expect(Kind::Poll, ".twin.polls", "is not sorted by return addresses", |bytes| {
        let [first, second] = [next(bytes, 0), next(bytes, 1)];
        (0..WORD).for_each(|byte| bytes.swap(first + byte, second + byte));
    });
    expect(Kind::Poll, ".twin.polls", "names a poll that is not in it", |bytes| {
        let first = next(bytes, 0);
        put(bytes, first, &u32::MAX.to_le_bytes());
    });
    expect(Kind::Poll, ".twin.polls", "or names one twice", |bytes| {
        let [first, second] = [next(bytes, 0), next(bytes, 1)];
        bytes.copy_within(first..first + WORD, second);
    });
}

/// The first value of a map goes to another slot, and comes from there.
#[test]
fn map_with_another_slot() {
    for (side, text) in [(Side::Home, "on aarch64, but x86-64 never"), (Side::Visitor, "on x86-64, but aarch64 never")]
    {
        let map = map(program(), side, "spin");
        let word = u16::from_le_bytes([program()[map + 2], program()[map + 3]]);
        assert_eq!(word >> 8 & 3, 3, "saved and loaded: {word:#x}");
        let moved = word + (8 << 10);
        let text = format!("lives across the uniform call {text} wrote it");
        expect(Kind::Slot, "spin", &text, |bytes| put(bytes, map + 2, &moved.to_le_bytes()));
    }
}

/// A value is loaded into a register that nothing reads, so that another one is read as the call left it.
#[test]
fn map_with_another_register() {
    for side in Side::BOTH {
        let map = map(program(), side, "spin");
        let found = violations(|bytes| bytes[map + 2] ^= 1);
        assert!(found.iter().all(|v| v.subject == "spin"), "{found:#?}");
        assert!(found.iter().any(|v| v.kind == Kind::Register), "{found:#?}");
    }
}

/// Its moves take more words than the map has.
#[test]
fn map_that_is_cut() {
    let map = map(program(), Side::Home, "spin");
    let found = violations(|bytes| {
        let words = u16::from_le_bytes([bytes[map], bytes[map + 1]]);
        put(bytes, map + 2 * usize::from(words & 0x7fff), &[0xff, 0xff]);
    });
    let text = "x86-64 control reaches bytes that are no instruction at ";
    assert!(found.iter().any(|v| v.kind == Kind::Code && v.message.starts_with(text)), "{found:#?}");
}

/// `mov (%rax), %rdi` behind a call becomes `mov (%rbx), %rdi`.
#[test]
fn address_from_a_register_that_a_call_destroys() {
    let load = find(program(), Side::Home, "pair", &[0x48, 0x8b, 0x38]);
    let text = format!("x86-64 rbx is read at {:#x} before it is written, after the uniform call", load.insn.address);
    expect(Kind::Register, "pair", &text, |bytes| bytes[load.offset + 2] = 0x3b);
}

/// Instead of reloading the second argument, it is taken from its register.
#[test]
fn value_kept_in_its_register() {
    let load = find(program(), Side::Home, "pair", &[0x48, 0x8b, 0x4d, 0xf0]);
    let found = violations(|bytes| put(bytes, load.offset, &[0x48, 0x89, 0xf1, 0x90]));
    let text = format!("x86-64 rsi is read at {:#x} before it is written", load.insn.address);
    assert!(found.iter().all(|v| v.subject == "pair"), "{found:#?}");
    assert!(found.iter().any(|v| v.kind == Kind::Register && v.message.contains(&text)), "{found:#?}");
    let slot = "slot CFA-32..CFA-24 lives across the uniform call on aarch64, but x86-64 does not read it there";
    assert!(found.iter().any(|v| v.kind == Kind::Slot && v.message == slot), "{found:#?}");
}

/// Instead of adding what a slot holds, a vector register is added that no call preserves.
#[test]
fn value_kept_in_a_vector_register() {
    let load = find(program(), Side::Home, "work", &[0xf2, 0x0f, 0x58, 0x4d, 0xf0]);
    let found = violations(|bytes| put(bytes, load.offset, &[0xf2, 0x0f, 0x58, 0xca, 0x90]));
    let text = format!("x86-64 xmm2 is read at {:#x} before it is written", load.insn.address);
    assert!(found.iter().all(|v| v.subject == "work"), "{found:#?}");
    assert!(found.iter().any(|v| v.kind == Kind::Register && v.message.contains(&text)), "{found:#?}");
    assert!(found.iter().any(|v| v.kind == Kind::Slot && v.message.contains("CFA-32")), "{found:#?}");
}

/// Padding behind a call becomes a conditional jump to the next instruction.
#[test]
fn condition_kept_in_the_flags() {
    let all = instructions(program(), Side::Home, "work");
    let padding = all.iter().rfind(|f| f.bytes == [0x0f, 0x1f, 0x00]).expect("padding");
    let text = format!("x86-64 flags is read at {:#x} before it is written, after the uniform", padding.insn.address);
    expect(Kind::Register, "work", &text, |bytes| put(bytes, padding.offset, &[0x72, 0x00, 0x90]));
}

#[test]
fn bytes_that_are_no_instruction() {
    let all = instructions(program(), Side::Visitor, "pair");
    let last = all.iter().rfind(|f| f.insn.flow == Flow::Return).expect("return");
    let found = violations(|bytes| put(bytes, last.offset, &[0xff; 4]));
    assert!(found.iter().all(|v| v.kind == Kind::Code || v.subject != "pair"), "{found:#?}");
    let text = format!("aarch64 control reaches bytes that are no instruction at {:#x}", last.insn.address);
    assert!(found.iter().any(|v| v.subject == "pair" && v.message == text), "{found:#?}");
}
