//! Vector registers of which only a part is defined: accepted where nothing comes of the rest, found where it does.

use crate::common::{compiled, find, instructions, put};
use std::sync::OnceLock;
use twin_verify::isa;
use twin_verify::report::Kind;
use twin_verify::side::Side;

/// Vectorised, both loops over `s` fill parts of registers that nobody has written since the last uniform call: x86-64 widens
/// the characters, aarch64 collects the tags.
const SOURCE: &str = r#"
#include <stdio.h>
struct node { struct node *next; unsigned char tag; char behind[7]; };
__attribute__((noinline)) long callee(long n) { printf("%ld\n", n); return n; }
__attribute__((noinline)) int characters(const signed char *s, int n, const struct node *list) {
    int sum = 0;
    for (; list; list = list->next) sum ^= list->tag; // polls
    for (int i = 0; i < n; i++) sum += s[i];
    return sum;
}
__attribute__((noinline)) int tags(const struct node *s, int n) {
    callee(n);
    int count = 0;
    for (int i = 0; i < n; i++) count += (s[i].tag & 15) != 0;
    return count;
}
int main(void) {
    static struct node nodes[40];
    signed char text[100];
    for (int i = 0; i < 100; i++) text[i] = (signed char)(i * 3), nodes[i % 40].tag = (unsigned char)(i * 7);
    printf("%d %d\n", characters(text, 99, nodes), tags(nodes, 37));
    return 0;
}
"#;

const UNPACK: [u8; 4] = [0x66, 0x0f, 0x61, 0xc8]; // punpcklwd %xmm0, %xmm1
const SHIFT: [u8; 5] = [0x66, 0x0f, 0x72, 0xe1, 0x18]; // psrad $24, %xmm1
const TAG: [u8; 4] = 0x0d40_0182u32.to_le_bytes(); // ld1 { v2.b }[0], [x12]
const FIFTEEN: [u8; 4] = 0x0f00_85e4u32.to_le_bytes(); // movi v4.4h, #15

fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| compiled(SOURCE))
}

/// With other bytes at an instruction, `register` is found to be read at `read` although calls destroy it, and
/// so is the integer instruction that gets the sum.
#[track_caller]
fn stale(side: Side, function: &str, changed: (&[u8], &[u8]), register: &str, read: &[u8]) {
    let mut bytes = program().to_vec();
    put(&mut bytes, find(program(), side, function, changed.0).offset, changed.1);
    let found = twin_verify::verify(&bytes).expect("still a twin program").violations;
    assert!(!found.is_empty());
    let reader = find(program(), side, function, read).insn.address;
    let read = format!("{register} is read at {reader:#x} before it is written, after the uniform call at ");
    for violation in &found {
        let named = violation.kind == Kind::Register && violation.subject == function;
        assert!(named && violation.message.starts_with(&read), "no `{read}`: {found:#?}");
        let used = violation.message.split_once("; what comes of it is used at 0x").expect("a use").1;
        let used = u64::from_str_radix(used, 16).expect("address");
        let user = instructions(&bytes, side, function).into_iter().find(|i| i.insn.address == used).expect("user");
        assert!(user.insn.flows.is_empty(), "only passed on by {}", isa::of(side).text(&user.bytes, used));
    }
}

#[test]
fn undefined_parts_of_which_nothing_comes() {
    let report = twin_verify::verify(program()).expect("twin program");
    assert_eq!(report.violations, []);
}

/// One bit more of each double word than what has been unpacked into it.
#[test]
fn a_shift_that_keeps_undefined_bits() {
    let shift = [0x66, 0x0f, 0x72, 0xe1, 0x0f];
    stale(Side::Home, "characters", (&SHIFT, &shift), "x86-64 xmm1", &UNPACK);
}

#[test]
fn a_register_that_is_not_filled_at_all() {
    let nothing = [0x0f, 0x1f, 0x40, 0x00];
    stale(Side::Home, "characters", (&UNPACK, &nothing), "x86-64 xmm1", &SHIFT);
}

/// `#15, lsl #8`: the mask meets the bytes that are not loaded.
#[test]
fn a_mask_for_undefined_bytes() {
    let mask = 0x0f00_a5e4u32.to_le_bytes();
    stale(Side::Visitor, "tags", (&FIFTEEN, &mask), "aarch64 v2", &TAG);
}

#[test]
fn a_value_loaded_into_the_wrong_lane() {
    let lane = 0x0d40_0582u32.to_le_bytes();
    stale(Side::Visitor, "tags", (&TAG, &lane), "aarch64 v2", &TAG);
}
