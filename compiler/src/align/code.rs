//! The code of one ISA as a list of stretches and marks, and where everything comes to be in it.

use super::Mark;
use crate::isa::Isa;
use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSection};
use std::collections::BTreeSet;
use std::ops::Range;

/// Section with the offsets of all sites (`shim/emit.cpp`); the linker drops it.
const OFFSETS: &str = ".twin.offsets";

/// A part of a section.
#[derive(Debug)]
pub(crate) enum Item {
    /// Begin of a section.
    Section,
    /// Code or data of this length.
    Bytes(u64),
    /// An alignment directive outside of functions.
    Align { to: u64, limit: u64 },
    /// A target of branches, by its index.
    Label(usize),
    /// The end of a branch.
    Branch(Branch),
    /// A mark of a function, by their indices.
    Place(usize, usize),
}

/// A branch that has two lengths.
#[derive(Debug)]
pub(crate) struct Branch {
    /// Bytes of it behind its position, if it is short and if it is long.
    pub lengths: [u64; 2],
    /// Its label, or `None` if no assembler knows how far it is.
    pub target: Option<usize>,
    /// What is added to the distance from the position to the target.
    pub bias: i64,
    /// The short one reaches from minus this to below this.
    pub reach: i64,
    pub is_long: bool,
    position: u64,
}

impl Branch {
    /// A short one.
    pub fn new(target: Option<usize>, lengths: [u64; 2], bias: i64, reach: i64) -> Branch {
        Branch { lengths, target, bias, reach, is_long: false, position: 0 }
    }

    fn length(&self) -> u64 {
        self.lengths[usize::from(self.is_long)]
    }
}

/// A mark in a function.
#[derive(Debug)]
pub(crate) struct Place {
    pub mark: Mark,
    /// Offset in its function, as last measured.
    pub offset: u64,
}

/// One function's marks.
#[derive(Debug)]
pub(crate) struct Function {
    pub name: String,
    /// Its begin first, its end last.
    pub places: Vec<Place>,
    /// Index of its section.
    section: usize,
}

impl Function {
    /// All sites, each with its number, or `None` for the end of the function.
    pub fn sites(&self) -> impl Iterator<Item = (Option<u32>, u64)> {
        self.places.iter().filter_map(|place| match place.mark {
            Mark::Site(number) => Some((number, place.offset)),
            _ => None,
        })
    }

    /// Bytes of landings at its end.
    pub fn landings(&self) -> u64 {
        self.places.iter().map(|place| if let Mark::Landing(bytes) = place.mark { bytes } else { 0 }).sum()
    }
}

/// One ISA's code with its functions in the order of the module.
#[derive(Debug)]
pub(crate) struct Code {
    pub isa: &'static dyn Isa,
    pub functions: Vec<Function>,
    pub items: Vec<Item>,
    sections: Vec<Range<usize>>,
    /// Where the labels are in their sections.
    labels: Vec<u64>,
}

impl Code {
    /// No code yet, of functions with these names.
    pub fn new(isa: &'static dyn Isa, names: impl Iterator<Item = String>) -> Code {
        let functions = names.map(|name| Function { name, places: Vec::new(), section: 0 }).collect();
        Code { isa, functions, items: Vec::new(), sections: Vec::new(), labels: Vec::new() }
    }

    /// Adds what comes next.
    pub fn push(&mut self, item: Item) {
        let next = self.items.len();
        match item {
            Item::Section => self.sections.push(next..next),
            Item::Label(label) | Item::Branch(Branch { target: Some(label), .. }) => {
                self.labels.resize(self.labels.len().max(label + 1), 0);
            }
            _ => {}
        }
        self.items.push(item);
        self.sections.last_mut().expect("a section comes first").end = next + 1;
    }

    /// Adds a mark of a function.
    pub fn mark(&mut self, function: usize, mark: Mark) {
        let section = self.sections.len() - 1;
        let of = &mut self.functions[function];
        of.section = section;
        of.places.push(Place { mark, offset: 0 });
        let index = of.places.len() - 1;
        self.push(Item::Place(function, index));
    }

    /// Finds where everything in the sections of these functions comes to be. As in an assembler, branches are short at
    /// first; all that do not reach their targets become long at once, until no more do.
    pub fn measure(&mut self, functions: &[usize]) {
        let sections: BTreeSet<usize> = functions.iter().map(|&n| self.functions[n].section).collect();
        for section in sections {
            let range = self.sections[section].clone();
            for item in &mut self.items[range.clone()] {
                if let Item::Branch(branch) = item {
                    branch.is_long = branch.target.is_none();
                }
            }
            loop {
                self.lay_out(range.clone());
                if !self.lengthen(range.clone()) {
                    break;
                }
            }
        }
    }

    fn lay_out(&mut self, items: Range<usize>) {
        let (mut position, mut begin) = (0, 0);
        for item in &mut self.items[items] {
            match item {
                Item::Section => {}
                Item::Bytes(bytes) => position += *bytes,
                Item::Align { to, limit } => position += Mark::Align { to: *to, limit: *limit }.length(position),
                Item::Label(label) => self.labels[*label] = position,
                Item::Branch(branch) => {
                    branch.position = position;
                    position += branch.length();
                }
                Item::Place(function, index) => {
                    let place = &mut self.functions[*function].places[*index];
                    if matches!(place.mark, Mark::Begin) {
                        begin = position;
                    }
                    place.offset = position - begin;
                    position += place.mark.length(position);
                }
            }
        }
    }

