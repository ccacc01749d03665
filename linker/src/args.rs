//! The command line, as of GNU ld and lld: what was written, resolved to what it means.

use crate::options::{IGNORED, IGNORED_VALUES, IGNORED_Z, OPTIONAL_VALUES, VALUES};
use crate::words::split;
use anyhow::{Context, Result, bail};
use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;

/// A file or library on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Which.
    pub name: InputName,
    /// Whether all members of an archive are wanted.
    pub whole_archive: bool,
    /// Whether an object is taken as if it were in an archive.
    pub lazy: bool,
}

/// How an input was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputName {
    /// By its path.
    File(PathBuf),
    /// By `-l`.
    Library(String),
}

/// What is left out of the symbol table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strip {
    /// Nothing.
    #[default]
    Nothing,
    /// Debug sections.
    Debug,
    /// Debug sections and the symbol table.
    All,
}

/// What becomes of symbols that nothing defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unresolved {
    /// An error.
    #[default]
    Report,
    /// A warning; their address is 0.
    Warn,
    /// Nothing is said; their address is 0.
    Ignore,
}

/// Bytes of the usual build-id.
const SHA1_SIZE: usize = 20;

/// The note that identifies a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildId {
    /// No note.
    None,
    /// A hash of the content with this many bytes.
    Hash(usize),
    /// These bytes.
    Fixed(Vec<u8>),
}

/// A link job.
#[derive(Clone, Debug)]
pub struct Args {
    /// Path of the executable.
    pub output: PathBuf,
    /// Whether to make one object of all inputs instead.
    pub relocatable: bool,
    /// Entry symbol.
    pub entry: String,
    /// Files and libraries in order.
    pub inputs: Vec<Input>,
    /// Directories for `-l`.
    pub search: Vec<PathBuf>,
    /// Replaces a leading `=` or `$SYSROOT` of a search directory.
    pub sysroot: String,
    /// What becomes of undefined symbols.
    pub unresolved: Unresolved,
    /// Symbols to treat as referenced.
    pub undefined: Vec<String>,
    /// Those among them that must be defined.
    pub required: Vec<String>,
    /// Symbols defined on the command line, with their expressions.
    pub definitions: Vec<(String, String)>,
    /// Symbols whose references go to `__wrap_` of them.
    pub wrap: HashSet<String>,
    /// Where to write the map.
    pub map: Option<PathBuf>,
    /// Whether to print the map.
    pub print_map: bool,
    /// Whether to name the objects that take part.
    pub trace: bool,
    /// Whether to say which objects mention each symbol.
    pub cref: bool,
    /// Symbols whose definitions and references are to be named.
    pub trace_symbols: Vec<String>,
    /// What to leave out.
    pub strip: Strip,
    /// Whether to leave out local symbols.
    pub discard_locals: bool,
    /// Whether to drop sections that nothing refers to.
    pub gc_sections: bool,
    /// Whether to name the dropped sections.
    pub print_gc_sections: bool,
    /// Least size of the stacks of threads; 0 for the C library's own.
    pub stack_size: u64,
    /// Whether the first of several definitions wins.
    pub allow_multiple_definition: bool,
    /// The build-id note.
    pub build_id: BuildId,
    /// All options but those that name inputs and the output.
    pub options: Vec<String>,
    /// Where to write a makefile rule with all inputs.
    pub dependency_file: Option<PathBuf>,
    /// What the command line is to be told about itself.
    pub warnings: Vec<String>,
    /// Whether a warning is an error.
    pub fatal_warnings: bool,
    /// The compiler for link-time optimisation; without one, objects are taken as they are.
    pub lto_compiler: Option<PathBuf>,
    /// Level of link-time optimisation: a digit or letter as behind `-O`.
    pub lto_level: String,
}

impl Default for Args {
    fn default() -> Args {
        Args {
            output: "a.out".into(),
            relocatable: false,
            entry: "_start".to_owned(),
            inputs: Vec::new(),
            search: Vec::new(),
            sysroot: String::new(),
            unresolved: Unresolved::Report,
            undefined: Vec::new(),
            required: Vec::new(),
            definitions: Vec::new(),
            wrap: HashSet::new(),
            map: None,
            print_map: false,
            trace: false,
            cref: false,
            trace_symbols: Vec::new(),
            strip: Strip::Nothing,
            discard_locals: false,
            gc_sections: false,
            print_gc_sections: false,
            stack_size: 0,
            allow_multiple_definition: false,
            build_id: BuildId::Hash(SHA1_SIZE),
            options: Vec::new(),
            dependency_file: None,
            warnings: Vec::new(),
            fatal_warnings: false,
            lto_compiler: None,
            lto_level: "2".to_owned(),
        }
    }
}

