//! Assembly text with marks, and what the assembler makes of it.

use super::Mark;
use crate::codegen::{Refusal, assemble};
use crate::isa::Isa;
use crate::times;
use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

/// Section with the offsets of all marks; the linker drops it.
const OFFSETS: &str = ".twin.offsets";
/// What begins a line that makes no code. Directives for debuggers need what is outside of the function.
const NO_CODE: [&str; 4] = ["\t.loc\t", "\t.cfi_", "\t.file\t", "\t.size\t"];

/// A mark in front of a line of text.
pub struct Place<'a> {
    pub mark: Mark,
    line: usize,
    /// Name of a site's label, for matching with the other ISA.
    pub label: &'a str,
    /// Offset in its function, as last assembled.
    pub offset: u64,
}

/// One function's marks.
pub struct Function<'a> {
    /// From its directives to the label at its end.
    lines: Range<usize>,
    /// The line that says in which section it is.
    section: usize,
    /// Its begin first, its end last.
    pub places: Vec<Place<'a>>,
}

/// One ISA's assembly with its functions in order.
pub struct Text<'a> {
    isa: &'static dyn Isa,
    lines: Vec<Cow<'a, str>>,
    pub functions: Vec<Function<'a>>,
    pub object: Vec<u8>,
}

/// Text for the assembler, and which line is where in it.
#[derive(Default)]
struct Rendered {
    text: String,
    /// Position in the text and number of the line.
    lines: Vec<(usize, usize)>,
}

impl<'a> Function<'a> {
    /// All sites, each with whether it is the end of the function.
    pub fn sites(&self) -> impl Iterator<Item = (bool, &Place<'a>)> {
        self.places.iter().filter_map(|place| match place.mark {
            Mark::Site { end, .. } => Some((end, place)),
            _ => None,
        })
    }

    /// Forgets sites by their label, each with the padding in front of it; returns the lines of their calls.
    fn keep_sites(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<usize> {
        let (mut kept, mut calls): (Vec<Place>, _) = (Vec::new(), Vec::new());
        for place in self.places.drain(..) {
            match place.mark {
                Mark::Site { call, .. } if !wanted(place.label) => {
                    calls.push(call);
                    kept.pop();
                }
                _ => kept.push(place),
            }
        }
        self.places = kept;
        calls
    }
}

impl<'a> Text<'a> {
    /// Finds functions and marks in what a code generator wrote.
    pub fn parse(isa: &'static dyn Isa, text: &'a str) -> Text<'a> {
        let mut functions: Vec<Function> = Vec::new();
        let mut name: Option<&str> = None;
        let mut inside = false;
        // Where the directives of the next function begin, and its section.
        let (mut header, mut section) = (0, 0);
        let mut last_instruction = 0;
        // Where padding for the next site goes, and whether control runs through it.
        let mut chosen = None;
        for (number, line) in text.lines().enumerate() {
            let mut put = |line, label, mark| {
                let place = Place { mark, line, label, offset: 0 };
                functions.last_mut().expect("inside of a function").places.push(place);
            };
            if let Some(rest) = line.strip_prefix("\t.type\t")
                && let Some((symbol, "@function")) = rest.rsplit_once(',')
            {
                name = Some(symbol);
            } else if let Some(label) = line.strip_suffix(':') {
                if Some(label) == name {
                    let begin = Place { mark: Mark::Begin, line: number, label: "", offset: 0 };
                    functions.push(Function { lines: header..number, section, places: vec![begin] });
                    inside = true;
                    chosen = None;
                } else if label.starts_with(".Ltwinskipped") {
                    chosen = Some((number, false));
                } else if label.starts_with(".Ltwinexecuted") {
                    chosen = Some((number, true));
                } else if inside && (label.starts_with(".Ltwin") || label.starts_with(".Lfunc_end")) {
                    let end = label.starts_with(".Lfunc_end");
                    let (place, executed) =
                        if end { (number, false) } else { chosen.take().unwrap_or((last_instruction, true)) };
                    put(place, "", Mark::Padding { bytes: 0, executed });
                    put(number, label, Mark::Site { end, call: last_instruction });
                    if end {
                        header = number + 1;
                        functions.last_mut().expect("inside of a function").lines.end = header;
                        inside = false;
                    }
                }
            } else if let Some(instruction) = line.strip_prefix('\t') {
                if let Some(operands) = instruction.strip_prefix(".p2align") {
                    if inside {
                        put(number, "", Mark::align(operands));
                    }
                } else if instruction.starts_with(".section\t") || instruction == ".text" {
                    if !inside {
                        (header, section) = (number, number);
                    }
                } else if !instruction.starts_with('.') {
                    last_instruction = number;
                }
            }
        }
        Text { isa, lines: text.lines().map(Cow::Borrowed).collect(), functions, object: Vec::new() }
    }

    /// All sites, each with whether it is the end of a function.
    pub fn sites(&self) -> impl Iterator<Item = (bool, &Place<'a>)> {
        self.functions.iter().flat_map(Function::sites)
    }

    /// Forgets sites that the other code generator has found to be unreachable; their calls become traps.
    pub fn keep_sites(&mut self, wanted: impl Fn(&str) -> bool) {
        for function in &mut self.functions {
            for call in function.keep_sites(&wanted) {
                self.lines[call] = self.isa.trap().into();
            }
        }
    }

