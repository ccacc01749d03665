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
    ///
    /// A function that only unknown calls lead to, and whose own ones all pass fewer arguments than it takes, needs none for them: they
    /// could lead through as many such functions, one after the other, as there are arguments.
    pub fn new(module: Module, conventions: &Conventions) -> Recursion {
        let mut suspects: HashMap<Value, HashSet<Callee>> = HashMap::new();
        let loud = |function: Value| !conventions.is_quiet(function);
        let mut graph = Graph::new(module, loud);
        for function in module.definitions().into_iter().filter(|f| loud(*f)) {
            let calls = function.instructions().into_iter().filter(|i| conventions.is_loud_call(*i));
            let unknown: Vec<Value> = calls.filter(|call| callee(*call) == Callee::Unknown).collect();
            let is_called = graph.is_called(function) || is_library_name(&function.name());
            if !unknown.is_empty() && (is_called || !unknown.iter().all(|call| passes_fewer(*call, function))) {
                suspects.entry(function).or_default().insert(Callee::Unknown);
            }
        }
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

/// Whether `call`, in `function`, passes fewer arguments than that takes.
fn passes_fewer(call: Value, function: Value) -> bool {
    !function.value_type().is_variadic() && call.arguments().len() < function.params().len()
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

    fn is_called(&self, function: Value) -> bool {
        self.graph.neighbors_directed(self.node[&function], Direction::Incoming).next().is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convention::Mode;
    use crate::ir::parse_text;
    use inkwell::context::Context;

    /// The functions of a module whose unknown calls have to be preceded by a migration point.
    fn suspects(text: &str) -> Vec<String> {
        let context = Context::create();
        let module = parse_text(&context, text);
        let module = Module::new(&module);
        let conventions = Conventions::classify(module, Mode::Uniform);
        let recursion = Recursion::new(module, &conventions);
        let is_suspect = |function: &Value| {
            let mut calls = function.instructions().into_iter();
            calls.any(|call| callee_is_unknown(call) && recursion.may_close_a_cycle(&conventions, *function, call))
        };
        module.definitions().into_iter().filter(is_suspect).map(|function| function.name().to_string()).collect()
    }

    fn callee_is_unknown(instruction: Value) -> bool {
        instruction.is_call() && callee(instruction) == Callee::Unknown
    }

    #[test]
    fn unknown_calls_need_a_migration_point() {
        let text = "
            define void @pointer(ptr %f) { call void %f(ptr %f) ret void }
            declare void @external(i64, i64)
            define void @other_module(i64 %n) { call void @external(i64 %n, i64 %n) ret void }
            declare ptr @strchr(ptr, i32)
            define void @library(ptr %s) { call ptr @strchr(ptr %s, i32 0) ret void }";
        assert_eq!(suspects(text), ["pointer", "other_module"]);
    }

    #[test]
    fn but_not_those_that_pass_fewer_arguments() {
        let text = "
            define internal i32 @adapter(ptr %a, ptr %b, ptr %f) { %r = call i32 %f(ptr %a, ptr %b) ret i32 %r }
            define internal i32 @variadic(ptr %f, ...) { %r = call i32 %f() ret i32 %r }
            define internal i32 @same(ptr %a, ptr %f) { %r = call i32 %f(ptr %a, ptr %a) ret i32 %r }
            @table = global [3 x ptr] [ptr @adapter, ptr @variadic, ptr @same]";
        assert_eq!(suspects(text), ["variadic", "same"]);
    }

    /// One of them can be called with more arguments again without an unknown call.
    #[test]
    fn unless_known_calls_lead_there() {
        let text = "
            define internal i32 @adapter(ptr %a, ptr %b, ptr %f) { %r = call i32 %f(ptr %a, ptr %b) ret i32 %r }
            define i32 @back(ptr %a, ptr %b) { %r = call i32 @adapter(ptr %a, ptr %b, ptr @back) ret i32 %r }
            define ptr @bsearch(ptr %k, ptr %p, i64 %n, i64 %w, ptr %f) { call i32 %f(ptr %k, ptr %p) ret ptr %p }";
        assert_eq!(suspects(text), ["adapter", "bsearch"]);
    }
}
