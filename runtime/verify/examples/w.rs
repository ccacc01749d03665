use twin_verify::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let bytes = std::fs::read(&a[1]).unwrap();
    let b = binary::Binary::parse(&bytes).unwrap();
    let p = functions::Program::analyse(&b);
    for side in side::Side::BOTH {
        for f in p.functions[side].values().filter(|f| f.name == a[2]) {
            println!("{side:?} {:#x} blocks {} insns {} exits {} lowest {:?} loud {}", f.address, f.body.graph.blocks.len(), f.body.graph.insns.len(), f.body.facts.exits.len(), f.body.facts.lowest_taken, p.loud.contains(&f.address));
            for (id, acc) in &f.body.facts.accesses {
                for x in acc { if x.offset + i64::from(x.size) > -16 || !x.exact { println!("  {:#x} {x:?}", f.body.graph.insn(*id).address); } }
            }
            for i in &f.body.graph.insns { match i.flow { insn::Flow::JumpTo(_) => println!("  {:#x} jump", i.address), insn::Flow::Call(t) => println!("  {:#x} call {}", i.address, p.name_of(side, t)), _ => {} } }
        }
    }
}
