//! The hops of a run, as people like to read them.

use crate::isa::{Isa, Vehicle};
use crate::program::Program;
use anyhow::Result;
use object::{Object, ObjectSymbol, SymbolKind};
use serde::{Deserialize, Serialize};
use std::io::Write;

/// One line of the runtime's trace (runtime/rt/trace.c).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hop {
    /// Number within its process, from 1.
    pub n: u64,
    /// The process.
    pub pid: u32,
    /// Where the program came from.
    pub from: Isa,
    /// Where it went.
    pub to: Isa,
    /// How.
    pub vehicle: Vehicle,
    /// Return address of the poll.
    pub pc: u64,
    /// Bytes copied on the way.
    pub copied: u64,
    /// Bytes mapped on the way.
    pub mapped: u64,
    /// Nanoseconds from the request to the poll that took it; 0 if nobody asked.
    pub waited: u64,
    /// Nanoseconds from one ISA to the other.
    pub ns: u64,
}

/// Functions of the executable, by address.
struct Symbols {
    functions: Vec<(u64, u64, String)>,
}

impl Symbols {
    fn new(elf: &[u8]) -> Symbols {
        let mut functions: Vec<_> = object::File::parse(elf)
            .iter()
            .flat_map(|file| {
                file.symbols()
                    .filter(|s| s.is_definition() && s.kind() == SymbolKind::Text)
                    .filter_map(|s| Some((s.address(), s.size(), s.name().ok()?.to_owned())))
                    .collect::<Vec<_>>()
            })
            .collect();
        functions.sort();
        Symbols { functions }
    }

    /// The function that contains the call which returns to `pc`.
    fn function(&self, pc: u64) -> String {
        let call = pc.wrapping_sub(1);
        let behind = self.functions.partition_point(|(start, ..)| *start <= call);
        match self.functions[..behind].last() {
            Some((start, size, name)) if call - start < *size => name.clone(),
            _ => format!("{pc:#x}"),
        }
    }
}

/// All hops of a program.
pub struct Timeline {
    hops: Vec<Hop>,
    symbols: Symbols,
}

/// A timeline longer than this is shown without its middle.
const LONGEST: usize = 40;
/// How much of a longer one is shown before and after the gap.
const HEAD: usize = 20;
const TAIL: usize = 10;

impl Timeline {
    /// The hops of `program`.
    pub fn new(hops: Vec<Hop>, program: &Program) -> Timeline {
        Timeline { hops, symbols: Symbols::new(program.elf(Isa::X86_64)) }
    }

    /// Prints the table, if anybody reads it: the program's exit status is what counts.
    pub fn print(&self) {
        drop(std::io::stderr().write_all(self.table().as_bytes()));
    }

