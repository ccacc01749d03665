//! Builds the program that the tests take apart, and finds things in it.

use object::{Object, ObjectSection, ObjectSymbol};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use twin_verify::binary::Binary;
use twin_verify::graph::Code;
use twin_verify::insn::Insn;
use twin_verify::isa;
use twin_verify::polls::Polls;
use twin_verify::side::Side;

const SOURCE: &str = r#"
#include <stdio.h>
_Thread_local int counter = 7;
int table[4] = {1, 2, 3, 4};
const char words[] = "the same on both";
__attribute__((noinline)) long callee(long n) { printf("%ld\n", n); return n + counter; }
__attribute__((noinline)) long other(long n) { printf("%ld!\n", n); return n; }
__attribute__((noinline)) long pair(long *a, long *b) { long x = callee(1); return x + callee(*a) + *b; }
__attribute__((noinline)) double work(long n, long m) {
    double d = n * 0.5;
    long s = callee(n);
    s += other(m);
    return d + s + n + m;
}
__attribute__((noinline)) unsigned long spin(unsigned long n, unsigned long m) {
    unsigned long s = m;
    for (unsigned long i = 0; i < n; i++) s = s * 3 + (s >> 7);
    return s + m;
}
int main(void) {
    long a = 3, b = 4;
    printf("%s %f %ld %lu\n", words, work(table[1], table[2]), pair(&a, &b), spin(a, b));
    return 0;
}
"#;

/// The program with frame pointers, as twin-cc made it.
pub fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| build("-fno-omit-frame-pointer"))
}

/// The program without frame pointers.
pub fn without_frame_pointers() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| build("-fomit-frame-pointer"))
}

fn build(option: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (source, program) = (directory.path().join("program.c"), directory.path().join("program"));
    std::fs::write(&source, SOURCE).expect("source");
    let status = Command::new(compiler()).args(["-O2", option]).arg(&source).arg("-o").arg(&program).status();
    assert!(status.expect("twin-cc runs; build it with `cargo build --release && ci/sysroot`").success());
    std::fs::read(program).expect("program")
}

/// twin-cc, which has to stand beside its sysroot.
fn compiler() -> PathBuf {
    match std::env::var_os("TWIN_CC") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/twin-cc"),
    }
}

/// Offset in the file of an image.
pub fn image_offset(bytes: &[u8], side: Side) -> usize {
    match side {
        Side::Home => 0,
        Side::Visitor => section(bytes, Side::Home, ".twin.image.aarch64").1,
    }
}

fn image(bytes: &[u8], side: Side) -> &[u8] {
    match side {
        Side::Home => bytes,
        Side::Visitor => {
            let (_, offset, size) = section(bytes, Side::Home, ".twin.image.aarch64");
            &bytes[offset..offset + size]
        }
    }
}

/// Address, offset in the file, and size of a section.
pub fn section(bytes: &[u8], side: Side, name: &str) -> (u64, usize, usize) {
    let file = object::File::parse(image(bytes, side)).expect("image");
    let section = file.section_by_name(name).expect("section");
    let (offset, size) = section.file_range().expect("bytes");
    let base = if side == Side::Home { 0 } else { image_offset(bytes, side) };
    (section.address(), base + offset as usize, size as usize)
}

/// Offset in the file of a symbol-table entry, and the address and size in it.
pub fn symbol(bytes: &[u8], side: Side, name: &str) -> (usize, u64, u64) {
    const ENTRY: usize = 24;
    let file = object::File::parse(image(bytes, side)).expect("image");
    let symbol = file.symbols().find(|s| s.name() == Ok(name)).expect("symbol");
    let (_, table, _) = section(bytes, side, ".symtab");
    (table + symbol.index().0 * ENTRY, symbol.address(), symbol.size())
}

/// Offset in the file of what is at `address`.
pub fn at(bytes: &[u8], side: Side, address: u64) -> usize {
    let binary = Binary::parse(bytes).expect("program");
    let segment = binary.images[side].segments.iter().find(|s| s.contains(address)).expect("segment");
    image_offset(bytes, side) + (segment.offset + address - segment.address) as usize
}

/// An instruction of a function: where it is in the file, its bytes, and what it is.
pub struct Found {
    /// Offset in the file.
    pub offset: usize,
    /// The instruction.
    pub insn: Insn,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// All instructions of a function in order.
pub fn instructions(bytes: &[u8], side: Side, function: &str) -> Vec<Found> {
    let (_, first, size) = symbol(bytes, side, function);
    let begin = at(bytes, side, first);
    let binary = Binary::parse(bytes).expect("program");
    let polls = Polls::read(&binary.images[side], Some(symbol(bytes, side, "__twin_poll_mapped").1));
    let code = Code { isa: isa::of(side), address: first, bytes: &bytes[begin..begin + size as usize], polls: &polls };
    let mut found = Vec::new();
    let mut address = first;
    while code.range().contains(&address) {
        for insn in code.decode(address).expect("instruction") {
            let offset = begin + (insn.address - first) as usize;
            address = insn.end();
            found.push(Found { offset, bytes: bytes[offset..offset + insn.length as usize].to_vec(), insn });
        }
    }
    found
}

/// Words of an entry of the table of polls.
pub mod entry {
    pub const PLACE: usize = 0;
    pub const RETURNS_TO: usize = 2;
    pub const RESUME: usize = 3;
    pub const MAP: usize = 4;
    pub const NEXT: usize = 5;
    /// How many these are.
    pub const WORDS: usize = 6;
}

/// Bytes of a word of the table of polls.
pub const WORD: usize = 4;

/// A word of the table of polls, by the offset of its entry in the file.
pub fn word(bytes: &[u8], entry: usize, number: usize) -> u32 {
    let at = entry + WORD * number;
    u32::from_le_bytes(bytes[at..at + WORD].try_into().expect("four bytes"))
}

/// Offset in the file of the entry that the table has for the first poll of a function, and the poll itself.
pub fn poll_of(bytes: &[u8], side: Side, function: &str) -> (usize, Found) {
    let all = instructions(bytes, side, function);
    let (_, start, size) = section(bytes, side, ".twin.polls");
    let entries = (start..start + size).step_by(WORD * entry::WORDS);
    let index = |entry| all.iter().position(|f| f.insn.address == u64::from(word(bytes, entry, entry::PLACE)));
    let (entry, index) = entries.filter_map(|entry| Some((entry, index(entry)?))).next().expect("a poll");
    (entry, all.into_iter().nth(index).expect("it"))
}

/// Offset in the file of the map of the first poll of a function.
pub fn map(bytes: &[u8], side: Side, function: &str) -> usize {
    at(bytes, side, word(bytes, poll_of(bytes, side, function).0, entry::MAP).into())
}

/// The first instruction of a function that consists of these bytes.
pub fn find(bytes: &[u8], side: Side, function: &str, wanted: &[u8]) -> Found {
    let all = instructions(bytes, side, function);
    all.into_iter().find(|f| f.bytes == wanted).expect("instruction with these bytes")
}

/// Overwrites part of the file.
pub fn put(bytes: &mut [u8], offset: usize, new: &[u8]) {
    bytes[offset..offset + new.len()].copy_from_slice(new);
}