impl Args {
    /// An object is merged as it is: what makes sense of a whole program only does not go with `-r`.
    fn check_relocatable(&self) -> Result<()> {
        let conflicts = [
            (self.gc_sections, "--gc-sections"),
            (self.strip == Strip::All, "--strip-all"),
            (self.print_map || self.map.is_some(), "-Map"),
            (!self.definitions.is_empty(), "--defsym"),
        ];
        match conflicts.iter().find(|(given, _)| self.relocatable && *given) {
            Some((_, option)) => bail!("-r and {option} may not be used together"),
            None => Ok(()),
        }
    }
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// To link; the version is printed first if the flag is set.
    Link(Box<Args>, bool),
    /// To print the version.
    Version,
    /// To print the options.
    Help,
}

/// Parses the arguments behind the program name.
///
/// # Errors
/// One clear line for an option that is unknown, incomplete or not supported.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command> {
    let mut parser = Parser { pending: arguments.into_iter().collect(), warn: true, ..Parser::default() };
    while let Some(argument) = parser.pending.pop_front() {
        if let Some(command) = parser.argument(&argument)? {
            return Ok(command);
        }
    }
    if parser.args.inputs.is_empty() {
        if parser.version {
            return Ok(Command::Version);
        }
        bail!("no input files");
    }
    parser.args.check_relocatable()?;
    if !parser.warn {
        parser.args.warnings.clear();
    }
    parser.args.unresolved = match (parser.ignore_unresolved, parser.warn_unresolved) {
        (true, _) => Unresolved::Ignore,
        (false, true) if !parser.args.fatal_warnings && parser.warn => Unresolved::Warn,
        (false, true) if !parser.args.fatal_warnings => Unresolved::Ignore,
        _ => Unresolved::Report,
    };
    Ok(Command::Link(Box::new(parser.args), parser.version))
}

#[derive(Default)]
struct Parser {
    pending: VecDeque<String>,
    args: Args,
    version: bool,
    whole_archive: bool,
    lazy: bool,
    ignore_unresolved: bool,
    warn_unresolved: bool,
    saved: Vec<bool>,
    response_files: usize,
    warn: bool,
}

impl Parser {
    fn argument(&mut self, argument: &str) -> Result<Option<Command>> {
        if let Some(path) = argument.strip_prefix('@') {
            self.response_file(path)?;
        } else if let Some(option) = argument.strip_prefix('-').filter(|o| !o.is_empty()) {
            let before: Vec<String> = self.pending.front().cloned().into_iter().collect();
            let (waiting, names_file) = (self.pending.len(), names_file(option));
            let command = self.option(argument, option)?;
            if !names_file {
                self.args.options.push(argument.to_owned());
                self.args.options.extend(before.into_iter().filter(|_| self.pending.len() < waiting));
            }
            return Ok(command);
        } else {
            self.input(InputName::File(argument.into()));
        }
        Ok(None)
    }

    fn input(&mut self, name: InputName) {
        self.args.inputs.push(Input { name, whole_archive: self.whole_archive, lazy: self.lazy });
    }

    fn option(&mut self, argument: &str, option: &str) -> Result<Option<Command>> {
        let long = option.strip_prefix('-').unwrap_or(option);
        if self.flag(long)? {
            return Ok(None);
        }
        match long {
            "help" => return Ok(Some(Command::Help)),
            "version" | "V" => return Ok(Some(Command::Version)),
            _ => {}
        }
        let (name, value) = match (long.split_once('='), long.strip_prefix("lto-O")) {
            (Some((name, value)), _) => (name, Some(value.to_owned())),
            (None, Some(level)) => ("lto-O", Some(level.to_owned())),
            (None, None) => (long, None),
        };
        if listed(OPTIONAL_VALUES, name) {
            self.value(name, value.unwrap_or_default())?;
        } else if listed(VALUES, name) || listed(IGNORED_VALUES, name) {
            // `-o=x` is the short option with the value `=x`.
            let value = match value {
                Some(value) if name.len() > 1 => value,
                Some(value) => format!("={value}"),
                None => self.pending.pop_front().with_context(|| format!("option {argument} needs a value"))?,
            };
            self.value(name, value)?;
        } else if let Some((name, value)) = joined(option) {
            self.value(name, value.to_owned())?;
        } else if !long.starts_with("warn-") && !long.starts_with("no-warn-") {
            bail!("unknown option: {argument}");
        }
        Ok(None)
    }

