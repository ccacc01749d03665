//! The graph of calls between the functions of a module: which of them end soon without a migration point, and which
//! calls have to be preceded by one, so that no recursion goes on without.

use crate::convention::{Conventions, is_free, is_library_name};
use crate::ir::{Module, Value};
use crate::loops::{Cfg, Turns};
use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{HashMap, HashSet};

/// Finds the *quiet* functions: those that turn in loops a limited number of times and call quiet and native functions
/// only. Each with a limit of its turns, those of its callees included.
pub fn quiet(module: Module, native: &HashSet<Value>) -> HashMap<Value, u64> {
    let graph = Graph::new(module, |_| true);
    let mut quiet = HashMap::new();
    // Callees come before their callers.
    for component in graph.components() {
        let [function] = component[..] else { continue };
        if function.is_interposable() || graph.calls_itself(function) {
            continue;
        }
        let is_calm = |call: Value| {
            call.called_function().is_some_and(|callee| native.contains(&callee) || quiet.contains_key(&callee))
        };
        if !function.instructions().into_iter().filter(|i| i.is_call() && !is_free(*i)).all(is_calm) {
            continue;
        }
        let cfg = Cfg::new(function);
        let turns = Turns::new(function, &cfg, &cfg.loops(), &quiet);
        if turns.is_few(turns.of_function) {
            quiet.insert(function, turns.of_function);
        }
    }
    quiet
}

/// Calls that may lead back to their own function.
pub struct Recursion {
    /// Functions whose calls have to be looked at, each with the callees that count.
    suspects: HashMap<Value, HashSet<Callee>>,
}

/// Whom a call may reach.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Callee {
    /// A function of this module.
    Known(Value),
    /// One of the C library's.
    Library,
    /// Any function.
    Unknown,
}

impl Recursion {
    /// Analyses `module`. What is outside the module, or called through a pointer, may call any function; the C library calls
    /// functions of others through pointers only. A recursion inside the module needs a migration point in one of its functions
    /// only.
    pub fn new(module: Module, conventions: &Conventions) -> Recursion {
        let mut suspects: HashMap<Value, HashSet<Callee>> = HashMap::new();
        let loud = |function: Value| !conventions.is_quiet(function);
        for function in module.definitions().into_iter().filter(|f| loud(*f)) {
            let mut calls = function.instructions().into_iter().filter(|i| conventions.is_loud_call(*i));
            if calls.any(|call| callee(call) == Callee::Unknown) {
                suspects.entry(function).or_default().insert(Callee::Unknown);
            }
        }
        let mut graph = Graph::new(module, loud);
        loop {
            let mut found = false;
            for component in graph.components() {
                if component.len() == 1 && !graph.calls_itself(component[0]) {
                    continue;
                }
                found = true;
                let itself = component.iter().copied().find(|f| graph.calls_itself(*f));
                let chosen = itself.or_else(|| component.iter().copied().max_by_key(|f| graph.traffic(*f)));
                let chosen = chosen.expect("a component is not empty");
                suspects.entry(chosen).or_default().extend(component.iter().copied().map(Callee::Known));
                graph.remove(chosen);
            }
            if !found {
                return Recursion { suspects };
            }
        }
    }

    /// Whether `call`, in `function`, has to be preceded by a migration point.
    pub fn may_close_a_cycle(&self, conventions: &Conventions, function: Value, call: Value) -> bool {
        conventions.is_loud_call(call)
            && self.suspects.get(&function).is_some_and(|callees| callees.contains(&callee(call)))
    }
}

fn callee(call: Value) -> Callee {
    match call.called_function() {
        Some(function) if !function.is_declaration() && !function.is_interposable() => Callee::Known(function),
        Some(function) if is_library_name(&function.name()) => Callee::Library,
        _ => Callee::Unknown,
    }
}

/// Definitions and their direct calls.
struct Graph {
    graph: DiGraph<Value, ()>,
    node: HashMap<Value, NodeIndex>,
}

impl Graph {
    fn new(module: Module, is_part: impl Fn(Value) -> bool) -> Graph {
        let functions: Vec<Value> = module.definitions().into_iter().filter(|f| is_part(*f)).collect();
        let mut graph = DiGraph::new();
        let node: HashMap<Value, NodeIndex> = functions.iter().map(|&f| (f, graph.add_node(f))).collect();
        for function in functions {
            for call in function.instructions().into_iter().filter(|i| i.is_call() && !is_free(*i)) {
                if let Some(&callee) = call.called_function().and_then(|f| node.get(&f)) {
                    graph.update_edge(node[&function], callee, ());
                }
            }
        }
        Graph { graph, node }
    }

    /// Strongly connected components, callees first.
    fn components(&self) -> Vec<Vec<Value>> {
        tarjan_scc(&self.graph).into_iter().map(|c| c.into_iter().map(|n| self.graph[n]).collect()).collect()
    }

    fn calls_itself(&self, function: Value) -> bool {
        let node = self.node[&function];
        self.graph.contains_edge(node, node)
    }

    /// How many cycles may lead through `function`.
    fn traffic(&self, function: Value) -> usize {
        let count = |direction| self.graph.neighbors_directed(self.node[&function], direction).count();
        count(Direction::Incoming) * count(Direction::Outgoing)
    }

    /// Takes all calls of `function` away.
    fn remove(&mut self, function: Value) {
        let node = self.node[&function];
        self.graph.retain_edges(|graph, edge| graph.edge_endpoints(edge).is_some_and(|(a, b)| a != node && b != node));
    }
}
