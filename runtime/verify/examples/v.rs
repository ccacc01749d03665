fn main() {
    let bytes = std::fs::read(std::env::args().nth(1).unwrap()).unwrap();
    let t = std::time::Instant::now();
    let r = twin_verify::verify(&bytes).unwrap();
    for v in &r.violations { println!("{v}"); }
    println!("{} ({} violations, {:?}) {:?}", r.summary(), r.violations.len(), t.elapsed(), r.counts);
}
