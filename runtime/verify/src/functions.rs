//! The functions of one image, their code, and who calls whom: which functions return, and during which calls a hop
//! can happen.

use crate::binary::{Binary, Image, SymbolKind};
use crate::flow::{Body, analyse};
use crate::graph::{Code, Knowledge};
use crate::insn::{Flow, Insn};
use crate::isa::Isa;
use crate::polls::{self, Polls};
use crate::report::{Kind, Violation};
use crate::side::{Pair, Side};
use crate::tables::Mentions;
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The function in which all hops happen (DESIGN.md 5),
const PLAIN_POLL: &str = "__twin_poll_slow";
/// and the one that follows the map of a poll, and then calls the other.
const MAPPED_POLL: &str = "__twin_poll_mapped";
/// Functions whose calls return a second time, possibly after a hop (DESIGN.md 5).
const RETURN_TWICE: [&str; 4] = ["setjmp", "_setjmp", "sigsetjmp", "__sigsetjmp"];
/// Prefix of native functions.
const NATIVE_PREFIX: &str = "__twin_";

/// A function of one image.
pub struct Function {
    /// Its name; the first one if it has several.
    pub name: String,
    /// First address.
    pub address: u64,
    /// Size according to its symbol.
    pub size: u64,
    /// Whether it comes from a native object.
    pub native: bool,
    /// Its code.
    pub code: Vec<u8>,
    /// What its code does.
    pub body: Body,
}

impl Function {
    /// The instruction in front of `end`, reachable or not, if it is a call.
    pub fn call_before(&self, isa: &dyn Isa, end: u64) -> Option<Insn> {
        (1..=MAX_CALL_LENGTH).rev().find_map(|length| {
            let start = end.checked_sub(length).filter(|start| self.contains(*start))?;
            let bytes = self.code.get((start - self.address) as usize..)?;
            isa.decode(bytes, start).filter(|insn| insn.is_call() && insn.length == length)
        })
    }

    /// Whether `address` is in it.
    pub fn contains(&self, address: u64) -> bool {
        address.wrapping_sub(self.address) < self.size
    }

    /// Whether control that goes on at `address` leaves it.
    pub fn is_left_for(&self, address: u64) -> bool {
        !self.contains(address) && !polls::is_step(address)
    }
}

/// Bytes of the longest call.
const MAX_CALL_LENGTH: u64 = 8;

/// The functions of one image by address.
pub type Functions = BTreeMap<u64, Function>;

/// All that is known of the functions of both images.
pub struct Program {
    /// The functions of each image.
    pub functions: Pair<Functions>,
    /// Addresses of functions during which a hop can happen, or that return twice: calls of them are uniform.
    pub loud: HashSet<u64>,
    /// The return addresses of all polls of each image.
    pub polls: Pair<HashSet<u64>>,
    /// Addresses of the functions that polls call.
    poll_functions: Vec<u64>,
}

impl Program {
    /// Analyses all functions of both images.
    pub fn analyse(binary: &Binary) -> Program {
        let functions = std::thread::scope(|scope| {
            let visitor = scope.spawn(|| functions(binary, Side::Visitor));
            let home = functions(binary, Side::Home);
            let visitor = visitor.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Pair { home, visitor }
        });
        let loud = find_loud(&functions);
        let poll_functions = functions.home.values().filter(|f| is_poll(&f.name)).map(|f| f.address).collect();
        let polls = Pair::new(|side| Polls::read(&binary.images[side], None).calls.into_keys().collect());
        Program { functions, loud, polls, poll_functions }
    }

    /// Whether the function at `address` is one that polls call: it has neither arguments nor results.
    pub fn is_poll(&self, address: u64) -> bool {
        self.poll_functions.contains(&address)
    }

    /// Whether a hop can happen during this call.
    pub fn is_uniform_call(&self, flow: Flow) -> bool {
        match flow {
            Flow::Call(target) => self.loud.contains(&target),
            Flow::CallTo(_) => true,
            _ => false,
        }
    }

    /// The name of the function at `address`.
    pub fn name_of(&self, side: Side, address: u64) -> String {
        self.functions[side].get(&address).map_or_else(|| format!("{address:#x}"), |f| f.name.clone())
    }

    /// Uniform functions that exist at the same place on both sides.
    pub fn uniform_pairs(&self) -> impl Iterator<Item = Pair<&Function>> {
        self.functions.home.values().filter(|f| !f.native).filter_map(|home| {
            let visitor = self.functions.visitor.get(&home.address)?;
            (visitor.size == home.size && visitor.name == home.name).then_some(Pair { home, visitor })
        })
    }
}

/// Functions that are known not to return.
struct Endless<'f>(&'f BTreeSet<u64>);

impl Knowledge for Endless<'_> {
    fn returns(&self, address: u64) -> bool {
        !self.0.contains(&address)
    }
}