    /// Prints one JSON object a hop: the runtime's line with the function's name.
    ///
    /// # Errors
    /// Never, for what the runtime writes.
    pub fn print_json(&self) -> Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            #[serde(flatten)]
            hop: &'a Hop,
            function: String,
        }
        for hop in &self.hops {
            let line = serde_json::to_string(&Line { hop, function: self.symbols.function(hop.pc) })?;
            drop(writeln!(std::io::stderr(), "{line}"));
        }
        Ok(())
    }

    fn table(&self) -> String {
        if self.hops.is_empty() {
            return "no hops\n".to_owned();
        }
        let functions: Vec<String> = self.hops.iter().map(|hop| self.symbols.function(hop.pc)).collect();
        let shown: Vec<usize> = if self.hops.len() > LONGEST {
            (0..HEAD).chain(self.hops.len() - TAIL..self.hops.len()).collect()
        } else {
            (0..self.hops.len()).collect()
        };
        let width = shown.iter().map(|&i| functions[i].chars().count()).max().unwrap_or_default().clamp(8, 40);
        let mut table = format!(
            "{:>6}  {:<7}    {:<7}  {:<7}  {:<width$}  {:>10}  {:>10}  {:>9}\n",
            "hop", "from", "to", "vehicle", "function", "copied", "mapped", "ms"
        );
        let mut expected = 0;
        for i in shown {
            if i != expected {
                table += &format!("{:>6}  ({} more)\n", "...", i - expected);
            }
            expected = i + 1;
            let hop = &self.hops[i];
            table += &format!(
                "{:>6}  {:<7} -> {:<7}  {:<7}  {:<width$}  {:>10}  {:>10}  {:>9.3}\n",
                hop.n,
                hop.from,
                hop.to,
                hop.vehicle,
                functions[i],
                bytes(hop.copied),
                bytes(hop.mapped),
                milliseconds(hop.ns)
            );
        }
        table + &self.totals()
    }

    fn totals(&self) -> String {
        let mut text = format!("{} hop{}", self.hops.len(), if self.hops.len() == 1 { "" } else { "s" });
        for (from, to) in [(Isa::X86_64, Isa::Aarch64), (Isa::Aarch64, Isa::X86_64)] {
            let mut times: Vec<u64> = self.hops.iter().filter(|h| (h.from, h.to) == (from, to)).map(|h| h.ns).collect();
            times.sort_unstable();
            if let (Some(&median), Some(&slowest)) = (times.get(times.len() / 2), times.last()) {
                text += &format!(
                    "; {} {from} -> {to} (median {:.3} ms, slowest {:.3} ms)",
                    times.len(),
                    milliseconds(median),
                    milliseconds(slowest)
                );
            }
        }
        let copied: u64 = self.hops.iter().map(|hop| hop.copied).sum();
        let time: u64 = self.hops.iter().map(|hop| hop.ns).sum();
        text + &format!("; {} copied, {:.1} ms in all\n", bytes(copied), milliseconds(time))
    }
}

fn milliseconds(ns: u64) -> f64 {
    ns as f64 / 1e6
}

fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n == 0 {
        return "-".to_owned();
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(n: u64) -> Hop {
        let (from, to) = if n % 2 == 1 { (Isa::X86_64, Isa::Aarch64) } else { (Isa::Aarch64, Isa::X86_64) };
        Hop {
            n,
            pid: 1,
            from,
            to,
            vehicle: Vehicle::Pair,
            pc: 0x1010,
            copied: 2048,
            mapped: 0,
            waited: 0,
            ns: n * 1000,
        }
    }

    fn timeline(count: u64) -> Timeline {
        let functions = vec![(0x1000, 0x20, "main".to_owned())];
        Timeline { hops: (1..=count).map(hop).collect(), symbols: Symbols { functions } }
    }

    #[test]
    fn reads_the_runtimes_lines() {
        let line = r#"{"n":1,"pid":7,"from":"x86_64","to":"aarch64","vehicle":"pair","pc":4202912,"copied":20480,"mapped":272637952,"waited":51000,"ns":21616981}"#;
        let hop: Hop = serde_json::from_str(line).expect("a hop");
        assert_eq!((hop.from, hop.to, hop.vehicle, hop.ns), (Isa::X86_64, Isa::Aarch64, Vehicle::Pair, 21_616_981));
        assert_eq!((hop.copied, hop.mapped, hop.waited), (20480, 272_637_952, 51_000));
    }

    #[test]
    fn names_the_function_that_polled() {
        let symbols = timeline(1).symbols;
        assert_eq!(symbols.function(0x1020), "main"); // the call is its last instruction
        assert_eq!(symbols.function(0x1021), "0x1021");
        assert_eq!(symbols.function(0x1000), "0x1000");
    }

    #[test]
    fn leaves_out_the_middle_of_a_long_timeline() {
        assert_eq!(timeline(40).table().lines().count(), 42);
        let table = timeline(1000).table();
        assert_eq!(table.lines().count(), 1 + HEAD + 1 + TAIL + 1);
        assert!(table.contains("(970 more)"), "{table}");
        assert!(table.contains("1000 hops; 500 x86_64 -> aarch64 (median 0.501 ms"), "{table}");
    }
}