    /// Assembles everything.
    pub fn assemble(&mut self) -> Result<()> {
        let all: Vec<usize> = (0..self.functions.len()).collect();
        self.object = self.assemble_and_read(&all, Text::render_all)?;
        Ok(())
    }

    /// Finds the offsets in these functions only.
    pub fn measure(&mut self, functions: &[usize]) -> Result<()> {
        self.assemble_and_read(functions, |text| text.render_code(functions)).map(drop)
    }

    fn assemble_and_read(&mut self, functions: &[usize], render: impl Fn(&Self) -> Rendered) -> Result<Vec<u8>> {
        let object = loop {
            let mut rendered = render(self);
            self.tabulate(&mut rendered.text, functions);
            times::assembled(functions.len());
            match assemble(self.isa, &rendered.text) {
                Ok(object) => break object,
                Err(refusal) if self.lengthen(&refusal, &rendered) => {}
                Err(refusal) => bail!("internal error: {} assembler: {refusal}", self.isa.name()),
            }
        };
        let file = object::File::parse(&*object).context("own object")?;
        let section = file.section_by_name(OFFSETS).context("own object has no offsets")?;
        let mut offsets =
            section.data()?.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")));
        for &n in functions {
            for place in &mut self.functions[n].places {
                place.offset = offsets.next().context("own object lacks offsets")?.into();
            }
        }
        Ok(object)
    }

    /// The whole text with labels at all marks and the padding.
    fn render_all(&self) -> Rendered {
        let mut out = Rendered::default();
        out.text.reserve(self.lines.iter().map(|l| l.len() + 1).sum::<usize>() + 4096);
        let mut next = 0;
        for (n, function) in self.functions.iter().enumerate() {
            self.render_lines(&mut out, next..function.lines.start, |_| true);
            self.render_function(&mut out, n, |_| true);
            next = function.lines.end;
        }
        self.render_lines(&mut out, next..self.lines.len(), |_| true);
        out
    }

    /// Nothing but the code of these functions. What they refer to elsewhere is at some place or other.
    fn render_code(&self, functions: &[usize]) -> Rendered {
        let mut out = Rendered::default();
        let makes_code = |line: &str| !NO_CODE.iter().any(|directive| line.starts_with(directive));
        for &n in functions {
            let function = &self.functions[n];
            if !function.lines.contains(&function.section) {
                self.render_lines(&mut out, function.section..function.section + 1, makes_code);
            }
            self.render_function(&mut out, n, makes_code);
        }
        let elsewhere: String = undefined_labels(&out.text).into_iter().map(|label| format!("{label}:\n")).collect();
        out.text.push_str("\t.section\t.twin.elsewhere,\"e\",@progbits\n");
        out.text.push_str(&elsewhere);
        out
    }

    fn render_function(&self, out: &mut Rendered, number: usize, wanted: impl Fn(&str) -> bool) {
        let function = &self.functions[number];
        let mut next = function.lines.start;
        for (index, place) in function.places.iter().enumerate() {
            self.render_lines(out, next..place.line, &wanted);
            next = next.max(place.line);
            out.text.push_str(&format!(".Ltwin_mark{number}_{index}:\n"));
            if let Mark::Padding { bytes: bytes @ 1.., executed } = place.mark {
                out.text.push_str(&self.isa.padding(bytes, executed));
            }
        }
        self.render_lines(out, next..function.lines.end, &wanted);
    }

    fn render_lines(&self, out: &mut Rendered, lines: Range<usize>, wanted: impl Fn(&str) -> bool) {
        for number in lines.filter(|&n| wanted(&self.lines[n])) {
            out.lines.push((out.text.len(), number));
            out.text.push_str(&self.lines[number]);
            out.text.push('\n');
        }
    }

    /// Adds the table of the offsets of all marks.
    fn tabulate(&self, text: &mut String, functions: &[usize]) {
        text.push_str(&format!("\t.section\t{OFFSETS},\"e\",@progbits\n"));
        for &number in functions {
            for index in 0..self.functions[number].places.len() {
                text.push_str(&format!("\t.4byte\t.Ltwin_mark{number}_{index}-.Ltwin_mark{number}_0\n"));
            }
        }
    }

    /// Writes the branches that the assembler complains about in their long form; tells whether there are any.
    fn lengthen(&mut self, refusal: &Refusal, rendered: &Rendered) -> bool {
        let text = &rendered.text;
        let begins: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        let mut any = false;
        for number in refusal.complaints.iter().filter_map(|(number, _)| *number) {
            if let Some(begin) = begins.get(number)
                && let Ok(index) = rendered.lines.binary_search_by_key(begin, |(position, _)| *position)
                && let line = rendered.lines[index].1
                && let Some(far) = self.isa.far_branch(&self.lines[line])
            {
                self.lines[line] = far.into();
                any = true;
            }
        }
        any
    }
}

/// Local labels that `text` mentions and does not define.
fn undefined_labels(text: &str) -> BTreeSet<&str> {
    let defined: HashSet<&str> = text.lines().filter_map(|line| line.strip_suffix(':')).collect();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    let mentioned = text.match_indices(".L").map(|(at, _)| {
        let rest = &text[at..];
        &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]
    });
    mentioned.filter(|label| !defined.contains(label)).collect()
}