/// All functions, analysed. At first every function is taken to return; whenever one turns out not to, what its
/// callers have behind the call is no longer reached from there.
fn functions(binary: &Binary, side: Side) -> Functions {
    let image = &binary.images[side];
    let mut functions = named(binary, image);
    let polls = Polls::read(image, functions.values().find(|f| f.name == MAPPED_POLL).map(|f| f.address));
    let mut mentions = Mentions::default();
    for function in functions.values_mut() {
        function.code = image.bytes_at(function.address, function.size).unwrap_or_default().to_vec();
        mentions.read(&Code { isa: image.isa, address: function.address, bytes: &function.code, polls: &polls });
    }
    let mut endless = BTreeSet::new();
    let mut stale: Vec<u64> = functions.keys().copied().collect();
    while !stale.is_empty() {
        for address in stale {
            let Some(function) = functions.get_mut(&address) else { continue };
            let code = Code { isa: image.isa, address, bytes: &function.code, polls: &polls };
            function.body = analyse(image, &code, &mentions, &Endless(&endless));
        }
        let new = newly_endless(image, &functions, &mut endless);
        let calls = |f: &Function| {
            f.body.graph.insns.iter().any(|i| matches!(i.flow, Flow::Call(to) | Flow::Jump(to) if new.contains(&to)))
        };
        stale = functions.values().filter(|f| calls(f)).map(|f| f.address).collect();
    }
    functions
}

fn named(binary: &Binary, image: &Image) -> Functions {
    let mut functions: Functions = BTreeMap::new();
    for symbol in image.symbols.iter().filter(|s| s.kind == SymbolKind::Function && s.size > 0) {
        functions.entry(symbol.address).or_insert_with(|| Function {
            name: symbol.name.to_owned(),
            address: symbol.address,
            size: symbol.size,
            native: binary.native_object(symbol.address).is_some(),
            code: Vec::new(),
            body: Body::default(),
        });
    }
    functions
}

/// Adds functions that turn out not to return to `endless`; returns the new ones.
fn newly_endless(image: &Image, functions: &Functions, endless: &mut BTreeSet<u64>) -> BTreeSet<u64> {
    let mut new = BTreeSet::new();
    loop {
        let candidates = functions.values().filter(|f| !endless.contains(&f.address) && !f.body.graph.insns.is_empty());
        let found: Vec<u64> = candidates.filter(|f| !returns(image, f, endless)).map(|f| f.address).collect();
        if found.is_empty() {
            return new;
        }
        endless.extend(&found);
        new.extend(&found);
    }
}

fn returns(image: &Image, function: &Function, endless: &BTreeSet<u64>) -> bool {
    function.body.facts.exits.iter().any(|exit| {
        match function.body.graph.insn(exit.insn).flow {
            // A return to elsewhere (longjmp) is none.
            Flow::Return => {
                let link = image.isa.link().filter(|_| function.native);
                link.is_none_or(|link| exit.state.register(link) == Value::Entry(link))
            }
            Flow::Jump(to) | Flow::Branch(to, _) => !endless.contains(&to),
            // Neither is a jump to an address out of memory.
            _ => !function.native,
        }
    })
}

/// Native code must never be on the stack at a hop: it calls no function during which one can happen.
pub fn check_native(program: &Program) -> Vec<Violation> {
    let mut violations = Vec::new();
    for side in Side::BOTH {
        for function in program.functions[side].values().filter(|f| f.native) {
            for insn in &function.body.graph.insns {
                if let Flow::Call(to) = insn.flow
                    && program.loud.contains(&to)
                {
                    let isa = crate::isa::of(side).name();
                    let callee = program.name_of(side, to);
                    let message = format!("{isa} native code calls {callee}, during which a hop can happen");
                    violations.push(Violation::new(Kind::CallSite, &function.name, insn.address, message));
                }
            }
        }
    }
    violations
}

/// Functions that can reach a poll: by what they call, or because they call something unknown.
fn find_loud(functions: &Pair<Functions>) -> HashSet<u64> {
    let mut callers: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let mut loud: HashSet<u64> = HashSet::new();
    let mut work = Vec::new();
    for function in functions.home.values().chain(functions.visitor.values()) {
        let root = is_poll(&function.name) || RETURN_TWICE.contains(&function.name.as_str());
        let mut unknown = root;
        if !function.native && !is_native_name(&function.name) {
            for insn in &function.body.graph.insns {
                match insn.flow {
                    Flow::CallTo(_) => unknown = true,
                    Flow::Call(to) | Flow::Jump(to) | Flow::Branch(to, _) => {
                        callers.entry(to).or_default().insert(function.address);
                    }
                    _ => {}
                }
            }
            unknown |= function
                .body
                .facts
                .exits
                .iter()
                .any(|exit| matches!(function.body.graph.insn(exit.insn).flow, Flow::JumpTo(_)));
        }
        if unknown && loud.insert(function.address) {
            work.push(function.address);
        }
    }
    while let Some(callee) = work.pop() {
        for &caller in callers.get(&callee).into_iter().flatten() {
            if loud.insert(caller) {
                work.push(caller);
            }
        }
    }
    loud
}

fn is_poll(name: &str) -> bool {
    name == PLAIN_POLL || name == MAPPED_POLL
}

/// Whether functions of that name are native wherever they come from.
fn is_native_name(name: &str) -> bool {
    name.starts_with(NATIVE_PREFIX) && !is_poll(name)
}