    /// Options without a value; tells whether `name` is one.
    fn flag(&mut self, name: &str) -> Result<bool> {
        match name {
            "s" | "strip-all" => self.args.strip = Strip::All,
            "S" | "strip-debug" => self.args.strip = self.args.strip.max(Strip::Debug),
            "x" | "discard-all" => self.args.discard_locals = true,
            "gc-sections" => self.args.gc_sections = true,
            "no-gc-sections" => self.args.gc_sections = false,
            "print-gc-sections" => self.args.print_gc_sections = true,
            "fatal-warnings" => self.args.fatal_warnings = true,
            "no-fatal-warnings" => self.args.fatal_warnings = false,
            "w" | "no-warnings" => self.warn = false,
            "t" | "trace" => self.args.trace = true,
            "allow-multiple-definition" => self.args.allow_multiple_definition = true,
            "no-allow-multiple-definition" => self.args.allow_multiple_definition = false,
            "no-undefined" => self.ignore_unresolved = false,
            "warn-unresolved-symbols" => self.warn_unresolved = true,
            "error-unresolved-symbols" => self.warn_unresolved = false,
            "cref" => self.args.cref = true,
            "start-lib" => self.lazy = true,
            "end-lib" => self.lazy = false,
            "M" | "print-map" => self.args.print_map = true,
            "v" => self.version = true,
            "whole-archive" => self.whole_archive = true,
            "no-whole-archive" => self.whole_archive = false,
            "push-state" => self.saved.push(self.whole_archive),
            "pop-state" => self.whole_archive = self.saved.pop().context("--pop-state without --push-state")?,
            "shared" | "Bshareable" | "pie" | "pic-executable" => {
                bail!("shared objects are not supported: Twin programs are static (-{name})")
            }
            "r" | "relocatable" | "Ur" => self.args.relocatable = true,
            "q" | "emit-relocs" => bail!("-{name} is not supported: there is no relocated form of a twin binary"),
            _ => return Ok(listed(IGNORED, name)),
        }
        Ok(true)
    }

    fn value(&mut self, name: &str, value: String) -> Result<()> {
        let args = &mut self.args;
        match name {
            "o" | "output" => args.output = value.into(),
            "e" | "entry" => args.entry = value,
            "L" | "library-path" => args.search.push(value.into()),
            "l" | "library" => self.input(InputName::Library(value)),
            "u" | "undefined" => args.undefined.push(value),
            "require-defined" => {
                args.undefined.push(value.clone());
                args.required.push(value);
            }
            "unresolved-symbols" => {
                self.ignore_unresolved = match value.as_str() {
                    "ignore-all" | "ignore-in-object-files" => true,
                    "report-all" | "ignore-in-shared-libs" => false,
                    _ => bail!("unknown --unresolved-symbols value: {value}"),
                };
            }
            "y" | "trace-symbol" => args.trace_symbols.push(value),
            "defsym" => {
                let (symbol, expression) =
                    value.split_once('=').with_context(|| format!("--defsym={value}: write SYMBOL=VALUE"))?;
                args.definitions.push((symbol.to_owned(), expression.to_owned()));
            }
            "wrap" => {
                args.wrap.insert(value);
            }
            "Map" => args.map = Some(value.into()),
            "sysroot" => args.sysroot = value,
            "dependency-file" => args.dependency_file = Some(value.into()),
            "lto-compiler" => args.lto_compiler = Some(value.into()),
            "lto-O" => args.lto_level = value,
            // As LLVM's plugin for GNU ld has it.
            "plugin-opt" => args.lto_level = value.strip_prefix('O').map_or(args.lto_level.clone(), str::to_owned),
            "build-id" => args.build_id = build_id(&value)?,
            "z" => self.keyword(&value)?,
            "T" | "script" | "default-script" | "dT" | "image-base" | "Ttext" | "Tdata" | "Tbss" | "section-start" => {
                bail!("-{name} {value}: linker scripts are not supported: the layout of twin binaries is fixed")
            }
            _ => {}
        }
        Ok(())
    }