    /// Makes branches long that do not reach their targets; tells whether there are any.
    fn lengthen(&mut self, items: Range<usize>) -> bool {
        let mut any = false;
        for item in &mut self.items[items] {
            if let Item::Branch(branch @ Branch { is_long: false, target: Some(_), .. }) = item {
                let target = self.labels[branch.target.expect("has one")];
                let distance = target as i64 - branch.position as i64 + branch.bias;
                branch.is_long = !(-branch.reach..branch.reach).contains(&distance);
                any |= branch.is_long;
            }
        }
        any
    }

    /// Compares what was measured with what came out.
    ///
    /// # Errors
    /// The first site that is somewhere else.
    pub fn confirm(&self, object: &[u8]) -> Result<()> {
        let file = object::File::parse(object).context("own object")?;
        let section = file.section_by_name(OFFSETS).context("own object has no offsets")?;
        let mut found =
            section.data()?.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")).into());
        for function in &self.functions {
            for (site, offset) in function.sites() {
                let found: u64 = found.next().context("own object lacks offsets")?;
                if found != offset {
                    let what = site.map_or("the end".to_owned(), |site| format!("call site {site}"));
                    let (isa, name) = (self.isa.name(), &function.name);
                    bail!("internal error: {isa}: function `{name}`: {what} is at {found}, not at {offset}");
                }
            }
        }
        ensure!(found.next().is_none(), "own object has more offsets than sites");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::run;
    use crate::isa::{HOME, VISITOR};

    /// A function that branches across a call with so many bytes of code in front.
    fn branching(isa: &'static dyn Isa, before: u64, call: u64, lengths: [u64; 2], reach: i64) -> Code {
        let mut code = Code::new(isa, std::iter::once("f".to_owned()));
        code.push(Item::Section);
        code.mark(0, Mark::Begin);
        code.push(Item::Branch(Branch::new(Some(0), lengths, -(lengths[0] as i64), reach)));
        code.push(Item::Bytes(before));
        code.mark(0, Mark::Padding(0));
        code.push(Item::Bytes(call));
        code.mark(0, Mark::Site(Some(7)));
        code.push(Item::Label(0));
        code.mark(0, Mark::Padding(0));
        code.mark(0, Mark::Site(None));
        code
    }

    fn is_long(code: &Code) -> bool {
        code.items.iter().any(|item| matches!(item, Item::Branch(branch) if branch.is_long))
    }

    fn offsets(code: &Code) -> Vec<u64> {
        code.functions[0].sites().map(|(_, offset)| offset).collect()
    }

    /// A branch of home's ends at 2, or at 6 if it is long; one of the visitor's takes a jump behind it.
    fn aligned(home: u64, visitor: u64) -> [Code; 2] {
        let mut home = branching(HOME, home, 5, [2, 6], 128);
        let mut visitor = branching(VISITOR, visitor, 4, [0, 4], 32768);
        run([&mut home, &mut visitor]).expect("aligned");
        assert_eq!(offsets(&home), offsets(&visitor));
        [home, visitor]
    }

    #[test]
    fn branches_become_long_where_they_do_not_reach() {
        // Short 2 + 122 + 5, which needs 3 bytes of padding, and then 4 more.
        let [home, _] = aligned(122, 124);
        assert_eq!((offsets(&home), is_long(&home)), (vec![136, 136], true));
        let [home, _] = aligned(121, 124);
        assert_eq!((offsets(&home), is_long(&home)), (vec![128, 128], false));
    }

    #[test]
    fn padding_moves_targets_out_of_reach() {
        let [_, visitor] = aligned(32_757, 400);
        assert_eq!((offsets(&visitor)[0], is_long(&visitor)), (32_772, true));
        let [_, visitor] = aligned(32_752, 400);
        assert_eq!((offsets(&visitor)[0], is_long(&visitor)), (32_764, false));
    }

    #[test]
    fn a_branch_to_elsewhere_is_long() {
        let mut code = branching(HOME, 8, 5, [2, 5], 128);
        for item in &mut code.items {
            if let Item::Branch(branch) = item {
                branch.target = None;
            }
        }
        code.measure(&[0]);
        assert!(is_long(&code));
    }

    #[test]
    fn other_call_sites_are_named() {
        let (mut home, mut visitor) = (branching(HOME, 8, 5, [2, 6], 128), branching(VISITOR, 8, 4, [0, 4], 32768));
        for place in &mut visitor.functions[0].places {
            if let Mark::Site(Some(number)) = &mut place.mark {
                *number = 8;
            }
        }
        let error = run([&mut home, &mut visitor]).expect_err("other sites").to_string();
        assert!(error.ends_with("call sites of `f` differ between the ISAs: Some((Some(7), Some(8)))"), "{error}");
    }

    #[test]
    fn a_site_that_came_out_elsewhere_is_named() {
        let [home, _] = aligned(121, 124);
        let object = |offsets: [u32; 2]| {
            use object::write::Object;
            let mut object =
                Object::new(object::BinaryFormat::Elf, object::Architecture::X86_64, object::Endianness::Little);
            let section = object.add_section(Vec::new(), OFFSETS.into(), object::SectionKind::Metadata);
            object.append_section_data(section, &offsets.map(u32::to_le_bytes).concat(), 1);
            object.write().expect("an object")
        };
        home.confirm(&object([128, 128])).expect("is right");
        let error = home.confirm(&object([131, 128])).expect_err("is wrong").to_string();
        assert_eq!(error, "internal error: x86_64: function `f`: call site 7 is at 131, not at 128");
        let error = home.confirm(&object([128, 144])).expect_err("is wrong").to_string();
        assert_eq!(error, "internal error: x86_64: function `f`: the end is at 144, not at 128");
    }
}
