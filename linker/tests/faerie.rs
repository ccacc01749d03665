//! Objects of an independent producer: what `object::write` and clang never do may be done by others.

mod common;
use common::{Bench, record};
use faerie::{ArtifactBuilder, Decl, Link};
use std::str::FromStr;
use twin_linker::fat::{self, Kind};

/// `exit(status)` for each ISA, where `status` is read from the datum `status`.
fn half(triple: &str, code: &[u8], link: &[(u64, u32)]) -> Vec<u8> {
    let triple = target_lexicon::Triple::from_str(triple).expect("known triple");
    let mut artifact = ArtifactBuilder::new(triple).name("faerie.o".into()).finish();
    artifact.declarations([("_start", Decl::function().global().into())].into_iter()).expect("declaration");
    artifact.declare("status", Decl::data().global()).expect("declaration");
    artifact.define("_start", code.to_vec()).expect("definition");
    artifact.define("status", vec![42, 0, 0, 0, 0, 0, 0, 0]).expect("definition");
    for (at, kind) in link {
        let place = Link { from: "_start", to: "status", at: *at };
        artifact.link_with(place, faerie::Reloc::Raw { reloc: *kind, addend: 0 }).expect("relocation");
    }
    artifact.emit().expect("object")
}

#[test]
fn objects_of_faerie_link_and_run() {
    let bench = Bench::new();
    // mov status, %edi (absolute); mov $231, %eax; syscall
    let home = half(
        "x86_64-unknown-linux-gnu",
        &[0x8b, 0x3c, 0x25, 0, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05],
        &[(3, object::elf::R_X86_64_32S.0)],
    );
    // adrp x1, status; ldr w0, [x1, :lo12:status]; mov x8, #94; svc #0
    let words: [u32; 4] = [0x9000_0001, 0xb940_0020, 0xd280_0bc8, 0xd400_0001];
    let visitor = half(
        "aarch64-unknown-linux-gnu",
        &words.map(u32::to_le_bytes).concat(),
        &[(0, object::elf::R_AARCH64_ADR_PREL_PG_HI21.0), (4, object::elf::R_AARCH64_LDST32_ABS_LO12_NC.0)],
    );
    let bytes = fat::pack(&home, &visitor, &record(Kind::Native, &[]), None).expect("fat object");
    bench.write("faerie.o", &bytes);
    bench.link(&["faerie.o"]);
    assert_eq!(bench.run_both().1, Some(42));
}