    /// What stands behind `-z`.
    fn keyword(&mut self, word: &str) -> Result<()> {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "muldefs" => self.args.allow_multiple_definition = true,
            "defs" | "undefs" if value.is_empty() => self.ignore_unresolved = name == "undefs",
            "stack-size" => {
                self.args.stack_size = number(value).with_context(|| format!("-z {word}: not a number"))?;
            }
            "execstack" => bail!("-z execstack is not supported: stacks of Twin programs cannot be executed"),
            _ if listed(IGNORED_Z, &word[..name.len() + usize::from(word.contains('='))]) => {}
            // As in lld: configure scripts see that there is no such thing.
            _ => self.args.warnings.push(format!("unknown -z value: {word}")),
        }
        Ok(())
    }

    fn response_file(&mut self, path: &str) -> Result<()> {
        const LIMIT: usize = 1000;
        self.response_files += 1;
        if self.response_files > LIMIT {
            bail!("@{path}: more than {LIMIT} response files; does one name itself?");
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read response file {path}"))?;
        for argument in split(&text).into_iter().rev() {
            self.pending.push_front(argument);
        }
        Ok(())
    }
}

/// Whether an option names an input or the output, or says how to take inputs.
fn names_file(option: &str) -> bool {
    const OUTPUTS: &str = "Map dependency-file output library library-path whole-archive no-whole-archive push-state pop-state \
         start-lib end-lib";
    let long = option.strip_prefix('-').unwrap_or(option);
    let name = long.split('=').next().unwrap_or_default();
    listed(OUTPUTS, name) || (!option.starts_with('-') && option.starts_with(['l', 'L', 'o']))
}

/// Whether `name` is one of the words of `list`.
fn listed(list: &str, name: &str) -> bool {
    list.split(' ').any(|word| word == name)
}

/// A number as in C, decimal or hexadecimal.
pub fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A one-letter option with its value in the same word.
fn joined(option: &str) -> Option<(&str, &str)> {
    let name = option.get(..1)?;
    let known = ["y", "o", "e", "L", "l", "u", "z", "T", "O", "m", "h"].contains(&name);
    (known && !option.starts_with('-')).then(|| (name, &option[1..]))
}

fn build_id(value: &str) -> Result<BuildId> {
    if let Some(digits) = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        let bytes = digits.as_bytes().chunks(2).map(|pair| {
            let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
            u8::from_str_radix(text, 16).ok()
        });
        let bytes: Option<Vec<u8>> = bytes.collect();
        let valid = bytes.filter(|bytes| !bytes.is_empty() && bytes.len() <= 64);
        return Ok(BuildId::Fixed(valid.with_context(|| format!("--build-id={value}: not hexadecimal bytes"))?));
    }
    match value {
        "none" => Ok(BuildId::None),
        "fast" => Ok(BuildId::Hash(8)),
        // One build gives the same bytes each time, so that none is random.
        "md5" | "uuid" => Ok(BuildId::Hash(16)),
        "" | "sha1" | "tree" => Ok(BuildId::Hash(SHA1_SIZE)),
        _ => bail!("--build-id={value}: unknown kind"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(line: &str) -> Args {
        match parse(line.split_whitespace().map(str::to_owned)) {
            Ok(Command::Link(args, _)) => *args,
            other => panic!("{other:?}"),
        }
    }

    fn error(line: &str) -> String {
        parse(line.split_whitespace().map(str::to_owned)).expect_err("refused").to_string()
    }

    #[test]
    fn reads_what_clang_and_gcc_write() {
        let args = link(
            "-z relro --hash-style=gnu --build-id --eh-frame-hdr -m elf_x86_64 -static -o out -L/a -L /b x.o \
             --start-group -lc -l:y.a --end-group --whole-archive z.a --no-whole-archive -Map=m -dynamic-linker /ld.so \
             -plugin-opt=-pass -O2 --as-needed -no-pie --gc-sections",
        );
        assert_eq!(args.output, PathBuf::from("out"));
        assert_eq!(args.search, [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(args.map, Some(PathBuf::from("m")));
        let names: Vec<_> = args.inputs.iter().map(|i| (i.name.clone(), i.whole_archive)).collect();
        assert_eq!(names[1], (InputName::Library("c".to_owned()), false));
        assert_eq!(names[2], (InputName::Library(":y.a".to_owned()), false));
        assert_eq!(names[3], (InputName::File("z.a".into()), true));
        assert_eq!(names.len(), 4);
        assert!(args.gc_sections);
    }

    #[test]
    fn refuses_with_one_line() {
        assert_eq!(error("--frobnicate x.o"), "unknown option: --frobnicate");
        assert!(error("-shared x.o").starts_with("shared objects are not supported"));
        assert_eq!(error("x.o -o"), "option -o needs a value");
        assert_eq!(error(""), "no input files");
    }
}
